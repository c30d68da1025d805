"""The worker with honest models, and with honest mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hostile_scene import make_stub_environment, processes_of
from waiting import wait_until
from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import InfrastructureError, ModelError, UsageError
from worldstrat_bench.worker import Limits, ModelSpec, Reply, Worker

MODELS = '''
import os, random, sys
import numpy, torch
from worldstrat_bench.api import pad_frames

class Model:
    def __init__(self, function):
        self.predict = function

def enlarged(lr, target):
    return torch.nn.functional.interpolate(lr.rgb(), (target.height, target.width), mode="bicubic")

def load(weights, device, **parameters):
    """Bicubic plus what the parameters and the weights say."""
    offset = parameters.get("offset", 0.0) + (float(weights.read_text()) if weights else 0.0)
    return Model(lambda lr, target: enlarged(lr, target) + offset)

def load_noise(weights, device):
    def predict(lr, target):
        noise = torch.rand(1) + random.random() + numpy.random.rand()
        return enlarged(lr, target) * 0 + noise.float()
    return Model(predict)

def load_facts(weights, device, wanted="shapes"):
    def predict(lr, target):
        print("environment", sorted(os.environ), "argv", sys.argv, "modules", sorted(sys.modules))
        assert lr.images.shape[1:3] == (2, 12) and lr.images.dtype == torch.float32
        assert lr.clear.shape[1:3] == (2, 1) and lr.clear.dtype == torch.bool
        assert lr.days.tolist() == [[3, -4]] and lr.days.dtype == torch.int64
        assert pad_frames(lr, 8).images.shape[1] == 8
        assert not torch.is_grad_enabled()
        return enlarged(lr, target)
    return Model(predict)

def load_failing_once(weights, device):
    def predict(lr, target):
        if lr.days[0, 0] == 99:
            raise ValueError("this tile is not to my liking")
        return enlarged(lr, target).requires_grad_()
    return Model(predict)

def load_badly(weights, device):
    raise FileNotFoundError("weights.pt is missing")

def load_nothing(weights, device):
    return None

def load_for_ever(weights, device):
    import time
    time.sleep(600)

def load_and_leave(weights, device):
    os._exit(7)
'''


@pytest.fixture(scope="module")
def stub_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own, with a stub of torch."""
    return make_stub_environment(tmp_path_factory.mktemp("stub") / "venv")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "some_models.py").write_text(textwrap.dedent(MODELS), encoding="utf-8")
    return folder


Make = Callable[..., Worker]


@pytest.fixture
def make(models: Path, tmp_path: Path) -> Iterator[Make]:
    """Workers that are closed at the end."""
    made: list[Worker] = []

    def start(entry: str = "load", **options: object) -> Worker:
        spec_options = {k: options.pop(k) for k in ("parameters", "weights", "python") if k in options}
        spec = ModelSpec(f"some_models:{entry}", search_paths=(models,), **spec_options)  # type: ignore[arg-type]
        made.append(Worker(spec, log=tmp_path / "log.txt", threads=1, **options))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for worker in made:
        worker.close()
    assert wait_until(lambda: not processes_of(models, parent=os.getpid()))


def images(frames: int = 2) -> NDArray[np.float32]:
    rows = np.linspace(0.05, 0.3, 12, dtype=np.float32)
    return np.broadcast_to(rows[:, None], (frames, 12, 12, 14)).copy()


def ask(worker: Worker, seed: int = 1, day: int = 3, frames: int = 2) -> Reply:
    clear = np.ones((frames, 1, 12, 14), bool)
    return worker.predict(Task.single(images(frames), clear, np.array([day, -4])[:frames], 48, 56), seed)


def test_a_model_gets_what_the_interface_promises_and_nothing_else(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    worker = make("load_facts", isolation="process")
    reply = ask(worker)
    assert (reply.outcome, reply.message) == ("ok", "")
    assert reply.image is not None
    assert reply.image.shape == (3, 48, 56)
    assert 0 < reply.seconds < 60
    hello = worker.hello
    assert hello.torch
    assert hello.python == ".".join(map(str, sys.version_info[:3]))
    assert hello.device_type == "cpu"
    assert hello.device_class.startswith("CPU 1 core ")
    assert hello.packages["numpy"] == np.__version__
    assert hello.isolation.level == hello.isolation.requested == "process"
    worker.close()
    printed = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "SECRET_TOKEN" not in printed
    assert "HTTPS_PROXY" not in printed
    assert "PYTHONHASHSEED" in printed
    for module in (
        "worldstrat_bench.artefacts.record",
        "worldstrat_bench.data",
        "pydantic",
        "psutil",
        "pandas",
        "rasterio",
    ):
        assert f"'{module}'" not in printed


def test_weights_and_parameters_arrive(make: Make, tmp_path: Path, stub_python: Path) -> None:
    weights = tmp_path / "weights.txt"
    weights.write_text("0.25", encoding="utf-8")
    plain = ask(make(python=stub_python))
    moved = ask(make(parameters={"offset": 0.125}, weights=weights, python=stub_python))
    assert plain.image is not None
    assert moved.image is not None
    np.testing.assert_allclose(moved.image - plain.image, 0.375, atol=1e-6)


def test_the_hosts_seed_is_all_that_chance_depends_on(make: Make) -> None:
    worker = make("load_noise", isolation="process")
    first, other, again = ask(worker, seed=5), ask(worker, seed=6), ask(worker, seed=5)
    worker.close()
    fresh = ask(worker, seed=5)
    assert first.image is not None
    assert other.image is not None
    assert again.image is not None
    assert fresh.image is not None
    assert (first.image == again.image).all()
    assert (first.image == fresh.image).all()
    assert not (first.image == other.image).any()


def test_a_failed_tile_costs_a_worker_and_the_next_one_is_fine(make: Make, stub_python: Path) -> None:
    worker = make("load_failing_once", isolation="process")
    assert ask(worker).outcome == "ok"
    first = worker.keeper_pid
    failed = ask(worker, day=99)
    assert failed.outcome == "model_error"
    assert failed.image is None
    assert failed.message.startswith("ValueError: this tile is not to my liking")
    assert 'some_models.py", line' in failed.message
    assert "child.py" not in failed.message
    assert worker.keeper_pid is None
    assert ask(worker).outcome == "ok"
    assert worker.keeper_pid != first


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("load_badly", "weights.pt is missing"),
        ("load_nothing", "no predict method"),
        ("load_for_ever", "more than 1.5 s to load"),
        ("load_and_leave", "exited with code 7"),
        ("missing", "missing"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_the_authors_to_fix(
    make: Make, stub_python: Path, entry: str, words: str
) -> None:
    pytest.importorskip("numpy")
    worker = make(
        entry, limits=Limits(load_seconds=1.5 if "ever" in entry else 60), isolation="process", python=stub_python
    )
    with pytest.raises(ModelError, match=words) as caught:
        worker.start()
    assert "some_models" in str(caught.value.where)
    assert caught.value.remedy
    assert worker.keeper_pid is None
    assert ask(worker).outcome == "model_error"


def test_an_environment_without_torch_is_named(make: Make, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    python = tmp_path / "bare" / "bin" / "python"
    with pytest.raises(ModelError, match="environment lacks what the worker needs") as caught:
        make(python=python).start()
    assert "No module named" in str(caught.value)
    assert str(python) in str(caught.value.where)


def test_another_environment_is_used_and_described(make: Make, stub_python: Path) -> None:
    worker = make(python=stub_python)
    assert worker.hello.torch == "0.0+stub"
    assert "numpy" not in worker.hello.packages or worker.hello.packages
    assert ask(worker).outcome == "ok"


def test_what_is_not_an_interpreter_is_a_usage_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none", Path("/bin/ls")):
        with pytest.raises(UsageError, match="interpreter"):
            Worker(ModelSpec("a:b", python=path))
    with pytest.raises(UsageError, match="isolation level"):
        Worker(ModelSpec("a:b"), isolation="total")


def test_weights_inside_what_is_forbidden_are_refused(make: Make, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    weights = data / "weights.pt"
    weights.touch()
    link = tmp_path / "link.pt"
    link.symlink_to(weights)
    for path in (weights, link):
        worker = make(weights=path, forbidden=(data,), isolation="strong")
        with pytest.raises(InfrastructureError, match="must not read") as caught:
            worker.start()
        assert caught.value.remedy is not None
        assert ask(worker).outcome == "infra_error"


def test_forbidden_folders_in_the_system_are_refused(make: Make) -> None:
    with pytest.raises(InfrastructureError, match="must not read"):
        make(forbidden=(Path("/usr/share"),), isolation="strong").start()


def test_a_level_that_is_not_there_is_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InfrastructureError, match="'full' is not available") as caught:
        make(isolation="full").start()
    assert "bubblewrap is not installed" in str(caught.value.where)
    assert "apt install bubblewrap" in str(caught.value.remedy)
    report = make(isolation="auto").hello.isolation
    assert report.level != "full"
    assert report.requested == "auto"
    assert any("bubblewrap is not installed" in note for note in report.notes)


def test_closing_twice_and_before_the_start_is_fine(make: Make, stub_python: Path) -> None:
    worker = make(python=stub_python, isolation="process")
    worker.close()
    worker.start()
    assert worker.start() is worker.hello
    worker.close()
    worker.close()


def test_records_hold_what_isolation_reports(make: Make, stub_python: Path) -> None:
    report = make(python=stub_python, isolation="auto").hello.isolation
    assert json.loads(report.model_dump_json())["level"] in ("full", "strong", "process")
    if report.level != "process":
        assert report.held["read_targets"] and report.held["tcp"]  # noqa: PT018
