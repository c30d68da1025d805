from __future__ import annotations

import gc
import threading
import time
import weakref
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worldstrat_bench.data.loading import read_ahead
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
