"""One worker from its start to its end: the keeper, the wire, the log, the watchdog. The host's side."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from worldstrat_bench.worker.inside.wire import Wire
from worldstrat_bench.worker.log import ModelLog
from worldstrat_bench.worker.plan import Folders, keeper_command
from worldstrat_bench.worker.types import Limits
from worldstrat_bench.worker.watchdog import Verdict, Watchdog

# The keeper ends a tree of hundreds of processes in well under a second; a machine under heavy load may take longer.
KEEPER_SECONDS = 20.0


@dataclass(frozen=True)
class WorkerEnd:
    """End of a worker.

    Attributes
    ----------
    code : exit code, minus the signal's number, or None if unknown.
    killed : processes it had left behind.
    verdict : why the host ended it, if the host did.
    kernel_killed : the kernel's own out-of-memory killer was at work during the session.
    """

    code: int | None
    killed: int
    verdict: Verdict | None
    kernel_killed: bool

    @property
    def signal(self) -> int | None:
        """The signal that ended it; bubblewrap reports it as 128 plus its number."""
        if self.code is None or 0 <= self.code <= 128:
            return None
        return -self.code if self.code < 0 else self.code - 128

    def outcome(self, log: ModelLog) -> tuple[str, str]:
        """Return outcome and description of a worker that hung up; `log` has its last words."""
        if self.verdict is not None:
            return self.verdict.outcome, self.verdict.message
        lines = log.last_lines()
        said = f"; its last words:\n{lines}" if lines else ""
        if self.signal == signal.SIGKILL and self.kernel_killed:
            return "out_of_memory", "the kernel ended the model's process because memory ran out"
        if self.code is None:
            return "crash", f"the model ended the process that keeps it{said}"
        if self.signal is not None:
            return "crash", f"the model's process died of {_signal_name(self.signal)}{said}"
        return "crash", f"the model's process exited with code {self.code}{said}"

    @property
    def may_be_chance(self) -> bool:
        """True if a worker was killed, neither by its host nor because memory ran out.

        It was an operator, a scheduler or the model itself. From here the last looks like the first two, but a model
        that kills itself does it again when it is tried again.
        """
        if self.verdict is not None:
            return False
        return self.code is None or (self.signal == signal.SIGKILL and not self.kernel_killed)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True)
class Keeper:
    """The keeper's process, the socket to it, and the pipe that it and the worker print to."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    output: int

    def dismiss(self) -> None:
        """Send it away before it has started anything."""
        self.control.close()
        os.close(self.output)
        self.process.wait()


class WorkerSession:
    """A running worker. Whoever makes it ends it."""

    def __init__(self, keeper: Keeper, wire: Wire, folders: Folders, limits: Limits, log: ModelLog) -> None:
        self.wire = wire
        self.folders = folders
        self._keeper = keeper.process
        self._control = keeper.control
        self._verdict: Verdict | None = None
        self._end: WorkerEnd | None = None
        self._lock = threading.Lock()
        self._finishing = threading.Lock()
        # The kernel counts for the whole machine: what matters is whether it rose while this worker ran.
        self._kernel_kills = kernel_kills()
        self._log_thread = log.follow(keeper.output)
        self._watchdog = Watchdog(keeper.process.pid, folders.scratch, limits, self.condemn)
        self._watchdog.start()

    @property
    def pid(self) -> int:
        """Process id of the keeper; the worker is below it."""
        return self._keeper.pid

    @property
    def verdict(self) -> Verdict | None:
        """Reason why the host ended the worker, if it did."""
        return self._verdict

    @property
    def peak_bytes(self) -> int:
        """The largest resident memory of the tree that was seen."""
        return self._watchdog.peak_bytes

    def go(self) -> None:
        """Let the keeper start the worker: everything it needs is in place."""
        with contextlib.suppress(OSError):
            self._control.sendall(b"g")

    def condemn(self, verdict: Verdict) -> None:
        """End the worker for a reason; the first one counts. Safe from any thread, does not wait."""
        with self._lock:
            self._verdict = self._verdict or verdict
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)

    def finish(self, grace_seconds: float = 0.0) -> WorkerEnd:
        """End the worker if it has not ended by itself within the grace, and wait until nothing of it is left.

        Safe from any thread: a thread that waits on the wire finds it closed by the worker.
        """
        with self._finishing:
            if self._end is None:
                self._end = self._finish(grace_seconds)
            return self._end

    def _finish(self, grace_seconds: float) -> WorkerEnd:
        # Read before anything is closed, so that a worker that ends by itself within the grace gives its own exit
        # code.
        line = self._read_control(grace_seconds)
        if line is None:
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
            line = self._read_control(KEEPER_SECONDS)
        # Stopped before the keeper goes: without the keeper the watchdog would see an empty tree, and what is left of
        # it could not be found.
        self._watchdog.stop()
        self._end_keeper()
        self.wire.close()
        self._control.close()
        # A process that escaped the keeper would hold the pipe open for ever.
        self._log_thread.join(timeout=5)
        self.folders.remove()
        code, killed, crowd, threads = parse_end(line)
        # The host's own reason counts, if it had one first.
        if crowd:
            what = f"the model started {crowd} processes with {threads} threads"
            self._verdict = self._verdict or Verdict("crash", what)
        return WorkerEnd(code, killed, self._verdict, kernel_kills() > self._kernel_kills)

    def _read_control(self, seconds: float) -> bytes | None:
        """Return the keeper's last words; None if they did not come in time, b"" if it went without any."""
        deadline = time.monotonic() + seconds
        data = b""
        while not data.endswith(b"\n"):
            self._control.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                chunk = self._control.recv(4096)
            except TimeoutError:
                return None
            except OSError:
                return b""
            if not chunk:
                return data
            data += chunk
        return data

    def _end_keeper(self) -> None:
        """Wait for the keeper to end; if the model killed or blocked it, end it and what is known of its tree."""
        try:
            self._keeper.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        for process in self._watchdog.leftovers():
            with contextlib.suppress(psutil.Error):
                process.kill()


def start_keeper(root: Path, shared_memory: Path, wire: socket.socket) -> Keeper:
    """Start the keeper, before anything is made that it would have to clear away.

    Parameters
    ----------
    root, shared_memory : what will be made.
    wire : the worker's end; the caller closes its own copy.
    """
    control, keepers_control = socket.socketpair()
    output, keepers_output = os.pipe()
    try:
        process = subprocess.Popen(
            keeper_command(keepers_control.fileno(), wire.fileno(), root, shared_memory),
            stdin=subprocess.DEVNULL,
            stdout=keepers_output,
            stderr=keepers_output,
            # A model may look into the keeper's environment: neither a token nor a folder of the user is there.
            env={"PATH": os.defpath},
            pass_fds=(wire.fileno(), keepers_control.fileno()),
            # Ctrl-C in a terminal reaches the whole group. The keeper has to outlive the host by a moment.
            start_new_session=True,
        )
    except BaseException:
        control.close()
        os.close(output)
        raise
    finally:
        os.close(keepers_output)
        keepers_control.close()
    return Keeper(process, control, output)


def parse_end(line: bytes | None) -> tuple[int | None, int, int, int]:
    """Exit code, processes left behind, and processes and threads of a crowd, from the keeper's last words."""
    try:
        words = json.loads(line or b"")
        return int(words["code"]), int(words["killed"]), int(words["crowd"]), int(words["threads"])
    except (ValueError, KeyError, TypeError):
        return None, 0, 0, 0


def kernel_kills() -> int:
    """Return how often the kernel's out-of-memory killer was at work since the machine started."""
    try:
        text = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)
