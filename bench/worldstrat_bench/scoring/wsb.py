"""The scorer of the wsb protocols (PROTOCOL.md, section 3): one shift per tile, every metric at that shift."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worldstrat_bench.errors import DataError
from worldstrat_bench.filtering import correlate, crop_or_pad, gaussian_taps
from worldstrat_bench.metrics.detail import detail
from worldstrat_bench.metrics.lr_consistency import degrade, lr_consistency
from worldstrat_bench.metrics.perceptual import Perceptual, Unavailable
from worldstrat_bench.metrics.psnr import differences, psnr
from worldstrat_bench.metrics.rmse import rmse
from worldstrat_bench.metrics.sam import sam
from worldstrat_bench.metrics.ssim import SsimTarget, ssim, ssim_target
from worldstrat_bench.metrics.stretch import stretch, white_level
from worldstrat_bench.protocol import GaussianParabola, Protocol
from worldstrat_bench.registration import SearchTarget, Shift, mismatch, move, pick_shift, prepare_search
from worldstrat_bench.resampling import bicubic, nearest
from worldstrat_bench.scoring.prediction import check_prediction, on_grid, to_tensor
from worldstrat_bench.scoring.types import Array, Frame, TileScore

if TYPE_CHECKING:
    from worldstrat_bench.data.target import ArrayCache, TargetImage

_METHOD = "wsb-statistics-1"
"""Part of every cache key: a change of this module's arithmetic must change it."""

NO_FRAME = "no low-resolution frame was given"
CLOUDY = "less than a quarter of frame 0 is clear"
NO_WINDOW = "no SSIM window is free of no-data"
NO_SPECTRUM = "no pixel has a spectrum"
NO_NIR = "the prediction or the target has no near infrared band"


@dataclass(frozen=True)
class _FrameImage:
    """Frame 0 on the device: (3, h, w) float32 or None, and (h, w) bool; `usable` if enough of it is clear."""

    rgb: Tensor | None
    clear: Tensor
    usable: bool


@dataclass(frozen=True)
class WsbPrepared:
    """Everything about a tile that does not depend on a prediction.

    Attributes
    ----------
    height, width : of the target's grid.
    target : (3 or 4, h, w) float32, the window.
    valid : (h, w) bool, pixels with data in the window; None if all have.
    search : of the smoothed target.
    ssim : of the stretched target.
    white : reflectance that the stretch maps to 1.
    frame : frame 0; None if there is none.
    detail, psnr_bicubic, lr_consistency_target : see ``types.Prepared``.
    """

    height: int
    width: int
    target: Tensor
    valid: Tensor | None
    search: SearchTarget
    ssim: SsimTarget
    white: float
    frame: _FrameImage | None
    detail: float
    psnr_bicubic: float | None = None
    lr_consistency_target: float | None = None


class WsbScorer:
    """See ``scoring.make_scorer``."""

    def __init__(
        self,
        protocol: Protocol,
        device: torch.device,
        perceptual: Sequence[Perceptual | Unavailable] = (),
        cache: ArrayCache | None = None,
    ) -> None:
        assert isinstance(protocol.registration, GaussianParabola)
        self.protocol = protocol
        self.device = device
        self._rule = protocol.registration
        self._constants = protocol.metrics
        self._border = protocol.target.border
        self._perceptual = tuple(perceptual)
        self._cache = cache

    def prepare(self, target: TargetImage, frame: Frame | None) -> WsbPrepared:
        """See ``types.Scorer.prepare``."""
        if not target.usable:
            raise DataError("a target has not enough valid pixels", remedy="leave the tile out of the run")
        key = self._key(target, frame)
        stored = self._cache.get(key) if self._cache is not None else None
        prepared = self._statistics(target, frame, None if stored is None else stored.get("white"))
        if stored is not None and set(stored) == set(_SCALARS):
            return _with_scalars(prepared, stored)
        prepared = self._complete(prepared, target)
        if self._cache is not None:
            self._cache.put(key, _scalars(prepared))
        return prepared

    def score(self, prediction: Array, prepared: WsbPrepared) -> TileScore:
        """See ``types.Scorer.score``."""
        given = on_grid(check_prediction(prediction, self.device), prepared.height, prepared.width, clip=True)
        image = given.image
        shift = self.register(image[:3], prepared)
        moved = move(image[:3], shift.y, shift.x, self._border, self._rule.lobes)
        values, nulls = self._metrics(image, moved, prepared)
        if "psnr_nir" in self._constants.optional and prepared.target.shape[0] == 4 and image.shape[0] == 4:
            values["psnr_nir"] = self._psnr_nir(image, shift, prepared)
        numbers = _to_numbers({**values, "clipped": given.clipped})
        clipped = numbers.pop("clipped")
        metrics, missing = self._finish(numbers, nulls, prepared)
        return TileScore(metrics, missing, shift.y, shift.x, shift.at_edge, clipped, prepared.detail)

    def register(self, image: Tensor, prepared: WsbPrepared) -> Shift:
        """The shift of a (3, H, W) image on the grid against a target."""
        moving = self._smooth(image, self._rule.radius)
        values = mismatch(moving, prepared.search).cpu().numpy()
        return pick_shift(values, tie=self._rule.tie, fraction=self._rule.fraction)

    def _smooth(self, image: Tensor, extra: int) -> Tensor:
        """G * image in float64 on the window widened by `extra` px; at the image's edge it is reflected."""
        taps = gaussian_taps(self._rule.sigma, self._rule.cut)
        return correlate(crop_or_pad(image, self._border - extra - self._rule.cut).double(), taps, taps)

    def _metrics(self, image: Tensor, moved: Tensor, prepared: WsbPrepared) -> tuple[dict[str, Tensor], dict[str, str]]:
        floor, valid = self._constants.mse_floor, prepared.valid
        target = prepared.target[:3]
        delta = differences(moved, target, valid)
        still = differences(crop_or_pad(image[:3], self._border), target, valid)
        fixed = moved + delta.bias[:, None, None].to(moved.dtype)
        mse = delta.mse(biased=False)
        shown = stretch(fixed, prepared.white)
        values = {
            "psnr": psnr(mse, floor),
            "ssim": ssim(shown, prepared.ssim),
            "rmse": rmse(mse, floor),
            "psnr_raw": psnr(delta.mse(biased=True), floor),
            "psnr_unregistered": psnr(still.mse(biased=False), floor),
            "sam": sam(fixed, target, valid, norm_min=self._constants.sam_norm_min),
        }
        nulls = {"ssim": NO_WINDOW, "sam": NO_SPECTRUM, "lpips": "LPIPS was not asked for"}
        frame = prepared.frame
        if frame is not None and frame.rgb is not None and frame.usable:
            values["lr_consistency"] = lr_consistency(image[:3], frame.rgb, frame.clear, self._constants.mtf_nyquist)
        for metric in self._perceptual:
            if isinstance(metric, Unavailable):
                nulls["lpips"] = metric.reason
            else:
                values[metric.name] = self._distance(metric, shown, prepared)
        return values, nulls

    def _distance(self, metric: Perceptual, shown: Tensor, prepared: WsbPrepared) -> Tensor:
        target = stretch(prepared.target[:3], prepared.white)
        seen = shown if prepared.valid is None else torch.where(prepared.valid, shown, target)
        return metric(seen[None], target[None])[0]

    def _psnr_nir(self, image: Tensor, shift: Shift, prepared: WsbPrepared) -> Tensor:
        moved = move(image[3:], shift.y, shift.x, self._border, self._rule.lobes)
        delta = differences(moved, prepared.target[3:], prepared.valid)
        return psnr(delta.mse(biased=False), self._constants.mse_floor)

    def _finish(
        self, numbers: dict[str, float | None], nulls: Mapping[str, str], prepared: WsbPrepared
    ) -> tuple[dict[str, float | None], dict[str, str]]:
        """Every metric of the protocol, those that could not be computed as None with the reason."""
        optional = [name for name in self._constants.optional if name in numbers]
        metrics = {name: numbers.get(name) for name in (*self._constants.names, *optional)}
        metrics["psnr_bicubic"] = prepared.psnr_bicubic
        cloudy = NO_FRAME if prepared.frame is None or prepared.frame.rgb is None else CLOUDY
        reasons = {**nulls, "lr_consistency": cloudy, "psnr_bicubic": NO_FRAME}
        return metrics, {name: reasons[name] for name, value in metrics.items() if value is None}

    def _statistics(self, target: TargetImage, frame: Frame | None, white: NDArray[Any] | None) -> WsbPrepared:
        image = to_tensor(target.image, self.device).to(torch.float32)
        everywhere = to_tensor(target.valid, self.device)
        window = crop_or_pad(image, self._border).contiguous()
        valid = _none_if_full(crop_or_pad(everywhere, self._border))
        given = None if frame is None else self._frame(frame)
        height, width = (int(size) for size in image.shape[-2:])
        smoothed = self._smooth(image[:3], 0)
        mask = self._search_mask(valid, given, height, width)
        level = float(white) if white is not None else self._white(window, valid)
        return WsbPrepared(
            height=height,
            width=width,
            target=window,
            valid=valid,
            search=prepare_search(smoothed, mask, self._rule.radius),
            ssim=ssim_target(
                stretch(window[:3], level),
                valid,
                window=self._constants.ssim_window,
                sigma=self._constants.ssim_sigma,
            ),
            white=level,
            frame=given,
            detail=float(detail(window[:3], smoothed, valid)),
        )

    def _white(self, window: Tensor, valid: Tensor | None) -> float:
        return white_level(
            window[:3],
            valid,
            white_min=self._constants.stretch_white_min,
            percentile=self._constants.stretch_percentile,
        )

    def _frame(self, frame: Frame) -> _FrameImage:
        clear = to_tensor(frame.clear, self.device).bool()
        usable = float(clear.double().mean()) >= self._constants.lr_clear_share_min
        rgb = None if frame.rgb is None else to_tensor(frame.rgb, self.device).to(torch.float32)
        return _FrameImage(rgb, clear, usable)

    def _search_mask(self, valid: Tensor | None, frame: _FrameImage | None, height: int, width: int) -> Tensor | None:
        """The window's valid pixels that are clear in frame 0, or all valid ones if too few of those are clear."""
        if frame is None:
            return valid
        clear = crop_or_pad(nearest(frame.clear, height, width), self._border)
        mask = clear if valid is None else clear & valid
        available = mask.numel() if valid is None else int(valid.sum())
        if float(mask.sum()) < self._rule.clear_share_min * available:
            return valid
        return _none_if_full(mask)

    def _complete(self, prepared: WsbPrepared, target: TargetImage) -> WsbPrepared:
        """Add what needs frame 0 and a whole score: the reference bicubic and the target's own lr_consistency."""
        frame = prepared.frame
        if frame is None or frame.rgb is None:
            return prepared
        enlarged = bicubic(frame.rgb[None], prepared.height, prepared.width)[0].clamp(0, 1)
        shift = self.register(enlarged, prepared)
        moved = move(enlarged, shift.y, shift.x, self._border, self._rule.lobes)
        mse = differences(moved, prepared.target[:3], prepared.valid).mse(biased=False)
        own = math.nan
        if frame.usable:
            own = self._own_consistency(target, frame.rgb, frame.clear)
        found = {"psnr_bicubic": float(psnr(mse, self._constants.mse_floor)), "lr_consistency_target": own}
        return _with_scalars(prepared, {**_scalars(prepared), **found})

    def _own_consistency(self, target: TargetImage, frame: Tensor, clear: Tensor) -> float:
        """The target's own lr_consistency, over clear pixels that see no no-data."""
        image = to_tensor(target.image[:3], self.device).to(torch.float32)
        holes = (~to_tensor(target.valid, self.device)).to(torch.float32)
        mtf = self._constants.mtf_nyquist
        whole = degrade(holes, *clear.shape, mtf) <= self.protocol.target.no_data_above
        return float(lr_consistency(image, frame, clear & whole, mtf))

    def _key(self, target: TargetImage, frame: Frame | None) -> str:
        digest = hashlib.sha256(f"{_METHOD} {self.protocol.sha256} {target.sha256} {self.device.type}".encode())
        if frame is not None:
            for part in (p for p in (frame.rgb, frame.clear) if p is not None):
                array = np.ascontiguousarray(part.cpu().numpy() if isinstance(part, Tensor) else part)
                digest.update(f"{array.shape} {array.dtype}".encode() + array.tobytes())
        return digest.hexdigest()


_SCALARS = ("white", "detail", "psnr_bicubic", "lr_consistency_target")


def _scalars(prepared: WsbPrepared) -> dict[str, Any]:
    values = (getattr(prepared, name) for name in _SCALARS)
    return {name: np.float64(math.nan if v is None else v) for name, v in zip(_SCALARS, values, strict=True)}


def _with_scalars(prepared: WsbPrepared, stored: Mapping[str, Any]) -> WsbPrepared:
    numbers = {name: float(stored[name]) for name in _SCALARS}
    optional = {name: None if math.isnan(numbers[name]) else numbers[name] for name in _SCALARS[2:]}
    return replace(prepared, white=numbers["white"], detail=numbers["detail"], **optional)


def _none_if_full(mask: Tensor) -> Tensor | None:
    return None if bool(mask.all()) else mask.contiguous()


def _to_numbers(values: Mapping[str, Tensor]) -> dict[str, float | None]:
    """One transfer from the device for all of them; NaN means that nothing could be averaged."""
    numbers = torch.stack([value.double() for value in values.values()]).tolist()
    return {name: None if math.isnan(number) else float(number) for name, number in zip(values, numbers, strict=True)}
