"""The part of ``doctor`` that runs the harness's reference model on a GPU, confined as a model would be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import InfrastructureError, WorldstratBenchError
from worldstrat_bench.run.finding import MachineFinding, State
from worldstrat_bench.worker import Worker
from worldstrat_bench.worker.cuda_trouble import REFERENCE, SEE_DOCTOR
from worldstrat_bench.worker.isolation import LEVELS, Level, LevelUnavailableError

SIDE = 16


def look_at_gpus(devices: Sequence[str], tell: Callable[[str], None], *, every: bool) -> Iterator[MachineFinding]:
    """Return a finding for each level of isolation, on the first device or on each; `tell` hears what is tried next."""
    chosen = devices if every else devices[:1]
    done = 0
    for device in chosen:
        default: Level | None = None
        for level in LEVELS:
            done += 1
            tell(f"starting a worker on {device} at {level} ({done} of {len(chosen) * len(LEVELS)})")
            try:
                found = predict_there(device, level)
                yield MachineFinding("ok", f"GPU at {level}", f"{device} is usable: {found}")
            except LevelUnavailableError as error:
                yield MachineFinding(
                    "warn", f"GPU at {level}", f"{device} was not tried: {error.where}", error.remedy or ""
                )
                continue
            except WorldstratBenchError as error:
                # `auto` takes the first level that is available, whether or not the GPU works there.
                state: State = "bad" if default is None else "warn"
                where = f" ({error.where})" if error.where else ""
                text = f"{device} is not usable: {error.what}{where}"
                remedy = (error.remedy or "see docs/security.md").removeprefix(SEE_DOCTOR)
                yield MachineFinding(state, f"GPU at {level}", text, remedy)
            default = default or level
    if len(chosen) < len(devices):
        yield MachineFinding("ok", "GPU", f"not tried: {', '.join(devices[1:])} (--all-devices tries them)")


def predict_there(device: str, level: Level) -> str:
    """Return the name of a device on which a confined worker has just predicted a small tile.

    Raises
    ------
    LevelUnavailableError, InfrastructureError
        if there is no such level, or if the device cannot be used at it.
    """
    images, clear = np.full((1, 12, SIDE, SIDE), 0.1, np.float32), np.ones((1, 1, SIDE, SIDE), bool)
    task = Task.single(images, clear, np.zeros(1, np.int64), 4 * SIDE, 4 * SIDE)
    with Worker(REFERENCE, device=device, isolation=level) as worker:
        reply = worker.predict(task, seed=0)
        if reply.outcome != "ok":
            raise InfrastructureError(f"{reply.outcome}: {reply.message}", remedy="look at `nvidia-smi`")
        return worker.hello.device_name
