"""The package's scorer on one pair, with every step in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from worldstrat_bench.data.target import TargetImage, make_target, target_of
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring.kit.pairs import PROTOCOL, Inputs
from worldstrat_bench.scoring.prediction import check_prediction, on_grid
from worldstrat_bench.scoring.types import Frame
from worldstrat_bench.scoring.wsb import WsbScorer
from worldstrat_bench.scoring.wsb_align import align, search_table

LEARNED = ("lpips",)
"""Metrics that are not part of the kit: they need weights, not a text."""

STATED = {*load_protocol(PROTOCOL).metrics.names, "psnr_bicubic", "psnr_nir"} - {*LEARNED}
"""Those that are. Optional metrics are left out, too, but for the one that the text of the protocol defines."""


@dataclass(frozen=True)
class Numbers:
    """Results of wsb-1 for one pair.

    Attributes
    ----------
    arrays : target (C, H, W) float32 and valid (H, W) bool; mask (h, w) bool of offset and search, on the window;
        offset (3,) b0; mismatch (17, 17) J, from dy = dx = -8; bias (3,) b; result (3, h, w) float32 P.
    values : shift_y, shift_x, at_edge, white, detail, and the metrics; None where there is none.
    """

    arrays: dict[str, NDArray[Any]]
    values: dict[str, float | bool | None]


def numbers_of(inputs: Inputs, scorer: WsbScorer) -> Numbers:
    """Score one pair of the kit."""
    target = _target(inputs)
    frame = None if inputs.clear is None else Frame(inputs.frame, inputs.clear)
    prepared = scorer.prepare(target, frame)
    image = on_grid(check_prediction(inputs.prediction, scorer.device, prepared.least), prepared.height, prepared.width)
    steps = align(image[:3], prepared.offset, prepared.search, prepared.quick, scorer.rules)
    score = scorer.score(inputs.prediction, prepared)
    psnr, bicubic = score.metrics["psnr"], score.metrics["psnr_bicubic"]
    arrays = {
        "target": target.image,
        "valid": target.valid,
        "mask": np.ones(prepared.target.shape[-2:], dtype=bool) if prepared.mask is None else _array(prepared.mask),
        "offset": _array(steps.levelled.offset),
        "mismatch": _array(search_table(steps.levelled.image, prepared.search, scorer.rules)),
        "bias": _array(steps.bias),
        "result": _array(steps.result),
    }
    values: dict[str, float | bool | None] = {
        **{name: value for name, value in score.metrics.items() if name in STATED},
        "gain": None if psnr is None or bicubic is None else psnr - bicubic,
        "lr_consistency_target": prepared.lr_consistency_target,
        "clipped": score.clipped,
        "detail": score.detail,
        "white": prepared.white,
        "shift_y": score.shift_y,
        "shift_x": score.shift_x,
        "at_edge": score.shift_at_edge,
    }
    return Numbers(arrays, values)


def _target(inputs: Inputs) -> TargetImage:
    protocol = load_protocol(PROTOCOL)
    if inputs.hr is not None:
        return make_target(inputs.hr, protocol)
    assert inputs.target is not None
    assert inputs.valid is not None
    return target_of(inputs.target, inputs.valid, protocol)


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.cpu().numpy()
