"""Decoded inputs on disk: the same as decoded ones, for any number of frames, and never of other files or code."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from worldstrat_bench.cache import DiskCache
from worldstrat_bench.data import kept
from worldstrat_bench.data.kept import inputs_bytes, inputs_key, read_kept_inputs
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.reading import TileInputs, read_inputs
from worldstrat_bench.data.target import read_target
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_folder import FolderBuilder

WSB = load_protocol("wsb-1")


class Counting(DiskCache):
    """A cache that counts what it is asked."""

    hits = misses = puts = 0

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        found = super().get(key)
        self.hits += found is not None
        self.misses += found is None
        return found

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.puts += 1
        super().put(key, arrays)


@pytest.fixture
def tile(mini_folder: Path) -> Tile:
    return open_dataset(mini_folder).tiles()[0]


def same(a: TileInputs, b: TileInputs) -> bool:
    one, other = a.task, b.task
    arrays = all(
        np.array_equal(x, y) and x.dtype == y.dtype
        for x, y in ((one.images, other.images), (one.clear, other.clear), (one.days, other.days))
    )
    sizes = (one.height, one.width, one.name) == (other.height, other.width, other.name)
    facts = (a.revisits, a.cloud, a.age) == (b.revisits, b.cloud, b.age)
    return arrays and sizes and facts and one.sha256 == other.sha256


def test_one_entry_serves_any_number_of_frames(tile: Tile, tmp_path: Path) -> None:
    cache = Counting(tmp_path)
    assert same(read_kept_inputs(tile, WSB, 1, cache), read_inputs(tile, WSB, 1))
    for frames in (1, 2, 5, 8):
        found = read_kept_inputs(tile, WSB, frames, cache)
        assert same(found, read_inputs(tile, WSB, frames))
        assert found.task.sha256 == replace(found.task).sha256  # the kept digest, and one that is computed
        assert found.task.images.flags.c_contiguous
    assert (cache.hits, cache.misses, cache.puts) == (4, 1, 1)


@pytest.mark.parametrize("name", ["worldstrat-2022", "probav"])
def test_protocols_that_bring_frames_to_a_side_or_have_other_rules(tile: Tile, tmp_path: Path, name: str) -> None:
    protocol = load_protocol(name)
    cache = Counting(tmp_path)
    for _ in range(2):
        assert same(read_kept_inputs(tile, protocol, 2, cache), read_inputs(tile, protocol, 2))
    assert cache.hits == 1
    alike = protocol.inputs == WSB.inputs
    assert (inputs_key(tile, protocol) == inputs_key(tile, WSB)) is alike


def test_the_key_is_the_content_of_the_files_and_the_code(
    tile: Tile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revisit = tile.revisits[-1]
    copies = {name: tmp_path / path.name for name, path in (("d", revisit.data), ("c", revisit.cloud_mask))}
    shutil.copyfile(revisit.data, copies["d"])
    shutil.copyfile(revisit.cloud_mask, copies["c"])
    moved = type(revisit)(revisit.n, copies["d"], copies["c"], revisit.acquired, revisit.days)
    elsewhere = Tile(tile.facts, tile.hr, (*tile.revisits[:-1], moved))
    key = inputs_key(tile, WSB)
    assert key == inputs_key(elsewhere, WSB)
    content = bytearray(copies["d"].read_bytes())
    content[len(content) // 2] ^= 1
    copies["d"].write_bytes(content)
    assert inputs_key(elsewhere, WSB) != key
    later = type(revisit)(revisit.n, revisit.data, revisit.cloud_mask, revisit.acquired, revisit.days + 1)
    assert inputs_key(Tile(tile.facts, tile.hr, (*tile.revisits[:-1], later)), WSB) != key
    monkeypatch.setattr(kept, "code_sha256", lambda sources, packages: "other code")
    assert inputs_key(tile, WSB) != key


def test_a_damaged_entry_is_decoded_again(tile: Tile, tmp_path: Path) -> None:
    cache = Counting(tmp_path)
    read_kept_inputs(tile, WSB, 8, cache)
    (entry,) = tmp_path.iterdir()
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 16
    entry.write_bytes(content)
    assert same(read_kept_inputs(tile, WSB, 8, cache), read_inputs(tile, WSB, 8))
    assert (cache.hits, cache.puts) == (0, 2)
    assert same(read_kept_inputs(tile, WSB, 8, cache), read_inputs(tile, WSB, 8))
    assert cache.hits == 1


def test_only_the_frames_asked_for_are_stacked_where_nothing_is_kept(
    tile: Tile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def read(tile: Tile, protocol: Any, frames: int) -> TileInputs:
        asked.append(frames)
        return read_inputs(tile, protocol, frames)

    monkeypatch.setattr(kept, "read_inputs", read)
    read_kept_inputs(tile, WSB, 2, DiskCache(tmp_path, max_bytes=0))
    read_kept_inputs(tile, WSB, 2, None)
    read_kept_inputs(tile, WSB, 2, DiskCache(tmp_path))
    assert asked == [2, 2, 8]


def test_files_that_change_while_they_are_read_are_not_kept(
    tile: Tile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter(["inputs-" + "1" * 64, "inputs-" + "2" * 64])
    monkeypatch.setattr(kept, "inputs_key", lambda tile, protocol: next(keys))
    cache = Counting(tmp_path)
    assert same(read_kept_inputs(tile, WSB, 8, cache), read_inputs(tile, WSB, 8))
    assert cache.puts == 0


def test_faults_are_those_of_reading(builder: FolderBuilder, tmp_path: Path) -> None:
    """A missing or damaged file is named, asked for or not (it may hold no data), and nothing is kept."""
    builder.add_tile("Landcover-1", days=(1, 2, 3))
    (tile,) = open_dataset(builder.finish()).tiles("test")
    cache = Counting(tmp_path / "cache")
    with pytest.raises(UsageError, match="frames"):
        read_kept_inputs(tile, WSB, 9, cache)
    tile.revisits[-1].data.write_bytes(b"no TIFF")
    for frames in (2, 3):
        with pytest.raises(DataError, match="damaged"):
            read_kept_inputs(tile, WSB, frames, cache)
    tile.revisits[-1].data.unlink()
    with pytest.raises(DataError, match="missing"):
        read_kept_inputs(tile, WSB, 3, cache)
    assert cache.puts == 0


def test_the_size_of_an_entry_is_foretold(tile: Tile, tmp_path: Path) -> None:
    inputs = read_kept_inputs(tile, WSB, 8, DiskCache(tmp_path))
    (entry,) = tmp_path.iterdir()
    _, count, _, height, width = inputs.task.images.shape
    assert entry.stat().st_size == pytest.approx(inputs_bytes(height, width, count), abs=2000)


def test_a_run_says_what_does_not_fit(mini_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from worldstrat_bench.run.caching import tell_what_fits
    from worldstrat_bench.run.events import Event, Notice

    tiles = open_dataset(mini_folder).tiles()
    said: list[Event] = []
    roomy = DiskCache(tmp_path, max_bytes=2**30)
    tell_what_fits(roomy, tiles, WSB, said.append)
    tell_what_fits(DiskCache(tmp_path, max_bytes=0), tiles, WSB, said.append)
    assert said == []
    cache = DiskCache(tmp_path)
    for tile in tiles:
        read_kept_inputs(tile, WSB, 8, cache)
        read_target(tile, WSB, cache)
    used = sum(path.stat().st_size for path in tmp_path.iterdir())
    tell_what_fits(DiskCache(tmp_path, max_bytes=used // 2), tiles, WSB, said.append)
    assert isinstance(said[0], Notice)
    assert "about 50% of them" in said[0].text or "about 49% of them" in said[0].text
    assert "--cache-gib 1 would" in said[0].text
    monkeypatch.setattr("worldstrat_bench.cache.shutil.disk_usage", lambda place: type("Usage", (), {"free": 1000}))
    tell_what_fits(roomy, tiles, WSB, said.append)
    assert isinstance(said[1], Notice)
    assert "less than twice" in said[1].text
