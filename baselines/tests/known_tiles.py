"""Synthetic tiles whose truth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from worldstrat_bench.api import LowRes
from worldstrat_bench.data.synthetic.scenes import make_scene
from worldstrat_bench_baselines.resampling import resample, sensor_sigma

SCALE = 4
SIDE = 40


@dataclass(frozen=True)
class KnownTile:
    """LR frames of a scene with their true shifts (LR px), and the scene itself on the grid four times finer."""

    lr: LowRes
    shifts: tuple[tuple[float, float], ...]
    truth: Tensor


def see(scene: Tensor, shift: tuple[float, float]) -> Tensor:
    """(C, h, w) of a scene (C, 4 h, 4 w) through a sensor of MTF 0.3 at Nyquist on a shifted grid."""
    matrices = []
    for place in shift:
        centre = (torch.arange(SIDE, dtype=torch.float64) + 0.5 + place) * SCALE - 0.5
        distance = (torch.arange(SCALE * SIDE, dtype=torch.float64)[None] - centre[:, None]) / sensor_sigma(SCALE)
        weights = torch.exp(-0.5 * distance.square())
        matrices.append((weights / weights.sum(1, keepdim=True)).float())
    return matrices[0] @ scene @ matrices[1].T


def make_tile(ipcc: str, seed: int, frames: int = 8) -> KnownTile:
    """A tile of that land class with small radiometric differences and noise, clear everywhere."""
    rng = np.random.default_rng([99, seed])
    land = torch.from_numpy(make_scene(ipcc, 0, 256, rng)).float()
    scene = resample(land, SCALE * SIDE, SCALE * SIDE)
    shifts = [(0.0, 0.0)] + [(float(a), float(b)) for a, b in rng.uniform(-0.8, 0.8, (frames - 1, 2))]
    images = torch.zeros(frames, 12, SIDE, SIDE)
    for t, shift in enumerate(shifts):
        seen = see(scene, shift) * float(rng.uniform(0.95, 1.05)) + float(rng.uniform(0, 0.01))
        seen = seen + torch.from_numpy(rng.normal(0, 0.001, seen.shape)).float()
        images[t, [3, 2, 1, 7]] = seen
    clear = torch.ones(1, frames, 1, SIDE, SIDE, dtype=torch.bool)
    lr = LowRes(images[None], clear, torch.arange(frames)[None])
    return KnownTile(lr, tuple(shifts), scene[:3])


def random_land(seed: int, frames: int, height: int, width: int, cloud: float) -> LowRes:
    """Land of that size, moved by up to 4 px, in other radiometry, with clouds in the image and in the mask."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    land = 0.3 * F.interpolate(uniform(1, 12, height // 4, width // 4), (height, width), mode="bicubic")[0]
    land = land + 0.02 * uniform(12, height, width)
    seen = []
    for shift in (uniform(frames, 2) - 0.5).mul(8).tolist():
        frame = resample(land, height, width, (shift[0], shift[1])) * float(0.8 + 0.4 * uniform(1))
        seen.append(frame + 0.003 * torch.randn(frame.shape, generator=generator))
    images = torch.stack(seen)
    clear = F.interpolate(uniform(frames, 1, 6, 6), (height, width), mode="nearest") >= cloud
    return LowRes(torch.where(clear, images, 0.9)[None], clear[None], torch.zeros(1, frames, dtype=torch.int64))


def psnr(prediction: Tensor, truth: Tensor, border: int = 12) -> float:
    """dB of (3, H, W) against the truth, bias removed."""
    inside = (..., slice(border, -border), slice(border, -border))
    difference = prediction[inside] - truth[inside]
    difference = difference - difference.mean((-2, -1), keepdim=True)
    return -10 * math.log10(float(difference.square().mean()))
