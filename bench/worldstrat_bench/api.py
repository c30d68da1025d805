"""The interface for model authors: the inputs, the target size, and the one method of a model.

The module is deliberately small and imports torch only when a function needs it, so that metadata tools
can read it for nothing and a model's own environment needs no more than numpy, torch and safetensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BANDS: tuple[str, ...] = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
"""The twelve Sentinel-2 L2A bands in the order of axis 2 of :attr:`LowRes.images`."""

RGB: tuple[int, int, int] = (3, 2, 1)
"""Positions of red (B04), green (B03) and blue (B02) among :data:`BANDS`, from 0."""

NIR: int = 7
"""Position of the near infrared (B08) among :data:`BANDS`, from 0."""

ENTRY_POINT_GROUP = "worldstrat_bench.models"
"""The entry point group in which a distribution announces its models."""

PREPROCESSING_GROUP = "worldstrat_bench.preprocessing"
"""The group in which it names those of them that take a declared preprocessing as their parameters."""


@dataclass(frozen=True)
class LowRes:
    """The Sentinel-2 revisits of a batch of tiles, best frame first.

    Attributes
    ----------
    images : (B, T, 12, h, w) float32 surface reflectance on the native 10 m grid; h and w are about 158
        and differ. Values are not clipped: bright cloud exceeds 1. A pixel without data is 0 in all bands. Bands are
        :data:`BANDS`.
    clear : (B, T, 1, h, w) bool, True where there are data and no cloud.
    days : (B, T) int64, acquisition date minus the date of the high-resolution image.

    T is min(frames the model declared, frames there are): nothing is padded. See :func:`pad_frames`.
    """

    images: Tensor
    clear: Tensor
    days: Tensor

    def rgb(self, frame: int = 0) -> Tensor:
        """Return red, green and blue of one frame: (B, 3, h, w) float32 reflectance; ValueError if there is no such."""
        there = self.images.shape[1]
        if not hasattr(frame, "__index__") or not -there <= frame < there:
            raise ValueError(f"there is no frame {frame!r:.40}: there are {there}, counted from 0")
        return self.images[:, frame, list(RGB)]


@dataclass(frozen=True)
class Target:
    """The size in pixels of the grid on which a prediction is scored."""

    height: int
    width: int


@dataclass(frozen=True)
class Prediction:
    """A prediction of a model that knows how far to trust itself.

    Attributes
    ----------
    image : (B, 3 or 4, H, W), as :meth:`SRModel.predict` returns it.
    expected_error : (B, 1, H, W) or one for each band of `image`, float32: the standard deviation of a Gaussian error,
        reflectance, not negative; None: the model does not say.
    """

    image: Tensor
    expected_error: Tensor | None = None


class SRModel(Protocol):
    """A super-resolution model, as the harness sees it."""

    def predict(self, lr: LowRes, target: Target) -> Tensor | Prediction:
        """Super-resolve a batch.

        Returns
        -------
        (B, 3, H, W) float32 reflectance in the order R, G, B, or (B, 4, H, W) with the near infrared behind them,
        covering the same footprint as `lr`; or a :class:`Prediction` with such an image. H x W is best equal to
        `target`; any other size from the native one up is resampled by the harness.
        """
        ...


def pad_frames(lr: LowRes, frames: int) -> LowRes:
    """Repeat the revisits in their order until there are `frames` of them, or cut them to that number.

    For networks of a fixed number of frames. The repeated frames are exact copies, masks and days included.

    Raises
    ------
    ValueError
        if `frames` is not a positive number, or `lr` has no frame or is not the inputs of a model.
    """
    import torch

    if not hasattr(lr, "images") or not hasattr(frames, "__index__"):
        given = f"{type(lr).__name__} and {type(frames).__name__}"
        raise ValueError(f"pad_frames takes a LowRes and a whole number, not {given}")
    available = lr.images.shape[1]
    if frames < 1 or available < 1:
        raise ValueError(f"cannot make {frames} frames from {available}")
    index: torch.Tensor = torch.arange(frames, device=lr.images.device) % available
    return LowRes(lr.images[:, index], lr.clear[:, index], lr.days[:, index.to(lr.days.device)])
