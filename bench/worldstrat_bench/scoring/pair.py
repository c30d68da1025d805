"""One pair of images, scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from worldstrat_bench.arguments import check_several, check_text
from worldstrat_bench.data.target import TargetImage, is_usable
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.measures import MEASURES, OPTIONAL, metric_named, optional_column, parse_added
from worldstrat_bench.metrics.lpips_metric import load_perceptual
from worldstrat_bench.metrics.optional import load_optional
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.scoring.factory import make_scorer
from worldstrat_bench.scoring.types import Array, Frame, Prepared, Scorer, TileScore
from worldstrat_bench.scoring.wsb import WsbScorer
from worldstrat_bench.typed import typed

BESIDE = ("shift_y", "shift_x", "clipped")
"""Keys that are returned beside the metrics."""


_KNOWN = (*MEASURES, *BESIDE, *(name for metric in OPTIONAL.values() for name in metric.weights))
"""Every name that may be asked for; whether a protocol has it is another question."""


@typed
def score_pair(
    prediction: Array,
    target: Array,
    protocol: str = "wsb-1",
    *,
    valid: Array | None = None,
    clear: Array | None = None,
    metrics: str | Iterable[str] | None = None,
    expected_error: Array | None = None,
) -> dict[str, float | None]:
    """Score one prediction against one target.

    Parameters
    ----------
    prediction : (3, H, W) reflectance on the protocol's grid, or (4, H, W) with the near infrared; another size, from
        a quarter of the target's up, is resampled to it. What a numpy masked array hides is not valid and is filled
        with the mean of the rest; it must be on the target's grid.
    target : (3 or 4, H, W) reflectance, clipped to [0, 1]; a numpy masked array is not valid where it is masked in any
        band.
    protocol : id of a protocol, see ``protocol.protocol_ids``.
    valid : (H, W) bool, or 0 and 1, True where the target has data; None: everywhere.
    clear : (h, w) or (1, h, w), the same where frame 0 is clear, of any size over the same footprint; None: everywhere.
    metrics : names to return, also in one text with commas; None: all that a pair can have. `lpips` and the columns of
        optional metrics are computed if asked for by name. ``"+stlpips"`` and the like add an optional metric's
        columns to what is returned; alone, to all that a pair can have.
    expected_error : (1, H, W) or one for each band of the prediction, the standard deviation of its error, reflectance;
        adds the columns of ``+uncertainty``. For the wsb protocols.

    Returns
    -------
    Values by name, `shift_y`, `shift_x` and `clipped` among them. None where a metric cannot be computed.

    Raises
    ------
    UsageError
        for an unknown protocol or metric, an optional metric under another protocol than wsb, a target or a mask of
        another shape, a mask of other values than 0 and 1, or what is not an array or a tensor.
    DataError, ModelError
        as ``types.Scorer`` does.
    """
    rules = load_protocol(protocol)
    names, added = asked_for(metrics, rules)
    check_array(prediction, "prediction")
    tile, frame = prepare_target(target, valid, clear, rules)
    mask = tile.valid
    # What the prediction hides is taken out of the target's mask, which every metric respects already.
    prediction, unseen = _unmasked(prediction, None)
    if unseen is not None:
        if unseen.shape != mask.shape:
            raise UsageError(
                f"a masked prediction has shape {tuple(prediction.shape)}, the target {tile.image.shape}",
                where="prediction",
                remedy="resample it to the target's grid first, or fill it",
            )
        mask = mask & ~unseen
        tile = replace(tile, valid=mask, usable=is_usable(mask, rules.target))
    # Only by name: the network takes seconds to load, the metrics around it milliseconds.
    learned = load_perceptual() if names is not None and "lpips" in names else None
    scorer = make_scorer(rules, perceptual=learned, optional=load_optional(added))
    score = scored(scorer, prediction, scorer.prepare(tile, frame), expected_error)
    return named({**score.metrics, **{name: getattr(score, name) for name in BESIDE}}, names, protocol)


def scored(scorer: Scorer, prediction: Array, prepared: Prepared, expected_error: Array | None) -> TileScore:
    """Return the score of a prediction with its expected error, if it has one; see :func:`score_pair`.

    Raises
    ------
    UsageError
        for an expected error that is not an array, or under a protocol that scores none.
    """
    if expected_error is None:
        return scorer.score(prediction, prepared)
    check_array(expected_error, "expected_error")
    if isinstance(scorer, WsbScorer):
        return scorer.score(prediction, prepared, expected_error)
    what = f"{scorer.protocol.id} scores no expected error"
    raise UsageError(what, where="expected_error", remedy="use wsb-1")


def prepare_target(
    target: Array, valid: Array | None, clear: Array | None, rules: Protocol
) -> tuple[TargetImage, Frame | None]:
    """Return what a scorer prepares, from arrays as :func:`score_pair` takes them.

    Raises
    ------
    UsageError, DataError
        see there.
    """
    for image, name in ((target, "target"), (valid, "valid"), (clear, "clear")):
        if image is not None:
            check_array(image, name)
    image, mask = _target(target, valid, rules)
    frame = None if clear is None else Frame(None, _flags(clear, "clear"))
    return TargetImage(image, mask, "", is_usable(mask, rules.target)), frame


def check_array(image: object, where: str) -> None:
    """Raise UsageError unless it is a numpy array or a tensor of real numbers."""
    if not isinstance(image, np.ndarray | torch.Tensor):
        raise UsageError(
            f"{where} is of type {type(image).__name__}, not a numpy array or a torch tensor",
            where=where,
            remedy="numpy.asarray(..., dtype=numpy.float32) makes an array of numbers in lists",
        )
    real = not image.is_complex() if isinstance(image, torch.Tensor) else image.dtype.kind in "fiub"
    if not real:
        remedy = "give real numbers, as float32"
        raise UsageError(f"{where} is of {image.dtype}, not of real numbers", where=where, remedy=remedy)


def _target(target: Array, valid: Array | None, rules: Protocol) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a target, (3 or 4, H, W) and finite, and where it has data, (H, W)."""
    # Filled first: a NaN below the mask would spread through every filter, masked or not.
    filled, hidden = _unmasked(target, 0.0)
    image: NDArray[np.float32] = _array(filled, np.float32)
    if image.ndim != 3 or image.shape[0] not in (3, 4):
        raise UsageError(f"a target has shape {image.shape}, not (3, H, W)", where="target")
    if min(image.shape[-2:]) < rules.target.border * 2 + rules.metrics.ssim_window:
        raise DataError(f"a target of {image.shape[-2:]} px is too small for {rules.id}", where="target")
    if not np.isfinite(image).all():
        raise DataError("a target has values that are not finite", where="target", remedy="no data is 0, valid=False")
    mask = np.ones(image.shape[-2:], dtype=bool) if valid is None else _flags(valid, "valid")
    if mask.shape != image.shape[-2:]:
        raise UsageError(f"valid has shape {mask.shape}, the target {image.shape}", where="valid")
    return image, mask if hidden is None else mask & ~hidden


def named(values: dict[str, float | None], names: tuple[str, ...] | None, protocol: str) -> dict[str, float | None]:
    """Return the values of those names, None for all.

    Raises
    ------
    UsageError
        for a name that is not among the values.
    """
    unknown = sorted(set(names or ()) - set(values))
    if unknown:
        raise UsageError(f"{protocol} has no metric {unknown[0]!r}", where="metrics", remedy=", ".join(values))
    return {name: values[name] for name in (values if names is None else names)}


def asked_for(metrics: str | Iterable[str] | None, rules: Protocol) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the names to return, None for all, and the optional metrics that have to be computed for them.

    Raises
    ------
    UsageError
        for an unknown optional metric, or one under a protocol that has none.
    """
    names, added = _asked(metrics)
    if added and rules.family != "wsb":
        raise UsageError(f"{rules.id} has no optional metrics", where="metrics", remedy="use wsb-1")
    return names, added


def _asked(metrics: str | Iterable[str] | None) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    if metrics is None:
        return None, ()
    asked = tuple(name.strip() for name in metrics.split(",")) if isinstance(metrics, str) else _names(metrics)
    if not asked:
        raise UsageError("no metric is named", where="metrics", remedy="None returns all that a pair can have")
    added = parse_added((name for name in asked if name.startswith("+")), where="metrics")
    named = tuple(metric_named(name, _KNOWN, "unknown metric", "metrics") for name in asked if name[:1] != "+")
    # A column may be asked for without its metric, which has to be computed all the same.
    owners = {owner.name for name in named if (owner := optional_column(name)) is not None}
    columns = tuple(column.name for name in added for column in OPTIONAL[name].columns if column.name not in named)
    # "+name" alone adds to all that a pair can have; beside plain names it adds to these.
    return (*named, *columns) if named or not added else None, tuple(sorted({*added, *owners}))


def _names(metrics: Iterable[str]) -> tuple[str, ...]:
    check_several(metrics, "metrics", "psnr,ssim")
    names = tuple(metrics)
    for name in names:
        check_text(name, "metrics", 'give names, such as "psnr,ssim" or ["psnr", "ssim"]')
    return names


def _unmasked(image: Array, fill: float | None) -> tuple[Array, NDArray[np.bool_] | None]:
    """Return a numpy masked array filled, by `fill` or each band's mean, and where any band is masked, (H, W)."""
    if not isinstance(image, np.ma.MaskedArray) or image.ndim != 3:
        return image, None
    if fill is None:
        # The mean rather than 0: filters reach over the edge of a hole, and a dark hole would be a feature there.
        means = np.ma.mean(image, axis=(1, 2), keepdims=True).filled(0)
        return np.where(np.ma.getmaskarray(image), means, image.data).astype(image.dtype), _hidden(image)
    return image.filled(fill), _hidden(image)


def _hidden(image: np.ma.MaskedArray[Any, Any]) -> NDArray[np.bool_]:
    return np.asarray(np.ma.getmaskarray(image).any(axis=0), dtype=np.bool_)


def _flags(mask: Array, where: str) -> NDArray[np.bool_]:
    """Return a mask of pixels that count, (h, w), also from (1, h, w); what a numpy masked array hides does not.

    Raises
    ------
    UsageError
        for another shape, and for values other than 0 and 1: 0.2 is neither.
    """
    values = np.asarray(_host(mask.filled(0) if isinstance(mask, np.ma.MaskedArray) else mask))
    flags = values[0] if values.ndim == 3 and values.shape[0] == 1 else values
    if flags.ndim != 2 or flags.size == 0:
        raise UsageError(f"{where} has shape {values.shape}, not (h, w)", where=where)
    if flags.dtype != np.bool_ and not ((flags == 0) | (flags == 1)).all():
        raise UsageError(
            f"{where} has values other than 0 and 1", where=where, remedy=f"pass bool, such as {where} >= 0.5"
        )
    return np.ascontiguousarray(flags, dtype=np.bool_)


def _array(image: Array, dtype: type[np.generic]) -> NDArray[Any]:
    return np.ascontiguousarray(_host(image), dtype=dtype)


def _host(image: Array) -> NDArray[Any]:
    return image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else image
