"""The probes. Each asks a model for a few predictions and answers with one number and its limit.

Limits are calibrated on the control models (`bicubic`, `shift-and-add`) on mini and on the two trained reference
networks on mini and on real tiles: at least twice the worst of them, figures in docs/submissions.md. A probe over its
limit is a flag for a person to look at; only determinism, order and isolation refuse by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.record import ONLY_FULL
from worldstrat_bench.audit.changes import (
    CELLS,
    CROP,
    GAIN,
    OFFSET,
    best_frame,
    cells,
    cropped,
    mosaic,
    with_gain,
    with_noise,
)
from worldstrat_bench.audit.detail import change, on_fourfold
from worldstrat_bench.protocol import SAME_PREDICTION

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.record import IsolationReport
    from worldstrat_bench.data.task import Task
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
    "gain": "share of fine structure that changes with a gain and an offset, second largest of the tiles",
    "noise": "share of fine structure that changes with sensor noise, second largest of the tiles",
    "shift": "share of fine structure that changes when a tile is cropped by a few pixels, second largest",
    "mosaic": "share of fine structure that changes inside the cells of a mosaic of tiles",
    "unseen": "gain over bicubic here minus on unseen tiles, dB: of the medians, or of the best fifth if larger",
    "repeat": "seconds for a new tile over seconds for the same tile again",
}

_MARGIN = 12
"""Px of the four-fold grid that the cells of a mosaic lose on every side."""

_MOSAIC_SIDE_MIN = CELLS * (2 * _MARGIN // 4 + 1)
"""Px of the input below which a cell of the mosaic is all margin."""

_MOSAIC_HR_SIDE_MIN = 200
"""Px of a high-resolution image whose input is large enough for a mosaic, also where it is cut to the smallest tile."""

_TIMER_SECONDS = 0.005
"""Differences below this say nothing about caching."""


@dataclass(frozen=True)
class ProbeResult:
    """Result of one probe. `value` is None if there is none; `message` says why."""

    probe: str
    value: float | None
    message: str = ""

    @property
    def limit(self) -> float:
        """The largest value that passes."""
        return LIMITS[self.probe]

    @property
    def verdict(self) -> Verdict:
        """Consequence for the model."""
        if self.value is None:
            return "unknown"
        if self.value <= self.limit:
            return "pass"
        return "fail" if self.probe in REFUSING else "flag"


class NoPredictionError(Exception):
    """A probe has no value, since the model failed on a task or its input is too small; the message says how."""


class AskedWorker(Protocol):
    """The part of :class:`worldstrat_bench.worker.host.Worker` that a probe uses."""

    def predict(self, task: Task, seed: int) -> Reply:
        """Predict one task."""
        ...

    def restart(self) -> None:
        """End the process; the next task goes to a fresh one."""
        ...


@dataclass(frozen=True)
class AuditedModel:
    """The model under audit in its worker, asked as a run asks it.

    Attributes
    ----------
    seed : of the run. An author chooses it, and a model is told the seeds that follow from it: with another one it
        would know that this is not the run.
    """

    worker: AskedWorker
    seed: int = 0

    def image(self, task: Task, seed: int = 0) -> NDArray[np.float32]:
        """Return the prediction of a task, (3, H, W); `seed` is added to the run's, which the task's is made from."""
        return self.reply(task, seed)[0]

    def reply(self, task: Task, seed: int = 0) -> tuple[NDArray[np.float32], float]:
        """Return the prediction of a task and the seconds that it took.

        Raises
        ------
        NoPredictionError
            if there is none.
        """
        reply = self.worker.predict(task, task.seed(self.seed + seed))
        if reply.image is None:
            raise NoPredictionError(f"{task.name}: {reply.outcome}: {reply.message}"[:300])
        return reply.image, reply.seconds

    def restart(self) -> None:
        """Go on in a new process, which remembers nothing."""
        self.worker.restart()


def probe_determinism(model: AuditedModel, tasks: Sequence[Task]) -> float:
    """Probe with the same input and seed, in one worker and in a new one."""
    task = tasks[0]
    first, second = model.image(task, 1), model.image(task, 1)
    # A model that remembers its first answer repeats itself within one process only.
    model.restart()
    return max(largest(first, second), largest(first, model.image(task, 1)))


def probe_order(model: AuditedModel, tasks: Sequence[Task]) -> float:
    """Predict tiles after other tiles, and in a new worker in reverse: the last one comes first there, alone."""
    few = tasks[:4]
    forwards = [model.image(task, 2) for task in few]
    model.restart()
    backwards = [model.image(task, 2) for task in reversed(few)][::-1]
    # Tile by tile: each was asked for after others in one of the two workers.
    return max(largest(a, b) for a, b in zip(forwards, backwards, strict=True))


def probe_isolation(report: IsolationReport) -> float:
    """Count the ways out that were open, a level below `strong` as one; what `strong` does not close is left out."""
    allowed = ONLY_FULL if report.level == "strong" else frozenset[str]()
    open_ways = sum(not held for name, held in report.held.items() if name not in allowed)
    return float(open_ways + (report.level not in ("strong", "full")))


def probe_gain(model: AuditedModel, tasks: Sequence[Task]) -> float:
    """Check that brighter input gives equally brighter output."""

    def measure(task: Task) -> float:
        changed = (model.image(with_gain(task)).astype(np.float64) - OFFSET) / GAIN
        return change(changed, model.image(task))

    return _second_largest(measure, tasks)


def probe_noise(model: AuditedModel, tasks: Sequence[Task]) -> float:
    """Check that a little noise changes little."""
    return _second_largest(lambda s: change(model.image(with_noise(s, 3)), model.image(s)), tasks)


def probe_shift(model: AuditedModel, tasks: Sequence[Task]) -> float:
    """Check that a crop of the input gives the crop of the output."""

    def measure(task: Task) -> float:
        part = cropped(task)
        whole = on_fourfold(model.image(task), *task.size)[:, 4 * CROP[0] :, 4 * CROP[1] :]
        return change(on_fourfold(model.image(part), *part.size), whole)

    return _second_largest(measure, tasks)


def probe_mosaic(model: AuditedModel, tasks: Sequence[Task]) -> float:
    """Check that inside its cells a mosaic looks as the tiles that it is made of.

    Of the best frame alone: between the frames of several tiles no model could find one shift.
    """
    tasks = [best_frame(task) for task in tasks]
    whole = mosaic(tasks)
    # Without it the mean over no pixel would be NaN, which is neither above a limit nor below it.
    if min(whole.size) < _MOSAIC_SIDE_MIN:
        height, width = whole.size
        raise NoPredictionError(
            f"input tiles of {height} x {width} px are too small for a mosaic: {_MOSAIC_SIDE_MIN} px are needed, "
            f"which tiles with a high-resolution image of {_MOSAIC_HR_SIDE_MIN} px have"
        )
    made = on_fourfold(model.image(whole), *whole.size)
    changes = []
    for cell, (rows, columns) in enumerate(cells(*whole.size)):
        source = tasks[cell % len(tasks)]
        own = on_fourfold(model.image(source), *source.size)
        place = (slice(None), _fourfold(rows), _fourfold(columns))
        changes.append(change(made[place], own[place], border=0))
    # A median: a cell of a cloud's edge may change by any amount for an honest model.
    return float(np.median(changes))


def probe_repeat(model: AuditedModel, tasks: Sequence[Task]) -> float:
    """Check for a cache: it answers a repeated tile sooner than a new one.

    Each new tile is compared with its own repeat, at once: the lower quartile of their ratios. On a busy machine a
    call is slow or not by chance, so hardly ever in three quarters of the pairs the first and not the second.
    """
    model.restart()  # other probes have shown these tiles to the worker that runs
    model.image(tasks[0])  # the first call of a worker is slow for every model
    pairs = [(model.reply(task)[1], model.reply(task)[1]) for task in tasks[1:]]
    ratios = [1.0 if new - again < _TIMER_SECONDS else new / max(again, 1e-6) for new, again in pairs]
    return float(np.quantile(ratios, 0.25))


def largest(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest absolute difference; 1e9 for images of different sizes."""
    return float(np.abs(a.astype(np.float64) - b).max()) if a.shape == b.shape else 1e9


def _second_largest(measure: Callable[[Task], float], tasks: Sequence[Task]) -> float:
    """Return the second largest value over all tiles: a look-up need not know more than a few of them.

    The largest may be that of an odd tile.
    """
    values = sorted((measure(task) for task in tasks), reverse=True)
    return float(values[min(1, len(values) - 1)])


def _fourfold(part: slice) -> slice:
    return slice(4 * part.start + _MARGIN, 4 * part.stop - _MARGIN)
