"""Taking in a prediction: form, values and grid."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from worldstrat_bench.errors import ModelError
from worldstrat_bench.resampling import lanczos_resize
from worldstrat_bench.scoring.types import Array


def to_tensor(image: Array, device: torch.device) -> Tensor:
    """An array or tensor of (C, H, W) or (H, W) on that device; copied if it is a read-only array."""
    if isinstance(image, Tensor):
        return image.detach().to(device)
    contiguous = np.ascontiguousarray(image)
    tensor = torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy())
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # from other memory the copy would be waited for


def check_prediction(prediction: Array, device: torch.device) -> Tensor:
    """A prediction as float32 on that device.

    Raises
    ------
    ModelError
        unless it is (3, H, W), or (4, H, W) with the near infrared, real floating point, finite everywhere and
        nowhere masked.
    """
    if isinstance(prediction, np.ma.MaskedArray) and prediction.mask.any():
        raise ModelError("a prediction is a masked array", remedy="score_pair takes one; a model predicts every pixel")
    shape = tuple(prediction.shape)
    remedy = "return a float32 tensor of (3, H, W) reflectance, at least as large as the native grid"
    if len(shape) != 3 or shape[0] not in (3, 4) or min(shape) < 1:
        raise ModelError(f"a prediction has shape {shape}, not (3, H, W)", remedy=remedy)
    image = to_tensor(prediction, device)
    if not image.is_floating_point():
        raise ModelError(f"a prediction is {image.dtype}, not float32", remedy=remedy)
    image = image.to(torch.float32)
    least, most = image.aminmax()  # NaN and infinities show in them
    if not bool(least.isfinite() & most.isfinite()):
        raise ModelError("a prediction has values that are not finite", remedy=remedy)
    return image


def on_grid(image: Tensor, height: int, width: int) -> Tensor:
    """A (C, H, W) image resampled to the grid if it is on another; not clipped."""
    return lanczos_resize(image, height, width)


def share_outside(image: Tensor) -> Tensor:
    """Share of the values of R, G, B of a (C, H, W) image outside [0, 1], () float64."""
    bands = image[:3]
    return ((bands < 0) | (bands > 1)).count_nonzero().double() / bands.numel()
