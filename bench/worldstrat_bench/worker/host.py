"""The host's side of a worker: start it, give it a tile, take nothing it says on trust, start it again."""

from __future__ import annotations

import secrets
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from worldstrat_bench.errors import ModelError, WorldstratBenchError
from worldstrat_bench.plugins.discovery import installed_packages
from worldstrat_bench.plugins.interpreter import Interpreter, inspect_interpreter, own_interpreter
from worldstrat_bench.record import IsolationReport
from worldstrat_bench.worker.device import cpu_class, cpu_name, usable_cores
from worldstrat_bench.worker.isolation import Attempt, Level, candidates, make_report, parse_request, unavailable
from worldstrat_bench.worker.log import ModelLog
from worldstrat_bench.worker.session import End, Session
from worldstrat_bench.worker.starting import LaunchRequest, launch
from worldstrat_bench.worker.types import Hello, Limits, Measured, ModelSpec, Reply
from worldstrat_bench.worker.validate import InvalidOutputError, check_output, expected_of
from worldstrat_bench.worker.watchdog import Verdict
from worldstrat_bench.worker.wire import Message, WireClosedError, WireError, WireTimeoutError

__all__ = ["Hello", "Limits", "Measured", "ModelSpec", "Reply", "Worker"]

CLAIMS = ("model_error", "invalid_output", "out_of_memory")
"""Outcomes that a worker may report of itself; the others are the host's to find."""


class Worker:
    """One model in a process of its own.

    A context manager: ``with Worker(spec) as worker: worker.predict(...)``. Methods are to be called from one
    thread at a time.

    Parameters
    ----------
    model : what to load.
    device : ``cpu``, ``cuda`` or ``cuda:N``.
    isolation : ``auto`` (the best there is), ``full``, ``strong`` or ``process``.
    limits : time, memory and sizes.
    forbidden : folders and files that the model must not read; the targets, first of all.
    log : file that what the model prints is appended to.
    threads : CPU threads of torch; None leaves it to torch.
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
    ) -> None:
        self._model = model
        self._device = device
        self._request = parse_request(isolation)
        self._levels = candidates(self._request)
        self._notes: tuple[str, ...] = ()
        self._limits = limits or Limits()
        self._forbidden = forbidden
        self._threads = threads
        self._log = ModelLog(log, self._limits.log_bytes)
        self._interpreter = own_interpreter() if model.python is None else inspect_interpreter(model.python)
        self._session: Session | None = None
        self._hello: Hello | None = None

    def __enter__(self) -> Worker:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def hello(self) -> Hello:
        """What the worker said when it last started; starts it if it never did."""
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
        session, report = self._launch()
        start_seconds = time.monotonic() - started
        try:
            self._hello = self._load(session, report, start_seconds)
        except BaseException:
            session.finish()
            self._log.flush()
            raise
        self._session = session
        return self._hello

    def predict(
        self,
        images: NDArray[np.float32],
        clear: NDArray[np.bool_],
        days: NDArray[np.int64],
        height: int,
        width: int,
        seed: int,
    ) -> Reply:
        """Let the model super-resolve one tile. A model's fault is an outcome, never an exception.

        Parameters
        ----------
        images : (T, 12, h, w) reflectance; clear : (T, 1, h, w); days : (T,).
        height, width : of the target.
        seed : of torch, numpy and random, set before the model is called.
        """
        if self._session is not None and self._session.wire.pending():
            self._stop()  # it said something unasked, or died, between two tiles
        try:
            self.start()
        except ModelError as error:
            return Reply("model_error", None, str(error), 0.0)
        except WorldstratBenchError as error:
            return Reply("infra_error", None, str(error), 0.0)
        reply = self._ask(images, clear, days, height, width, seed)
        if reply.outcome != "ok":
            self._stop()
        return reply

    def measure(
        self,
        images: NDArray[np.float32],
        clear: NDArray[np.bool_],
        days: NDArray[np.int64],
        height: int,
        width: int,
        *,
        seed: int = 0,
        precision: str = "declared",
        keep: bool = False,
        inspect: bool = False,
    ) -> Measured:
        """Time one call on a batch. A model's fault is an outcome, never an exception.

        Parameters
        ----------
        images : (B, T, 12, h, w) reflectance; clear : (B, T, 1, h, w); days : (B, T).
        precision : one of :data:`worldstrat_bench.worker.timing.PRECISIONS`.
        keep : return what the model returned; for a batch of one.
        inspect : also count parameters and FLOPs, in further calls of the model that are not timed.
        """
        self.start()
        header = {"op": "measure", "height": height, "width": width, "seed": seed, "precision": precision,
                  "keep": keep, "inspect": inspect}  # fmt: skip
        answer, wall = self._exchange(header, {"images": images, "clear": clear, "days": days})
        if isinstance(answer, Message) and answer.header.get("op") == "measured":
            return _measured(answer, images, height, width, wall, keep=keep)
        self._stop()
        reply = answer if isinstance(answer, Reply) else judge(answer, images[0], height, width, wall)
        outcome = "invalid_output" if reply.outcome == "ok" else reply.outcome
        return Measured(outcome, reply.message, wall, wall, wall)

    def close(self) -> None:
        """End the worker and everything it started; remove its scratch folder."""
        self._stop()
        self._log.flush()

    def _stop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.finish()

    def _launch(self) -> tuple[Session, IsolationReport]:
        """A worker that is confined, and shown to be, but has not imported the model."""
        attempts: list[Attempt] = []
        for level in self._levels:
            session, attempt = launch(self._launch_request(level), self._log)
            attempts.append(attempt)
            if session is not None:
                self._levels = (level,)  # a worker that is started again is confined as the first one was
                notes = self._notes or make_report(self._request, attempts).notes
                self._notes = notes
                return session, make_report(self._request, attempts).model_copy(update={"notes": notes})
        raise unavailable(self._request, attempts)

    def _launch_request(self, level: Level) -> LaunchRequest:
        return LaunchRequest(
            level, self._model, self._interpreter, self._device, self._limits, self._forbidden, self._threads
        )

    def _load(self, session: Session, report: IsolationReport, start_seconds: float) -> Hello:
        request = {
            "op": "load",
            "target": self._model.target,
            "parameters": dict(self._model.parameters),
            "weights": None if self._model.weights is None else str(self._model.weights.resolve()),
            "search_paths": [str(path.resolve()) for path in self._model.search_paths],
            "device": self._device,
            "threads": self._threads,
            "seed": 0,
        }
        deadline = time.monotonic() + self._limits.load_seconds
        started = time.monotonic()
        try:
            session.wire.send(request, deadline=deadline)
            header = session.wire.receive(deadline).header
        except WireTimeoutError:
            raise self._load_error(f"the model took more than {self._limits.load_seconds:g} s to load") from None
        except WireError as error:
            raise self._load_error(f"the model wrote to the harness's wire: {error}") from None
        except WireClosedError:
            end = session.finish(grace_seconds=2)
            raise self._load_error(f"the process ended while the model was loaded: {self._how(end)[1]}") from None
        if header.get("op") != "hello":
            raise self._failed_load(header)
        return self._make_hello(header, report, start_seconds, time.monotonic() - started)

    def _failed_load(self, header: dict[str, Any]) -> ModelError:
        message = str(header.get("message", ""))[:8000]
        if header.get("kind") == "environment":
            return self._load_error(f"the model's environment lacks what the worker needs: {message}")
        return self._load_error(f"the model cannot be loaded: {message}")

    def _load_error(self, what: str) -> ModelError:
        return ModelError(
            what,
            where=f"{self._model.target}, {self._interpreter.executable}",
            remedy="try it alone with `worldstrat-bench models check NAME`; the model's own output is in the log",
        )

    def _make_hello(
        self, header: dict[str, Any], report: IsolationReport, start_seconds: float, wall_seconds: float
    ) -> Hello:
        """The greeting: what the host knows itself it does not take from the worker."""
        said = header.get("device")
        device: dict[str, object] = said if isinstance(said, dict) else {}
        on_cuda = self._device.startswith("cuda")
        cores = min(self._threads or usable_cores(), usable_cores())
        return Hello(
            python=".".join(str(part) for part in self._interpreter.version),
            torch=_text(header.get("torch")),
            cuda=(_text(device.get("cuda")) or None) if on_cuda else None,
            device_type="cuda" if on_cuda else "cpu",
            device_name=_text(device.get("name")) if on_cuda else cpu_name(),
            device_class=_text(device.get("class")) if on_cuda else cpu_class(cores),
            packages=packages_of(self._interpreter),
            isolation=report,
            start_seconds=start_seconds,
            load_seconds=_seconds(header.get("load_seconds"), wall_seconds),
        )

    def _ask(self, images: NDArray[np.float32], clear: NDArray[np.bool_], days: NDArray[np.int64],
             height: int, width: int, seed: int) -> Reply:  # fmt: skip
        header = {"op": "predict", "height": height, "width": width, "seed": seed}
        answer, wall = self._exchange(header, {"images": images, "clear": clear, "days": days})
        return answer if isinstance(answer, Reply) else judge(answer, images, height, width, wall)

    def _exchange(self, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> tuple[Message | Reply, float]:
        """Send a request and wait for its answer; what went wrong as a reply. With the seconds that the host waited."""
        session = self._session
        assert session is not None
        nonce = secrets.token_hex(16)
        body = safetensors.numpy.save(arrays)
        started = time.monotonic()
        deadline = started + self._limits.tile_seconds
        try:
            session.wire.send({**header, "nonce": nonce}, body, deadline)
            message = session.wire.receive(deadline)
        except WireTimeoutError:
            session.condemn(Verdict("timeout", f"the model took more than {self._limits.tile_seconds:g} s"))
            session.finish()
            wall = time.monotonic() - started
            return Reply("timeout", None, _verdict_message(session), wall), wall
        except WireError as error:
            return Reply("invalid_output", None, f"the model wrote to the harness's wire: {error}", 0.0), 0.0
        except WireClosedError:
            outcome, text = self._how(session.finish(grace_seconds=2))
            wall = time.monotonic() - started
            return Reply(outcome, None, text, wall), wall
        wall = time.monotonic() - started
        if message.header.get("nonce") != nonce:
            return Reply("invalid_output", None, "the reply does not belong to the request", 0.0), wall
        return message, wall

    def _how(self, end: End) -> tuple[str, str]:
        """Outcome and description of a worker that hung up."""
        if end.verdict is not None:
            return end.verdict.outcome, end.verdict.message
        lines = self._log.last_lines()
        said = f"; its last words:\n{lines}" if lines else ""
        if end.signal == signal.SIGKILL and end.kernel_killed:
            return "out_of_memory", "the kernel ended the model's process for want of memory"
        if end.code is None:
            return "crash", f"the model ended the process that keeps it{said}"
        if end.signal is not None:
            return "crash", f"the model's process died of {_signal_name(end.signal)}{said}"
        return "crash", f"the model's process left with exit code {end.code}{said}"


def judge(message: Message, images: NDArray[np.float32], height: int, width: int, wall_seconds: float) -> Reply:
    """What a worker's answer amounts to."""
    header = message.header
    seconds = _seconds(header.get("seconds"), wall_seconds)
    if header.get("op") == "failed":
        outcome = str(header.get("outcome"))
        return Reply(outcome if outcome in CLAIMS else "model_error", None, _text(header.get("message"), 8000), seconds)
    if header.get("op") != "prediction":
        return Reply("invalid_output", None, "the reply is no prediction", seconds)
    try:
        image, hint = check_output(message.body, expected_of(images, height, width))
    except InvalidOutputError as error:
        return Reply("invalid_output", None, str(error), seconds)
    return Reply("ok", image, hint, seconds)


def _measured(
    message: Message, images: NDArray[np.float32], height: int, width: int, wall_seconds: float, *, keep: bool
) -> Measured:
    """The figures of a timed call, as far as they are possible."""
    header = message.header
    seconds = _seconds(header.get("seconds"), wall_seconds)
    reply = Reply("ok", None, "", seconds)
    if keep:
        kept = Message({**header, "op": "prediction"}, message.body)
        reply = judge(kept, images[0], height, width, wall_seconds)
    return Measured(
        reply.outcome,
        reply.message,
        seconds,
        _seconds(header.get("wall_seconds"), wall_seconds),
        wall_seconds,
        reply.image,
        *(_count(header.get(name)) for name in ("parameters", "flops", "host_bytes", "device_bytes")),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**62 else None


def packages_of(interpreter: Interpreter) -> dict[str, str]:
    """Distributions of the worker's environment, as the host sees them on disk."""
    return installed_packages(interpreter.site_paths)


def _verdict_message(session: Session) -> str:
    return session.verdict.message if session.verdict else ""


def _text(value: object, limit: int = 200) -> str:
    return value[:limit] if isinstance(value, str) else ""


def _seconds(value: object, wall_seconds: float) -> float:
    """What the worker claims, if it is possible."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= wall_seconds:
        return float(value)
    return wall_seconds


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
