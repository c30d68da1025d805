"""A network out of a file, fed as its declaration says."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worldstrat_bench.api import NIR, RGB, LowRes, Target, pad_frames
from worldstrat_bench.preprocessing import Preprocessing
from worldstrat_bench_baselines.fusion import masked_median, take_bands
from worldstrat_bench_baselines.tiling import Network, Tiling


@dataclass(frozen=True)
class FileModel:
    """Prepares the input, runs the network on it in tiles, and picks red, green and blue of the answer."""

    network: Network
    declaration: Preprocessing

    def __post_init__(self) -> None:
        # Windows that cannot cover an image are refused when the model is loaded: they would fail on every tile.
        tiling_of(self.declaration)

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """Return (B, 3 or 4, H, W) float32 reflectance on the network's own grid; the harness resamples it."""
        answers = []
        for b in range(lr.images.shape[0]):  # many exported files take a batch of one only
            one = LowRes(lr.images[b : b + 1], lr.clear[b : b + 1], lr.days[b : b + 1])
            prepared = prepare(one, self.declaration)
            answer = tiling_of(self.declaration).run(self.network, prepared)
            answers.append(reflectance_of(answer, self.declaration, tuple(prepared.shape)))
        return torch.cat(answers).to(lr.images.device)


def tiling_of(says: Preprocessing) -> Tiling:
    """Return how the network is given an image in pieces.

    Raises
    ------
    ValueError
        for windows that cannot cover an image.
    """
    return Tiling(says.window, says.overlap, says.margin, says.fixed, says.multiple or 1)


def prepare(lr: LowRes, says: Preprocessing) -> Tensor:
    """Return the network's input for one tile: (1, C, h, w), or (1, T, C, h, w) by the rule "stack".

    With `per_band` the bands become the batch: (C, 1, h, w), (C, T, 1, h, w), or (C, T, h, w) by the rule "channels".
    """
    if says.frame_rule in {"stack", "channels"} and says.frames:
        lr = pad_frames(lr, says.frames)
    images = take_bands(lr.images, says.bands)
    if says.frame_rule == "first":
        images = images[:, :1]
    elif says.frame_rule == "median":
        images = masked_median(images, lr.clear)[:, None]
    images = images * says.input_scale + says.input_offset
    if says.clip:
        images = images.clamp(*says.clip)
    images = (images - _per_band(says.mean, images, 0.0)) / _per_band(says.std, images, 1.0)
    if says.per_band:
        images = images.transpose(0, 2)  # (C, T, 1, h, w)
    if says.frame_rule == "stack":
        return images.contiguous()
    return images.flatten(1, 2).contiguous()


def reflectance_of(answer: Tensor, says: Preprocessing, fed: tuple[int, ...]) -> Tensor:
    """Return (1, 3 or 4, H, W) float32 reflectance of a network's answer to an input of the shape `fed`.

    Raises
    ------
    ValueError
        if the answer is not an image, or its red, green and blue bands are unknown.
    """
    if answer.ndim == 5 and answer.shape[1] == 1:
        answer = answer[:, 0]
    if says.per_band:
        if answer.ndim != 4 or answer.shape[:2] != (len(says.bands), 1):
            raise ValueError(f"the network answered {tuple(answer.shape)} to {fed}, not one image for each band")
        answer = answer.transpose(0, 1)
    if answer.ndim != 4 or answer.shape[0] != 1:
        raise ValueError(f"the network answered {tuple(answer.shape)} to {fed}")
    channels = says.shown_channels(answer.shape[1])
    shown = answer[:, list(channels)].float()
    if says.normalised_output:
        order = [says.bands.index(band) for band in (*RGB, NIR)[: len(channels)]]
        mean, std = (tuple(x[i] for i in order) if x else () for x in (says.mean, says.std))
        shown = shown * _per_band(std, shown, 1.0) + _per_band(mean, shown, 0.0)
    return (shown - says.output_offset) / says.output_scale


def _per_band(numbers: tuple[float, ...], images: Tensor, default: float) -> Tensor:
    """Return (C, 1, 1) beside images (..., C, h, w), without a wait for the device."""
    return torch.tensor(numbers or (default,)).to(images, non_blocking=True)[:, None, None]


def need_file(weights: Path | None, what: str) -> Path:
    """Return the model file.

    Raises
    ------
    ValueError
        if there is none.
    """
    if weights is None or not weights.is_file():
        raise ValueError(f"give the {what} with --weights FILE, or as weights in submission.toml")
    return weights


def need_package(name: str) -> Any:
    """Return a package that reads a kind of file, which not every environment has.

    Raises
    ------
    ValueError
        if it is not installed; the message names the environment, and both ways to get it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A package that is there and lacks one of its own is damaged: its own message says more.
        if error.name != name:
            raise
        raise ValueError(
            f"this kind of file takes {name}, which {sys.prefix} lacks: `pip install {name}` there; a submission with "
            'base = "locked" names it in its lock'
        ) from None
