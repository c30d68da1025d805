"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli 2004), with everything of the target computed once.

Separable filters, population covariance, mean over positions whose whole window counts. Images are centred
on the target's mean first: variances are differences of squares, and float32 would lose them in bright,
smooth places. It equals ``skimage.metrics.structural_similarity(gaussian_weights=True,
use_sample_covariance=False)`` to 1e-6.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from worldstrat_bench.filtering import correlate_turned, gaussian_taps, on_gpu
from worldstrat_bench.sums import pixel_mean, pixel_sum

K1, K2 = 0.01, 0.03


@dataclass(frozen=True)
class SsimTarget:
    """The part of SSIM that depends on the target alone.

    Attributes
    ----------
    twice : (..., C, H, W) two times the target less `centre`.
    centre : (..., C, 1, 1) its mean.
    twice_mean, variance : (..., C, H - w + 1, W - w + 1) local moments of the target less `centre`, the mean two times.
    positions : (..., H - w + 1, W - w + 1) True where the whole window counts; None if everywhere.
    taps : of the window along one axis.
    """

    twice: Tensor
    centre: Tensor
    twice_mean: Tensor
    variance: Tensor
    positions: Tensor | None
    taps: tuple[float, ...]

    def band(self, index: int) -> SsimTarget:
        """Return the target of one band, whose axis stays."""
        twice, centre, mean, variance = (
            part[..., index : index + 1, :, :] for part in (self.twice, self.centre, self.twice_mean, self.variance)
        )
        return SsimTarget(twice, centre, mean, variance, self.positions, self.taps)


def ssim_target(target: Tensor, valid: Tensor | None = None, *, window: int = 11, sigma: float = 1.5) -> SsimTarget:
    """Return the moments of a (..., C, H, W) target; `valid`, (..., H, W) bool, says which pixels count (None: all)."""
    taps = gaussian_taps(sigma, window // 2)
    centre = pixel_mean(target)[..., None, None]
    image = target - centre
    mean = correlate_turned(image, taps)
    variance = correlate_turned(image * image, taps) - mean * mean
    positions = None if valid is None else whole_windows(valid, window)
    # Numbers are doubled without rounding: here it costs nothing, in a score it would be a pass over an image each.
    return SsimTarget(image * 2, centre, mean * 2, variance, positions, taps)


def whole_windows(valid: Tensor, window: int) -> Tensor:
    """Return where all of a `window` x `window` px neighbourhood counts: (..., H, W) to (..., H - w + 1, W - w + 1)."""
    holes = (~valid).to(torch.float32).reshape(1, -1, *valid.shape[-2:])
    # A maximum, because one hole in a window is enough.
    near = F.max_pool2d(holes, window, stride=1)[0] > 0
    return ~near.view(*valid.shape[:-2], *near.shape[-2:])


def ssim_map(prediction: Tensor, target: SsimTarget, data_range: float = 1.0) -> Tensor:
    """Return SSIM at every position where the window fits: (..., C, H - w + 1, W - w + 1)."""
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    image = prediction - target.centre
    mean = correlate_turned(image, target.taps)
    covariances = correlate_turned(image * target.twice, target.taps).addcmul_(mean, target.twice_mean, value=-1)
    variances = correlate_turned(image.square_(), target.taps).addcmul_(mean, mean, value=-1).add_(target.variance)
    mean.add_(target.centre)
    twice_level = target.twice_mean + 2 * target.centre
    # In place from here on: these images are the largest of a score, and memory is what it waits for.
    result = covariances.add_(c2).mul_((mean * twice_level).add_(c1))
    squares = mean.square_().addcmul_(twice_level, twice_level, value=0.25)
    scale = variances.add_(c2).mul_(squares.add_(c1))
    return result.div_(scale)


def ssim(prediction: Tensor, target: SsimTarget, data_range: float = 1.0) -> Tensor:
    """Return the mean SSIM over bands and positions, (...) float64; NaN where no window counts in full."""
    if on_gpu(prediction):
        totals = [_total(ssim_map(prediction, target, data_range), target.positions)]
    else:  # a band at a time fits into the caches
        totals = [
            _total(ssim_map(prediction[..., band : band + 1, :, :], target.band(band), data_range), target.positions)
            for band in range(prediction.shape[-3])
        ]
    bands, height, width = target.twice_mean.shape[-3:]
    count = height * width if target.positions is None else target.positions.sum(dim=(-2, -1))
    return torch.stack(totals).sum(dim=0) / (count * bands)


def _total(values: Tensor, positions: Tensor | None) -> Tensor:
    """Return the sum over bands and the positions that count, (...) float64."""
    return pixel_sum(values if positions is None else torch.where(positions[..., None, :, :], values, 0), 3)
