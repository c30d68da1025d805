"""The two small networks trained here: a residual on top of an interpolator or of shift-and-add.

All convolutions work on the low-resolution grid; the residual reaches the grid four times finer through a pixel
shuffle (Shi et al. 2016). The trunk is a plain residual one without normalisation layers (Lim et al. 2017).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FACTOR = 4
"""Both networks answer on a grid this many times finer than their input."""

CONTRAST = 0.1
"""Reflectance that becomes 1 inside of a network."""


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a ReLU between them, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate")
        self.second = nn.Conv2d(width, width, 3, padding=1, padding_mode="replicate")

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, width, h, w) to the same."""
        y: Tensor = x + self.second(F.relu(self.first(x)))
        return y


class Trunk(nn.Module):
    """Features of the low-resolution grid to a residual image four times finer."""

    def __init__(self, inputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(inputs, width, 3, padding=1, padding_mode="replicate")
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, 3 * FACTOR**2, 3, padding=1, padding_mode="replicate")
        nn.init.zeros_(self.tail.weight)
        if self.tail.bias is not None:
            nn.init.zeros_(self.tail.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, 3, 4h, 4w), both in units of :data:`CONTRAST`."""
        features = self.head(x)
        return F.pixel_shuffle(self.tail(features + self.body(features)), FACTOR)


class SingleFrameNet(nn.Module):
    """Red, green and blue of one frame to the same four times finer, as a residual on bicubic.

    The mean of every band is taken off first, so that a bias of the input is a bias of the output.
    """

    def __init__(self, width: int = 48, blocks: int = 5) -> None:
        super().__init__()
        self.trunk = Trunk(3, width, blocks)

    def forward(self, rgb: Tensor) -> Tensor:
        """Map (B, 3, h, w) reflectance to (B, 3, 4h, 4w) reflectance."""
        mean = rgb.mean(dim=(-2, -1), keepdim=True)
        base = F.interpolate(rgb, scale_factor=float(FACTOR), mode="bicubic", align_corners=False)
        residual: Tensor = self.trunk((rgb - mean) / CONTRAST)
        return base + CONTRAST * residual


class MultiFrameNet(nn.Module):
    """A fused stack of frames, deblurred, as a residual on classical shift-and-add.

    What it sees does not depend on the order or number of the frames but for the reference: their sum on the fine
    grid, the deblurred sum, the weight behind each pixel, and frame 0 itself.
    """

    def __init__(self, width: int = 48, blocks: int = 5) -> None:
        super().__init__()
        self.trunk = Trunk(2 * 3 * FACTOR**2 + 1 + 3, width, blocks)

    def forward(self, fused: Tensor, sharp: Tensor, weight: Tensor, frame: Tensor) -> Tensor:
        """Map fused, sharp (B, 3, 4h, 4w), weight (B, 1, 4h, 4w), frame 0 (B, 3, h, w) to (B, 3, 4h, 4w)."""
        mean = frame.mean(dim=(-2, -1), keepdim=True)
        behind = torch.log2(F.avg_pool2d(weight, FACTOR).clamp(0.05, 16.0)) / 3
        stack = [F.pixel_unshuffle((image - mean) / CONTRAST, FACTOR) for image in (fused, sharp - fused + mean)]
        residual: Tensor = self.trunk(torch.cat([*stack, behind, (frame - mean) / CONTRAST], dim=1))
        return sharp + CONTRAST * residual


def parameter_count(net: nn.Module) -> int:
    """Return how many numbers were trained."""
    return sum(p.numel() for p in net.parameters())
