"""The harness's own bicubic as a model, for timing: every speed is also given as a ratio to this one.

It runs in a worker: standard library and torch only, syntax of Python 3.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from worldstrat_bench.api import LowRes, Target


class ReferenceBicubic:
    """Bicubic interpolation of frame 0's R, G, B, as :func:`worldstrat_bench.resampling.bicubic` does it."""

    def predict(self, lr: LowRes, target: Target) -> torch.Tensor:
        """Return (B, 3, H, W) reflectance."""
        import torch

        size = (target.height, target.width)
        return torch.nn.functional.interpolate(lr.rgb(), size=size, mode="bicubic", align_corners=False)


def load(weights: object, device: torch.device, **parameters: Any) -> ReferenceBicubic:
    """Return the entry point."""
    return ReferenceBicubic()
