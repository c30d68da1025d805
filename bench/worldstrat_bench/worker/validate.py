"""The host's own look at what came back: shape, dtype, finite, plausible, with a diagnosis in words."""

from __future__ import annotations

import numpy as np
import safetensors
from numpy.typing import NDArray

from worldstrat_bench.api import RGB
from worldstrat_bench.data.task import Task
from worldstrat_bench.units import thinned, unit_fault

DTYPES = {
    "F32": "float32",
    "F64": "float64",
    "F16": "float16",
    "BF16": "bfloat16",
    "U8": "uint8",
    "I64": "int64",
    "BOOL": "bool",
}
COARSE = 16


class InvalidOutputError(Exception):
    """A prediction that breaks the contract; the message says what to fix."""


def check_output(body: bytearray, task: Task) -> tuple[NDArray[np.float32], str]:
    """Return a private copy (B, 3, H, W) of the predictions, and a hint if the values of the first look odd.

    Raises
    ------
    InvalidOutputError
        for anything but a finite float32 tensor (B, 3, H, W), H and W from the native size up, in reflectance.
    """
    images = _decode(body, task.batch)
    _check_size(images, task)
    _check_values(images)
    return images, _hint(images[0], task)


def check_image(image: NDArray[np.generic] | None, task: Task) -> NDArray[np.float32]:
    """Return the same of predictions that are decoded already.

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


def _decode(body: bytearray, batch: int) -> NDArray[np.float32]:
    try:
        tensors = dict(safetensors.deserialize(bytes(body)))  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 whatever a hostile body makes the reader do
        raise InvalidOutputError(f"the reply is not a safetensors message: {str(error)[:200]}") from None
    if set(tensors) != {"prediction"}:
        raise InvalidOutputError("the reply does not hold exactly one prediction")
    tensor = tensors["prediction"]
    dtype, shape = str(tensor["dtype"]), tuple(int(n) for n in tensor["shape"])
    _check_kind(DTYPES.get(dtype, dtype), shape, batch)
    # The reader has copied it already, into its own bytearray.
    return np.frombuffer(tensor["data"], dtype="<f4").reshape(shape).astype(np.float32, copy=False)


def _check_kind(dtype: str, shape: tuple[int, ...], batch: int) -> None:
    if len(shape) != 4 or shape[:2] != (batch, 3):
        advice = _shape_advice(shape)
        raise InvalidOutputError(f"predict returned shape {shape}, not ({batch}, 3, H, W){advice}")
    if dtype != "float32":
        raise InvalidOutputError(f"predict returned {dtype}: return output.float()")


def _shape_advice(shape: tuple[int, ...]) -> str:
    if len(shape) == 4 and shape[-1] == 3:
        return ": channels come second, use output.permute(0, 3, 1, 2)"
    if len(shape) == 4 and shape[1] in (4, 12):
        return ": return R, G, B only"
    if len(shape) == 3 and shape[0] == 3:
        return ": the batch axis is missing, use output.unsqueeze(0)"
    return ""


def _check_size(image: NDArray[np.float32], task: Task) -> None:
    (height, width), (h, w) = image.shape[2:], task.size
    if height < h or width < w:
        raise InvalidOutputError(
            f"predict returned {height} x {width} pixels for an input of {h} x {w}: "
            f"return at least the input's size, best {task.height} x {task.width}"
        )


def _check_values(image: NDArray[np.float32]) -> None:
    finite = np.isfinite(image)
    if not finite.all():
        share = 1 - float(finite.mean())
        kind = "NaN" if np.isnan(image).any() else "infinite"
        raise InvalidOutputError(f"{share:.2%} of the values are {kind if kind == 'infinite' else 'NaN or infinite'}")
    fault = unit_fault(thinned(image))
    if fault:
        raise InvalidOutputError(fault)


def _hint(image: NDArray[np.float32], task: Task) -> str:
    thin = thinned(image)
    if float(thin.max()) == float(thin.min()) and float(image.max()) == float(image.min()):
        return "the prediction is one constant value"
    # At so few cells a model's own detail is gone: what is left shows the order of bands and which way is up.
    cells = min(COARSE, *task.size)
    prediction, frame = block_means(thin, cells), block_means(task.images[0, 0, list(RGB)], cells)
    distance = float(np.mean((prediction - frame) ** 2))
    if float(np.mean((prediction[::-1] - frame) ** 2)) < 0.5 * distance and distance > 1e-6:
        return "bands look reversed: return them in the order R, G, B"
    if float(np.mean((prediction[:, ::-1] - frame) ** 2)) < 0.2 * distance and distance > 1e-5:
        return "the prediction looks upside down"
    low, high = np.percentile(prediction, 1), np.percentile(prediction, 99)
    if low < -0.3 and high > 0.3:
        return "values look like -1..1: undo the normalisation"
    return ""


def block_means(image: NDArray[np.float32], cells: int) -> NDArray[np.float64]:
    """Return (C, cells, cells) block means of (C, H, W): enough to tell bands and orientation."""
    rows = np.linspace(0, image.shape[1], cells, endpoint=False).astype(int)
    columns = np.linspace(0, image.shape[2], cells, endpoint=False).astype(int)
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float64), rows, axis=1), columns, axis=2)
    heights = np.diff(np.append(rows, image.shape[1]))
    widths = np.diff(np.append(columns, image.shape[2]))
    return np.asarray(sums / (heights[:, None] * widths[None, :]))
