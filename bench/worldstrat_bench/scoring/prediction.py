"""Taking in a prediction: form, unit, size and grid (protocol 3.3)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from worldstrat_bench.errors import ModelError
from worldstrat_bench.resampling import lanczos_resize
from worldstrat_bench.scoring.types import Array, Frame
from worldstrat_bench.units import IMPOSSIBLE_REFLECTANCE, thinned, unit_fault

_REMEDY = "return a float32 tensor of (3, H, W) reflectance, at least as large as the native grid"
_DEVIATION = "return the standard deviation of each value's error: (1, H, W) or one for each band, reflectance"
_NATIVE_SHARE = 4  # the target is four times as fine as Sentinel-2


def to_tensor(image: Array, device: torch.device) -> Tensor:
    """Return an array or tensor of (C, H, W) or (H, W) on that device; copied if it is a read-only array."""
    if isinstance(image, Tensor):
        return image.detach().to(device)
    contiguous = np.ascontiguousarray(image)
    tensor = torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # from other memory the copy would be waited for


def check_prediction(prediction: Array, device: torch.device, least: tuple[int, int] = (1, 1)) -> Tensor:
    """Return a prediction as float32 on that device.

    Parameters
    ----------
    least : the smallest H and W that are taken, see :func:`least_size`.

    Raises
    ------
    ModelError
        unless it is (3, H, W), or (4, H, W) with the near infrared, real floating point, finite everywhere, nowhere
        masked, at least of that size, and of a median |value| of at most 10.
    """
    # torch would take the numbers below a mask for predicted ones.
    if isinstance(prediction, np.ma.MaskedArray) and prediction.mask.any():
        raise ModelError("a prediction is a masked array", remedy="score_pair takes one; a model predicts every pixel")
    shape = tuple(prediction.shape)
    if len(shape) != 3 or shape[0] not in (3, 4) or min(shape) < 1:
        raise ModelError(f"a prediction has shape {shape}, not (3, H, W)", remedy=_REMEDY)
    # Resampling would make an image of a thumbnail as well, and it would get a score like any other.
    if shape[1] < least[0] or shape[2] < least[1]:
        sizes = f"{shape[1]} x {shape[2]} px, the native grid {least[0]} x {least[1]}"
        raise ModelError(f"a prediction is smaller than the native grid: {sizes}", remedy=_REMEDY)
    image = to_tensor(prediction, device)
    if not image.is_floating_point():
        raise ModelError(f"a prediction is {image.dtype}, not float32", remedy=_REMEDY)
    # A network in half or double precision is welcome; where numbers are rounded is the protocol's to say (3.5).
    image = image.to(torch.float32)
    _check_values(image)
    return image


def check_expected_error(expected_error: Array, image: Tensor) -> Tensor:
    """Return an expected error as float32 where the prediction, (C, H, W), lies.

    Raises
    ------
    ModelError
        unless it is (1 or C, H, W), real floating point, finite and nowhere below 0.
    """
    shape = tuple(expected_error.shape)
    if len(shape) != 3 or shape[0] not in (1, len(image)) or shape[1:] != tuple(image.shape[1:]):
        raise ModelError(f"an expected error has shape {shape}, the prediction {tuple(image.shape)}", remedy=_DEVIATION)
    found = to_tensor(expected_error, image.device)
    if not found.is_floating_point():
        raise ModelError(f"an expected error is {found.dtype}, not float32", remedy=_DEVIATION)
    low, high = torch.stack(found.aminmax()).tolist()
    if not (math.isfinite(low) and math.isfinite(high)) or low < 0:
        raise ModelError("an expected error has values below 0 or not finite", remedy=_DEVIATION)
    return found.to(torch.float32)


def _check_values(image: Tensor) -> None:
    low, high = torch.stack(image.aminmax()).tolist()  # NaN and infinities show in them
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ModelError("a prediction has values that are not finite", remedy=_REMEDY)
    if max(-low, high) <= IMPOSSIBLE_REFLECTANCE:
        return  # so is the median
    # R, G, B without the near infrared, as the worker judges them.
    for bands in (image[:3], image[3:]):
        if len(bands) and (fault := unit_fault(thinned(bands).cpu().numpy())):
            raise ModelError(f"a prediction is not reflectance: {fault}", remedy=_REMEDY)


def least_size(frame: Frame | None, height: int, width: int) -> tuple[int, int]:
    """Return the smallest H and W of a prediction: those of frame 0, without its image a quarter of the target's."""
    if frame is None or frame.rgb is None:
        return -(-height // _NATIVE_SHARE), -(-width // _NATIVE_SHARE)
    return int(frame.rgb.shape[-2]), int(frame.rgb.shape[-1])


def on_grid(image: Tensor, height: int, width: int) -> Tensor:
    """Return a (C, H, W) image resampled to the grid if it is on another; not clipped."""
    return lanczos_resize(image, height, width)


def share_outside(image: Tensor) -> Tensor:
    """Share of the values of R, G, B of a (C, H, W) image outside [0, 1], () float64."""
    bands = image[:3]
    return ((bands < 0) | (bands > 1)).count_nonzero().double() / bands.numel()
