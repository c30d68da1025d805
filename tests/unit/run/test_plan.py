"""Shards, the selection of tiles, and the words for what differs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_helpers import small_dataset
from worldstrat_bench import __version__
from worldstrat_bench.artefacts.record import LimitsRef, ModelRef
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import DataError, InvalidArtefactError, UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.journal import Journal
from worldstrat_bench.run.plan import (
    PredictInputs,
    Selection,
    Shard,
    differences,
    files_sha256,
    predict_inputs,
    read_note,
    remember,
    select,
)
from worldstrat_bench.run.seeds import tile_seed


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 5)


def inputs_of(data: Path, **changes: object) -> PredictInputs:
    model = ModelRef(name="m", version="1.0", frames=8)
    inputs = predict_inputs(
        select(open_dataset(data)),
        load_protocol(),
        model,
        seed=0,
        inputs="real",
        harness_version=__version__,
        limits=LimitsRef(tile_seconds=60.0),
    )
    return inputs.model_copy(update=changes)


@given(st.integers(1, 40), st.data())
def test_shards_part_the_tiles_evenly(count: int, more: st.DataObject) -> None:
    tiles = [f"t{i}" for i in range(more.draw(st.integers(count, 120)))]
    parts = [Shard(index, count).take(tiles) for index in range(1, count + 1)]
    assert sorted(tile for part in parts for tile in part) == sorted(tiles)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/4/2", "1/99999", " 1/4", ""])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="not a shard"):
        Shard.parse(text)


def test_shards_have_folders_of_their_own() -> None:
    assert str(Shard.parse("2/12")) == "2/12"
    assert Shard.parse("2/12").folder(Path("out")) == Path("out/shards/2-of-12")


def test_selection(data: Path) -> None:
    dataset = open_dataset(data)
    whole = select(dataset)
    assert (whole.list_name, len(whole.tiles), whole.official) == ("test", 5, False)
    assert [t.name for t in select(dataset, limit=2).tiles] == list(whole.list_tiles[:2])
    assert [t.name for t in select(dataset, shard=Shard(2, 2)).tiles] == list(whole.list_tiles[1::2])
    with pytest.raises(UsageError, match="cannot be dealt"):
        select(dataset, shard=Shard(1, 6))


def test_a_part_of_an_official_list_is_not_official(data: Path) -> None:
    dataset = replace(open_dataset(data), release="v1.1")
    whole = Selection(dataset, "full", (), ())
    assert whole.official
    assert not replace(whole, limit=2).official


def test_the_fingerprint_moves_with_the_data_and_not_with_its_place(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(data, moved)
    tiles = select(open_dataset(moved)).tiles
    before = files_sha256(select(open_dataset(data)).tiles)
    assert files_sha256(tiles) == before
    content = bytearray(tiles[3].hr.read_bytes())
    content[len(content) // 2] ^= 1
    tiles[3].hr.write_bytes(content)
    assert files_sha256(tiles) != before


def test_differences_are_named_in_the_users_words(data: Path) -> None:
    before = inputs_of(data)
    now = inputs_of(
        data, seed=3, release="v1.1", model=ModelRef(name="m", version="1.1", frames=8, parameters={"a": 1})
    )
    assert differences(before, before) == ()
    assert differences(before, now) == (
        "dataset release: mini, now v1.1",
        "model version: 1.0, now 1.1",
        "model parameters: {}, now {'a': 1}",
        "seed: 0, now 3",
    )
    assert differences(before, now, leave_out=frozenset({"seed", "release"}))[0].startswith("model version")


def test_a_file_that_cannot_be_read_is_a_fault_of_the_data(data: Path, tmp_path: Path) -> None:
    hole = Path(shutil.copytree(data, tmp_path / "hole"))
    tile = select(open_dataset(hole)).tiles[0]
    size = tile.hr.stat().st_size
    tile.hr.unlink()
    tile.hr.mkdir()  # a folder has a size and cannot be opened, whoever asks
    assert size
    with pytest.raises(DataError, match="cannot be read"):
        files_sha256([tile])


def test_a_note_is_written_once_and_compared_later(data: Path, tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        with pytest.raises(InvalidArtefactError, match="not come as far"):
            read_note(journal, "predict", PredictInputs)
        remember(journal, "predict", inputs_of(data), remedy="another --out")
        remember(journal, "predict", inputs_of(data), remedy="another --out")
        assert read_note(journal, "predict", PredictInputs) == inputs_of(data)
        with pytest.raises(UsageError, match="seed: 0, now 1") as caught:
            remember(journal, "predict", inputs_of(data, seed=1), remedy="another --out")
        assert caught.value.remedy == "another --out"
        journal.set_note("predict", '{"seed": "x"}')
        with pytest.raises(InvalidArtefactError, match="damaged"):
            read_note(journal, "predict", PredictInputs)


def test_seeds_of_tiles() -> None:
    images = np.linspace(0, 1, 2 * 12 * 5 * 6, dtype=np.float32).reshape(2, 12, 5, 6)
    clear, days = np.ones((2, 1, 5, 6), dtype=bool), np.array([0, -3])
    other, cloudy = images.copy(), clear.copy()
    other[1, 11, 4, 5] += 1e-6
    cloudy[0, 0, 0, 0] = False
    seeds = {
        tile_seed(run, *inputs)
        for run in range(100)
        for inputs in ((images, clear, days), (other, clear, days), (images, cloudy, days), (images, clear, days + 1))
    }
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert tile_seed(0, images, clear, days) == tile_seed(0, np.asfortranarray(images), clear.copy(), days.copy())
