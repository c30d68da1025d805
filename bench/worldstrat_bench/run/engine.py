"""Place where a run is carried out: on this machine, or on several."""

from __future__ import annotations

from typing import Protocol

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.run.events import Listener
from worldstrat_bench.run.request import RunOptions, RunRequest, ScoreRequest


class Engine(Protocol):
    """The machine or the machines that carry out a run. The result does not depend on it."""

    @property
    def at_once(self) -> int:
        """How many runs it should be given at the same time, so that nothing of it idles."""

    def evaluate(self, request: RunRequest, options: RunOptions, tell: Listener) -> Record:
        """Predict and score; see :func:`~worldstrat_bench.run.pipeline.evaluate_run`."""

    def score(self, request: ScoreRequest, options: RunOptions, tell: Listener) -> Record:
        """Score stored predictions; see :func:`~worldstrat_bench.run.rescore.score_run`."""
