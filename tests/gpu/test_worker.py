"""The worker on a CUDA device, at every level of isolation.

What can be seen without one is in tests/unit/worker (FakeTensorMode: the way of the data) and in tests/e2e/hostile (a
stand-in for libcuda: the profile of the confinement).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hostile_scene import REQUIRED
from worldstrat_bench.data.task import Task
from worldstrat_bench.worker import Limits, ModelSpec, Reply, Worker
from worldstrat_bench.worker.cuda_trouble import look_unconfined
from worldstrat_bench.worker.isolation import LEVELS, LevelUnavailableError
from worldstrat_bench.worker.timed import Cycle, TimedWorker

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device: not run"),
]

REFERENCE = ModelSpec("worldstrat_bench.worker.inside.reference:load")

MODELS = """
import subprocess, sys
import torch

class Model:
    def predict(self, lr, target):
        good = torch.nn.functional.interpolate(lr.rgb(), (target.height, target.width), mode="bicubic")
        return ACTIONS[int(lr.days[0, 0])](good)

def fill_the_memory(good):
    kept = []
    while True:
        kept.append(torch.empty(1 << 30, dtype=torch.uint8, device=good.device))

def fail_on_the_device(good):
    return good + torch.zeros(4, device=good.device)[torch.tensor([9], device=good.device)]

def replay_a_graph(good):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        still = good.clone()
        still * 1.0
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = still * 1.0
    graph.replay()
    return out

def start_cuda_in_a_child(good):
    done = subprocess.run([sys.executable, "-c", "import torch; torch.cuda.init(); torch.zeros(1, device='cuda')"])
    return good * 0 + (0.75 if done.returncode == 0 else 0.25)

ACTIONS = (lambda good: good, fill_the_memory, fail_on_the_device, replay_a_graph, start_cuda_in_a_child,
           lambda good: good.half())

def load(weights, device):
    return Model()
"""
GOOD, FILLS, ASSERTS, GRAPH, CHILD, HALF = range(6)


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """Each level in turn. Only its absence skips a test: a GPU that cannot be used at it fails."""
    name = str(request.param)
    try:
        with Worker(REFERENCE, isolation=name):
            pass
    except LevelUnavailableError as error:
        if name in os.environ.get(REQUIRED, "").split(","):
            raise
        pytest.skip(f"isolation {name!r} is not available here, and the GPU was NOT tested at it: {error.where}")
    return name


@pytest.fixture
def worker(level: str) -> Iterator[Worker]:
    """Confined, and with the GPU's device nodes."""
    with Worker(REFERENCE, device="cuda:0", isolation=level) as started:
        yield started


@pytest.fixture
def odd(level: str, tmp_path: Path) -> Iterator[Worker]:
    """A worker with a model that does what the first frame's days say."""
    (tmp_path / "odd_on_gpu.py").write_text(MODELS, encoding="utf-8")
    spec = ModelSpec("odd_on_gpu:load", search_paths=(tmp_path,))
    with Worker(spec, device="cuda:0", isolation=level, limits=Limits(tile_seconds=120)) as started:
        yield started


def ask(worker: Worker, action: int) -> Reply:
    return worker.predict(task_of(action, 0), seed=1)


def task_of(*days: int) -> Task:
    images = np.random.default_rng(0).random((2, 12, 40, 42), np.float32)
    return Task.single(images, np.ones((2, 1, 40, 42), bool), np.array(days), 160, 168)


def test_a_confined_worker_sees_the_gpu_and_says_what_it_is(worker: Worker) -> None:
    hello = worker.hello
    assert hello.device_type == "cuda"
    assert hello.cuda == torch.version.cuda
    assert hello.device_name == torch.cuda.get_device_name(0)
    assert hello.device_class.endswith("GB")


def test_the_report_says_what_was_granted(worker: Worker, level: str) -> None:
    report = worker.hello.isolation
    assert (report.level, report.profile) == (level, None if level == "process" else "cuda")
    assert worker._attempt is not None
    assert worker._attempt.refused == ""


@pytest.mark.parametrize(
    ("action", "outcomes"),
    [(FILLS, ("out_of_memory",)), (ASSERTS, ("model_error", "crash")), (HALF, ("invalid_output",))],
)
def test_a_failed_tile_costs_itself(odd: Worker, action: int, outcomes: tuple[str, ...]) -> None:
    reply = ask(odd, action)
    assert reply.outcome in outcomes, reply.message
    following = ask(odd, GOOD)
    assert following.outcome == "ok", following.message


def test_a_graph_is_replayed(odd: Worker) -> None:
    good, replayed = ask(odd, GOOD), ask(odd, GRAPH)
    assert replayed.outcome == "ok", replayed.message
    assert good.image is not None
    assert replayed.image is not None
    np.testing.assert_allclose(replayed.image, good.image, atol=1e-6)


def test_a_child_starts_cuda_only_where_nothing_is_confined(odd: Worker, level: str) -> None:
    """Documented in docs/security.md: its threads are in a folder of /proc that no rule covers."""
    reply = ask(odd, CHILD)
    assert reply.image is not None, reply.message
    assert (reply.image.mean() > 0.5) == (level == "process")


def test_the_unconfined_look_finds_what_a_worker_is_granted(worker: Worker) -> None:
    seen = look_unconfined("cuda:0")
    assert seen.problem == ""
    assert seen.libraries
    assert worker._attempt is not None
    grants = worker._attempt.grants
    assert grants is not None
    assert {Path(node) for node in seen.nodes} <= set(grants.devices)
    for library in map(Path, seen.libraries):
        assert any(place in library.parents for place in grants.read), library


def test_cpu_and_gpu_agree(worker: Worker) -> None:
    task = task_of(0, 1)
    on_gpu = worker.predict(task, seed=1, examine=True)
    assert on_gpu.outcome == "ok", on_gpu.message
    assert on_gpu.output_device == "cuda:0"
    with Worker(REFERENCE, isolation="process") as other:
        on_cpu = other.predict(task, seed=1)
    assert on_gpu.image is not None
    assert on_cpu.image is not None
    np.testing.assert_allclose(on_gpu.image, on_cpu.image, atol=1e-5)


def test_blocks_are_timed_in_the_worker(worker: Worker) -> None:
    task = task_of(0, 0)
    timed = TimedWorker(worker)
    transfer = timed.place([task, task], [None, None]).transfer_seconds
    timed.lead_in(Cycle(0, 1), 3, slots=4)
    times = timed.block(Cycle(0, 2), 40, every=2, wait=False)
    assert transfer is not None
    assert len(times.marks) == 21
    assert 0 < times.marks[-1] <= times.wall_seconds * 1.05
    assert times.wall_seconds <= times.host_seconds
    assert timed.take([(0, 0), (3, 0)])[0][1].shape == (1, 3, 160, 168)
    assert timed.memory(2).device_bytes
