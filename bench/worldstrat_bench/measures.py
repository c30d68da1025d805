"""The names of everything that is measured on a tile, and which way is better.

Kept apart from the code that measures, so that pages, records and checks can name a metric without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True)
class Measure:
    """One metric as readers meet it.

    Attributes
    ----------
    name : the column in ``tiles.csv`` and the key in a record.
    label : the heading on a page.
    direction : which way is better; "none" for a diagnostic without a better side.
    unit : as printed behind a value, "" for a pure number.
    decimals : digits after the point on a page.
    explanation : one line for somebody who has not read the protocol.
    ranked : whether it ranks a board.
    """

    name: str
    label: str
    direction: Direction
    unit: str
    decimals: int
    explanation: str
    ranked: bool = False

    @property
    def arrow(self) -> str:
        """The sign of the direction as shown beside the label."""
        return {"higher": "↑", "lower": "↓", "none": ""}[self.direction]


MEASURES: dict[str, Measure] = {
    m.name: m
    for m in (
        Measure("psnr", "PSNR", "higher", "dB", 2,
                "Peak signal-to-noise ratio after registration and removal of a per-band bias", ranked=True),
        Measure("ssim", "SSIM", "higher", "", 4, "Structural similarity on the tile's own stretch (Wang et al. 2004)"),
        Measure("lpips", "LPIPS", "lower", "", 4,
                "Learned perceptual distance, AlexNet v0.1 (Zhang et al. 2018)", ranked=True),
        Measure("gain", "Gain", "higher", "dB", 2, "PSNR minus that of the reference bicubic on the same tile"),
        Measure("rmse", "RMSE", "lower", "", 4, "Root mean squared error, reflectance"),
        Measure("psnr_raw", "PSNR raw", "higher", "dB", 2, "PSNR after registration, bias kept"),
        Measure("psnr_unregistered", "PSNR unreg.", "higher", "dB", 2, "PSNR without registration, bias removed"),
        Measure("sam", "SAM", "lower", "°", 2, "Mean spectral angle between the R, G, B vectors"),
        Measure("lr_consistency", "LR cons.", "none", "", 4,
                "Mean absolute difference to the input after degrading the prediction to 10 m, reflectance"),
        Measure("lr_consistency_target", "LR cons. HR", "none", "", 4,
                "LR consistency of the target itself on the same tile: what a perfect prediction would have"),
        Measure("psnr_bicubic", "PSNR bicubic", "none", "dB", 2, "PSNR of the reference bicubic on the same tile"),
        Measure("clipped", "Clipped", "none", "", 4, "Share of predicted values outside [0, 1]"),
        Measure("mse", "MSE", "lower", "", 6, "Mean squared error, reflectance squared; 2022 protocols"),
        Measure("mae", "MAE", "lower", "", 4, "Mean absolute error, reflectance; 2022 protocols"),
        Measure("ssim_loss", "SSIM loss", "lower", "", 4, "Half of 1 - SSIM, clamped to 0..1; 2022 protocols"),
        Measure("psnr_nir", "PSNR NIR", "higher", "dB", 2, "PSNR of the near infrared band, optional"),
        Measure("stlpips", "ST-LPIPS", "lower", "", 4,
                "Shift-tolerant learned perceptual distance (Ghildyal and Liu 2022), optional"),
        Measure("opensr_improvement", "Improvement", "higher", "", 4,
                "Share of detail that is nearer to the truth, opensr-test (Aybar et al. 2024), optional"),
        Measure("opensr_omission", "Omission", "lower", "", 4, "Share of detail that is missing, opensr-test"),
        Measure("opensr_hallucination", "Hallucination", "lower", "", 4,
                "Share of detail that is not there in truth, opensr-test, optional"),
    )
}  # fmt: skip
"""Every metric by name, in the order in which pages show them."""

RANKED: tuple[str, ...] = tuple(m.name for m in MEASURES.values() if m.ranked)
"""The metrics that rank a board, each a board of its own."""


def measure(name: str) -> Measure:
    """The measure of that name; an unknown one gets a plain description of its own, without a direction."""
    return MEASURES.get(name) or Measure(name, name, "none", "", 4, "Optional metric of this run")
