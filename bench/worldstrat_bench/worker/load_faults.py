"""The error for a worker whose model was not loaded: the model's fault, its environment's, or the machine's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from worldstrat_bench.errors import ModelError, WorldstratBenchError
from worldstrat_bench.plugins.interpreter import Interpreter
from worldstrat_bench.worker.causes import LONGEST_OF_LOADING, explained
from worldstrat_bench.worker.cuda_trouble import StartWorker, explain
from worldstrat_bench.worker.isolation import Attempt
from worldstrat_bench.worker.log import ModelLog
from worldstrat_bench.worker.session import WorkerEnd
from worldstrat_bench.worker.types import ModelSpec

ALONE = "try it alone with `worldstrat-bench models check NAME`; the model's own output is in the log"
UNPREPARED = (
    "try once more; check that the machine has memory left, and what the model's environment printed, in the log"
)


class KilledWhileLoadingError(ModelError):
    """The worker was killed, by itself or from outside, before its model was loaded."""


@dataclass(frozen=True)
class LoadFaults:
    """Facts of a worker that did not load its model.

    `prepared`, in the methods, says that the worker had its device and was about to import the model. From then on the
    model may say anything in the worker's name: what it says is then always its own fault, or it could make the harness
    advise a lower level of isolation.

    Attributes
    ----------
    attempt : how the worker was confined; None if it was not started.
    start : starts another worker, with the harness's own interpreter, to tell whose fault a device is.
    """

    model: ModelSpec
    interpreter: Interpreter
    device: str
    attempt: Attempt | None
    log: ModelLog
    start: StartWorker

    def too_slow(self, seconds: float, *, prepared: bool) -> WorldstratBenchError:
        """Return the error of a worker that did not answer in time."""
        if prepared:
            return self.plain(f"the model took more than {seconds:g} s to load")
        if self._on_cuda:
            return self._device_fault(f"the device did not start within {seconds:g} s")
        return self.plain(f"the model's environment did not start within {seconds:g} s", remedy=UNPREPARED)

    def ended(self, end: WorkerEnd, *, prepared: bool) -> WorldstratBenchError:
        """Return the error of a worker that hung up."""
        said = end.outcome(self.log)[1]
        if prepared:
            what, remedy = f"the process ended while the model was loaded: {said}", ALONE
        else:
            what, remedy = f"the process ended before anything of the model ran: {said}", UNPREPARED
        if end.may_be_chance:
            return self.plain(what, KilledWhileLoadingError, remedy)
        if end.verdict is None and not prepared and self._on_cuda:
            return self._device_fault(what)
        return self.plain(what, remedy=remedy)

    def failed(self, header: dict[str, Any], *, prepared: bool) -> WorldstratBenchError:
        """Return the error of a worker that said that it cannot."""
        confined = self.attempt is not None and self.attempt.level != "process"
        message = explained(str(header.get("message", ""))[:8000], confined=confined, longest=LONGEST_OF_LOADING)
        if header.get("kind") == "device" and not prepared:
            return self._device_fault(message)
        if header.get("kind") == "environment" and not prepared:
            return self.plain(f"the model's environment lacks what the worker needs: {message}")
        return self.plain(f"the model cannot be loaded: {message}")

    def plain(self, what: str, kind: type[ModelError] = ModelError, remedy: str = ALONE) -> ModelError:
        """Return an error that names the model and its interpreter."""
        return kind(what, where=f"{self.model.target}, {self.interpreter.executable}", remedy=remedy)

    @property
    def _on_cuda(self) -> bool:
        return self.device.startswith("cuda")

    def _device_fault(self, what: str) -> WorldstratBenchError:
        """For a worker that got no further than its device: a GPU is tried without it, to tell whose fault it is."""
        if not self._on_cuda or self.attempt is None:
            return self.plain(what)
        return explain(self.device, self.interpreter, self.attempt, what, self.start)
