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
from worldstrat_bench_baselines.resampling import bicubic, sensor_sigma

CLOUDY_WEIGHT = 1e-4
"""Relative weight of a cloudy pixel: it counts only where no frame is clear."""

UNREGISTERED_NOISE = 0.05
"""Reflectance; assumed of a frame that shares too little with frame 0 to be registered."""

NOISE_MIN = 0.002
"""Reflectance; no frame is trusted more than this."""


def masked_median(images: Tensor, clear: Tensor) -> Tensor:
    """Median over the clear frames of (B, T, C, h, w), over all frames where none is clear: (B, C, h, w)."""
    usable = clear | ~clear.any(dim=1, keepdim=True)
    hidden = torch.where(usable, images, torch.full_like(images, float("nan")))
    return torch.nanquantile(hidden, 0.5, dim=1)


@dataclass(frozen=True)
class TemporalMedian:
    """Cloud-masked temporal median on the native grid, then bicubic."""

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """(B, 3, target height, target width) float32 reflectance."""
        return bicubic(masked_median(lr.images[:, :, list(RGB)], lr.clear), target.height, target.width)


def fits_of(images: Tensor, clear: Tensor) -> list[Fit]:
    """Relate every frame of (T, C, h, w) to frame 0; the noise of frame 0 is guessed from the best of the others."""
    others = [register(images[0], images[t], clear[0], clear[t]) for t in range(1, images.shape[0])]
    noises = torch.stack([fit.noise for fit in others if fit.found] or [torch.full_like(images[0, :, 0, 0], 0.005)])
    own = (noises.amin(dim=0) / math.sqrt(2)).clamp_min(NOISE_MIN)
    first = Fit((0.0, 0.0), torch.ones_like(own), torch.zeros_like(own), own)
    lost = identity_fit(images.shape[1], images, UNREGISTERED_NOISE)
    return [first, *(fit if fit.found else lost for fit in others)]


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

    spot: float = 0.4
    spot_min: float = 0.2
    noise_to_signal: float = 0.01

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """(B, 3, target height, target width) float32 reflectance."""
        bands = [*RGB, NIR]
        tiles = [
            self._one(lr.images[b][:, bands], lr.clear[b], target) for b in range(lr.images.shape[0])
        ]
        return torch.stack(tiles)

    def _one(self, images: Tensor, clear: Tensor, target: Target) -> Tensor:
        fits = fits_of(images, clear)
        fused, sigma = self.fuse(images[:, :3], clear, fits, target)
        return wiener(fused, sigma, self.noise_to_signal)

    def fuse(
        self, images: Tensor, clear: Tensor, fits: list[Fit], target: Target
    ) -> tuple[Tensor, tuple[float, float]]:
        """Add the frames (T, C, h, w) on the target grid: the sum (C, H, W) and its blur, sigma in target px."""
        height, width = images.shape[-2:]
        scale = (target.height / height, target.width / width)
        spot = max(self.spot_min, self.spot / math.sqrt(len(fits)))
        total = torch.zeros(images.shape[1], target.height, target.width).to(images)
        weights = torch.zeros_like(total)
        for frame, mask, fit in zip(images, clear, fits, strict=True):
            gain, bias, noise = (v[: images.shape[1], None, None] for v in (fit.gain, fit.bias, fit.noise))
            weight = (NOISE_MIN * gain / noise.clamp_min(NOISE_MIN)).square() * soft_clear(mask)
            rows = spots(height, target.height, fit.shift[0], spot).to(images)
            columns = spots(width, target.width, fit.shift[1], spot).to(images)
            total += rows @ ((frame - bias) / gain * weight) @ columns.T
            weights += rows @ weight.expand_as(frame) @ columns.T
        sigma = tuple(math.hypot(sensor_sigma(s), spot * s) for s in scale)
        return total / weights, (sigma[0], sigma[1])


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
    gain = blur * (1 + 0 * noise) / (blur.square() + noise)
    spectrum = torch.fft.rfft2(padded) * gain.to(image)
    sharp = torch.fft.irfft2(spectrum, s=padded.shape[-2:])
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
