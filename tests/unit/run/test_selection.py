"""Shards and the selection of tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_helpers import small_dataset
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.selection import Selection, Shard, select


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 5)


@given(st.integers(1, 40), st.data())
def test_shards_part_the_tiles_evenly(count: int, more: st.DataObject) -> None:
    tiles = [f"t{i}" for i in range(more.draw(st.integers(count, 120)))]
    parts = [Shard(index, count).take(tiles) for index in range(1, count + 1)]
    assert sorted(tile for part in parts for tile in part) == sorted(tiles)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/4/2", "1/99999", " 1/4", ""])
def test_what_is_not_a_shard(text: str) -> None:
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
