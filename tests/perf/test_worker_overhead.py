"""What confinement and the wire cost. Figures only: a busy machine must not fail a build.

The aims: start to hello within 100 ms of an unconfined worker (compare the groups' medians), and under 15 ms for the
way of a full-size tile there and back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from hostile_scene import make_stub_environment
from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.worker import ModelSpec, Worker

FIXED = """
import torch

class Fixed:
    def predict(self, lr, target):
        if self.output is None:
            self.output = torch.full((1, 3, target.height, target.width), 0.25)
            self.output[..., 0] = 0.3
        return self.output
    output = None

def load(weights, device):
    return Fixed()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """One whose prediction costs nothing."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "fixed_model.py").write_text(FIXED, encoding="utf-8")
    return ModelSpec("fixed_model:load", search_paths=(folder,))


@pytest.fixture(params=["process", "strong", "full"])
def level(request: pytest.FixtureRequest, model: ModelSpec) -> str:
    try:
        with Worker(model, isolation=str(request.param)):
            return str(request.param)
    except InfrastructureError as error:
        pytest.skip(f"isolation {request.param!r} is not available here and was not timed: {error.where}")


@pytest.fixture(scope="module")
def stub_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stub_environment(tmp_path_factory.mktemp("stub") / "venv")


@pytest.mark.benchmark(group="worker: start to hello without torch", min_rounds=10, warmup=True, warmup_iterations=1)
def test_start(benchmark: BenchmarkFixture, level: str, model: ModelSpec, stub_python: Path) -> None:
    """Everything but the import of torch, which is the same at every level and drowns the rest."""
    spec = ModelSpec(model.target, search_paths=model.search_paths, python=stub_python)

    def start() -> None:
        with Worker(spec, isolation=level) as worker:
            assert worker.hello.isolation.level == level

    benchmark(start)


@pytest.fixture
def running(level: str, model: ModelSpec) -> Iterator[Worker]:
    with Worker(model, isolation=level, threads=1) as worker:
        yield worker


@pytest.mark.benchmark(group="worker: a tile of 8 x 12 x 158 x 158 there, 3 x 632 x 632 back", min_rounds=30)
def test_transport(benchmark: BenchmarkFixture, running: Worker) -> None:
    images = np.random.default_rng(0).random((8, 12, 158, 158), np.float32)
    task = Task.single(images, np.ones((8, 1, 158, 158), bool), np.arange(8), 632, 632)

    def carry() -> None:
        assert running.predict(task, seed=1).outcome == "ok"

    benchmark(carry)
