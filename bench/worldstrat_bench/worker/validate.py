"""The host's own look at what came back: shape, dtype, finite, plausible, with a diagnosis in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray

from worldstrat_bench.api import BANDS, RGB
from worldstrat_bench.data.task import Task
from worldstrat_bench.printed import share_text
from worldstrat_bench.units import thinned, unit_fault

LONGEST_HEADER = 1 << 16
"""Bytes: that of a reply with a hundred tensors has some ten thousand."""

DTYPES = {
    "F32": "float32",
    "F64": "float64",
    "F16": "float16",
    "BF16": "bfloat16",
    "U8": "uint8",
    "I64": "int64",
    "BOOL": "bool",
}
BAND_COUNTS = (3, 4)
"""Bands of a prediction: R, G, B, and perhaps the near infrared."""
NORMALISED_MOST = 4.0
"""Nearly all normalised values lie within this, in -1..1 or in standard deviations."""
COARSE = 16
MAX_SIDE = 4096
"""Pixels of a prediction along an axis, at most: what scores it takes memory by the square of its size."""


class InvalidOutputError(Exception):
    """A prediction that breaks the contract; the message says what to fix."""


def check_output(
    body: bytearray | memoryview, task: Task, *, any_unit: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, str]:
    """Return private copies of the predictions and of their expected errors, and a hint if the first looks odd.

    Parameters
    ----------
    any_unit : take what is not reflectance as well, to find out which unit it is in.

    Returns
    -------
    (B, 3 or 4, H, W) images, (B, 1, H, W) or one for each band of expected errors or None, and the hint.

    Raises
    ------
    InvalidOutputError
        for anything but finite float32 tensors of these shapes, H and W from the native size up, in reflectance,
        expected errors not negative.
    """
    # In order of cost, and so that each step can rely on the one before: names, types, shapes, then every value.
    sent = _decode(body)
    images = _array(sent["prediction"], lambda dtype, shape: _check_kind(dtype, shape, task.batch))
    _check_size(images, task)
    _check_values(images, any_unit=any_unit)
    errors = None
    if "expected_error" in sent:
        errors = _array(sent["expected_error"], lambda dtype, shape: _check_error_kind(dtype, shape, images.shape))
        _check_errors(errors)
    return images, errors, _hint(images[0, :3], task)


def check_image(image: NDArray[np.generic] | None, task: Task) -> NDArray[np.float32]:
    """Return predictions that are decoded already, (B, C, H, W) float32, checked in the same way.

    Raises
    ------
    InvalidOutputError
        as :func:`check_output` does, and for None.
    """
    if image is None:
        raise InvalidOutputError("the reply does not hold the prediction that was asked for")
    _check_kind(str(image.dtype), image.shape, task.batch)
    values = np.asarray(image, dtype=np.float32)
    _check_size(values, task)
    _check_values(values)
    return values


def header_bytes(content: bytes | bytearray | memoryview) -> int:
    """Return the length that safetensors bytes state of their JSON header; 0 if there is none.

    The library reads up to 100 MB of it, for ten seconds and 2 GB, in which no other thread of the process runs. So a
    header is compared with what one needs (:data:`LONGEST_HEADER`) before the library is given the bytes.
    """
    return int.from_bytes(content[:8], "little")


def _decode(body: bytearray | memoryview) -> dict[str, Mapping[str, Any]]:
    if header_bytes(body) > LONGEST_HEADER:
        raise InvalidOutputError("the reply is not a safetensors message of one prediction")
    try:
        tensors = dict(safetensors.deserialize(bytes(body)))  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 whatever a hostile body makes the reader do
        raise InvalidOutputError(f"the reply is not a safetensors message: {str(error)[:200]}") from None
    if set(tensors) not in ({"prediction"}, {"prediction", "expected_error"}):
        raise InvalidOutputError("the reply does not hold exactly one prediction")
    return tensors


def _array(tensor: Mapping[str, Any], check: Callable[[str, tuple[int, ...]], None]) -> NDArray[np.float32]:
    """Return a tensor of a message, once its type and shape have passed the check."""
    dtype, shape = str(tensor["dtype"]), tuple(int(n) for n in tensor["shape"])
    check(DTYPES.get(dtype, dtype), shape)
    # The reader has copied it already, into its own bytearray.
    return np.frombuffer(tensor["data"], dtype="<f4").reshape(shape).astype(np.float32, copy=False)


def _check_kind(dtype: str, shape: tuple[int, ...], batch: int) -> None:
    if len(shape) != 4 or shape[0] != batch or shape[1] not in BAND_COUNTS:
        advice = _shape_advice(shape)
        raise InvalidOutputError(f"predict returned shape {shape}, not ({batch}, 3, H, W){advice}")
    if dtype != "float32":
        raise InvalidOutputError(f"predict returned {dtype}: return output.float()")


def _shape_advice(shape: tuple[int, ...]) -> str:
    if len(shape) == 4 and shape[-1] in BAND_COUNTS:
        return ": channels come second, use output.permute(0, 3, 1, 2)"
    if len(shape) == 4 and shape[1] == len(BANDS):
        return ": return R, G, B only, or R, G, B and near infrared"
    if len(shape) == 3 and shape[0] in BAND_COUNTS:
        return ": the batch axis is missing, use output.unsqueeze(0)"
    return ""


def _check_error_kind(dtype: str, shape: tuple[int, ...], image: tuple[int, ...]) -> None:
    batch, bands, height, width = image
    if shape not in ((batch, 1, height, width), image):
        wanted = f"({batch}, 1, {height}, {width}) or ({batch}, {bands}, {height}, {width}), the size of the image"
        raise InvalidOutputError(f"expected_error has shape {shape}, not {wanted}")
    if dtype != "float32":
        raise InvalidOutputError(f"expected_error is {dtype}: return expected_error.float()")


def _check_errors(errors: NDArray[np.float32]) -> None:
    if not np.isfinite(errors).all():
        share = 1 - float(np.isfinite(errors).mean())
        raise InvalidOutputError(f"{share_text(share)} of the values of expected_error are NaN or infinite")
    if errors.min() < 0:
        raise InvalidOutputError(
            "expected_error has values below 0: it is a standard deviation; "
            "take the root of a variance, and (0.5 * x).exp() of the logarithm of one"
        )
    if fault := unit_fault(thinned(errors)):
        raise InvalidOutputError(f"expected_error: {fault}")


def _check_size(image: NDArray[np.float32], task: Task) -> None:
    (height, width), (h, w) = image.shape[2:], task.size
    # A smaller image than the input is not super-resolution; other sizes are brought to the grid by the scorer.
    if height < h or width < w:
        raise InvalidOutputError(
            f"predict returned {height} x {width} pixels for an input of {h} x {w}: "
            f"return at least the input's size, best {task.height} x {task.width}"
        )
    if max(height, width) > MAX_SIDE:
        raise InvalidOutputError(
            f"predict returned {height} x {width} pixels, at most {MAX_SIDE} are scored: "
            f"return {task.height} x {task.width}"
        )


def _check_values(image: NDArray[np.float32], *, any_unit: bool = False) -> None:
    finite = np.isfinite(image)
    if not finite.all():
        share = 1 - float(finite.mean())
        kind = "NaN" if np.isnan(image).any() else "infinite"
        raise InvalidOutputError(
            f"{share_text(share)} of the values are {kind if kind == 'infinite' else 'NaN or infinite'}"
        )
    if any_unit:
        return
    # Red, green and blue are judged without the near infrared, as they are scored.
    for bands, name in ((image[:, :3], ""), (image[:, 3:], "near infrared: ")):
        if bands.size and (fault := unit_fault(thinned(bands))):
            raise InvalidOutputError(name + fault)


def _hint(image: NDArray[np.float32], task: Task) -> str:
    thin = thinned(image)
    if float(thin.max()) == float(thin.min()) and float(image.max()) == float(image.min()):
        return "the prediction is one constant value"
    # At so few cells a model's own detail is gone: what is left shows the order of bands and which way is up.
    cells = min(COARSE, *task.size)
    prediction, frame = block_means(thin, cells), block_means(task.images[0, 0, list(RGB)], cells)
    distance = float(np.mean((prediction - frame) ** 2))
    # Only hints: grey land looks much the same in any order of bands, so that the other order must fit far better.
    if float(np.mean((prediction[::-1] - frame) ** 2)) < 0.5 * distance and distance > 1e-6:
        return "bands look reversed: return them in the order R, G, B"
    if float(np.mean((prediction[:, ::-1] - frame) ** 2)) < 0.2 * distance and distance > 1e-5:
        return "the prediction looks upside down"
    low, high = np.percentile(prediction, 1), np.percentile(prediction, 99)
    if low < -0.3 and high > 0.3:
        if max(-low, high) <= NORMALISED_MOST:
            return "values look like -1..1: undo the normalisation"
        # A network that is fed in the wrong unit answers nonsense of any size, which no unit of its answer explains.
        return "values far below 0 and above 1 are not reflectance: look at the scale and normalisation of the input"
    return ""


def block_means(image: NDArray[np.float32], cells: int) -> NDArray[np.float64]:
    """Return (C, cells, cells) block means of (C, H, W): enough to tell bands and orientation."""
    rows = np.linspace(0, image.shape[1], cells, endpoint=False).astype(int)
    columns = np.linspace(0, image.shape[2], cells, endpoint=False).astype(int)
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float64), rows, axis=1), columns, axis=2)
    heights = np.diff(np.append(rows, image.shape[1]))
    widths = np.diff(np.append(columns, image.shape[2]))
    return np.asarray(sums / (heights[:, None] * widths[None, :]))
