"""The errors of several predictions of one tile under many settings of the wsb protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldstrat_bench.data.target import TargetImage, make_target, resize_antialiased
from worldstrat_bench.filtering import banded_rows
from worldstrat_bench.metrics.lr_consistency import degrade, sensor
from worldstrat_bench.metrics.psnr import squared_error
from worldstrat_bench.protocol import GaussianParabola, OffsetFirst, Protocol
from worldstrat_bench.registration.offset import OffsetTarget
from worldstrat_bench.scoring.prediction import check_prediction, on_grid
from worldstrat_bench.scoring.types import Frame
from worldstrat_bench.scoring.wsb_align import WsbRules, find_shift, level, moved, unbiased
from worldstrat_bench.scoring.wsb_target import WsbPrepared, prepare_wsb
from worldstrat_bench.sensitivity.choices import Kernel, Level, Setting

Floats = NDArray[np.float64]
CUT: Final = 4
"""The smoothing is cut at so many sigma, as wsb-1 does."""
_CPU: Final = torch.device("cpu")


def tile_errors(
    hr: NDArray[np.uint16] | NDArray[np.float64],
    clear: NDArray[np.bool_],
    images: Sequence[NDArray[np.float32]],
    settings: Sequence[Setting],
    protocol: Protocol,
) -> Floats:
    """Return (settings, images) mean squared errors as the protocol's `psnr` has them; NaN without enough valid pixels.

    Parameters
    ----------
    hr : (4, S, S) reflectance times 10,000.
    clear : (h, w) mask of frame 0.
    images : (3, H, W) predictions, as stored.
    """
    found = np.full((len(settings), len(images)), np.nan)
    # What differs in nothing but the last step shares all steps before it.
    rows: dict[Setting, list[int]] = {}
    for row, setting in enumerate(settings):
        rows.setdefault(replace(setting, level="bias"), []).append(row)
    targets: dict[tuple[Kernel, int], TargetImage] = {}
    for shared, own in rows.items():
        key = shared.target, shared.border
        varied = _protocol(protocol, shared)
        if key not in targets:
            targets[key] = make_target(hr, varied, resize_by(shared.target, protocol))
        # A wider border may leave too few valid pixels: such a tile has no error there, as it has no target in a run.
        if not targets[key].usable:
            continue
        rules = _rules(varied)
        prepared = prepare_wsb(targets[key], Frame(None, clear), rules, _CPU, None)
        levels = [settings[row].level for row in own]
        for column, image in enumerate(images):
            found[own, column] = _errors(image, prepared, rules, levels)
    return found


def resize_by(kernel: Kernel, protocol: Protocol) -> Callable[[Tensor, int], Tensor]:
    """Return the function that brings a (C, S, S) image to the target's side.

    "bicubic" is the protocol's own; "area" is the mean over the area of the target's pixel; "mtf" a Gaussian whose
    transfer at the target's Nyquist frequency is that which the protocol ascribes to Sentinel-2 at its own.
    """
    if kernel == "area":
        return _by_area
    if kernel == "mtf":
        return partial(_by_mtf, nyquist=protocol.metrics.mtf_nyquist)
    return partial(resize_antialiased, kernel=protocol.target.kernel)


def _by_area(image: Tensor, side: int) -> Tensor:
    size = image.shape[-1]
    # In float64, since the edges of 600 pixels are multiples of a fraction.
    edges = torch.arange(side + 1, dtype=torch.float64) * size / side
    pixels = torch.arange(size, dtype=torch.float64)
    # Length of what output pixel i and input pixel j have in common, as a share of the output pixel.
    low, high = edges[:-1, None].maximum(pixels), edges[1:, None].minimum(pixels + 1)
    weights = ((high - low).clamp_min(0) * side / size).to(image.dtype)
    reach = 1 + size / side
    narrow = banded_rows(weights, image, reach)
    return banded_rows(weights, narrow.transpose(-1, -2), reach).transpose(-1, -2)


def _by_mtf(image: Tensor, side: int, nyquist: float) -> Tensor:
    height, width = image.shape[-2:]
    return degrade(image, sensor((height, width), (side, side), nyquist, image))


def _protocol(protocol: Protocol, setting: Setting) -> Protocol:
    """Return the protocol with what a setting changes of its data; the kernel is handed over beside it."""
    search = {"radius": setting.radius, "sigma": float(setting.sigma), "cut": round(CUT * setting.sigma)}
    return protocol.model_copy(
        update={
            "registration": protocol.registration.model_copy(update=search),
            "target": protocol.target.model_copy(update={"border": setting.border}),
        }
    )


def _rules(protocol: Protocol) -> WsbRules:
    assert isinstance(protocol.registration, GaussianParabola)
    assert isinstance(protocol.offset, OffsetFirst)
    grid = protocol.target
    return WsbRules(protocol.offset, protocol.registration, protocol.metrics, grid.border, grid.no_data_above)


def _errors(
    prediction: NDArray[np.float32], prepared: WsbPrepared, rules: WsbRules, levels: Sequence[Level]
) -> list[float]:
    """Return the mean squared error for each thing that may be removed of the bands, at one shift."""
    image = on_grid(check_prediction(prediction, _CPU, prepared.least), prepared.height, prepared.width)[:3]
    # The shift is found once for all of them: what is removed of the bands afterwards does not enter the search.
    levelled = level(image, prepared.offset, rules).image
    shift = find_shift(levelled, prepared.search, prepared.quick, rules)
    window = moved(levelled, shift, rules)
    found = []
    for own in levels:
        if own == "bias":
            result, _ = unbiased(window, prepared.offset)
        elif own == "nothing":
            # Clipped before and after, as a prediction is that goes the usual way: the resampling may overshoot.
            result = moved(image.clamp(0, 1), shift, rules).clamp(0, 1)
        else:
            result = fitted(window, prepared.offset)
        found.append(float(squared_error(result, prepared.target[:3], prepared.valid)))
    return found


def fitted(window: Tensor, target: OffsetTarget) -> Tensor:
    """Return the window, (C, h, w), with the gain and bias of each band that fit the target best, clipped."""
    mask = target.valid.mask
    kept = (window.flatten(1) if mask is None else window[:, mask]).double()
    truth = (target.image.flatten(1) if mask is None else target.image[:, mask]).double()
    # In float64 and about the mean: the sum of squares of a bright band would drown its contrast.
    centred = kept - kept.mean(dim=1, keepdim=True)
    spread = centred.square().sum(dim=1)
    # A flat band has no gain: its bias alone is fitted.
    gain = torch.where(spread > 0, (centred * truth).sum(dim=1) / spread, 1.0)
    bias = truth.mean(dim=1) - gain * kept.mean(dim=1)
    gain, bias = (own.to(window.dtype)[:, None, None] for own in (gain, bias))
    return (gain * window + bias).clamp(0, 1)
