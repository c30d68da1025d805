"""A network out of a file, fed as its declaration says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from worldstrat_bench.api import LowRes, Target, pad_frames
from worldstrat_bench_baselines.adapters.declaration import Declaration
from worldstrat_bench_baselines.fusion import masked_median, take_bands
from worldstrat_bench_baselines.tiling import Network


@dataclass(frozen=True)
class FileModel:
    """Prepares the input, runs the network on it in tiles, and picks red, green and blue of the answer."""

    network: Network
    declaration: Declaration

    @torch.no_grad()
    def predict(self, lr: LowRes, target: Target) -> Tensor:
        """(B, 3, H, W) float32 reflectance on the network's own grid; the harness resamples it."""
        says = self.declaration
        answers = []
        for b in range(lr.images.shape[0]):  # many exported files take a batch of one only
            one = LowRes(lr.images[b : b + 1], lr.clear[b : b + 1], lr.days[b : b + 1])
            prepared = prepare(one, says)
            answer = says.tiling.run(self.network, prepared)
            if answer.ndim == 5 and answer.shape[1] == 1:
                answer = answer[:, 0]
            if answer.ndim != 4 or answer.shape[0] != 1:
                raise ValueError(f"the network answered {tuple(answer.shape)} to {tuple(prepared.shape)}")
            rgb = answer[:, list(says.rgb_channels(answer.shape[1]))]
            answers.append(rgb.float() / says.output_scale)
        return torch.cat(answers).to(lr.images.device)


def prepare(lr: LowRes, says: Declaration) -> Tensor:
    """The network's input: (B, C, h, w), or (B, T, C, h, w) by the rule "stack"."""
    if says.frame_rule in {"stack", "channels"} and says.frames:
        lr = pad_frames(lr, says.frames)
    images = take_bands(lr.images, says.bands)
    if says.frame_rule == "first":
        images = images[:, 0]
    elif says.frame_rule == "median":
        images = masked_median(images, lr.clear)
    elif says.frame_rule == "channels":
        images = images.flatten(1, 2)
    images = images * says.input_scale
    if says.clip:
        images = images.clamp(0, says.clip)
    return images.contiguous()


def need_file(weights: Path | None, what: str) -> Path:
    """The model file.

    Raises
    ------
    ValueError
        if there is none.
    """
    if weights is None or not weights.is_file():
        raise ValueError(f"give the {what} with --weights FILE, or as weights in submission.toml")
    return weights
