"""The base of learned metrics: a network with weights that may not be on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class Perceptual(Protocol):
    """A learned distance between images.

    Attributes
    ----------
    name : of the metric, as in ``measures``.
    sha256 : of the backbone's weights, for the record.
    """

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return (B,) distances of two (B, 3, H, W) float32 images in [0, 1]."""
        ...


@dataclass(frozen=True)
class Unavailable:
    """A metric that this machine cannot compute, and why."""

    reason: str
