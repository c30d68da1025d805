"""The worker on a CUDA device. FakeTensorMode checks the way of the data without one, in tests/unit/worker."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.worker import ModelSpec, Worker

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device: not run"),
]

REFERENCE = ModelSpec("worldstrat_bench.worker.reference:load")


@pytest.fixture(params=["full", "strong", "process"])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    """Confined, and with the GPU's device nodes."""
    try:
        with Worker(REFERENCE, device="cuda:0", isolation=str(request.param)) as started:
            yield started
    except InfrastructureError as error:
        pytest.skip(f"isolation {request.param!r} is not available here: {error.where}")


def tile() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], ...]:
    chance = np.random.default_rng(0)
    return (chance.random((2, 12, 40, 42), np.float32),)


def test_a_confined_worker_sees_the_gpu_and_says_what_it_is(worker: Worker) -> None:
    hello = worker.hello
    assert hello.device_type == "cuda"
    assert hello.cuda == torch.version.cuda
    assert hello.device_name == torch.cuda.get_device_name(0)
    assert hello.device_class.endswith("GB")


def test_cpu_and_gpu_agree(worker: Worker) -> None:
    (images,) = tile()
    clear, days = np.ones((2, 1, 40, 42), bool), np.arange(2)
    on_gpu = worker.predict(images, clear, days, 160, 168, seed=1, examine=True)
    assert on_gpu.outcome == "ok", on_gpu.message
    assert on_gpu.output_device == "cuda:0"
    with Worker(REFERENCE, isolation="process") as other:
        on_cpu = other.predict(images, clear, days, 160, 168, seed=1)
    assert on_gpu.image is not None
    assert on_cpu.image is not None
    np.testing.assert_allclose(on_gpu.image, on_cpu.image, atol=1e-5)


def test_timing_uses_cuda_events(worker: Worker) -> None:
    (images,) = tile()
    measured = worker.measure(
        images[None], np.ones((1, 2, 1, 40, 42), bool), np.zeros((1, 2), np.int64), 160, 168, keep=True, inspect=True
    )
    assert measured.outcome == "ok", measured.message
    assert 0 < measured.seconds <= measured.host_seconds
    assert measured.device_bytes
