"""The scorer of the wsb protocols (protocol 3): one shift per tile, every metric at that shift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from worldstrat_bench.filtering import crop_or_pad
from worldstrat_bench.metrics.lr_consistency import lr_consistency
from worldstrat_bench.metrics.optional import Loaded, Pairs
from worldstrat_bench.metrics.perceptual import Perceptual, Unavailable
from worldstrat_bench.metrics.psnr import psnr, squared_error
from worldstrat_bench.metrics.rmse import rmse
from worldstrat_bench.metrics.sam import sam
from worldstrat_bench.metrics.ssim import ssim
from worldstrat_bench.metrics.stretch import stretch
from worldstrat_bench.protocol import GaussianParabola, OffsetFirst, Protocol
from worldstrat_bench.registration import Shift
from worldstrat_bench.scoring.levels import Levels
from worldstrat_bench.scoring.prediction import check_prediction, on_grid
from worldstrat_bench.scoring.target_range import checked_target
from worldstrat_bench.scoring.types import Array, Frame, Prepared, TileScore
from worldstrat_bench.scoring.wsb_align import Aligned, WsbRules, align, level, moved, unbiased
from worldstrat_bench.scoring.wsb_target import SCALARS, WsbPrepared, cache_key, prepare_wsb, scalars

if TYPE_CHECKING:
    from worldstrat_bench.data.target import ArrayCache, TargetImage

NO_FRAME = "no low-resolution frame was given"
CLOUDY = "less than a quarter of frame 0 is clear"
NO_WINDOW = "no SSIM window is free of no-data"
NO_SPECTRUM = "no pixel has a spectrum"
BIASES = ("bias_r", "bias_g", "bias_b")
NO_LPIPS = "LPIPS was not asked for"


class WsbScorer:
    """See ``scoring.make_scorer``."""

    def __init__(
        self,
        protocol: Protocol,
        device: torch.device,
        perceptual: Perceptual | Unavailable | None = None,
        cache: ArrayCache | None = None,
        optional: Sequence[Loaded] = (),
    ) -> None:
        assert isinstance(protocol.registration, GaussianParabola)
        assert isinstance(protocol.offset, OffsetFirst)
        grid = protocol.target
        self.protocol = protocol
        self.device = device
        self.rules = WsbRules(protocol.offset, protocol.registration, protocol.metrics, grid.border, grid.no_data_above)
        self._perceptual = perceptual
        self._cache = cache
        self._optional = tuple(optional)

    def prepare(self, target: TargetImage, frame: Frame | None) -> WsbPrepared:
        """See ``types.Scorer.prepare``."""
        target = checked_target(target, self.protocol)
        if self._cache is None:
            return prepare_wsb(target, frame, self.rules, self.device, None)
        key = cache_key(target, frame, self.protocol.sha256, self.device)
        stored = self._cache.get(key)
        if stored is not None and set(stored) == set(SCALARS):
            return prepare_wsb(target, frame, self.rules, self.device, stored)
        prepared = prepare_wsb(target, frame, self.rules, self.device, None)
        self._cache.put(key, scalars(prepared))
        return prepared

    def score(self, prediction: Array, prepared: Prepared) -> TileScore:
        """See ``types.Scorer.score``."""
        if not isinstance(prepared, WsbPrepared):
            raise TypeError("prepared by another scorer")
        image = on_grid(check_prediction(prediction, self.device), prepared.height, prepared.width)
        steps = align(image[:3], prepared.offset, prepared.search, self.rules)
        shift = steps.shift
        values, nulls, curves = self._metrics(image, steps, prepared)
        numbers = _to_numbers(values)
        clipped, bias = numbers.pop("clipped") or 0.0, tuple(numbers.pop(name) or 0.0 for name in BIASES)
        metrics, missing = self._finish(numbers, nulls, prepared)
        known = prepared.reference
        levels = Levels(clipped, bias, prepared.mean, *(() if known is None else (known.clipped, known.bias)))
        kept = {name: tuple(curve.tolist()) for name, curve in curves.items()}
        return TileScore(metrics, missing, shift.y, shift.x, shift.at_edge, clipped, prepared.detail, levels, kept)

    def _metrics(
        self, image: Tensor, steps: Aligned, prepared: WsbPrepared
    ) -> tuple[dict[str, Tensor], dict[str, str], dict[str, Tensor]]:
        """Every metric, the share of clipped values and what was added to every band; why one is NaN; curves."""
        constants, floor, valid = self.rules.metrics, self.rules.metrics.mse_floor, prepared.valid
        target, levelled, fixed = prepared.target[:3], steps.levelled, steps.result
        still, _ = unbiased(crop_or_pad(levelled.image, self.rules.border), prepared.offset)
        raw = moved(image[:3].clamp(0, 1), steps.shift, self.rules).clamp(0, 1)
        shown = stretch(fixed, prepared.white)
        mse = squared_error(fixed, target, valid)
        values = {
            "psnr": psnr(mse, floor),
            "ssim": ssim(shown, prepared.ssim),
            "rmse": rmse(mse, floor),
            "psnr_raw": psnr(squared_error(raw, target, valid), floor),
            "psnr_unregistered": psnr(squared_error(still, target, valid), floor),
            "sam": sam(fixed, target, valid, norm_min=constants.sam_norm_min),
            "clipped": levelled.clipped,
            **dict(zip(BIASES, levelled.offset + steps.bias, strict=True)),
        }
        nulls = {"ssim": NO_WINDOW, "sam": NO_SPECTRUM, "lpips": NO_LPIPS}
        frame = prepared.frame
        if frame is not None and frame.rgb is not None and frame.usable:
            values["lr_consistency"] = lr_consistency(levelled.image, frame.rgb, frame.clear, frame.sensor)
        pairs = self._pairs(image, steps, prepared)
        if isinstance(self._perceptual, Unavailable):
            nulls["lpips"] = self._perceptual.reason
        elif self._perceptual is not None:
            values["lpips"] = self._perceptual(*pairs.shown)[0]
        curves: dict[str, Tensor] = {}
        for optional in self._optional:
            found = optional(pairs)
            curves |= {name: curve[0] for name, curve in found.curves.items()}
            values |= {name: value[0] for name, value in found.values.items()}
            nulls |= found.nulls[0]
        return values, nulls, curves

    def _pairs(self, image: Tensor, steps: Aligned, prepared: WsbPrepared) -> Pairs:
        """A batch of one, as the learned and the optional metrics take it."""
        nir = self._near_infrared(image, steps.shift, prepared)
        frame = prepared.frame
        usable = frame.rgb if frame is not None and frame.usable else None
        return Pairs(
            prediction=steps.result[None],
            unmoved=crop_or_pad(steps.levelled.image, self.rules.border)[None],
            target=prepared.target[None, :3],
            valid=(prepared.valid,),
            white=(prepared.white,),
            frames=(_unseen(prepared) if usable is None else usable,),
            pixel=(prepared.pixel,),
            kept=(prepared.kept,),
            height=prepared.height,
            width=prepared.width,
            border=self.rules.border,
            nir=nir,
            target_nir=None if nir is None else prepared.target[None, 3:],
        )

    def _near_infrared(self, image: Tensor, shift: Shift, prepared: WsbPrepared) -> Tensor | None:
        """P of a fourth band, (1, 1, h, w): offset and bias its own, the shift that of the others."""
        if not self._optional or image.shape[0] != 4 or prepared.offset_nir is None:
            return None
        own = level(image[3:], prepared.offset_nir, self.rules).image
        return unbiased(moved(own, shift, self.rules), prepared.offset_nir)[0][None]

    def _finish(
        self, numbers: dict[str, float | None], nulls: Mapping[str, str], prepared: WsbPrepared
    ) -> tuple[dict[str, float | None], dict[str, str]]:
        """Every metric of the protocol, those that could not be computed as None with the reason."""
        added = [name for one in self._optional for name in one.metric.names if name in numbers]
        metrics = {name: numbers.get(name) for name in (*self.rules.metrics.names, *added)}
        metrics["psnr_bicubic"] = prepared.psnr_bicubic
        reasons = {**nulls, "lr_consistency": _unseen(prepared), "psnr_bicubic": NO_FRAME}
        return metrics, {name: reasons[name] for name, value in metrics.items() if value is None}


def _unseen(prepared: WsbPrepared) -> str:
    """Why frame 0 cannot be used, if it cannot."""
    return NO_FRAME if prepared.frame is None or prepared.frame.rgb is None else CLOUDY


def _to_numbers(values: Mapping[str, Tensor]) -> dict[str, float | None]:
    """One transfer from the device for all of them; NaN means that nothing could be averaged."""
    numbers = torch.stack([value.double() for value in values.values()]).tolist()
    return {name: None if math.isnan(number) else float(number) for name, number in zip(values, numbers, strict=True)}
