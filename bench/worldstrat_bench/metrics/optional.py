"""The base of optional metrics: they get registered pairs of one size, and return columns.

Which metrics there are is data, ``measures.OPTIONAL``; here is how one is loaded and called. A computation takes a
batch, so that a network runs once for several tiles; none of its numbers may depend on which tiles share a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Protocol

import torch
from torch import Tensor

from worldstrat_bench.measures import OPTIONAL, OptionalMetric
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.metrics.stretch import stretch


@dataclass(frozen=True)
class Pairs:
    """N predictions with their targets, all of one size, as they are scored.

    Attributes
    ----------
    prediction : (N, 3, h, w) float32 reflectance of the window: registered, offset and bias removed, in [0, 1].
    unmoved : (N, 3, h, w) float32, the same windows not moved: offset removed, in [0, 1].
    target : (N, 3, h, w) float32.
    valid : one (h, w) bool a pair, False where the target has no data; None: everywhere.
    white : reflectance that each pair's stretch maps to 1.
    frames : (3, h', w') float32 reflectance of each pair's frame 0 on its own grid, or why it cannot be used.
    pixel : metres that a pixel of each pair spans.
    kept : one store a target for what a computation derives from it alone, under the metric's name.
    height, width, border : of the whole grid, and the px of it outside the window on every side.
    nir, target_nir : (N, 1, h, w) float32 near infrared, the prediction's as `prediction`; None unless both have it.
    expected_error : (N, 1 or 3, h, w) float32, what each model says of the error of its prediction, moved alike;
        None if it says nothing.
    fill : pairs at the end that only fill the batch up: their numbers are dropped, and a computation that takes one
        pair after the other may leave them out.
    """

    prediction: Tensor
    unmoved: Tensor
    target: Tensor
    valid: Sequence[Tensor | None]
    white: Sequence[float]
    frames: Sequence[Tensor | str]
    pixel: Sequence[float]
    kept: Sequence[dict[str, object]]
    height: int
    width: int
    border: int
    nir: Tensor | None = None
    target_nir: Tensor | None = None
    expected_error: Tensor | None = None
    fill: int = 0

    def __len__(self) -> int:
        return int(self.prediction.shape[0])

    @cached_property
    def mask(self) -> Tensor | None:
        """(N, h, w) bool, or None if every pixel of every pair has data."""
        if all(own is None for own in self.valid):
            return None
        full = torch.ones(self.target.shape[-2:], dtype=torch.bool, device=self.target.device)
        return torch.stack([full if own is None else own for own in self.valid])

    @cached_property
    def shown(self) -> tuple[Tensor, Tensor]:
        """(N, 3, h, w) prediction and target on each tile's own stretch; no-data copied from the target."""
        target = torch.stack([stretch(one, white) for one, white in zip(self.target, self.white, strict=True)])
        seen = torch.stack([stretch(one, white) for one, white in zip(self.prediction, self.white, strict=True)])
        return (seen if self.mask is None else torch.where(self.mask[:, None], seen, target)), target


@dataclass(frozen=True)
class Found:
    """Values of a batch.

    Attributes
    ----------
    values : column to (N,) floats on any device; NaN for null. A column that is left out is not in the run at all.
    nulls : per pair, column to the reason, where it is another than the registry's.
    curves : name to (N, K) floats that a run keeps beside its columns; zeros for null.
    """

    values: Mapping[str, Tensor]
    nulls: Sequence[Mapping[str, str]] = ()
    curves: Mapping[str, Tensor] = field(default_factory=dict)


class Computation(Protocol):
    """An optional metric, ready to use.

    Attributes
    ----------
    software : the package that decides its numbers beside this one, with its version; "" for none.
    """

    @property
    def software(self) -> str: ...

    def __call__(self, pairs: Pairs) -> Found:
        """Return the columns of N pairs."""
        ...


@dataclass(frozen=True)
class Loaded:
    """An optional metric with its computation, or why this machine has none."""

    metric: OptionalMetric
    computation: Computation | Unavailable

    @property
    def version(self) -> str:
        """Versions that a record states beside the columns: numbers of other versions are never compared."""
        if isinstance(self.computation, Unavailable):
            return f"{self.metric.version}, not computed"
        return f"{self.metric.version}, {self.computation.software}".removesuffix(", ")

    def __call__(self, pairs: Pairs) -> Found:
        """Return the columns of N pairs, each null with a reason.

        Raises
        ------
        ValueError
            if the computation returns other columns than the registry names, or not one value a pair.
        """
        names = self.metric.names
        if isinstance(self.computation, Unavailable):
            nothing = torch.full((len(pairs),), torch.nan, dtype=torch.float64, device=pairs.prediction.device)
            return Found(dict.fromkeys(names, nothing), [dict.fromkeys(names, self.computation.reason)] * len(pairs))
        found = self.computation(pairs)
        self._check(found, len(pairs))
        general = {name: self.metric.null for name in names if name in found.values}
        values = {name: found.values[name].to(pairs.prediction.device) for name in general}
        nulls = [{**general, **own} for own in found.nulls or [{}] * len(pairs)]
        return Found(values, nulls, found.curves)

    def _check(self, found: Found, count: int) -> None:
        """Refuse what would be lost without a word: a column whose name is mistyped, values of another number."""
        names = self.metric.names
        foreign = sorted(set(found.values) - set(names))
        if foreign:
            raise ValueError(f"metric {self.metric.name}: columns {foreign} are not among {sorted(names)}")
        if not found.values and not self.metric.automatic:
            raise ValueError(f"metric {self.metric.name}: it was asked for and returns none of {sorted(names)}")
        for name, values in found.values.items():
            if tuple(values.shape) != (count,):
                raise ValueError(f"metric {self.metric.name}: {name} has shape {tuple(values.shape)}, not ({count},)")


def load_optional(names: Iterable[str], device: torch.device | str = "cpu") -> tuple[Loaded, ...]:
    """Return the optional metrics of those names and the automatic ones, in the order of the registry.

    Raises
    ------
    KeyError
        for a name that is not in the registry.
    """
    wanted = {OPTIONAL[name].name for name in names}
    return tuple(_load(m, device) for m in OPTIONAL.values() if m.automatic or m.name in wanted)


def _load(metric: OptionalMetric, device: torch.device | str) -> Loaded:
    module, _, function = metric.home.partition(":")
    return Loaded(metric, getattr(import_module(module), function)(device))
