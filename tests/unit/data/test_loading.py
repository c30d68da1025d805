from __future__ import annotations

import gc
import threading
import time
import weakref
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.loading import load_tiles, read_ahead
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.errors import DataError
from worldstrat_bench.protocol import load_protocol

WSB = load_protocol("wsb-1")


@given(st.lists(st.integers()), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_order_is_kept(items: list[int], ahead: int) -> None:
    assert list(read_ahead(items, lambda i: i * 2, ahead)) == [(i, i * 2) for i in items]


def test_an_error_comes_when_its_turn_comes() -> None:
    def read(item: int) -> int:
        if item == 3:
            raise DataError("damaged")
        time.sleep(0.01 * (item < 3))  # the third is found out before the others are read
        return item

    pairs = read_ahead(range(10), read, 4)
    assert [item for item, _ in islice(pairs, 3)] == [0, 1, 2]
    with pytest.raises(DataError, match="damaged"):
        next(pairs)


def test_no_more_than_a_few_results_exist_at_once() -> None:
    class Big:
        pass

    alive: weakref.WeakSet[Big] = weakref.WeakSet()
    most = 0
    lock = threading.Lock()

    def read(item: int) -> Big:
        nonlocal most
        big = Big()
        with lock:
            alive.add(big)
            most = max(most, len(alive))
        return big

    for _, big in read_ahead(range(60), read, 2):
        time.sleep(0.001)
        del big
    gc.collect()
    assert 2 <= most <= 4
    assert not alive


def test_leaving_early_cancels_what_has_not_begun() -> None:
    begun = []
    for item, _ in read_ahead(range(1000), lambda i: begun.append(i), 2):
        if item == 5:
            break
    gc.collect()
    assert len(begun) <= 9


def test_ahead_must_be_positive() -> None:
    with pytest.raises(ValueError, match="ahead"):
        read_ahead([1], str, 0)


def test_tiles_with_their_pixels(mini_folder: Path) -> None:
    tiles = open_dataset(mini_folder).tiles()
    loaded = list(load_tiles(tiles, WSB, 2))
    assert [x.tile.name for x in loaded] == [t.name for t in tiles]
    for x in loaded:
        assert x.inputs.task.images.shape[:3] == (1, 2, 12)
        assert x.target.image.shape == (3, 96, 96)
        assert x.inputs.revisits == read_inputs(x.tile, WSB, 2).revisits
