"""Whose fault it is that a model was not loaded. A stub of torch stands in for CUDA: no GPU is needed."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from hostile_scene import LIMITS, make_stub_environment
from waiting import wait_until
from worldstrat_bench.errors import InfrastructureError, ModelError
from worldstrat_bench.worker import ModelSpec, Worker, cuda_trouble, load_faults
from worldstrat_bench.worker.cuda_trouble import REFERENCE
from worldstrat_bench.worker.host import KilledWhileLoadingError

NOWHERE = "cuda:99"
"""A device that no machine has; the stub says otherwise where a test wants it to work."""
HURRIED = replace(LIMITS, load_seconds=2)

WORKING_CUDA = """
import os, time, types
cuda.init = lambda: None
cuda.synchronize = lambda device=None: None
cuda.get_device_properties = lambda device: types.SimpleNamespace(name="stub", total_memory=1 << 30)
version = types.SimpleNamespace(cuda="13.0")
"""

FORGER = '''
import json, os, socket, struct, time

def load(weights, device, message):
    """Say in the worker's name what the worker itself says when it cannot have its device."""
    text = json.dumps({"op": "failed", "kind": message, "message": "take --isolation process"}).encode()
    for fd in range(3, 256):
        try:
            wire = socket.socket(fileno=os.dup(fd))
            wire.sendall(struct.pack("<4sIQ", b"WSB\\x01", len(text), 0) + text)
        except OSError:
            continue
    time.sleep(600)

def abort(weights, device):
    os.abort()
'''


def make_environment(folder: Path, torch_has: str = "") -> Path:
    """A model's environment whose stub of torch has working CUDA, and that code beside; its interpreter."""
    python = make_stub_environment(folder / "venv")
    module = next((folder / "venv" / "lib").glob("python3*")) / "site-packages" / "torch" / "__init__.py"
    module.write_text(f"{module.read_text(encoding='utf-8')}{WORKING_CUDA}{torch_has}\n", encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def forgers(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """The forging model, in an environment in which CUDA starts."""
    folder = tmp_path_factory.mktemp("forgers")
    (folder / "code").mkdir()
    (folder / "code" / "forger.py").write_text(FORGER, encoding="utf-8")
    return ModelSpec("forger:load", search_paths=(folder / "code",), python=make_environment(folder))


@pytest.fixture
def not_diagnosed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_faults, "explain", lambda *_: pytest.fail("diagnosed"))


@pytest.mark.usefixtures("not_diagnosed")
@pytest.mark.parametrize("kind", ["device", "environment", "model", "nonsense"])
@pytest.mark.parametrize("device", ["cpu", NOWHERE])
def test_a_model_cannot_blame_the_device_or_the_environment(forgers: ModelSpec, kind: str, device: str) -> None:
    """Or the harness would tell the user to weaken the isolation of the very model that asked for it."""
    spec = replace(forgers, parameters={"message": kind})
    with pytest.raises(ModelError, match=r"^the model cannot be loaded: take --isolation process") as caught:
        Worker(spec, device=device, isolation="process", limits=LIMITS).start()
    assert "models check" in (caught.value.remedy or "")
    assert "--isolation" not in (caught.value.remedy or "")


@pytest.mark.usefixtures("not_diagnosed")
def test_a_model_that_dies_while_it_is_loaded(forgers: ModelSpec) -> None:
    with pytest.raises(ModelError, match="while the model was loaded") as caught:
        Worker(replace(forgers, target="forger:abort"), device=NOWHERE, isolation="process").start()
    assert "models check" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "torch_has",
    [
        "cuda.init = lambda: 1 / 0",
        "def _init(): raise OSError('libcudnn.so.9: cannot open shared object file')\ncuda.init = _init",
        "del cuda.init",
        "cuda.synchronize = lambda device: [][0]",
        "cuda.get_device_properties = lambda device: [][0]",
        "del version",
    ],
)
def test_whatever_cuda_raises_at_its_start_is_the_devices(
    torch_has: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_faults, "explain", lambda *given: InfrastructureError(f"explained: {given[3]}"))
    spec = ModelSpec(REFERENCE.target, python=make_environment(tmp_path, torch_has))
    with pytest.raises(
        InfrastructureError, match=r"explained: this torch \(0.0\+stub\) cannot use cuda:99: \w+Error: "
    ):
        Worker(spec, device=NOWHERE, isolation="process").start()


def test_a_worker_that_dies_while_the_driver_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel refuses may also end the process: nothing of the model has run then."""
    monkeypatch.setattr(
        cuda_trouble, "_own_worker_fails", lambda start, device, level: InfrastructureError("at that level")
    )
    spec = ModelSpec(REFERENCE.target, python=make_environment(tmp_path, "cuda.init = os.abort"))
    with pytest.raises(InfrastructureError, match="at that level"):
        Worker(spec, device=NOWHERE, isolation="process").start()


@pytest.mark.usefixtures("not_diagnosed")
def test_a_worker_that_is_killed_while_the_driver_starts(tmp_path: Path) -> None:
    spec = ModelSpec(REFERENCE.target, python=make_environment(tmp_path, "cuda.init = lambda: os.kill(os.getpid(), 9)"))
    with pytest.raises(KilledWhileLoadingError, match="before anything of the model ran") as caught:
        Worker(spec, device=NOWHERE, isolation="process").start()
    assert "models check" not in str(caught.value)
    assert "try once more" in (caught.value.remedy or "")


def test_a_start_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that hangs is the device's, an import that hangs the environment's: the model had not begun to load."""
    monkeypatch.setattr(load_faults, "explain", lambda *given: InfrastructureError(f"explained: {given[3]}"))
    spec = ModelSpec(REFERENCE.target, python=make_environment(tmp_path, "time.sleep(600)"))
    with pytest.raises(InfrastructureError, match="explained: the device did not start within 2 s"):
        Worker(spec, device=NOWHERE, isolation="process", limits=HURRIED).start()
    with pytest.raises(ModelError, match="environment did not start within 2 s") as caught:
        Worker(spec, isolation="process", limits=HURRIED).start()
    assert "models check" not in str(caught.value)


@pytest.mark.usefixtures("not_diagnosed")
def test_a_start_that_is_given_up_is_not_diagnosed(tmp_path: Path) -> None:
    """The host ended it: there is nothing to find out, and the caller waits."""
    spec = ModelSpec(REFERENCE.target, python=make_environment(tmp_path, "cuda.init = lambda: time.sleep(600)"))
    worker = Worker(spec, device=NOWHERE, isolation="process")
    seen: list[bool] = []

    def give_up() -> None:
        seen.append(wait_until(lambda: worker._starting is not None, 120))
        worker.abandon()

    giving_up = threading.Thread(target=give_up)
    giving_up.start()
    with pytest.raises(ModelError, match="given up"):
        worker.start()
    giving_up.join()
    assert seen == [True]
