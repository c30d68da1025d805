"""The host dies, at any moment and without a word: nothing it started may stay."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hostile_scene import (
    CUDA_IN_SOAK,
    GOOD,
    PLUGIN,
    SIDE,
    Confinement,
    Scene,
    ask,
    hostile_worker,
    number_of,
    or_skip,
    processes_of,
)
from waiting import wait_until
from worldstrat_bench.worker.processor import processor_seconds

HOST = """
import sys, tempfile, time
from pathlib import Path
import numpy as np
from worldstrat_bench.data.task import Task
from worldstrat_bench.data.task import Task
from worldstrat_bench.worker import Limits, ModelSpec, Worker

temporary, plugins, python, level, profile, side, number = sys.argv[1:]
tempfile.tempdir = temporary
spec = ModelSpec("hostile:load", {"facts": "{}"}, search_paths=(Path(plugins),), python=Path(python))
worker = Worker(spec, isolation=level, limits=Limits(tile_seconds=60), granted=profile)
print("starting", flush=True)
worker.start()
print("started", flush=True)
side = int(side)
tile = np.zeros((1, 12, side, side), np.float32), np.ones((1, 1, side, side), bool), np.array([int(number)])
print(worker.predict(Task.single(*tile, 64, 64), 0).outcome, flush=True)
time.sleep(60)
"""


@pytest.fixture(params=CUDA_IN_SOAK, scope="module")
def confinement(request: pytest.FixtureRequest, stub_python: Path) -> Confinement:
    """As in the rest of the suite, but the CUDA profile in the long version only: a worker ends as it does without."""
    return or_skip(request.param, stub_python)


def wait_until_busy(pid: int) -> None:
    """Wait until the processes below one are in an endless loop, not just there."""
    before = processor_seconds(pid)
    assert wait_until(lambda: processor_seconds(pid) > before + 0.2)


def start_host(temporary: Path, python: Path, confined: Confinement, behaviour: str) -> subprocess.Popen[str]:
    """A host of its own, whose worker does something."""
    arguments = [str(temporary), str(PLUGIN.parent), str(python), confined.level, confined.profile]
    arguments += [str(SIDE), str(number_of(behaviour))]
    return subprocess.Popen([sys.executable, "-c", HOST, *arguments], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(("behaviour", "word"), [("daemonises", "ok"), ("endless_loop", "started")])
def test_nothing_survives_a_host_that_is_killed(
    confinement: Confinement, temporary: Path, stub_python: Path, behaviour: str, word: str
) -> None:
    with start_host(temporary, stub_python, confinement, behaviour) as host:
        assert host.stdout is not None
        while host.stdout.readline().strip() != word:
            assert host.poll() is None
        assert wait_until(lambda: bool(processes_of(temporary)))
        if behaviour == "endless_loop":
            wait_until_busy(host.pid)
        host.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not processes_of(temporary)), processes_of(temporary)
    assert wait_until(lambda: not list(temporary.iterdir())), list(temporary.iterdir())


def test_nothing_survives_whenever_the_host_is_killed(
    confinement: Confinement, temporary: Path, stub_python: Path
) -> None:
    chance = random.Random(5)
    before = set(Path("/dev/shm").glob("worldstrat-bench-canary-*"))
    for _ in range(4):
        with start_host(temporary, stub_python, confinement, "daemonises") as host:
            assert host.stdout is not None
            assert host.stdout.readline().strip() == "starting"
            time.sleep(chance.uniform(0.02, 0.7))
            host.kill()
        assert wait_until(lambda: not processes_of(temporary)), processes_of(temporary)
        assert wait_until(lambda: not list(temporary.iterdir())), list(temporary.iterdir())
        left = set(Path("/dev/shm").glob("worldstrat-bench-canary-*")) - before
        assert wait_until(lambda: not [path for path in left if path.exists()]), left  # noqa: B023


def test_a_worker_outlives_the_thread_that_started_it(
    scene: Scene, confinement: Confinement, stub_python: Path
) -> None:
    """PR_SET_PDEATHSIG follows the thread that forked; a worker is started by one and used by others."""
    worker = hostile_worker(scene, confinement, python=stub_python)
    starter = threading.Thread(target=worker.start)
    starter.start()
    starter.join()
    time.sleep(0.3)
    try:
        pid = worker.keeper_pid
        assert ask(worker, GOOD).outcome == "ok"
        assert worker.keeper_pid == pid
    finally:
        worker.close()


def test_closing_from_another_thread_ends_a_call(scene: Scene, confinement: Confinement, stub_python: Path) -> None:
    worker = hostile_worker(scene, confinement, python=stub_python)
    worker.start()
    keeper = worker.keeper_pid
    assert keeper is not None

    def close() -> None:
        wait_until_busy(keeper)
        worker.close()

    closer = threading.Thread(target=close)
    closer.start()
    reply = ask(worker, number_of("endless_loop"))
    closer.join()
    assert reply.outcome == "crash", "it was ended by its own limit"
    worker.close()
