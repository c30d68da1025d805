"""The probes. Each asks a model for a few predictions and answers with one number and its limit.

Limits are calibrated on the control models (`bicubic`, `shift-and-add`) on mini and on the two trained reference
networks on mini and on real tiles: at least twice the worst of them, figures in docs/submissions.md. A probe over its
limit is a flag for a person to look at; only determinism, order and isolation refuse by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.audit.detail import change, on_fourfold
from worldstrat_bench.audit.samples import (
    CROP,
    GAIN,
    OFFSET,
    Sample,
    best_frame,
    cells,
    cropped,
    mosaic,
    with_gain,
    with_noise,
)
from worldstrat_bench.protocol import SAME_PREDICTION

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.record import IsolationReport
    from worldstrat_bench.worker.types import Reply

Verdict = Literal["pass", "flag", "fail", "unknown"]

LIMITS: dict[str, float] = {
    "determinism": SAME_PREDICTION,
    "order": SAME_PREDICTION,
    "isolation": 0.0,
    "gain": 0.35,
    "noise": 0.5,
    "shift": 0.5,
    "mosaic": 0.6,
    "unseen": 2.5,
    "repeat": 2.0,
}
"""The largest value that passes, by probe."""

REFUSING = frozenset({"determinism", "order", "isolation"})
"""Probes that fail a model by themselves; the others flag it for a person."""

EXPLANATIONS: dict[str, str] = {
    "determinism": "largest difference between two predictions of one input, reflectance",
    "order": "largest difference between a tile alone and after other tiles, reflectance",
    "isolation": "ways out of the confinement that were open",
    "gain": "share of fine structure that changes with a gain and an offset",
    "noise": "share of fine structure that changes with sensor noise",
    "shift": "share of fine structure that changes when the tile is cropped by a few pixels",
    "mosaic": "share of fine structure that changes inside the cells of a mosaic of tiles",
    "unseen": "gain over bicubic on these tiles minus that on scenes made for this audit, dB",
    "repeat": "seconds for a new tile over seconds for the same tile again",
}

_MARGIN = 12
"""Px of the four-fold grid that the cells of a mosaic lose on every side."""

_TIMER_SECONDS = 0.005
"""Differences below this say nothing about caching."""


@dataclass(frozen=True)
class ProbeResult:
    """What one probe found. `value` is None if the model gave no prediction; `message` says why."""

    probe: str
    value: float | None
    message: str = ""

    @property
    def limit(self) -> float:
        """The largest value that passes."""
        return LIMITS[self.probe]

    @property
    def verdict(self) -> Verdict:
        """What follows for the model."""
        if self.value is None:
            return "unknown"
        if self.value <= self.limit:
            return "pass"
        return "fail" if self.probe in REFUSING else "flag"


class NoPredictionError(Exception):
    """The model failed on a sample; the message says how."""


@dataclass(frozen=True)
class Subject:
    """The model under audit: `ask` predicts one sample in the worker that runs, `restart` starts a new one."""

    ask: Callable[[Sample, int], Reply]
    restart: Callable[[], None]

    def image(self, sample: Sample, seed: int = 0) -> NDArray[np.float32]:
        """The prediction of a sample, (3, H, W)."""
        return self.reply(sample, seed)[0]

    def reply(self, sample: Sample, seed: int = 0) -> tuple[NDArray[np.float32], float]:
        """The prediction of a sample and the seconds that it took."""
        reply = self.ask(sample, seed)
        if reply.image is None:
            raise NoPredictionError(f"{sample.name}: {reply.outcome}: {reply.message}"[:300])
        return reply.image, reply.seconds


def probe_determinism(subject: Subject, samples: Sequence[Sample]) -> float:
    """The same input and seed, in one worker and in a new one."""
    sample = samples[0]
    first, second = subject.image(sample, 1), subject.image(sample, 1)
    subject.restart()
    return max(largest(first, second), largest(first, subject.image(sample, 1)))


def probe_order(subject: Subject, samples: Sequence[Sample]) -> float:
    """Tiles after other tiles, and in a new worker in the reverse order: the last one comes first there, alone."""
    few = samples[:4]
    forwards = [subject.image(sample, 2) for sample in few]
    subject.restart()
    backwards = [subject.image(sample, 2) for sample in reversed(few)][::-1]
    return max(largest(a, b) for a, b in zip(forwards, backwards, strict=True))


def probe_isolation(report: IsolationReport) -> float:
    """Ways out that were open; a level below `strong` counts as one."""
    open_ways = sum(not held for held in report.held.values())
    return float(open_ways + (report.level not in ("strong", "full")))


def probe_gain(subject: Subject, samples: Sequence[Sample]) -> float:
    """Brighter input, equally brighter output."""

    def measure(sample: Sample) -> float:
        changed = (subject.image(with_gain(sample)).astype(np.float64) - OFFSET) / GAIN
        return change(changed, subject.image(sample))

    return _median(measure, samples)


def probe_noise(subject: Subject, samples: Sequence[Sample]) -> float:
    """A little noise changes little."""
    return _median(lambda s: change(subject.image(with_noise(s, 3)), subject.image(s)), samples)


def probe_shift(subject: Subject, samples: Sequence[Sample]) -> float:
    """A crop of the input gives the crop of the output."""

    def measure(sample: Sample) -> float:
        part = cropped(sample)
        whole = on_fourfold(subject.image(sample), *sample.size)[:, 4 * CROP[0] :, 4 * CROP[1] :]
        return change(on_fourfold(subject.image(part), *part.size), whole)

    return _median(measure, samples)


def probe_mosaic(subject: Subject, samples: Sequence[Sample]) -> float:
    """Inside its cells a mosaic looks as the tiles that it is made of.

    Of the best frame alone: between the frames of several tiles no model could find one shift.
    """
    samples = [best_frame(sample) for sample in samples]
    whole = mosaic(samples)
    made = on_fourfold(subject.image(whole), *whole.size)
    changes = []
    for cell, (rows, columns) in enumerate(cells(*whole.size)):
        source = samples[cell % len(samples)]
        own = on_fourfold(subject.image(source), *source.size)
        place = (slice(None), _fourfold(rows), _fourfold(columns))
        changes.append(change(made[place], own[place], border=0))
    return float(np.median(changes))


def probe_repeat(subject: Subject, samples: Sequence[Sample]) -> float:
    """A cache answers a repeated tile sooner than a new one.

    Each new tile is compared with its own repeat, at once: the lower quartile of their ratios. On a busy machine a
    call is slow or not by chance, so hardly ever in three quarters of the pairs the first and not the second.
    """
    subject.restart()  # other probes have shown these tiles to the worker that runs
    subject.image(samples[0])  # the first call of a worker is slow for every model
    pairs = [(subject.reply(sample)[1], subject.reply(sample)[1]) for sample in samples[1:]]
    ratios = [1.0 if new - again < _TIMER_SECONDS else new / max(again, 1e-6) for new, again in pairs]
    return float(np.quantile(ratios, 0.25))


def largest(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Largest absolute difference; 1e9 for images of different sizes."""
    return float(np.abs(a.astype(np.float64) - b).max()) if a.shape == b.shape else 1e9


def _median(measure: Callable[[Sample], float], samples: Sequence[Sample], count: int = 5) -> float:
    return float(np.median([measure(sample) for sample in samples[:count]]))


def _fourfold(part: slice) -> slice:
    return slice(4 * part.start + _MARGIN, 4 * part.stop - _MARGIN)
