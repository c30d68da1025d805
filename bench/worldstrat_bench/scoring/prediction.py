"""Taking in a prediction: form, values, grid and range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worldstrat_bench.errors import ModelError
from worldstrat_bench.resampling import lanczos_resize
from worldstrat_bench.scoring.types import Array


@dataclass(frozen=True)
class GridImage:
    """A prediction on the target's grid.

    Attributes
    ----------
    image : (C, H, W) float32.
    clipped : () float64, share of the values of R, G, B outside [0, 1] once on the grid.
    """

    image: Tensor
    clipped: Tensor


def to_tensor(image: Array, device: torch.device) -> Tensor:
    """An array or tensor of (C, H, W) or (H, W) on that device; copied if it is a read-only array."""
    if isinstance(image, Tensor):
        return image.detach().to(device)
    contiguous = np.ascontiguousarray(image)
    return torch.from_numpy(contiguous if contiguous.flags.writeable else contiguous.copy()).to(device)


def check_prediction(prediction: Array, device: torch.device) -> Tensor:
    """A prediction as float32 on that device.

    Raises
    ------
    ModelError
        unless it is (3, H, W), or (4, H, W) with the near infrared, real floating point, and finite everywhere.
    """
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


def on_grid(image: Tensor, height: int, width: int, *, clip: bool) -> GridImage:
    """Resample to the grid if it is on another, then clip to [0, 1] if the protocol says so."""
    resized = lanczos_resize(image, height, width)
    least, most = resized.aminmax()
    if bool((least >= 0) & (most <= 1)):
        return GridImage(resized, torch.zeros((), dtype=torch.float64, device=image.device))
    limited = resized.clamp(0, 1)
    outside = (limited[:3] != resized[:3]).count_nonzero().double() / limited[:3].numel()
    return GridImage(limited if clip else resized, outside)
