"""Whether a timing can be believed, and if not, why, in words.

Pure functions of the measured durations, so that every way of going wrong can be tested with a made-up clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from worldstrat_bench.speed_report import SPREAD_MAX, spread

RAMP_MAX = 0.05
"""Largest accepted difference between the last and the first third of a repeat, relative."""

MODES_GAP = 0.25
"""Two groups of durations are two modes if the gap between them is this share of the median or more."""

MODES_SHARE = 0.1
"""... and the smaller group has this share of the durations or more."""

CACHE_MAX = 0.10
"""A repeated tile may be this much faster than distinct ones."""

CLOCKS_MAX = 0.05
"""The device's clock and the wall clock may differ by this much."""

UNACCOUNTED_MAX = 0.10
"""The host may have waited this share of a call longer than the worker reports (and 5 ms, for the transport)."""

UNACCOUNTED_SECONDS = 0.005

OUTPUT_MAX = 1e-3
"""Timed and scored outputs may differ by this much, reflectance."""

INSPECTED_MAX = 1.5
"""The fastest call whose output was looked at may take so many times the median of all."""


@dataclass(frozen=True)
class Evidence:
    """What was seen while timing one scenario.

    Attributes
    ----------
    repeats : seconds a call, per repeat.
    repeated : seconds a call when one tile is fed again and again; empty if not measured.
    clock_ratio : seconds by the device's clock over seconds by the wall clock; None with one clock only.
    unaccounted_seconds : waited for by the host beyond what the worker reported; None if not measured.
    output_difference : largest difference to the scored prediction, reflectance; None if there is none.
    order_difference : largest difference to the same tile in another order; None if not measured.
    batch_difference : largest difference to the same tile alone; None for batches of one.
    inspected : seconds of timed calls whose outputs were looked at; empty if there are none.
    warm : whether the warm-up settled before its time was over.
    throttled : whether the device lowered its clocks for heat or power; None if it cannot tell.
    other_processes : how many other processes used the device; None if it cannot tell.
    """

    repeats: tuple[tuple[float, ...], ...]
    repeated: tuple[float, ...] = ()
    clock_ratio: float | None = None
    unaccounted_seconds: float | None = None
    output_difference: float | None = None
    order_difference: float | None = None
    batch_difference: float | None = None
    inspected: tuple[float, ...] = ()
    warm: bool = True
    throttled: bool | None = None
    other_processes: int | None = None


@dataclass(frozen=True)
class Verdict:
    """VALID, or INVALID with the reasons."""

    reasons: tuple[str, ...] = field(default=())

    @property
    def valid(self) -> bool:
        """True if nothing speaks against the timing."""
        return not self.reasons

    @property
    def word(self) -> str:
        """As printed and recorded."""
        return "VALID" if self.valid else "INVALID"


def judge(evidence: Evidence) -> Verdict:
    """Every reason not to believe a timing, or none."""
    checks = (
        _warm_up(evidence),
        _spread(evidence),
        _ramp(evidence),
        _modes(evidence),
        _caching(evidence),
        _clocks(evidence),
        _unaccounted(evidence),
        _outputs(evidence),
        _inspected(evidence),
        _device(evidence),
    )
    return Verdict(tuple(reason for reason in checks if reason))


def _medians(repeats: Sequence[Sequence[float]]) -> list[float]:
    return [float(np.median(repeat)) for repeat in repeats]


def _warm_up(evidence: Evidence) -> str | None:
    return None if evidence.warm else "the warm-up did not settle within its time: calls still differ by more than 2 %"


def _spread(evidence: Evidence) -> str | None:
    value = spread(_medians(evidence.repeats))
    if value <= SPREAD_MAX:
        return None
    return f"the repeats differ by {value:.0%} (more than {SPREAD_MAX:.0%}): the machine or its clock is not steady"


def _ramp(evidence: Evidence) -> str | None:
    """Every repeat rises: one that does so by chance is no ramp."""
    rises = []
    for repeat in evidence.repeats:
        third = len(repeat) // 3
        if third < 3:
            return None
        rises.append(float(np.median(repeat[-third:]) / np.median(repeat[:third]) - 1))
    if min(rises) <= RAMP_MAX:
        return None
    return f"calls get slower while it runs (by {min(rises):.0%} or more within every repeat): heat or a backlog"


def _modes(evidence: Evidence) -> str | None:
    durations = np.sort(np.concatenate([np.asarray(repeat) for repeat in evidence.repeats]))
    if len(durations) < 10:
        return None
    gaps = np.diff(durations)
    fewest = max(2, int(np.ceil(MODES_SHARE * len(durations))))
    inner = gaps[fewest - 1 : len(durations) - fewest]
    if not len(inner) or inner.max() < MODES_GAP * np.median(durations):
        return None
    cut = fewest - 1 + int(inner.argmax())
    low, high = (float(np.median(part)) * 1e3 for part in (durations[: cut + 1], durations[cut + 1 :]))
    return f"the durations fall into two groups, about {low:.3g} ms and {high:.3g} ms: a median describes neither"


def _caching(evidence: Evidence) -> str | None:
    """Faster than nearly all distinct calls: a machine whose speed wanders explains the rest, and has its own word."""
    if not evidence.repeated or spread(_medians(evidence.repeats)) > SPREAD_MAX:
        return None
    distinct = float(np.quantile(np.concatenate([np.asarray(repeat) for repeat in evidence.repeats]), 0.1))
    gain = 1 - float(np.median(evidence.repeated)) / distinct
    if gain <= CACHE_MAX:
        return None
    return f"a repeated tile is {gain:.0%} faster than distinct ones: results are cached between calls"


def _clocks(evidence: Evidence) -> str | None:
    if evidence.clock_ratio is None or abs(evidence.clock_ratio - 1) <= CLOCKS_MAX:
        return None
    return f"the device's clock and the wall clock disagree (ratio {evidence.clock_ratio:.2f})"


def _unaccounted(evidence: Evidence) -> str | None:
    """The worker runs the model's code, so its clock is not beyond doubt; the host's is."""
    median = float(np.median(np.concatenate([np.asarray(repeat) for repeat in evidence.repeats])))
    missing = evidence.unaccounted_seconds or 0.0
    if missing <= UNACCOUNTED_MAX * median + UNACCOUNTED_SECONDS:
        return None
    return f"the host waited {missing * 1e3:.3g} ms a call longer than the worker reports"


def _outputs(evidence: Evidence) -> str | None:
    if evidence.output_difference is not None and not evidence.output_difference <= OUTPUT_MAX:
        return f"the timed outputs differ from the scored ones by {evidence.output_difference:.2g} reflectance"
    if evidence.order_difference is not None and not evidence.order_difference <= OUTPUT_MAX:
        return f"a tile's output depends on its neighbours in time, by {evidence.order_difference:.2g} reflectance"
    if evidence.batch_difference is not None and not evidence.batch_difference <= OUTPUT_MAX:
        return f"a tile's output depends on its batch, by {evidence.batch_difference:.2g} reflectance"
    return None


def _inspected(evidence: Evidence) -> str | None:
    """A model that works harder where somebody looks. The fastest of few calls is the one that chance slowed least."""
    if not evidence.inspected:
        return None
    ratio = min(evidence.inspected) / float(np.median(np.concatenate([np.asarray(r) for r in evidence.repeats])))
    if ratio <= INSPECTED_MAX:
        return None
    return f"calls whose outputs were compared took {ratio:.3g} times as long as the others"


def _device(evidence: Evidence) -> str | None:
    if evidence.throttled:
        return "the device lowered its clocks while it ran"
    if evidence.other_processes:
        return f"{evidence.other_processes} other process(es) used the device"
    return None
