"""The architectures that the dataset's authors published: SRCNN for one or eight frames, and HighRes-net.

Written from the description and from the shapes of upstream's weights (Cornebise, Orsolic and Kalaitzis 2022;
Deudon et al. 2020 for HighRes-net), to load its checkpoints. Dropout is left out: it does nothing at inference.
Upstream's loss compared images up to 3 px apart, so trained weights may carry an offset; nothing is done about it
here, the recorded shifts show it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from worldstrat_bench.api import BANDS, RGB, LowRes, Target, pad_frames
from worldstrat_bench_baselines.checkpoint import CheckpointError, load_tensors
from worldstrat_bench_baselines.tiling import Tiling

MEDIAN = (0.0008, 0.0117, 0.0211, 0.0198, 0.0671, 0.1274, 0.1449, 0.1841, 0.1738, 0.1803, 0.0566, -0.0559)
"""Per-band median of the training inputs, as upstream publishes it in ``src/datasources.py`` (``JIF_S2_MEAN``)."""

DEVIATION = (0.0892, 0.0976, 0.1001, 0.1169, 0.1154, 0.1066, 0.1097, 0.1151, 0.1122, 0.1176, 0.1298, 0.1176)
"""Per-band deviation from that median, of the same place (``JIF_S2_STD``)."""

LR_SIDE = 160
GRID = 3.125
"""Upstream brings inputs to 160 px and answers on 500 px."""


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding="same", padding_mode="reflect")


class TwoConvolutions(nn.Module):
    """Twice a convolution with reflected borders and a PReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.first, self.first_slope = _conv(inputs, outputs, kernel), nn.PReLU()
        self.second, self.second_slope = _conv(outputs, outputs, kernel), nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h, w)."""
        y: Tensor = self.second_slope(self.second(self.first_slope(self.first(x))))
        return y


class Renderer(nn.Module):
    """Pixel shuffle, then two convolutions with a PReLU each."""

    def __init__(self, hidden: int, zoom: int, kernel: int) -> None:
        super().__init__()
        self.zoom = zoom
        inner = hidden // zoom**2
        self.first, self.first_slope = _conv(inner, inner, kernel), nn.PReLU()
        self.second, self.second_slope = _conv(inner, 3, kernel), nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, hidden, h, w) to (B, 3, zoom h, zoom w)."""
        x = self.first_slope(self.first(F.pixel_shuffle(x, self.zoom)))
        y: Tensor = self.second_slope(self.second(x))
        return y


@dataclass(frozen=True)
class Shape:
    """The sizes of a network, which its weights give away."""

    bands: int
    hidden: int
    frames: int
    kernel: int = 3
    residual: int = 1
    zoom: int = 2
    sr_kernel: int = 1


class Srcnn(nn.Module):
    """Encodes every frame alone, takes the frames for channels, and renders."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = TwoConvolutions(shape.bands, shape.hidden, shape.kernel)
        self.mix = TwoConvolutions(shape.hidden * shape.frames, shape.hidden, shape.kernel)
        blocks = (TwoConvolutions(shape.hidden, shape.hidden, shape.kernel) for _ in range(shape.residual))
        self.residual = nn.ModuleList(blocks)
        self.render = Renderer(shape.hidden, shape.zoom, shape.sr_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, frames, bands, h, w) normalised to (B, 3, zoom h, zoom w) reflectance."""
        batch, frames, _, height, width = x.shape
        encoded = self.encoder(x.flatten(0, 1)).reshape(batch, frames * self.shape.hidden, height, width)
        mixed = self.mix(encoded)
        for block in self.residual:
            mixed = mixed + block(mixed)
        y: Tensor = self.render(mixed)
        return y


class HighResNet(nn.Module):
    """Encodes every frame alone, fuses pairs of them with one shared block until one is left, and renders."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = TwoConvolutions(shape.bands, shape.hidden, shape.kernel)
        self.pair = TwoConvolutions(2 * shape.hidden, 2 * shape.hidden, shape.kernel)
        self.merge, self.merge_slope = _conv(2 * shape.hidden, shape.hidden, shape.kernel), nn.PReLU()
        self.render = Renderer(shape.hidden, shape.zoom, shape.sr_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, frames, bands, h, w) normalised to (B, 3, zoom h, zoom w) reflectance."""
        batch, frames, _, height, width = x.shape
        encoded = self.encoder(x.flatten(0, 1)).reshape(batch, frames, self.shape.hidden, height, width)
        missing = (1 << math.ceil(math.log2(frames))) - frames
        encoded = torch.cat([encoded, encoded.new_zeros(batch, missing, *encoded.shape[2:])], dim=1)
        while encoded.shape[1] > 1:
            half = encoded.shape[1] // 2
            pairs = torch.cat([encoded[:, :half], encoded[:, half:]], dim=2).flatten(0, 1)
            merged = self.merge_slope(self.merge(pairs + self.pair(pairs)))
            encoded = merged.reshape(batch, half, self.shape.hidden, height, width)
        y: Tensor = self.render(encoded[:, 0])
        return y


_TWO = {"first": "0", "first_slope": "2", "second": "4", "second_slope": "6"}
_RENDER = {"first": "1", "first_slope": "3", "second": "4", "second_slope": "6"}


def upstream_name(name: str) -> str:
    """Return what upstream calls one of our parameters, without the ``backbone.`` of its Lightning module."""
    module, _, rest = name.partition(".")
    if module == "render":
        layer, _, kind = rest.partition(".")
        return f"sr.upsample.{_RENDER[layer]}.{kind}"
    if module in {"merge", "merge_slope"}:
        return f"fusion.fusion.0.fuse.{'1' if module == 'merge' else '3'}.{rest}"
    stems = {"encoder": "encoder", "mix": "fusion.0", "pair": "fusion.fusion.0.fuse.0.residualblock"}
    stem = stems.get(module, "")
    if module == "residual":
        index, _, rest = rest.partition(".")
        stem = f"fusion.1.{index}.residualblock"
    layer, _, kind = rest.partition(".")
    return f"{stem}.doubleconv2d.{_TWO[layer]}.{kind}"


def without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the ``backbone.`` that Lightning puts before every name."""
    return {name.removeprefix("backbone."): tensor for name, tensor in tensors.items()}


def shape_of(tensors: Mapping[str, Tensor], frames: int) -> Shape:
    """Read the sizes off upstream's weights; `frames` counts for HighRes-net only, whose weights do not say.

    Raises
    ------
    CheckpointError
        if the weights are not those of one of these networks.
    """
    try:
        hidden, bands, kernel, _ = tensors["encoder.doubleconv2d.0.weight"].shape
        inner, _, sr_kernel, _ = tensors["sr.upsample.1.weight"].shape
    except (KeyError, ValueError):
        raise CheckpointError("these are not the weights of WorldStrat's SRCNN or HighRes-net") from None
    mixing = tensors.get("fusion.0.doubleconv2d.0.weight")
    if mixing is not None:
        frames = mixing.shape[1] // hidden
    if bands not in {len(RGB), len(BANDS)}:
        raise CheckpointError(f"a network of {bands} bands: upstream's have all twelve or the three visible ones")
    residual = sum(name.startswith("fusion.1.") and name.endswith(".doubleconv2d.0.weight") for name in tensors)
    return Shape(bands, hidden, frames, kernel, residual, math.isqrt(hidden // inner), sr_kernel)


def build(tensors: Mapping[str, Tensor], frames: int) -> Srcnn | HighResNet:
    """Return the network that upstream's weights belong to, with them in it.

    Raises
    ------
    CheckpointError
        if a weight is missing or of the wrong size.
    """
    tensors = without_prefix(tensors)
    shape = shape_of(tensors, frames)
    net = Srcnn(shape) if "fusion.0.doubleconv2d.0.weight" in tensors else HighResNet(shape)
    try:
        net.load_state_dict({name: tensors[upstream_name(name)] for name in net.state_dict()})
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(f"the weights do not fit: {error}") from None
    return net.eval().requires_grad_(False)


@dataclass(frozen=True)
class WorldStratModel:
    """One of upstream's networks with upstream's preparation of its inputs."""

    net: Srcnn | HighResNet
    tiling: Tiling
    median: Tensor
    deviation: Tensor

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """Return (B, 3, 500, 500) float32 reflectance for inputs of about 160 px, 3.125 times the input for others."""
        images = pad_frames(lr, self.net.shape.frames).images
        if self.net.shape.bands == len(RGB):
            images = images[:, :, list(RGB)]
        batch, frames, bands, height, width = images.shape
        normalised = (images - self.median) / self.deviation
        if max(abs(height - LR_SIDE), abs(width - LR_SIDE)) <= 10:
            flat = normalised.flatten(0, 1)
            flat = F.interpolate(flat, (LR_SIDE, LR_SIDE), mode="bicubic", antialias=True, align_corners=False)
            normalised = flat.reshape(batch, frames, bands, LR_SIDE, LR_SIDE)
        fine = self.tiling.run(self.net, normalised)
        side = (round(normalised.shape[-2] * GRID), round(normalised.shape[-1] * GRID))
        return F.interpolate(fine, size=side, mode="bilinear", align_corners=False)


def load_worldstrat(
    weights: Path | None, device: torch.device, frames: int = 8, chip: int = 0, overlap: int = 16, margin: int = 6
) -> WorldStratModel:
    """Load WorldStrat's SRCNN or HighRes-net, whichever the weights are of.

    Parameters
    ----------
    weights : upstream's Lightning checkpoint, or what :mod:`worldstrat_bench_baselines.convert` makes of it.
    frames : of HighRes-net; SRCNN's weights say how many they want.
    chip : side of the chips in LR px, 50 as upstream trained it; 0 for whole tiles.
    overlap, margin : of the chips, LR px.

    Raises
    ------
    ValueError
        without weights: none are shipped.
    """
    if weights is None:
        raise ValueError("no weights are shipped for this network: give upstream's checkpoint with --weights")
    net = build(load_tensors(weights), int(frames)).to(device)
    tiling = Tiling(window=int(chip), overlap=int(overlap) if chip else 0, margin=int(margin) if chip else 0)
    used = list(RGB) if net.shape.bands == len(RGB) else list(range(len(BANDS)))
    median, deviation = (torch.tensor(v, device=device)[used].view(1, 1, -1, 1, 1) for v in (MEDIAN, DEVIATION))
    return WorldStratModel(net, tiling, median, deviation)
