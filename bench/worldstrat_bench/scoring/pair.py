"""One pair of images, scored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.measures import OPTIONAL, optional_column, parse_added
from worldstrat_bench.metrics.lpips_metric import load_perceptual
from worldstrat_bench.metrics.optional import load_optional
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring.factory import make_scorer
from worldstrat_bench.scoring.types import Array, Frame


def score_pair(
    prediction: Array,
    target: Array,
    protocol: str = "wsb-1",
    *,
    valid: Array | None = None,
    clear: Array | None = None,
    metrics: Iterable[str] | None = None,
) -> dict[str, float | None]:
    """Score one prediction against one target.

    Parameters
    ----------
    prediction : (3, H, W) reflectance on the protocol's grid; another size is resampled to the target's. What a numpy
        masked array hides is not valid and is filled with the mean of the rest; it must be on the target's grid.
    target : (3, H, W) reflectance in [0, 1]; a numpy masked array is not valid where it is masked in any band.
    protocol : id of a protocol, see ``protocol.protocol_ids``.
    valid : (H, W) bool, True where the target has data; None: everywhere.
    clear : (h, w) bool, True where frame 0 is clear, of any size over the same footprint; None: everywhere.
    metrics : names to return; None: all that a pair can have. `lpips` and the columns of optional metrics are computed
        if asked for by name. ``"+stlpips"`` and the like add an optional metric's columns to what is returned; alone,
        to all that a pair can have.

    Returns
    -------
    Values by name, `shift_y`, `shift_x` and `clipped` among them. None where a metric cannot be computed.

    Raises
    ------
    UsageError
        for an unknown protocol or metric, an optional metric under another protocol than wsb, or a target that is not
        (3, H, W).
    DataError, ModelError
        as ``types.Scorer`` does.
    """
    rules = load_protocol(protocol)
    names, added = _asked(metrics)
    if added and rules.family != "wsb":
        raise UsageError(f"{protocol} has no optional metrics", where="metrics", remedy="use wsb-1")
    image, hidden = _unmasked(target, 0.0)
    image = _array(image, np.float32)
    if image.ndim != 3 or image.shape[0] not in (3, 4):
        raise UsageError(f"a target has shape {image.shape}, not (3, H, W)", where="target")
    if min(image.shape[-2:]) < rules.target.border * 2 + rules.metrics.ssim_window:
        raise DataError(f"a target of {image.shape[-2:]} px is too small for {protocol}", where="target")
    if not np.isfinite(image).all():
        raise DataError("a target has values that are not finite", where="target", remedy="no data is 0, valid=False")
    mask = np.ones(image.shape[-2:], dtype=bool) if valid is None else _flags(valid)
    if mask.shape != image.shape[-2:]:
        raise UsageError(f"valid has shape {mask.shape}, the target {image.shape}", where="valid")
    prediction, unseen = _unmasked(prediction, None)
    if unseen is not None and unseen.shape != mask.shape:
        raise UsageError(
            f"a masked prediction has shape {tuple(prediction.shape)}, the target {image.shape}",
            where="prediction",
            remedy="resample it to the target's grid first, or fill it",
        )
    for part in (hidden, unseen):
        mask = mask if part is None else mask & ~part
    from worldstrat_bench.data.target import TargetImage

    window = mask[rules.target.border : mask.shape[0] - rules.target.border,
                  rules.target.border : mask.shape[1] - rules.target.border]  # fmt: skip
    usable = window.size > 0 and float(window.mean()) >= rules.target.valid_share_min
    digest = hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()
    learned = load_perceptual() if names is not None and "lpips" in names else None
    scorer = make_scorer(rules, perceptual=learned, optional=load_optional(added))
    frame = None if clear is None else Frame(None, _flags(clear))
    prepared = scorer.prepare(TargetImage(image, mask, digest, usable), frame)
    score = scorer.score(prediction, prepared)
    values = {**score.metrics, "shift_y": score.shift_y, "shift_x": score.shift_x, "clipped": score.clipped}
    if names is None:
        return values
    unknown = sorted(set(names) - set(values))
    if unknown:
        raise UsageError(f"{protocol} has no metric {unknown[0]!r}", where="metrics", remedy=", ".join(values))
    return {name: values[name] for name in names}


def _asked(metrics: Iterable[str] | None) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The names to return, None for all, and the optional metrics that have to be computed for them."""
    if metrics is None:
        return None, ()
    asked = tuple(metrics)
    added = parse_added((name for name in asked if name.startswith("+")), where="metrics")
    named = tuple(name for name in asked if not name.startswith("+"))
    owners = {owner.name for name in named if (owner := optional_column(name)) is not None}
    columns = tuple(column.name for name in added for column in OPTIONAL[name].columns if column.name not in named)
    return (*named, *columns) if named or not added else None, tuple(sorted({*added, *owners}))


def _unmasked(image: Array, fill: float | None) -> tuple[Array, NDArray[np.bool_] | None]:
    """A numpy masked array filled, by `fill` or each band by its own mean, and where any band is masked, (H, W)."""
    if not isinstance(image, np.ma.MaskedArray) or image.ndim != 3:
        return image, None
    if fill is None:
        means = np.ma.mean(image, axis=(1, 2), keepdims=True).filled(0)
        return np.where(np.ma.getmaskarray(image), means, image.data).astype(image.dtype), _hidden(image)
    return image.filled(fill), _hidden(image)


def _hidden(image: np.ma.MaskedArray[Any, Any]) -> NDArray[np.bool_]:
    return np.asarray(np.ma.getmaskarray(image).any(axis=0), dtype=np.bool_)


def _flags(mask: Array) -> NDArray[np.bool_]:
    """A mask of pixels that count; what a numpy masked array hides does not."""
    return _array(mask.filled(False) if isinstance(mask, np.ma.MaskedArray) else mask, np.bool_)


def _array(image: Array, dtype: type[np.generic]) -> NDArray[Any]:
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else image
    return np.ascontiguousarray(array, dtype=dtype)
