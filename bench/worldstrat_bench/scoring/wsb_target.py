"""The part of the wsb scorer that is computed once per tile: it depends on the target and frame 0 alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from worldstrat_bench.digests import code_sha256
from worldstrat_bench.filtering import crop_or_pad, gaussian_taps
from worldstrat_bench.metrics.detail import detail
from worldstrat_bench.metrics.lr_consistency import Sensor, degrade, lr_consistency, sensor
from worldstrat_bench.metrics.psnr import psnr, squared_error
from worldstrat_bench.metrics.ssim import SsimTarget, ssim_target
from worldstrat_bench.metrics.stretch import stretch, white_level
from worldstrat_bench.protocol import Metrics
from worldstrat_bench.registration import SearchTarget, prepare_search
from worldstrat_bench.registration.offset import OffsetTarget, first_stride, prepare_offset
from worldstrat_bench.registration.quick import QuickTarget, prepare_quick
from worldstrat_bench.resampling import bicubic, nearest
from worldstrat_bench.scoring.prediction import least_size, to_tensor
from worldstrat_bench.scoring.types import Frame
from worldstrat_bench.scoring.wsb_align import WsbRules, align, smooth

if TYPE_CHECKING:
    from worldstrat_bench.data.target import TargetImage

CPU = torch.device("cpu")

SOURCES = ("registration/*.py", "metrics/*.py", "scoring/*.py", "filtering.py", "resampling.py", "sums.py")
"""The files of the package whose arithmetic decides what is kept on disk."""

REFERENCE = ("psnr_bicubic", "reference_clipped", "reference_bias_r", "reference_bias_g", "reference_bias_b")
"""Values of the reference bicubic, in the order of :class:`Reference`."""

SCALARS = ("white", "detail", "lr_consistency_target", *REFERENCE)
"""Fields that are kept on disk. The arrays are not: 26 MB a tile take as long to read as to compute."""


@dataclass(frozen=True)
class FrameImage:
    """Frame 0 on the device: (3, h, w) float32 or None, and its (h, w) bool mask; `usable` if enough of it is clear."""

    rgb: Tensor | None
    clear: Tensor
    usable: bool
    sensor: Sensor


@dataclass(frozen=True)
class Reference:
    """The reference bicubic on a tile: `psnr` (dB), `clipped` (0 to 1), what was added to R, G, B (reflectance)."""

    psnr: float
    clipped: float
    bias: tuple[float, ...]


@dataclass(frozen=True)
class WsbPrepared:
    """Everything about a tile that does not depend on a prediction.

    Attributes
    ----------
    height, width : of the target's grid; `least` the smallest that a prediction may have.
    target : (3 or 4, h, w) float32, the window.
    valid : (h, w) bool, pixels with data in the window; None if all have.
    offset : of R, G, B in the window; `offset_nir` of the fourth band, None without one.
    mask : (h, w) bool, pixels of the window that offset and search compare; None: all.
    mean : (3,) float64 of R, G, B over the valid pixels, reflectance.
    search : of the smoothed target; `quick` what finds the shift in half the time, None where nothing does.
    ssim : of the stretched target.
    white : reflectance that the stretch maps to 1.
    frame : frame 0; None if there is none.
    reference : of the reference bicubic; None without a frame.
    detail, psnr_bicubic, lr_consistency_target : see ``types.Prepared``.
    pixel : metres that a pixel of the grid spans.
    kept : what optional metrics derived from the target, by their names.
    """

    height: int
    width: int
    least: tuple[int, int]
    target: Tensor
    valid: Tensor | None
    offset: OffsetTarget
    offset_nir: OffsetTarget | None
    mask: Tensor | None
    mean: Tensor
    search: SearchTarget
    quick: QuickTarget | None
    ssim: SsimTarget
    white: float
    frame: FrameImage | None
    detail: float
    pixel: float
    reference: Reference | None = None
    lr_consistency_target: float | None = None
    kept: dict[str, object] = field(default_factory=dict)

    @property
    def psnr_bicubic(self) -> float | None:
        """`psnr` of the reference bicubic, dB."""
        return None if self.reference is None else self.reference.psnr


def prepare_wsb(
    target: TargetImage, frame: Frame | None, rules: WsbRules, device: torch.device, stored: Mapping[str, Any] | None
) -> WsbPrepared:
    """Return the statistics of a tile; `stored` is what :func:`scalars` gave for the same tile, or None.

    What is asked of the masks is asked on the host, where they come from: a GPU's answer would be waited for.
    """
    image = to_tensor(target.image, device).to(torch.float32)
    everywhere = to_tensor(target.valid, CPU)
    on_host = _none_if_full(crop_or_pad(everywhere, rules.border))
    clear = None if frame is None else to_tensor(frame.clear, CPU).bool()
    mask_on_host = _search_mask(on_host, clear, everywhere.shape, rules)
    stride = first_stride(mask_on_host, rules.offset)
    valid = None if on_host is None else to_tensor(on_host, device)
    # Mostly they are the same tensor, whose sums are then taken once.
    mask = valid if mask_on_host is on_host else None if mask_on_host is None else to_tensor(mask_on_host, device)
    window = crop_or_pad(image, rules.border).contiguous()
    seen = None if frame is None or clear is None else _frame_image(frame, clear, image, rules.metrics)
    smoothed = smooth(image[:3], 0, rules)
    white = float(stored["white"]) if stored is not None else _white(window, valid, rules.metrics)
    offset = prepare_offset(window[:3], valid, mask, stride)
    search = prepare_search(smoothed, mask, rules.search.radius)
    prepared = WsbPrepared(
        height=image.shape[-2],
        width=image.shape[-1],
        least=least_size(frame, image.shape[-2], image.shape[-1]),
        target=window,
        valid=valid,
        offset=offset,
        offset_nir=prepare_offset(window[3:], valid, mask, stride) if window.shape[0] > 3 else None,
        mask=mask,
        mean=offset.valid.total / offset.valid.count,
        search=search,
        quick=prepare_quick(smoothed, search, gaussian_taps(rules.search.sigma, rules.search.cut)),
        ssim=ssim_target(
            stretch(window[:3], white), valid, window=rules.metrics.ssim_window, sigma=rules.metrics.ssim_sigma
        ),
        white=white,
        frame=seen,
        pixel=target.pixel,
        detail=float(stored["detail"]) if stored is not None else float(detail(window[:3], smoothed, valid)),
    )
    if stored is not None:
        return replace(
            prepared,
            reference=_stored_reference(stored),
            lr_consistency_target=_number(stored["lr_consistency_target"]),
        )
    if seen is None or seen.rgb is None:
        return prepared
    return replace(
        prepared,
        reference=_reference(seen.rgb, prepared, rules),
        lr_consistency_target=_own_consistency(image[:3], to_tensor(everywhere, device), seen.rgb, seen, rules),
    )


def method_sha256(package: Path | None = None) -> str:
    """Return the digest of :data:`SOURCES` and torch's version: the cache never gives statistics of other code."""
    return code_sha256(SOURCES, ("torch",), package)


def cache_key(target: TargetImage, frame: Frame | None, protocol_sha256: str, device: torch.device) -> str:
    """Return the name of a tile's statistics: their target, frame, protocol, method and kind of device."""
    # The kind of device too: a GPU adds in another order, and statistics of one must not meet scores of the other.
    digest = hashlib.sha256(f"{method_sha256()} {protocol_sha256} {target.sha256} {device.type}".encode())
    for part in () if frame is None else (frame.rgb, frame.clear):
        if part is None:
            continue
        array = np.ascontiguousarray(part.cpu().numpy() if isinstance(part, Tensor) else part)
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(array.tobytes())
    return f"statistics-{digest.hexdigest()}"


def scalars(prepared: WsbPrepared) -> dict[str, np.ndarray[tuple[()], np.dtype[np.float64]]]:
    """Return what of the statistics is worth keeping on disk; NaN for None."""
    known = prepared.reference
    reference = (math.nan,) * len(REFERENCE) if known is None else (known.psnr, known.clipped, *known.bias)
    values = (prepared.white, prepared.detail, prepared.lr_consistency_target, *reference)
    numbers = (math.nan if value is None else value for value in values)
    return {name: np.array(number, dtype=np.float64) for name, number in zip(SCALARS, numbers, strict=True)}


def _stored_reference(stored: Mapping[str, Any]) -> Reference | None:
    score, clipped, *bias = (float(stored[name]) for name in REFERENCE)
    return None if math.isnan(score) else Reference(score, clipped, tuple(bias))


def _number(value: Any) -> float | None:
    return None if math.isnan(float(value)) else float(value)


def _none_if_full(mask: Tensor) -> Tensor | None:
    return None if bool(mask.all()) else mask.contiguous()


def _white(window: Tensor, valid: Tensor | None, constants: Metrics) -> float:
    return white_level(
        window[:3], valid, white_min=constants.stretch_white_min, percentile=constants.stretch_percentile
    )


def _frame_image(frame: Frame, clear: Tensor, image: Tensor, constants: Metrics) -> FrameImage:
    """Return frame 0 on the device of `image`; `clear` is its mask on the host."""
    rgb = None if frame.rgb is None else to_tensor(frame.rgb, image.device).to(torch.float32)
    usable = float(clear.double().mean()) >= constants.lr_clear_share_min
    height, width = clear.shape
    fine = (image.shape[-2], image.shape[-1])
    seen = sensor(fine, (height, width), constants.mtf_nyquist, image)
    return FrameImage(rgb, to_tensor(clear, image.device), usable, seen)


def _search_mask(valid: Tensor | None, clear: Tensor | None, shape: Sequence[int], rules: WsbRules) -> Tensor | None:
    """Return the window's valid pixels that are clear in frame 0, or all valid ones if too few of those are clear.

    Parameters
    ----------
    valid : of the window; None: all.
    clear : of frame 0, on its own grid; None without a frame.
    shape : H and W of the target's grid.
    """
    if clear is None:
        return valid
    near = crop_or_pad(nearest(clear, shape[-2], shape[-1]), rules.border)
    mask = near if valid is None else near & valid
    # Clouds of frame 0 are not in HR and would steer the shift; a sliver of clear land would let noise steer it.
    available = mask.numel() if valid is None else int(valid.sum())
    if float(mask.sum()) < rules.search.clear_share_min * available:
        return valid
    return _none_if_full(mask)


def _reference(frame: Tensor, prepared: WsbPrepared, rules: WsbRules) -> Reference:
    """Return the reference bicubic, scored like a prediction."""
    image = bicubic(frame[None], prepared.height, prepared.width)[0]
    steps = align(image, prepared.offset, prepared.search, prepared.quick, rules)
    mse = squared_error(steps.result, prepared.target[:3], prepared.valid)
    correction = (steps.levelled.offset + steps.bias).tolist()
    return Reference(float(psnr(mse, rules.metrics.mse_floor)), float(steps.levelled.clipped), tuple(correction))


def _own_consistency(image: Tensor, valid: Tensor, rgb: Tensor, frame: FrameImage, rules: WsbRules) -> float | None:
    """Return the target's own lr_consistency, over clear pixels that see no no-data."""
    if not frame.usable:
        return None
    # A hole would count as black land once it is degraded, so coarse pixels that saw any of it are left out.
    holes = degrade((~valid).to(torch.float32), frame.sensor)
    return _number(lr_consistency(image, rgb, frame.clear & (holes <= rules.no_data_above), frame.sensor))
