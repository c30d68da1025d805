"""The host's side of a worker: start it, give it a tile, take nothing it says on trust, start it again."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from worldstrat_bench.artefacts.record import IsolationReport
from worldstrat_bench.cache import cache_folder
from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import InfrastructureError, ModelError, WorldstratBenchError
from worldstrat_bench.plugins.interpreter import inspect_interpreter, own_interpreter
from worldstrat_bench.plugins.reach import spelled
from worldstrat_bench.worker.causes import explained
from worldstrat_bench.worker.inside.tensors import pieces_of
from worldstrat_bench.worker.inside.wire import Message, WireClosedError, WireError, WireTimeoutError
from worldstrat_bench.worker.isolation import (
    Attempt,
    Level,
    Profile,
    candidates,
    make_report,
    parse_request,
    unavailable,
)
from worldstrat_bench.worker.load_faults import KilledWhileLoadingError, LoadFaults
from worldstrat_bench.worker.log import ModelLog
from worldstrat_bench.worker.replies import judge, make_hello, packages_of
from worldstrat_bench.worker.session import WorkerSession
from worldstrat_bench.worker.starting import LaunchRequest, launch, refuse_lesser
from worldstrat_bench.worker.types import Hello, Limits, ModelSpec, Reply
from worldstrat_bench.worker.watchdog import Verdict

__all__ = ["Hello", "KilledWhileLoadingError", "Limits", "ModelSpec", "Reply", "Worker"]


class Worker:
    """One model in its own process.

    A context manager: ``with Worker(spec) as worker: worker.predict(...)``. Methods are to be called from one
    thread at a time.

    Parameters
    ----------
    model : what to load.
    device : ``cpu``, ``cuda`` or ``cuda:N``.
    isolation : ``auto`` (the best there is), ``full``, ``strong`` or ``process``.
    limits : time, memory and sizes.
    forbidden : folders and files that the model must not read; the targets, first of all. The cache is always one.
    log : file that what the model prints is appended to.
    threads : CPU threads of torch; None leaves it to torch.
    granted : for tests only: confine a worker on the CPU as one on a GPU ("cuda"). None goes by the device.
    unconfined : whether ``auto`` may end at ``process``, which confines nothing.
    """

    def __init__(
        self,
        model: ModelSpec,
        *,
        device: str = "cpu",
        isolation: str = "auto",
        limits: Limits | None = None,
        forbidden: tuple[Path, ...] = (),
        log: Path | None = None,
        threads: int | None = None,
        granted: Profile | None = None,
        unconfined: bool = True,
    ) -> None:
        self._model = model
        self._device = device
        self._request = parse_request(isolation)
        self._levels = candidates(self._request, unconfined=unconfined)
        self._notes: tuple[str, ...] = ()
        self._limits = limits or Limits()
        # Decoded targets lie in the cache, those of earlier runs and of other data sets too.
        self._forbidden = (*forbidden, cache_folder())
        self._threads = threads
        self._granted = granted
        self._log = ModelLog(log, self._limits.log_bytes)
        self._interpreter = own_interpreter() if model.python is None else inspect_interpreter(model.python)
        self._session: WorkerSession | None = None
        self._starting: WorkerSession | None = None
        self._abandoned = False
        self._hello: Hello | None = None
        self._attempt: Attempt | None = None

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def hello(self) -> Hello:
        """The worker's greeting from its last start; starts it if it never did."""
        return self._hello or self.start()

    @property
    def keeper_pid(self) -> int | None:
        """The process that keeps the running worker; None if there is none."""
        return self._session.pid if self._session else None

    def start(self) -> Hello:
        """Start the worker and load the model; what is running already is left alone.

        Raises
        ------
        ModelError
            if the model cannot be loaded.
        InfrastructureError
            if the worker cannot be started with the isolation that was asked for.
        """
        if self._session is not None and self._hello is not None:
            return self._hello
        started = time.monotonic()
        # Two steps, each with its own time and its own blame: up to here nothing of the model has run.
        session, report = self._launch()
        start_seconds = time.monotonic() - started
        self._starting = session
        try:
            # The start may have been given up while there was no session yet that could be condemned.
            if self._abandoned:
                raise self._faults.plain("the start was given up")
            self._hello = self._load(session, report, start_seconds)
        except BaseException:
            session.finish()
            self._log.flush()
            raise
        finally:
            self._starting = None
        self._session = session
        return self._hello

    def abandon(self) -> None:
        """Give up a start that is under way in another thread: it raises ModelError soon. Does not wait."""
        self._abandoned = True
        session = self._starting
        if session is not None:
            session.condemn(Verdict("crash", "the start was given up"))

    @property
    def peak_bytes(self) -> int:
        """The largest resident memory that the host saw of the process that runs and what it started; 0 without one."""
        return self._session.peak_bytes if self._session is not None else 0

    def predict(self, task: Task, seed: int, *, examine: bool = False, any_unit: bool = False) -> Reply:
        """Let the model super-resolve one tile. A model's fault is an outcome, never an exception.

        Parameters
        ----------
        task : a batch of one.
        seed : of torch, numpy and random, set before the model is called; in a run, :meth:`Task.seed`.
        examine : also find out where the output is and whether the model changed its input.
        any_unit : take an answer that is not reflectance as well, to find out which unit it is in.

        Raises
        ------
        ValueError
            if the task is of several tiles: a reply is of one.
        """
        if task.batch != 1:
            raise ValueError(f"a tile at a time, not {task.batch}")
        unready = self._ready()
        if unready is not None:
            return unready
        header: dict[str, object] = {
            "op": "predict",
            "height": task.height,
            "width": task.width,
            "seed": seed,
            "examine": examine,
        }
        tensors = {"images": task.images, "clear": task.clear, "days": task.days}
        answer = self._exchange(header, tensors, self._limits.tile_seconds)
        if isinstance(answer, tuple):
            message, wall_seconds = answer
            reply = judge(message, task, wall_seconds, any_unit=any_unit)
        else:
            reply = answer
        # A model that failed once may have left its process in any state. The next tile gets a fresh one, so that its
        # outcome does not depend on this one.
        if reply.outcome != "ok":
            self._stop()
        # Only for words of the model's own libraries; the other outcomes are worded by the host.
        if reply.outcome in ("model_error", "crash"):
            reply = replace(reply, message=explained(reply.message, confined=self._confined))
        return reply

    def ask(
        self, header: dict[str, object], tensors: dict[str, NDArray[Any]], seconds: float
    ) -> tuple[Message, float] | Reply:
        """Ask for anything else: the worker's answer, as it gave it, and the seconds it took; or what became of it.

        Whoever asks judges the answer; after one that cannot be used, :meth:`restart` it.
        """
        unready = self._ready()
        if unready is not None:
            return unready
        answer = self._exchange(header, tensors, seconds)
        if isinstance(answer, Reply):
            self.restart()
        return answer

    def restart(self) -> None:
        """End the process; the next question goes to a fresh one."""
        self._stop()

    def _ready(self) -> Reply | None:
        """Start the worker if there is none, or none that can be trusted; the reply to give if that fails."""
        if self._session is not None and self._session.wire.pending():
            self._stop()  # it said something unasked, or died, between two tiles
        try:
            self.start()
        except ModelError as error:
            return Reply("model_error", None, str(error), 0.0, retry=isinstance(error, KilledWhileLoadingError))
        except WorldstratBenchError as error:
            return Reply("infra_error", None, str(error), 0.0, retry=True)
        return None

    def close(self) -> None:
        """End the worker and everything it started; remove its scratch folder."""
        self._stop()
        self._log.flush()

    def _stop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.finish()

    def _launch(self) -> tuple[WorkerSession, IsolationReport]:
        """Return a worker that is confined, and shown to be, but has not imported the model."""
        if not hasattr(os, "fork"):  # as on Windows; asked here, where it matters, not when the module is imported
            what = "models run on Linux and macOS only"
            raise InfrastructureError(
                what, remedy="on Windows use WSL; score, compare, table, site and data need no model"
            )
        attempts: list[Attempt] = []
        for level in self._levels:
            session, attempt = launch(self._launch_request(level), self._log)
            attempts.append(attempt)
            if session is not None:
                self._attempt = attempt
                self._levels = (level,)  # a worker that is started again is confined as the first one was
                # Later starts try one level only, so that the reasons against better ones are those of the first
                # start.
                notes = self._notes or make_report(self._request, attempts).notes
                self._notes = notes
                return session, make_report(self._request, attempts).model_copy(update={"notes": notes})
            if level != self._levels[-1]:
                refuse_lesser(self._launch_request(level), attempt)
        raise unavailable(self._request, attempts)

    def _launch_request(self, level: Level) -> LaunchRequest:
        return LaunchRequest(
            level,
            self._model,
            self._interpreter,
            self._device,
            self._limits,
            self._forbidden,
            self._threads,
            self._granted,
        )

    def _load(self, session: WorkerSession, report: IsolationReport, start_seconds: float) -> Hello:
        request = {
            "op": "load",
            "target": self._model.target,
            "parameters": dict(self._model.parameters),
            "weights": None if self._model.weights is None else str(spelled(self._model.weights)),
            "search_paths": [str(path.resolve()) for path in self._model.search_paths],
            "device": self._device,
            "threads": self._threads,
            "seed": 0,
            "confined": self._confined,
        }
        deadline = time.monotonic() + self._limits.load_seconds
        started = time.monotonic()
        # Until the worker says that it has its device, nothing of the model has run; from then on it may say anything.
        prepared = False
        try:
            session.wire.send(request, deadline=deadline)
            header = session.wire.receive(deadline).header
            if header.get("op") == "prepared":
                prepared = True
                header = session.wire.receive(deadline).header
        except WireTimeoutError:
            session.finish()
            raise self._faults.too_slow(self._limits.load_seconds, prepared=prepared) from None
        except WireError as error:
            raise self._faults.plain(f"the model wrote to the harness's wire: {error}") from None
        except WireClosedError:
            raise self._faults.ended(session.finish(grace_seconds=2), prepared=prepared) from None
        if header.get("op") != "hello":
            session.finish()
            raise self._faults.failed(header, prepared=prepared)
        packages = packages_of(self._model, self._interpreter)
        seconds = time.monotonic() - started
        return make_hello(
            header, self._device, self._threads, self._interpreter, packages, report, start_seconds, seconds
        )

    @property
    def _confined(self) -> bool:
        return self._attempt is not None and self._attempt.level != "process"

    @property
    def _faults(self) -> LoadFaults:
        return LoadFaults(self._model, self._interpreter, self._device, self._attempt, self._log, Worker)

    def _exchange(
        self, header: dict[str, object], tensors: dict[str, NDArray[Any]], seconds: float
    ) -> tuple[Message, float] | Reply:
        """Ask and wait: the answer and the seconds it took, or what became of the worker instead."""
        session = self._session
        assert session is not None
        # A reply that was written before the question was asked, by a thread of the model say, cannot hold it.
        nonce = secrets.token_hex(16)
        # Packed before the clock starts: it is not the model's time.
        body = pieces_of(tensors)
        started = time.monotonic()
        deadline = started + seconds
        try:
            session.wire.send({**header, "nonce": nonce}, body, deadline)
            message = session.wire.receive(deadline)
        except WireTimeoutError:
            session.condemn(Verdict("timeout", f"the model took more than {seconds:g} s"))
            # Not the one given above: the watchdog may have found another reason first, and the first one counts.
            verdict = session.finish().verdict
            assert verdict is not None
            return Reply(verdict.outcome, None, verdict.message, time.monotonic() - started)
        except WireError as error:
            return Reply("invalid_output", None, f"the model wrote to the harness's wire: {error}", 0.0)
        except WireClosedError:
            # A worker that hung up is about to end by itself; its exit code says more than a kill would.
            end = session.finish(grace_seconds=2)
            outcome, text = end.outcome(self._log)
            return Reply(outcome, None, text, time.monotonic() - started, retry=end.may_be_chance)
        if message.header.get("nonce") != nonce:
            return Reply("invalid_output", None, "the reply does not belong to the request", 0.0)
        return message, time.monotonic() - started
