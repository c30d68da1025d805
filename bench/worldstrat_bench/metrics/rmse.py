"""Root mean squared error."""

from __future__ import annotations

from torch import Tensor


def rmse(mse: Tensor, floor: float | None) -> Tensor:
    """The square root of a mean squared error that is at least `floor`; reflectance."""
    return (mse if floor is None else mse.clamp_min(floor)).sqrt()
