"""Messages of arrays that are not copied are those of the safetensors library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from worldstrat_bench.worker.inside.tensors import ALIGNMENT, arrays_of, pieces_of

RNG = np.random.default_rng(3)
TILE: dict[str, NDArray[Any]] = {
    "clear": RNG.random((3, 1, 5, 7)) > 0.5,
    "days": np.arange(3, dtype=np.int64),
    "images": RNG.random((3, 12, 5, 7)).astype(np.float32),
}
ODD: dict[str, NDArray[Any]] = {
    "empty": np.empty((0, 4), dtype=np.float32),
    "scalar": np.array(2.5),
    "strided": np.arange(24, dtype=np.float32).reshape(4, 6)[::2, 1::2],
    "backwards": np.arange(5, dtype=">i4"),
    "half": np.arange(3, dtype=np.float16),
    "bytes": np.arange(3, dtype=np.uint8),
}


@pytest.mark.parametrize("arrays", [TILE, ODD, {}], ids=["tile", "odd", "nothing"])
def test_the_library_reads_what_is_packed_and_the_other_way_round(arrays: dict[str, NDArray[Any]]) -> None:
    message = b"".join(pieces_of(arrays, {"model": "naïve"}))
    for found in (safetensors.numpy.load(message), arrays_of(message), arrays_of(bytearray(message))):
        assert set(found) == set(arrays)
        for name, array in arrays.items():
            assert found[name].dtype == array.dtype.newbyteorder("<")
            np.testing.assert_array_equal(found[name], array)
    dense = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    for name, array in arrays_of(safetensors.numpy.save(dense)).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_the_largest_array_is_sent_and_received_where_it_lies() -> None:
    pieces = pieces_of(TILE)
    assert len(pieces[0]) % ALIGNMENT == 0
    assert np.shares_memory(np.frombuffer(pieces[1], np.float32), TILE["images"])
    message = bytearray(b"".join(pieces))
    found = arrays_of(message)
    assert np.shares_memory(found["images"], np.frombuffer(message, np.uint8))
    for array in found.values():
        array[...] = 0  # a model may change what it is given


def test_other_numbers_are_refused() -> None:
    with pytest.raises(KeyError, match="complex128"):
        pieces_of({"prediction": np.zeros(3, dtype=complex)})
