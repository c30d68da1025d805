"""Models that enlarge frame 0 and nothing else, and the control with a known offset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from worldstrat_bench.api import LowRes, Target
from worldstrat_bench_baselines.resampling import bicubic, resample

KNOWN_OFFSET: tuple[float, float] = (1.25, -0.5)
"""How far (rows, columns; target px) the content of ``bicubic-shifted`` lies from that of ``bicubic``.

Something that ``bicubic`` shows at (y, x) is shown at (y + 1.25, x - 0.5). The protocol records the d at which the
prediction has to be read, P(y, x) = SR(y + dy, x + dx), so the recorded shift grows by exactly this offset.
"""


@dataclass(frozen=True)
class Interpolator:
    """Enlarges the red, green and blue of frame 0 with one function (rgb, height, width) -> image."""

    enlarge: Callable[[Tensor, int, int], Tensor]

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """Return (B, 3, target height, target width) float32 reflectance."""
        return self.enlarge(lr.rgb(0), target.height, target.width)


def _nearest(rgb: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(rgb, size=(height, width), mode="nearest-exact")


def _bicubic_shifted(rgb: Tensor, height: int, width: int) -> Tensor:
    # Content moves by +offset when every pixel is read at -offset.
    return resample(bicubic(rgb, height, width), height, width, (-KNOWN_OFFSET[0], -KNOWN_OFFSET[1]))


def load_nearest(weights: Path | None, device: torch.device) -> Interpolator:
    """Load the model whose target pixel is the LR pixel that its centre lies in (torch's ``nearest-exact``)."""
    return Interpolator(_nearest)


def load_bicubic(weights: Path | None, device: torch.device) -> Interpolator:
    """Return the reference bicubic that every gain is counted from."""
    return Interpolator(bicubic)


def load_lanczos(weights: Path | None, device: torch.device) -> Interpolator:
    """Load Lanczos with eight lobes."""
    return Interpolator(resample)


def load_bicubic_shifted(weights: Path | None, device: torch.device) -> Interpolator:
    """Load ``bicubic`` moved by :data:`KNOWN_OFFSET`: a control that a shift-aware score must see through."""
    return Interpolator(_bicubic_shifted)
