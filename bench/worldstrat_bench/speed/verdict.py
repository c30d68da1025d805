"""Whether a timing can be believed, and if not, why, in words.

Pure functions of the measured blocks, so that every way of going wrong can be tested with a synthetic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from worldstrat_bench.artefacts.speed import SPREAD_MAX, faster_than_run, spread
from worldstrat_bench.protocol import SAME_PREDICTION
from worldstrat_bench.speed.stopwatch import Block

RAMP_MAX = 0.05
"""Largest accepted difference between the last and the first third of a repeat, relative."""

RATIOS_MAX = 0.10
"""The ratios of neighbouring blocks of the model and the reference may differ by this much, relative."""

ENDS = 0.1
"""This share of the highest and of the lowest values is left out where blocks are compared."""

MODES_GAP = 0.25
"""Two groups of durations are two modes if the gap between them is this share of the median or more."""

MODES_SHARE = 0.1
"""... and the smaller group has this share of the durations or more."""

TAIL_MAX = 1.25
"""The mean of calls that are waited for may be so many times their median: beyond, work was put off to a few."""

CACHE_MAX = 0.10
"""The later cycles of a block may be this much faster than the first, or as much as the blocks differ by."""

CACHE_SECONDS = 2e-4
"""A first cycle longer by less than this is the start of a queue, not work that is saved later."""

CLOCKS_MAX = 0.05
"""The device's clock and the wall clock may differ by this much over the blocks."""

CLAIM_MIN = 0.95
"""Smallest share of the host's wait that the worker may report, in the middle block: a block is 0.2 s or more."""

CLAIM_MEAN_MIN = 0.90
"""... and over all blocks together: the host may be held up now and then."""

AUDIT_MAX = 1.3
"""The middle block all of whose outputs could be asked for may take so many times as long a call as the others."""

AUDIT_SECONDS_MIN = 1e-3
"""... and a block longer by less than this is not believed to be one: so much do messages differ."""

PLACE_MAX = 0.25
"""Inputs may take so much longer to be placed than with the reference, in the middle, relative ..."""

PLACE_SECONDS_MIN = 0.010
"""... and by less than this in any case."""

RESTING_MAX = 0.05
"""Share of a core that the model's processes may use while the reference is timed, over all its blocks."""

LATE_SECONDS = 0.010
"""Longest wait for the outputs that the host names, beyond such an answer and a call for each, in the middle."""

Seconds = tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """Evidence from timing one scenario.

    Attributes
    ----------
    repeats : the blocks, per repeat.
    audited : seconds a call, as the host waited, of blocks all of whose outputs could be asked for, less their copies.
    audit_calls : in each of those blocks.
    placing : seconds that the host waited for inputs to be placed: at the model's blocks; and the same inputs at the
        reference's worker.
    audit_placing : the same for the blocks of `audited`.
    references : the reference's blocks, each the neighbour of the model's block at the same place; may be left out.
    run_seconds : of the model for a single tile in the run that the figure stands beside; None if not known.
    late : seconds that the host waited for outputs beyond what such an answer and a call for each of them take: of the
        timed blocks, and of the blocks of `audited`; empty if none were taken.
    scored_difference : largest difference to the scored predictions, reflectance; None if there are none.
    fresh_difference : largest difference to what a fresh process returns for the same tile alone; None likewise.
    warm : whether the warm-up settled before its time was over.
    throttled : whether the device lowered its clocks for heat or power; None if it cannot tell.
    other_processes : how many other processes used the device; None if it cannot tell.
    quick : whether it was a quick look only.
    """

    repeats: tuple[tuple[Block, ...], ...]
    audited: tuple[float, ...] = ()
    audit_calls: int = 100
    placing: tuple[Seconds, Seconds] = ((), ())
    audit_placing: tuple[Seconds, Seconds] = ((), ())
    late: tuple[Seconds, ...] = ()
    references: tuple[Block, ...] = ()
    run_seconds: float | None = None
    scored_difference: float | None = None
    fresh_difference: float | None = None
    warm: bool = True
    throttled: bool | None = None
    other_processes: int | None = None
    quick: bool = False

    @property
    def blocks(self) -> tuple[Block, ...]:
        """In order."""
        return tuple(block for repeat in self.repeats for block in repeat)

    @property
    def medians(self) -> list[float]:
        """Median seconds a call of the blocks of each repeat."""
        return [float(np.median([block.per_call for block in repeat])) for repeat in self.repeats]

    @property
    def per_call(self) -> float:
        """Median seconds a call of all blocks."""
        return float(np.median([block.per_call for block in self.blocks]))


@dataclass(frozen=True)
class Verdict:
    """VALID, or INVALID with the reasons."""

    reasons: tuple[str, ...] = field(default=())

    @property
    def valid(self) -> bool:
        """True if nothing speaks against the timing."""
        return not self.reasons


def judge(evidence: Evidence) -> Verdict:
    """Return every reason not to believe a timing; none if it can be believed."""
    steady = (_quick, _warm_up, _spread, _ramp, _ratios, _modes, _tail, _device)
    honest = (_caching, _clocks, _claim, _run, _resting, _placing, _audit, _late, _outputs)
    return Verdict(tuple(reason for check in (*steady, *honest) if (reason := check(evidence))))


def _quick(evidence: Evidence) -> str | None:
    return "it was a quick look (--quick): too few blocks to tell" if evidence.quick else None


def _warm_up(evidence: Evidence) -> str | None:
    if evidence.warm or evidence.quick:
        return None
    return f"the warm-up did not settle within its time: blocks still differ by more than {SPREAD_MAX:.0%}"


def _spread(evidence: Evidence) -> str | None:
    value = spread(evidence.medians)
    if value <= SPREAD_MAX:
        return None
    return f"the repeats differ by {value:.0%} (more than {SPREAD_MAX:.0%}): the machine or its clock is not steady"


def _ramp(evidence: Evidence) -> str | None:
    """Return whether every repeat rises; a single rise can be chance."""
    rises = []
    for repeat in evidence.repeats:
        durations = np.array([block.per_call for block in repeat])
        third = len(durations) // 3
        if third < 1:
            return None
        rises.append(float(np.median(durations[-third:]) / np.median(durations[:third]) - 1))
    # The least of them: in all repeats at once a rise is not chance.
    if min(rises) <= RAMP_MAX:
        return None
    return f"calls get slower while it runs (by {min(rises):.0%} or more within every repeat): heat or a backlog"


def _ratios(evidence: Evidence) -> str | None:
    """Report drift that does not cancel between neighbours: it makes the ratio to the reference unknown."""
    if not evidence.references:
        return None
    pairs = zip(evidence.blocks, evidence.references, strict=True)
    value = _range([model.per_call / reference.per_call for model, reference in pairs])
    if value <= RATIOS_MAX:
        return None
    return (
        f"the ratios of neighbouring blocks of the model and of bicubic differ by {value:.0%} "
        f"(more than {RATIOS_MAX:.0%}): the machine changes within a second"
    )


def _range(values: Sequence[float]) -> float:
    """Largest - smallest over the median, without the highest and the lowest tenth: one block may be held up."""
    low, middle, high = np.quantile(values, (ENDS, 0.5, 1 - ENDS))
    return float((high - low) / middle)


def _modes(evidence: Evidence) -> str | None:
    durations = np.sort(np.concatenate([block.durations for block in evidence.blocks]))
    if len(durations) < 10:
        return None
    gaps = np.diff(durations)
    fewest = max(2, int(np.ceil(MODES_SHARE * len(durations))))
    # Further out a gap cuts off a few stragglers, which are not a second mode.
    inner = gaps[fewest - 1 : len(durations) - fewest]
    if not len(inner) or inner.max() < MODES_GAP * np.median(durations):
        return None
    cut = fewest - 1 + int(inner.argmax())
    low, high = (float(np.median(part)) * 1e3 for part in (durations[: cut + 1], durations[cut + 1 :]))
    return f"the durations fall into two groups, about {low:.3g} ms and {high:.3g} ms: a median describes neither"


def _tail(evidence: Evidence) -> str | None:
    """Report calls whose median says little of the whole, as where work is put off to one call in many."""
    waited = [block for block in evidence.blocks if block.wait]
    if not waited:
        return None
    ratio = float(np.median([block.mean / max(float(np.median(block.durations)), 1e-9) for block in waited]))
    if ratio <= TAIL_MAX:
        return None
    return f"the mean of the calls is {ratio:.3g} times their median: some calls take far longer than the others"


def _caching(evidence: Evidence) -> str | None:
    """Said of a gain beyond what the machine can make: blocks differ by less, and the reference gains less."""
    saved, gain = _gain(evidence.blocks)
    _, theirs = _gain(evidence.references)
    most = max(CACHE_MAX, _range([block.per_call for block in evidence.blocks])) + max(0.0, theirs)
    if gain <= most or saved <= CACHE_SECONDS:
        return None
    return f"a repeated tile is {gain:.0%} faster than fresh ones: results are cached between calls"


def _gain(blocks: Sequence[Block]) -> tuple[float, float]:
    """Seconds that a later cycle saves against the first, and the same relative to the first: the middle of all blocks.

    In one block alone, the machine's speed may have changed after the first cycle.
    """
    cycles = [cycles for block in blocks if len(cycles := block.cycles) > 1 and cycles[0] > 0]
    if not cycles:
        return 0.0, 0.0
    saved = [each[0] - np.median(each[1:]) for each in cycles]
    return float(np.median(saved)), float(np.median([one / each[0] for one, each in zip(saved, cycles, strict=True)]))


def _clocks(evidence: Evidence) -> str | None:
    ratio = sum(block.seconds for block in evidence.blocks) / sum(block.wall_seconds for block in evidence.blocks)
    if abs(ratio - 1) <= CLOCKS_MAX:
        return None
    return f"the device's clock and the wall clock disagree (ratio {ratio:.2f})"


def _claim(evidence: Evidence) -> str | None:
    """Check the worker's clock against the host's: the worker runs the model's code."""
    blocks = evidence.blocks
    middle = float(np.median([block.seconds / block.host_seconds for block in blocks]))
    mean = sum(block.seconds for block in blocks) / sum(block.host_seconds for block in blocks)
    if middle >= CLAIM_MIN and mean >= CLAIM_MEAN_MIN:
        return None
    share = middle if middle < CLAIM_MIN else mean
    return f"the worker reports {share:.0%} of the time that the host waited for its blocks"


def _audit(evidence: Evidence) -> str | None:
    """Report a model that works harder where it may be looked at."""
    if not evidence.audited:
        return None
    middle = float(np.median(evidence.audited))
    ratio = middle / evidence.per_call
    if ratio <= AUDIT_MAX or (middle - evidence.per_call) * evidence.audit_calls <= AUDIT_SECONDS_MIN:
        return None
    return f"calls whose outputs can all be asked for take {ratio:.3g} times as long as the others"


def _run(evidence: Evidence) -> str | None:
    """Report a call, of a tile or more, that is faster than a tile of the run."""
    if evidence.run_seconds is None or not faster_than_run(evidence.per_call, evidence.run_seconds):
        return None
    return (
        f"a call takes {evidence.per_call * 1e3:.3g} ms, where a single tile of the run took "
        f"{evidence.run_seconds * 1e3:.3g} ms: evaluate and time on the same quiet machine"
    )


def _resting(evidence: Evidence) -> str | None:
    """Report a model that slows the reference down, which makes its own ratio to it smaller."""
    waited = sum(block.host_seconds for block in evidence.references)
    share = sum(block.resting_seconds for block in evidence.references) / waited if waited else 0.0
    if share <= RESTING_MAX:
        return None
    return f"the model's processes kept {share:.0%} of a core busy while bicubic was timed"


def _placing(evidence: Evidence) -> str | None:
    """Report a model that works on its inputs when they are placed, before the clock starts."""
    for model, reference in (evidence.placing, evidence.audit_placing):
        if not model or not reference:
            continue
        usual = float(np.median(reference))
        longer = float(np.median(model)) - usual
        if longer > max(PLACE_MAX * usual, PLACE_SECONDS_MIN):
            return f"inputs take {longer * 1e3:.3g} ms longer to be placed than with the reference's worker"
    return None


def _late(evidence: Evidence) -> str | None:
    """Report outputs that are computed when they are asked for.

    The middle, of timed blocks and of audits by themselves: a model must gain nothing by having a few of them ready.
    """
    waited = max((float(np.median(group)) for group in evidence.late if group), default=0.0)
    if waited <= LATE_SECONDS:
        return None
    return f"outputs are not there when they are asked for, but {waited * 1e3:.3g} ms or more later"


def _outputs(evidence: Evidence) -> str | None:
    if _differs(evidence.scored_difference):
        return f"the timed outputs differ from the scored ones by {evidence.scored_difference:.2g} reflectance"
    if _differs(evidence.fresh_difference):
        return (
            f"the timed outputs differ by {evidence.fresh_difference:.2g} reflectance from those of a fresh process "
            "for the same tile alone: they depend on other calls or on the batch"
        )
    return None


def _differs(value: float | None) -> bool:
    """Also if it is not a number."""
    return value is not None and not value <= SAME_PREDICTION


def _device(evidence: Evidence) -> str | None:
    if evidence.throttled:
        return "the device lowered its clocks while it ran"
    if evidence.other_processes:
        return f"{evidence.other_processes} other process(es) used the device"
    return None


def percentiles(blocks: Sequence[Block]) -> tuple[float, float, float]:
    """Return the 50th, 90th and 99th percentile of the seconds a call."""
    durations = np.concatenate([block.durations for block in blocks])
    p50, p90, p99 = np.percentile(durations, (50, 90, 99))
    return float(p50), float(p90), float(p99)
