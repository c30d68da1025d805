"""Plug-ins of the two small networks trained on synthetic land; see baselines/training for how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from worldstrat_bench.api import NIR, RGB, LowRes, Target
from worldstrat_bench_baselines.fusion import ShiftAndAdd, take_bands, wiener
from worldstrat_bench_baselines.nets import FACTOR, MultiFrameNet, SingleFrameNet
from worldstrat_bench_baselines.resampling import resample

N = TypeVar("N", bound=nn.Module)

WEIGHTS = Path(__file__).resolve().parent / "weights"


def load_net(net: N, weights: Path, device: torch.device) -> N:
    """Put the numbers of a safetensors file into a network, ready for inference."""
    net.load_state_dict(load_file(weights, device="cpu"))
    return net.to(device).eval().requires_grad_(False)


def on_target(image: Tensor, target: Target) -> Tensor:
    """Bring (B, 3, H, W) to the size of the target by Lanczos-8, unless it has it."""
    if image.shape[-2:] == (target.height, target.width):
        return image
    return resample(image, target.height, target.width)


@dataclass(frozen=True)
class SingleFrame:
    """The single-frame network on frame 0."""

    net: SingleFrameNet

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """Return (B, 3, target height, target width) float32 reflectance."""
        image: Tensor = self.net(lr.rgb(0))
        return on_target(image, target)


@dataclass(frozen=True)
class MultiFrame:
    """The multi-frame network on what shift-and-add makes of the frames."""

    net: MultiFrameNet
    classical: ShiftAndAdd

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """Return (B, 3, target height, target width) float32 reflectance."""
        grid = Target(FACTOR * lr.images.shape[-2], FACTOR * lr.images.shape[-1])
        answers = []
        for images, clear in zip(take_bands(lr.images, (*RGB, NIR)), lr.clear, strict=True):
            fused = self.classical.fuse(images, clear, grid)
            sharp = wiener(fused.image, fused.sigma, self.classical.noise_to_signal)
            answers.append(self.net(fused.image[None], sharp[None], fused.weight[None], images[:1, :3]))
        return on_target(torch.cat(answers), target)


def load_single(weights: Path | None, device: torch.device) -> SingleFrame:
    """Return the single-frame network; `weights` replaces the numbers that come with the package."""
    return SingleFrame(load_net(SingleFrameNet(), weights or WEIGHTS / "single.safetensors", device))


def load_multi(weights: Path | None, device: torch.device) -> MultiFrame:
    """Return the multi-frame network; `weights` replaces the numbers that come with the package."""
    return MultiFrame(load_net(MultiFrameNet(), weights or WEIGHTS / "multi.safetensors", device), ShiftAndAdd())
