from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from worldstrat_bench.data.task import Task
from worldstrat_bench.worker.validate import LONGEST_HEADER, InvalidOutputError, check_output, header_bytes


def scene(height: int = 40, width: int = 38) -> NDArray[np.float32]:
    """(12, h, w) reflectance with a red field in one corner."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) / height
    bands = np.stack([0.05 + 0.02 * k + 0.1 * rows * (k == 3) + 0.05 * columns * (k == 1) for k in range(12)])
    return bands.astype(np.float32)


def task_of(frame: NDArray[np.float32]) -> Task:
    """The task to make a four-fold image of one frame (12, h, w)."""
    _, height, width = frame.shape
    clear, days = np.ones((1, 1, height, width), bool), np.zeros(1, np.int64)
    return Task.single(frame[None], clear, days, 4 * height, 4 * width)


TASK = task_of(scene())


def good() -> NDArray[np.float32]:
    """A prediction of that scene, (1, 3, 160, 152)."""
    rgb = scene()[[3, 2, 1]]
    return np.repeat(np.repeat(rgb, 4, axis=1), 4, axis=2)[None]


def body(image: NDArray[np.generic], name: str = "prediction") -> bytearray:
    return bytearray(safetensors.numpy.save({name: np.ascontiguousarray(image)}))


def refusal(image: NDArray[np.generic]) -> str:
    with pytest.raises(InvalidOutputError) as caught:
        check_output(body(image), TASK)
    return str(caught.value)


def test_a_good_prediction_is_copied_without_a_hint() -> None:
    sent = body(good())
    images, _, hint = check_output(sent, TASK)
    sent[-100:] = bytes(100)
    np.testing.assert_array_equal(images, good())
    assert hint == ""


def test_sizes_from_the_native_one_up_are_fine() -> None:
    for side in (40, 41, 632):
        image = np.full((1, 3, side, side), 0.2, np.float32)
        image[0, 0, 0, 0] = 0.3
        assert check_output(body(image), TASK)[0].shape == (1, 3, side, side)


def test_shape_and_type_are_diagnosed() -> None:
    assert "permute(0, 3, 1, 2)" in refusal(good().transpose(0, 2, 3, 1))
    assert "unsqueeze(0)" in refusal(good()[0])
    assert "R, G, B only" in refusal(np.repeat(good(), 4, axis=1))
    assert "(2, 3, 160, 152)" in refusal(np.repeat(good(), 2, axis=0))
    assert "float16" in refusal(good().astype(np.float16))
    assert "float64" in refusal(good().astype(np.float64))
    assert "at least the input's size" in refusal(good()[..., :39, :])
    assert "at most 4096 are scored: return 160 x 152" in refusal(np.full((1, 3, 40, 4097), 0.2, np.float32))


def test_values_are_diagnosed() -> None:
    broken = good().copy()
    broken[0, 1, 3, 4] = np.nan
    assert "NaN" in refusal(broken)
    broken[0, 1, 3, 4] = np.inf
    assert "infinite" in refusal(broken)
    assert "divide by 10,000" in refusal(good() * 10_000)
    assert "0..255" in refusal(good() * 255 / 0.2 * 0.5)
    assert "far beyond" in refusal(good() * 1e9)


def test_odd_values_give_a_hint_but_pass() -> None:
    def hint(image: NDArray[np.float32]) -> str:
        return check_output(body(image), TASK)[2]

    assert "R, G, B" in hint(good()[:, ::-1])
    assert "upside down" in hint(good()[:, :, ::-1])
    assert "-1..1" in hint((good() - 0.11) * 20)
    assert "scale and normalisation" in hint((good() - 0.11) * 200)
    assert "constant" in hint(np.full_like(good(), 0.1))


def test_what_is_not_one_tensor_is_refused() -> None:
    for junk in (bytearray(), bytearray(b"junk"), bytearray(b"\xff" * 64), body(good(), "other")):
        with pytest.raises(InvalidOutputError):
            check_output(junk, TASK)


def test_the_library_is_given_no_long_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the interpreter for seconds, and with it the watchdog: many tensors of no size need no room."""
    many = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(5000)}
    header = json.dumps(many).encode()
    calls: list[int] = []
    monkeypatch.setattr(safetensors, "deserialize", lambda content: calls.append(len(content)))
    with pytest.raises(InvalidOutputError, match="not a safetensors message"):
        check_output(bytearray(len(header).to_bytes(8, "little") + header), TASK)
    assert not calls
    assert header_bytes(body(good())) < LONGEST_HEADER < len(header)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(junk: bytes) -> None:
    with pytest.raises(InvalidOutputError):
        check_output(bytearray(junk), TASK)


def test_batches() -> None:
    pair = np.concatenate([good(), good() / 2])
    images, _, _ = check_output(body(pair), Task.together([TASK, TASK]))
    np.testing.assert_array_equal(images, pair)


def test_tiles_smaller_than_the_grid_of_the_hint_are_fine() -> None:
    frame = scene(7, 9)
    image = np.repeat(np.repeat(frame[[3, 2, 1]], 4, axis=1), 4, axis=2)[None]
    assert check_output(body(image), task_of(frame))[2] == ""


def sent(image: NDArray[np.generic], error: NDArray[np.generic]) -> bytearray:
    tensors = {"prediction": np.ascontiguousarray(image), "expected_error": np.ascontiguousarray(error)}
    return bytearray(safetensors.numpy.save(tensors))


def four_bands() -> NDArray[np.float32]:
    return np.concatenate([good(), good()[:, :1] + np.float32(0.2)], axis=1)


def test_four_bands_are_taken_and_hinted_at_by_the_first_three() -> None:
    images, errors, hint = check_output(body(four_bands()), TASK)
    np.testing.assert_array_equal(images, four_bands())
    assert errors is None
    assert hint == ""
    assert "reversed" in check_output(body(four_bands()[:, [2, 1, 0, 3]]), TASK)[2]
    digital = four_bands()
    digital[:, 3] *= 10_000
    assert "near infrared: values look like 0..10,000" in refusal(digital)
    assert "permute" in refusal(four_bands().transpose(0, 2, 3, 1))


@pytest.mark.parametrize("bands", [1, 3])
def test_an_expected_error_is_copied(bands: int) -> None:
    error = np.full((1, bands, 160, 152), 0.02, np.float32)
    images, errors, hint = check_output(sent(good(), error), TASK)
    np.testing.assert_array_equal(images, good())
    assert errors is not None
    np.testing.assert_array_equal(errors, error)
    assert hint == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (np.full((1, 2, 160, 152), 0.1, np.float32), "expected_error has shape (1, 2, 160, 152), not (1, 1, 160, 152)"),
        (np.full((1, 4, 160, 152), 0.1, np.float32), "or (1, 3, 160, 152)"),
        (np.full((1, 1, 40, 38), 0.1, np.float32), "the size of the image"),
        (np.full((160, 152), 0.1, np.float32), "expected_error has shape"),
        (np.full((1, 1, 160, 152), 0.1, np.float64), "expected_error is float64: return expected_error.float()"),
        (np.full((1, 1, 160, 152), -3.0, np.float32), "(0.5 * x).exp()"),
        (np.full((1, 1, 160, 152), np.nan, np.float32), "of expected_error are NaN"),
        (np.full((1, 1, 160, 152), 120.0, np.float32), "expected_error: values look like 0..255"),
    ],
)
def test_an_expected_error_is_diagnosed(error: NDArray[np.generic], words: str) -> None:
    with pytest.raises(InvalidOutputError) as caught:
        check_output(sent(good(), error), TASK)
    assert words in str(caught.value)


def test_a_reply_with_another_tensor_beside_is_refused() -> None:
    tensors = {"prediction": good(), "loss": np.zeros(1, np.float32)}
    with pytest.raises(InvalidOutputError, match="exactly one"):
        check_output(bytearray(safetensors.numpy.save(tensors)), TASK)
    with pytest.raises(InvalidOutputError, match="exactly one"):
        check_output(body(good(), "expected_error"), TASK)
