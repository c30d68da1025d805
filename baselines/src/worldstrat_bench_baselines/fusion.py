"""Classical multi-frame models: the temporal median, and shift-and-add with deblurring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from worldstrat_bench.api import NIR, RGB, LowRes, Target
from worldstrat_bench_baselines.registration import Fit, identity_fit, register
from worldstrat_bench_baselines.resampling import bicubic, gaussian_blur, resample, sensor_sigma

CLOUDY_WEIGHT = 1e-4
"""Relative weight of a cloudy pixel: it counts only where no frame is clear."""

UNREGISTERED_NOISE = 0.05
"""Reflectance; assumed of a frame that shares too little with frame 0 to be registered."""

NOISE_MIN = 0.002
"""Reflectance; two frames are never expected to agree better than this."""


def masked_median(images: Tensor, clear: Tensor) -> Tensor:
    """Median over the clear frames of (B, T, C, h, w), over all frames where none is clear: (B, C, h, w)."""
    usable = (clear | ~clear.any(dim=1, keepdim=True)).expand_as(images)
    # sorted by hand: torch.nanquantile refuses more than 16 million numbers, a batch of 27 tiles
    ordered = torch.where(usable, images, torch.inf).sort(dim=1).values
    count = usable.sum(dim=1, keepdim=True)
    lower, upper = ordered.gather(1, (count - 1) // 2), ordered.gather(1, count // 2)
    return ((lower + upper) / 2)[:, 0]


@dataclass(frozen=True)
class TemporalMedian:
    """Cloud-masked temporal median on the native grid, then bicubic."""

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """(B, 3, target height, target width) float32 reflectance."""
        return bicubic(masked_median(lr.images[:, :, list(RGB)], lr.clear), target.height, target.width)


def fits_of(images: Tensor, clear: Tensor) -> list[Fit]:
    """Relate every frame of (T, C, h, w) to frame 0. One that cannot be is kept as it is, with a large noise."""
    first = identity_fit(images[0], NOISE_MIN)
    lost = identity_fit(images[0], UNREGISTERED_NOISE)
    others = [register(images[0], images[t], clear[0], clear[t]) for t in range(1, images.shape[0])]
    return [first, *(fit if fit.found else lost for fit in others)]


def own_noise(frame: Tensor, clear: Tensor, fits: list[Fit]) -> Tensor:
    """(C, 1, 1) reflectance: what two frames of (C, h, w) without any change between them would differ by.

    Half of the fine detail of frame 0 (that is what aliasing moves about), or the best agreement with another
    frame if that is better, and never below the noise of the sensor.
    """
    fine = (frame - gaussian_blur(frame, 1.0)).square() * clear
    detail = (fine.sum((-2, -1)) / clear.sum().clamp_min(1)).sqrt() / 2
    best = torch.stack([fit.noise[: frame.shape[0]] for fit in fits[1:]] or [detail]).amin(dim=0)
    return torch.minimum(detail, best).clamp_min(NOISE_MIN)[:, None, None]


def matched_frame(images: Tensor, clear: Tensor, t: int, fit: Fit, own: Tensor) -> tuple[Tensor, Tensor]:
    """Frame t of (T, C, h, w) in the radiometry of frame 0, and its weights (C, h, w) without clouds.

    A gain and a bias per band, then a bias that varies slowly over the tile, bring haze and season to frame 0.
    The weight falls where the frame still differs by more than `own`: something else has changed there.
    """
    frame = images[t]
    if t == 0:
        return frame, torch.ones_like(frame)
    bands, (height, width) = frame.shape[0], frame.shape[-2:]
    matched = (frame - fit.bias[:bands, None, None]) / fit.gain[:bands, None, None]
    common = (soft_clear(clear[0]) * soft_clear(clear[t]) == 1).to(frame)
    difference = (resample(matched, height, width, fit.shift) - images[0]) * common
    slow = _local_mean(difference, common, 6.0)
    spread = _local_mean((difference - slow * common).square(), common, 2.0)
    known = gaussian_blur(common, 2.0) > 0.05
    spread = torch.where(known, spread, fit.noise[:bands, None, None].square().expand_as(spread))
    back = (-fit.shift[0], -fit.shift[1])
    excess = resample(spread, height, width, back) / (2 * own.square())
    return matched - resample(slow, height, width, back), 1 / excess.clamp_min(1.0)


def _local_mean(values: Tensor, weight: Tensor, sigma: float) -> Tensor:
    """Gaussian mean of already weighted `values` (C, h, w); it goes to 0 where there is no weight near."""
    return gaussian_blur(values, sigma) / (gaussian_blur(weight, sigma) + 0.02)


@dataclass(frozen=True)
class Fused:
    """Frames added on the target grid.

    Attributes
    ----------
    image : (3, H, W) reflectance in the radiometry of frame 0, still blurred.
    weight : (1, H, W) about how many clear frames stand behind a pixel.
    sigma : of the blur, target px (rows, columns).
    """

    image: Tensor
    weight: Tensor
    sigma: tuple[float, float]


@dataclass(frozen=True)
class ShiftAndAdd:
    """Registers the frames to frame 0, adds them on the target grid, and deblurs.

    The fusion is a normalised convolution: every LR sample is a Gaussian spot at its own place, weighted by
    the inverse variance of its frame and by its clear mask (Elad and Hel-Or 2001; Knutsson and Westin 1993).
    The deblurring is a Wiener filter against the Gaussian of MTF 0.3 at Nyquist and the spot.

    Attributes
    ----------
    spot : sigma of a spot in LR px for one frame; it shrinks with the square root of the number of frames.
    spot_min : lower bound of that sigma, LR px.
    noise_to_signal : of the Wiener filter; larger is smoother.
    """

    spot: float = 0.5
    spot_min: float = 0.2
    noise_to_signal: float = 0.012

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """(B, 3, target height, target width) float32 reflectance."""
        bands = [*RGB, NIR]
        tiles = [self._one(lr.images[b][:, bands], lr.clear[b], target) for b in range(lr.images.shape[0])]
        return torch.stack(tiles)

    def _one(self, images: Tensor, clear: Tensor, target: Target) -> Tensor:
        fused = self.fuse(images, clear, target)
        return wiener(fused.image, fused.sigma, self.noise_to_signal)

    def fuse(self, images: Tensor, clear: Tensor, target: Target) -> Fused:
        """Add the frames (T, C, h, w), of which the first three bands are kept, on the target grid."""
        height, width = images.shape[-2:]
        scale = (target.height / height, target.width / width)
        if images.shape[0] == 1:  # nothing to add: interpolation leaves no blur of its own
            image = resample(images[0, :3], target.height, target.width)
            weight = F.interpolate(soft_clear(clear[0])[None], size=image.shape[-2:], mode="nearest-exact")[0]
            return Fused(image, weight, (sensor_sigma(scale[0]), sensor_sigma(scale[1])))
        fits = fits_of(images, clear)
        images = images[:, :3]
        spot = max(self.spot_min, self.spot / math.sqrt(len(fits)))
        total = torch.zeros(3, target.height, target.width).to(images)
        weights = torch.zeros_like(total)
        own = own_noise(images[0], clear[0], fits)
        for t, fit in enumerate(fits):
            matched, weight = matched_frame(images, clear, t, fit, own)
            weight = weight * soft_clear(clear[t])
            rows = spots(height, target.height, fit.shift[0], spot).to(images)
            columns = spots(width, target.width, fit.shift[1], spot).to(images)
            total += rows @ (matched * weight) @ columns.T
            weights += rows @ weight @ columns.T
        sigma = (
            math.hypot(sensor_sigma(scale[0]), spot * scale[0]),
            math.hypot(sensor_sigma(scale[1]), spot * scale[1]),
        )
        # An isolated spot sums to 2 pi spot^2 samples per LR px: in that unit the weight counts frames.
        return Fused(total / weights, weights.mean(dim=0, keepdim=True) / (2 * math.pi * spot**2), sigma)


def soft_clear(clear: Tensor, margin: int = 1) -> Tensor:
    """Weights of (1, h, w): 1 where clear and further than `margin` px from a cloud, else nearly nothing."""
    cloud = F.max_pool2d((~clear).float()[None], 2 * margin + 1, stride=1, padding=margin)[0]
    return torch.where(cloud > 0, CLOUDY_WEIGHT, 1.0)


def spots(size_in: int, size_out: int, shift: float, sigma: float) -> Tensor:
    """(size_out, size_in) float64: Gaussian spots of `sigma` LR px around the samples of a frame moved by `shift`.

    A tiny constant keeps the sum of weights positive where every spot is far away.
    """
    scale = size_out / size_in
    samples = (torch.arange(size_in, dtype=torch.float64) - shift + 0.5) * scale - 0.5
    distance = (torch.arange(size_out, dtype=torch.float64)[:, None] - samples[None, :]) / (sigma * scale)
    nearest = distance.square().amin(dim=1, keepdim=True).clamp_min(50.0) - 50.0
    return torch.exp(-0.5 * (distance.square() - nearest))


def wiener(image: Tensor, sigma: tuple[float, float], noise_to_signal: float) -> Tensor:
    """Undo a Gaussian blur of `sigma` target px over the last two axes of (C, H, W), edges reflected.

    The noise-to-signal ratio grows with the square of the frequency, as land has a 1/f amplitude spectrum; it is
    `noise_to_signal` where the blur has fallen to 0.3.
    """
    pad = min(32, image.shape[-2] - 1, image.shape[-1] - 1)
    padded = F.pad(image[None], (pad, pad, pad, pad), mode="reflect")[0]
    fy = torch.fft.fftfreq(padded.shape[-2], dtype=torch.float64)[:, None] * 2 * math.pi * sigma[0]
    fx = torch.fft.rfftfreq(padded.shape[-1], dtype=torch.float64)[None, :] * 2 * math.pi * sigma[1]
    radius = fy.square() + fx.square()
    blur = torch.exp(-0.5 * radius)
    noise = noise_to_signal * radius / (-2 * math.log(0.3))
    gain = blur / (blur.square() + noise)
    spectrum = torch.fft.rfft2(padded) * gain.to(image)
    sharp: Tensor = torch.fft.irfft2(spectrum, s=padded.shape[-2:])
    return sharp[..., pad:-pad, pad:-pad].contiguous()


def load_median(weights: Path | None, device: torch.device) -> TemporalMedian:
    """Cloud-masked temporal median, then bicubic."""
    return TemporalMedian()


def load_shift_and_add(
    weights: Path | None,
    device: torch.device,
    spot: float = ShiftAndAdd.spot,
    noise_to_signal: float = ShiftAndAdd.noise_to_signal,
) -> ShiftAndAdd:
    """Shift-and-add with deblurring; parameters as in :class:`ShiftAndAdd`."""
    return ShiftAndAdd(spot=float(spot), noise_to_signal=float(noise_to_signal))
