"""Classical multi-frame models: the temporal median, and shift-and-add with deblurring."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from worldstrat_bench.api import NIR, RGB, LowRes, Target
from worldstrat_bench_baselines.registration import Fits, register
from worldstrat_bench_baselines.resampling import MOVE_MAX, bicubic, gaussian_blur, move, resample, sensor_sigma

CLOUDY_WEIGHT = 1e-4
"""Relative weight of a cloudy pixel: it counts only where no frame is clear."""

UNREGISTERED_NOISE = 0.05
"""Reflectance; assumed of a frame that shares too little with frame 0 to be registered."""

NOISE_MIN = 0.002
"""Reflectance; two frames are never expected to agree better than this."""


def take_bands(images: Tensor, bands: Sequence[int]) -> Tensor:
    """Return those bands of (..., bands, h, w) in that order. An index as a list would wait for the device."""
    return torch.stack([images[..., band, :, :] for band in bands], dim=-3)


def masked_median(images: Tensor, clear: Tensor) -> Tensor:
    """Return the median over clear frames of (B, T, C, h, w), over all where none is clear: (B, C, h, w)."""
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
        """Return (B, 3, target height, target width) float32 reflectance."""
        return bicubic(masked_median(take_bands(lr.images, RGB), lr.clear), target.height, target.width)


def own_noise(frame: Tensor, clear: Tensor, fits: Fits) -> Tensor:
    """Return (C, 1, 1) reflectance: what two frames of (C, h, w) without any change between them would differ by.

    Half of the fine detail of frame 0 (that is what aliasing moves about), or the best agreement with another
    frame if that is better, and never below the noise of the sensor.
    """
    fine = (frame - gaussian_blur(frame, 1.0)).square() * clear
    detail = (fine.sum((-2, -1)) / clear.sum().clamp_min(1)).sqrt() / 2
    best = fits.noise[:, : frame.shape[0]].amin(dim=0)
    return torch.minimum(detail, best).clamp_min(NOISE_MIN)[:, None, None]


def matched_frames(first: Tensor, others: Tensor, soft: Tensor, fits: Fits, own: Tensor) -> tuple[Tensor, Tensor]:
    """Return the `others` (T - 1, C, h, w) in the radiometry of the `first` (C, h, w), and their clear weights.

    A gain and a bias per band, then a bias that varies slowly over the tile, bring haze and season to frame 0.
    The weight falls where the frame still differs by more than `own`: something else has changed there.

    Parameters
    ----------
    soft : (T, 1, h, w) of :func:`soft_clear`.
    fits : of the others.
    """
    gain, bias, noise = (x[:, : first.shape[0], None, None] for x in (fits.gain, fits.bias, fits.noise))
    matched = (others - bias) / gain
    common = (soft[:1] * soft[1:] == 1).to(first)
    difference = (move(matched, fits.shift) - first) * common
    slow = _local_mean(difference, common, 6.0)
    spread = _local_mean((difference - slow * common).square(), common, 2.0)
    known = gaussian_blur(common, 2.0) > 0.05
    spread = torch.where(known, spread, noise.square())
    excess = move(spread, -fits.shift) / (2 * own.square())
    return matched - move(slow, -fits.shift), 1 / excess.clamp_min(1.0)


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
        """Return (B, 3, target height, target width) float32 reflectance."""
        images = take_bands(lr.images, (*RGB, NIR))
        return torch.stack([self._one(*tile, target) for tile in zip(images, lr.clear, strict=True)])

    def _one(self, images: Tensor, clear: Tensor, target: Target) -> Tensor:
        fused = self.fuse(images, clear, target)
        return wiener(fused.image, fused.sigma, self.noise_to_signal)

    def fuse(self, images: Tensor, clear: Tensor, target: Target) -> Fused:
        """Add the frames (T, C, h, w), of which the first three bands are kept, on the target grid."""
        height, width = images.shape[-2:]
        scale = (target.height / height, target.width / width)
        if images.shape[0] == 1:  # nothing to add: interpolation leaves no blur of its own
            image = resample(images[0, :3], target.height, target.width)
            weight = F.interpolate(soft_clear(clear), size=image.shape[-2:], mode="nearest-exact")[0]
            return Fused(image, weight, (sensor_sigma(scale[0]), sensor_sigma(scale[1])))
        soft = soft_clear(clear)
        fits = register(images[0], images[1:], clear[0], clear[1:])
        # a frame that cannot be registered is kept where it is, with a large noise
        fits = replace(fits, noise=torch.where(fits.found[:, None], fits.noise, UNREGISTERED_NOISE))
        images = images[:, :3]
        own = own_noise(images[0], clear[0], fits)
        matched, weight = matched_frames(images[0], images[1:], soft, fits, own)
        matched = torch.cat([images[:1], matched])
        weight = torch.cat([torch.ones_like(images[:1]), weight]) * soft
        spot = max(self.spot_min, self.spot / math.sqrt(len(images)))
        shift = torch.cat([torch.zeros_like(fits.shift[:1]), fits.shift])
        added = add_spots(torch.cat([matched * weight, weight], dim=1), (target.height, target.width), shift, spot)
        total, weights = added.chunk(2)
        sigma = (
            math.hypot(sensor_sigma(scale[0]), spot * scale[0]),
            math.hypot(sensor_sigma(scale[1]), spot * scale[1]),
        )
        # An isolated spot sums to 2 pi spot^2 samples per LR px: in that unit the weight counts frames.
        return Fused(total / weights, weights.mean(dim=0, keepdim=True) / (2 * math.pi * spot**2), sigma)


def soft_clear(clear: Tensor, margin: int = 1) -> Tensor:
    """Return weights of (T, 1, h, w): 1 where clear and over `margin` px from a cloud, else nearly nothing."""
    cloud = F.max_pool2d((~clear).float(), 2 * margin + 1, stride=1, padding=margin)
    return torch.where(cloud > 0, CLOUDY_WEIGHT, 1.0)


BLOCK = 24
"""LR px of an axis whose spots are laid down by one matrix."""

SPOT_REACH = 8
"""Sigmas from its centre at which a spot has ended: 1e-14 of its height."""


@dataclass(frozen=True)
class Spots:
    """Gaussian spots along one axis: a band matrix for every frame, of which only the blocks on the band exist.

    Attributes
    ----------
    blocks : (T, K, Q, L) float64, how Q output pixels weight the L input pixels of their window, for K windows.
    starts : the first input pixel of each window.
    """

    blocks: Tensor
    starts: tuple[int, ...]

    def windows(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield the input pixels of every window and its matrices (T, Q, L)."""
        for number, start in enumerate(self.starts):
            yield slice(start, start + self.blocks.shape[-1]), self.blocks[:, number]


def spots(size_in: int, size_out: int, shifts: Tensor, sigma: float) -> Spots:
    """Return spots of `sigma` LR px around the samples of T frames moved by `shifts` (T,), at most :data:`MOVE_MAX` px.

    A tiny constant keeps the sum of weights positive where every spot is far away. The last window goes on beyond
    `size_out`.
    """
    scale = size_out / size_in
    reach = MOVE_MAX + math.ceil(SPOT_REACH * sigma)
    high = math.ceil(BLOCK * scale)
    wide = min(size_in, math.ceil(high / scale) + 2 * reach + 1)
    firsts = range(0, size_out, high)
    starts = tuple(min(max(math.floor(first / scale) - reach, 0), size_in - wide) for first in firsts)
    count = partial(torch.arange, dtype=torch.float64, device=shifts.device)
    inputs = torch.tensor(starts).to(shifts, non_blocking=True)[:, None] + count(wide)
    outputs = count(len(starts) * high).view(-1, high, 1)
    samples = (inputs - shifts[:, None, None] + 0.5) * scale - 0.5
    distance = ((outputs - samples[:, :, None]) / (sigma * scale)).square()
    nearest = distance.amin(dim=-1, keepdim=True).clamp_min(50.0) - 50.0
    return Spots(torch.exp(-0.5 * (distance - nearest)), starts)


def add_spots(frames: Tensor, size: tuple[int, int], shifts: Tensor, sigma: float) -> Tensor:
    """Return (C, H, W): every pixel of (T, C, h, w) as a spot at its own place on the finer grid, added up.

    A dense matrix per frame and axis would be most of the work of the whole model, and nearly all zeros.
    """
    count, channels, height, width = frames.shape
    flat = frames.transpose(1, 2).flatten(1, 2)
    columns, rows = spots(width, size[1], shifts[:, 1], sigma), spots(height, size[0], shifts[:, 0], sigma)
    strips = [flat[..., window] @ block.to(flat).mT for window, block in columns.windows()]
    # with its rows first in memory, a window with all frames is one matrix, whose product adds the frames too
    wide = torch.cat([strip.view(count, height, channels, -1).transpose(0, 1) for strip in strips], dim=-1)
    wide = wide.flatten(2)
    strips = [
        block.to(flat).permute(1, 2, 0).flatten(1) @ wide[window].flatten(0, 1) for window, block in rows.windows()
    ]
    added = torch.cat(strips)[: size[0]]
    return added.view(size[0], channels, -1)[..., : size[1]].transpose(0, 1)


def wiener(image: Tensor, sigma: tuple[float, float], noise_to_signal: float) -> Tensor:
    """Undo a Gaussian blur of `sigma` target px over the last two axes of (C, H, W), edges reflected.

    The noise-to-signal ratio grows with the square of the frequency, as land has a 1/f amplitude spectrum; it is
    `noise_to_signal` where the blur has fallen to 0.3.
    """
    pad = min(32, image.shape[-2] - 1, image.shape[-1] - 1)
    padded = F.pad(image[None], (pad, pad, pad, pad), mode="reflect")[0]
    # made where the image is: a copy of a large table would be waited for
    frequencies = {"dtype": torch.float64, "device": image.device}
    fy = torch.fft.fftfreq(padded.shape[-2], **frequencies)[:, None] * 2 * math.pi * sigma[0]
    fx = torch.fft.rfftfreq(padded.shape[-1], **frequencies)[None, :] * 2 * math.pi * sigma[1]
    radius = fy.square() + fx.square()
    blur = torch.exp(-0.5 * radius)
    noise = noise_to_signal * radius / (-2 * math.log(0.3))
    gain = blur / (blur.square() + noise)
    spectrum = torch.fft.rfft2(padded) * gain.to(image)
    sharp: Tensor = torch.fft.irfft2(spectrum, s=padded.shape[-2:])
    return sharp[..., pad:-pad, pad:-pad].contiguous()


def load_median(weights: Path | None, device: torch.device) -> TemporalMedian:
    """Load the cloud-masked temporal median, then bicubic."""
    return TemporalMedian()


def load_shift_and_add(
    weights: Path | None,
    device: torch.device,
    spot: float = ShiftAndAdd.spot,
    noise_to_signal: float = ShiftAndAdd.noise_to_signal,
) -> ShiftAndAdd:
    """Load shift-and-add with deblurring; parameters as in :class:`ShiftAndAdd`."""
    return ShiftAndAdd(spot=float(spot), noise_to_signal=float(noise_to_signal))
