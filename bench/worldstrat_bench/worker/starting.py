"""Starting one worker at one level of isolation, and judging whether it holds."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path

from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.plugins.interpreter import Interpreter, own_interpreter
from worldstrat_bench.worker.bubblewrap import find_bubblewrap, wrap
from worldstrat_bench.worker.canaries import Canaries
from worldstrat_bench.worker.grants import Grants, check_disjoint, make_grants
from worldstrat_bench.worker.inside.supervise import WIRE
from worldstrat_bench.worker.inside.wire import Wire, WireClosedError, WireError, WireTimeoutError
from worldstrat_bench.worker.isolation import Attempt, Level, Profile, judge_level
from worldstrat_bench.worker.log import ModelLog
from worldstrat_bench.worker.plan import (
    Folders,
    environment,
    launcher_command,
    link_built,
    make_folders,
    new_root,
    worker_command,
    write_launch,
)
from worldstrat_bench.worker.session import WorkerSession, start_keeper
from worldstrat_bench.worker.types import Limits, ModelSpec

LAUNCH_SECONDS = 30.0
NO_MODEL = ModelSpec("worldstrat_bench.worker.inside.reference:load")


@dataclass(frozen=True)
class LaunchRequest:
    """A worker to start, and its confinement.

    Attributes
    ----------
    granted : the profile of the confinement; None takes the one of the device. Only tests set it, to see on a machine
        without a GPU what a worker on a GPU could do.
    """

    level: Level
    model: ModelSpec
    interpreter: Interpreter
    device: str
    limits: Limits
    forbidden: tuple[Path, ...]
    threads: int | None
    granted: Profile | None = None

    @property
    def profile(self) -> Profile:
        """The parts that the confinement leaves open."""
        return self.granted or ("cuda" if self.device.startswith("cuda") else "cpu")


def refuse_lesser(request: LaunchRequest, attempt: Attempt) -> None:
    """Refuse to go on at a lesser level if a failed one works on this machine without the model.

    Its files are its author's choice: so many of them that bubblewrap cannot take their names, for instance.

    Raises
    ------
    InfrastructureError
        saying why the level failed.
    """
    plain = replace(request, model=NO_MODEL, interpreter=own_interpreter(), forbidden=())
    session, _ = launch(plain, ModelLog(None, request.limits.log_bytes))
    if session is None:
        return
    session.finish()
    raise InfrastructureError(
        f"isolation {request.level!r} works here, but not with what this model needs: {attempt.problem}",
        where=request.model.weights or request.interpreter.executable,
        remedy="give weights of fewer files, or name a lesser level with --isolation if you accept it",
    )


def launch(request: LaunchRequest, log: ModelLog) -> tuple[WorkerSession | None, Attempt]:
    """Return a worker that passed its self-test but has not imported the model; None with the reason on failure.

    Raises
    ------
    InfrastructureError
        if what is forbidden lies in what the model needs: no level but ``process`` could hold.
    """
    program = find_bubblewrap()
    if request.level == "full" and program is None:
        return None, Attempt("full", {}, "bubblewrap is not installed")
    # The keeper is started before any folder is made: from then on a killed host leaves nothing behind.
    root = new_root()
    canaries = Canaries(root / "canaries")
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            keeper = start_keeper(root, canaries.shared_memory, theirs)
    except BaseException:
        ours.close()
        raise
    try:
        folders = make_folders(root)
        grants = make_grants(request.interpreter, request.model, folders, cuda=request.profile == "cuda")
        # At `process` nothing is confined, so that there is nothing in which the forbidden could lie.
        if request.level != "process":
            check_disjoint(grants, request.forbidden)
        canaries.lay_out()
        wrapper = program if request.level == "full" else None
        _write(request, folders, grants, canaries, wrapper)
    except BaseException:
        keeper.dismiss()
        ours.close()
        canaries.remove()
        raise
    session = WorkerSession(keeper, Wire(ours, request.limits.output_bytes + 4096), folders, request.limits, log)
    try:
        attempt = replace(_start(request, session, canaries, log), profile=request.profile, grants=grants)
    except BaseException:
        session.finish()
        raise
    finally:
        # Whatever the self-test said, the decoys have served; a model must not find them.
        canaries.remove()
    if not attempt.good:
        session.finish()
        return None, attempt
    return session, attempt


def _write(request: LaunchRequest, folders: Folders, grants: Grants, canaries: Canaries, program: Path | None) -> None:
    """Write the launch file: what the keeper starts."""
    command = launcher_command(folders)
    write = [*grants.write, *(Path(p) for p in ("/tmp", "/dev/shm") if program)]
    write_launch(
        folders,
        level=request.level,
        profile=request.profile,
        harness=str(folders.harness),
        cwd=str(folders.scratch),
        env={
            **link_built(folders, request.interpreter),  # before the path is made, which names what it lays out
            **environment(
                folders,
                request.interpreter,
                request.threads,
                os.environ,
                None if request.level == "process" else grants.read,
            ),
        },
        argv=worker_command(request.interpreter),
        wrapper={"program": str(program), "options": wrap(grants, folders), "command": command} if program else None,
        wire_fd=WIRE,
        scratch_bytes=request.limits.scratch_bytes,
        processes=request.limits.processes,
        read=[*map(str, grants.read), "/proc"],
        write=[str(path) for path in write],
        devices=[str(path) for path in grants.devices],
        listed=[str(path) for path in grants.listed],
        canaries=canaries.describe(request.forbidden, folders.readable),
    )


def _start(request: LaunchRequest, session: WorkerSession, canaries: Canaries, log: ModelLog) -> Attempt:
    """Let it start, and judge its self-test."""
    session.go()
    try:
        header = session.wire.receive(time.monotonic() + LAUNCH_SECONDS).header
    except WireTimeoutError:
        what = f"the worker did not start within {LAUNCH_SECONDS:.0f} s"
        remedy = "the machine is busy: try again; a level that `auto` takes must not depend on that"
        raise InfrastructureError(what, where=f"isolation {request.level}", remedy=remedy) from None
    except (WireError, WireClosedError):
        session.finish()
        return Attempt(request.level, {}, f"the worker did not start: {log.last_lines(3)}"[:2000])
    if header.get("error"):
        return Attempt(request.level, {}, str(header["error"])[:500])
    # The worker's own account comes first and is only ever corrected downwards.
    try:
        held = canaries.confirm(_held(header.get("held")))
        # The file that may be read is the one that opening it with O_TRUNC would empty.
        held["change_outside"] = held.get("change_outside", False) and session.folders.readable.stat().st_size > 0
    except FileNotFoundError:
        # The keeper clears them away when what it started has ended: after the self-test that is the model's Python.
        session.finish()
        what = f"the model's Python ended as soon as it was started: {log.last_lines(3)}"[:2000]
        remedy = "check the Python that --python names"
        raise InfrastructureError(what, where=request.interpreter.executable, remedy=remedy) from None
    attempt = judge_level(request.level, held)
    return replace(attempt, refused=str(header.get("refused", ""))[:200])


def _held(value: object) -> dict[str, bool]:
    if not isinstance(value, dict):
        return {}
    return {str(name): answer is True for name, answer in value.items()}
