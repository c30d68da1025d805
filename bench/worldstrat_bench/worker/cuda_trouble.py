"""A worker that cannot use its CUDA device: is it the machine, the confinement, or the model's environment?

Only the harness's own code and its reference model run here, on the harness's own interpreter.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from worldstrat_bench.errors import InfrastructureError, ModelError, WorldstratBenchError
from worldstrat_bench.plugins.interpreter import Interpreter, own_interpreter
from worldstrat_bench.worker.grants import Grants, cuda_devices
from worldstrat_bench.worker.isolation import Attempt, Level
from worldstrat_bench.worker.types import ModelSpec

REFERENCE = ModelSpec("worldstrat_bench.worker.inside.reference:load")
PROBE_SECONDS = 120.0
UNKNOWN = "the driver needs a call or a file that the confinement refuses; the model's log may name it"
SEE_DOCTOR = "`worldstrat-bench doctor` tries every level; "
"""How a remedy begins that `doctor` itself leaves out."""
OTHERWISE = "--isolation chooses another level (`process` only for models you trust), --device cpu needs no GPU"


class StartWorker(Protocol):
    """Starter of a worker: :class:`worldstrat_bench.worker.host.Worker`, which stands above this module."""

    def __call__(
        self, model: ModelSpec, *, device: str, isolation: str, threads: int
    ) -> AbstractContextManager[object]: ...


@dataclass(frozen=True)
class Sight:
    """Result of opening a CUDA device in an unconfined process.

    Attributes
    ----------
    problem : why it cannot be used; "" if it can.
    libraries, nodes : the driver's libraries and device nodes that it took, as paths.
    """

    problem: str
    libraries: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


def look_unconfined(device: str) -> Sight:
    """Try the device in a process of the harness's own, without confinement."""
    command = [sys.executable, "-P", "-m", "worldstrat_bench.worker.cuda_probe", device]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PROBE_SECONDS, check=True
        )
        said = json.loads(done.stdout.splitlines()[-1])
        return Sight(str(said["problem"]), tuple(map(str, said["libraries"])), tuple(map(str, said["nodes"])))
    except subprocess.TimeoutExpired:
        return Sight(f"torch did not answer within {PROBE_SECONDS:g} s")
    except subprocess.CalledProcessError as error:
        return Sight((error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1][:500])
    except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
        return Sight(f"{type(error).__name__}: {error}")


def explain(
    device: str, interpreter: Interpreter, attempt: Attempt, said: str, start: StartWorker
) -> WorldstratBenchError:
    """Return the error to raise for a worker that could not use its device.

    Parameters
    ----------
    interpreter : of the worker.
    attempt : how the worker was confined.
    said : the worker's own account.
    start : starts another worker.
    """
    # A model's own environment may hold a torch that was built for another driver: the harness's own torch tells.
    if interpreter.executable != own_interpreter().executable:
        own = _own_worker_fails(start, device, attempt.level)
        if own is not None:
            return InfrastructureError(
                f"the model's environment cannot use {device}: {said}; nor can the harness's own torch: {own.what}",
                where=own.where,
                remedy=own.remedy,
            )
        return ModelError(
            f"the model's environment cannot use {device}, which the harness's own torch can: {said}",
            where=interpreter.executable,
            remedy="install a torch for CUDA there, one that the GPU's driver is new enough for, or use --device cpu",
        )
    seen = look_unconfined(device)
    if seen.problem:
        return InfrastructureError(
            f"the harness's own torch cannot use {device} on this machine, without confinement either: {seen.problem}",
            where=sys.executable,
            remedy="look at `nvidia-smi` and CUDA_VISIBLE_DEVICES, check that this torch was built for CUDA, "
            "or use --device cpu",
        )
    return InfrastructureError(
        f"{device} works on this machine, but not in a worker at the isolation level {attempt.level!r}; likely cause: "
        f"{likely_cause(attempt, seen)}",
        where=said,
        remedy=SEE_DOCTOR + OTHERWISE,
    )


def likely_cause(attempt: Attempt, seen: Sight) -> str:
    """Return what the confined worker lacked of what the unconfined process used."""
    if attempt.refused:
        return f"this kernel refuses what the driver does at its start ({attempt.refused})"
    if attempt.level == "process" or attempt.grants is None:
        return "a worker's environment variables or limits, since nothing else is taken from it"
    nodes = [node for node in seen.nodes if Path(node) not in attempt.grants.devices]
    if nodes:
        if Path(nodes[0]) in cuda_devices():
            return f"{nodes[0]} was not there yet when the worker started; try once more, the driver has made it by now"
        return f"the driver uses {nodes[0]}, which is not granted to a confined worker"
    hidden = [path for path in seen.libraries if not _readable(Path(path), attempt.grants)]
    if hidden:
        folder = Path(hidden[0]).parent
        return f"a confined worker cannot read {hidden[0]}; add {folder} to LD_LIBRARY_PATH, which grants it"
    return UNKNOWN


def _readable(path: Path, grants: Grants) -> bool:
    return any(place == path or place in path.parents for place in grants.read)


def _own_worker_fails(start: StartWorker, device: str, level: Level) -> WorldstratBenchError | None:
    """Return the error of a worker with the harness's interpreter and model at that level; None if that works."""
    try:
        with start(REFERENCE, device=device, isolation=level, threads=1):
            return None
    except WorldstratBenchError as error:
        return error
