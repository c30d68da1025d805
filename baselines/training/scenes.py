"""Training pairs: synthetic land seen by a 1.5 m and by a 10 m sensor, in perfect register with frame 0.

The land is that of ``worldstrat-bench data mini``; the 10 m sensor is written here, with every constant of it drawn
at random around mini's (its MTF, noise, haze, gains), so that a network cannot learn one sensor by heart. Frame 0
lies exactly on the grid of the target: the pairs need no registration, and the loss only has to ignore a bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldstrat_bench.data.synthetic.scenes import make_scene
from worldstrat_bench_baselines.nets import FACTOR
from worldstrat_bench_baselines.resampling import gaussian_blur, sensor_sigma

CLASSES = ("Agriculture", "Settlement", "Forest", "Grassland", "Wetland", "Water", "Other", "mixture")
LR_SIDE = 48
HR_SIDE = 316
"""px of 1.5 m under 48 LR pixels of 9.875 m, WorldStrat's ratio of 1,054 to 160."""
MARGIN = 24
"""px of scene around, for shifts and blur."""


@dataclass(frozen=True)
class Sample:
    """One tile: frames (T, 4, 48, 48) R,G,B,NIR, clear (T, 1, 48, 48), target (3, 192, 192), all reflectance."""

    frames: Tensor
    clear: Tensor
    target: Tensor


def make_sample(seed: int, index: int, frames: int = 8) -> Sample:
    """The sample of that number; the same numbers give the same sample."""
    rng = np.random.default_rng([seed, index])
    ipcc = CLASSES[index % len(CLASSES)]
    land = make_scene(ipcc, int(rng.integers(60)), HR_SIDE + 2 * MARGIN, rng)
    scene = torch.from_numpy(land).float()
    scene = scene * float(rng.uniform(0.8, 1.25))
    inner = scene[:3, MARGIN:-MARGIN, MARGIN:-MARGIN]
    side = FACTOR * LR_SIDE
    target = F.interpolate(inner[None], size=(side, side), mode="bicubic", antialias=True, align_corners=False)[0]
    mtf = float(rng.uniform(0.22, 0.38))
    noise = float(rng.uniform(0.6, 1.6))
    stack = [_frame(scene, rng, mtf, noise, reference=t == 0) for t in range(frames)]
    return Sample(torch.stack([f for f, _ in stack]), torch.stack([c for _, c in stack]), target.clamp(0, 1))


def _frame(
    scene: Tensor, rng: np.random.Generator, mtf: float, noise: float, *, reference: bool
) -> tuple[Tensor, Tensor]:
    """One acquisition of the scene: bands (4, h, w) and its clear mask (1, h, w)."""
    reach = 0.6 if rng.random() < 0.8 else 1.2
    shift = (0.0, 0.0) if reference else tuple(rng.uniform(-reach, reach, 2))
    rows = _sampling(scene.shape[-2], shift[0], mtf)
    columns = _sampling(scene.shape[-1], shift[1], mtf)
    lr = rows @ scene @ columns.T
    if not reference and rng.random() < 0.5:
        lr = lr * (1 + _field(rng, 6.0) * float(rng.uniform(0, 0.12)))  # season, in patches of fields
    gains = torch.from_numpy(rng.normal(1.0, 0.05, 4)).float()[:, None, None]
    haze = float(rng.uniform(0, 0.03)) * torch.tensor([0.6, 0.8, 1.1, 0.35])[:, None, None]
    lr = lr * gains + haze
    spread = noise * (0.0012 + 0.006 * lr.clamp_min(0))
    lr = lr + torch.from_numpy(rng.standard_normal(lr.shape)).float() * spread
    cloudy = rng.random() < (0.15 if reference else 0.45)
    if not cloudy:
        return (lr * 1e4).round() / 1e4, torch.ones(1, LR_SIDE, LR_SIDE, dtype=torch.bool)
    alpha = (2.5 * (_field(rng, 5.0) - float(rng.uniform(0.6, 1.6) if reference else rng.uniform(-0.6, 1.4)))).clamp(
        0, 1
    )
    lr = lr * (1 - alpha) + alpha * float(rng.uniform(0.45, 0.9))
    clear = F.max_pool2d((alpha > 0.4).float()[None], 3, stride=1, padding=1)[0] == 0
    return (lr * 1e4).round() / 1e4, clear


def _sampling(size: int, shift: float, mtf: float) -> Tensor:
    """(48, size) matrix: Gaussian weights of a sensor of `mtf` at Nyquist around the shifted samples."""
    scale = HR_SIDE / LR_SIDE
    sigma = sensor_sigma(scale, mtf)
    centre = (torch.arange(LR_SIDE, dtype=torch.float64) + 0.5 + shift) * scale - 0.5 + MARGIN
    distance = (torch.arange(size, dtype=torch.float64)[None, :] - centre[:, None]) / sigma
    weights = torch.exp(-0.5 * distance.square())
    return (weights / weights.sum(dim=1, keepdim=True)).float()


def _field(rng: np.random.Generator, sigma: float) -> Tensor:
    """A smooth random field (1, h, w) of zero mean and unit deviation."""
    field = gaussian_blur(torch.from_numpy(rng.standard_normal((1, LR_SIDE, LR_SIDE))).float(), sigma)
    return (field - field.mean()) / field.std().clamp_min(1e-6)
