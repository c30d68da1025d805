"""Why a worker cannot use its GPU: told apart on a machine that has none, with the unconfined look replaced."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hostile_scene import make_stub_environment
from worldstrat_bench.errors import InfrastructureError, ModelError
from worldstrat_bench.plugins.interpreter import inspect_interpreter, own_interpreter
from worldstrat_bench.worker import ModelSpec, Worker, cuda_probe, cuda_trouble
from worldstrat_bench.worker.cuda_trouble import REFERENCE, Sight, explain, likely_cause, look_unconfined
from worldstrat_bench.worker.grants import Grants
from worldstrat_bench.worker.isolation import Attempt, Level, LevelUnavailableError

NOWHERE = "cuda:99"
"""A device that no machine has, with a GPU or without."""
GRANTS = Grants((Path("/usr"),), (), (Path("/dev/nvidiactl"), Path("/dev/nvidia0")))
WORKS = Sight("", ("/usr/lib/libcuda.so.1",), ("/dev/nvidia0", "/dev/nvidiactl"))

MAPS = """\
7f0000000000-7f0000001000 r--p 00000000 fe:00 1 /usr/lib/x86_64-linux-gnu/libcuda.so.580.159
7f0000001000-7f0000002000 r-xp 00001000 fe:00 1 /usr/lib/x86_64-linux-gnu/libcuda.so.580.159
7f0000002000-7f0000003000 rw-p 00000000 00:00 0
7f0000003000-7f0000004000 r--p 00000000 fe:00 2 /opt/a driver/libnvidia-ptxjitcompiler.so.1
7f0000004000-7f0000005000 r--p 00000000 fe:00 3 /env/torch/lib/libtorch_cuda.so
7f0000005000-7f0000006000 rw-s 00000000 00:05 4 /dev/nvidiactl
7f0000006000-7f0000007000 r-xp 00000000 00:00 0 [vdso]
"""


def test_the_probe_names_the_drivers_files() -> None:
    assert cuda_probe.driver_libraries(MAPS) == [
        "/opt/a driver/libnvidia-ptxjitcompiler.so.1",
        "/usr/lib/x86_64-linux-gnu/libcuda.so.580.159",
    ]
    with Path(os.devnull).open("rb"):
        assert cuda_probe.open_nodes((os.devnull,)) == [os.devnull]
    assert cuda_probe.open_nodes(("/dev/no-such-node",)) == []


def test_the_unconfined_look_runs_nothing_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user may stand in the folder of a submission when the harness looks at the GPU without confinement."""
    mark = tmp_path / "it-ran"
    for name in ("torch.py", "json.py", "worldstrat_bench.py", "sitecustomize.py"):
        (tmp_path / name).write_text(f"open({str(mark)!r}, 'w').close()\nraise SystemExit(3)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    seen = look_unconfined(NOWHERE)
    assert f"cannot use {NOWHERE}" in seen.problem
    assert not mark.exists()


@pytest.mark.parametrize("program", ["exit 3", "echo nonsense", "echo '[1]'", "echo out of luck >&2; exit 1", "true"])
def test_a_look_that_fails_is_a_problem(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    assert look_unconfined(NOWHERE).problem
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    assert look_unconfined(NOWHERE).problem


@pytest.mark.parametrize(
    ("attempt", "seen", "words"),
    [
        (Attempt("strong", {}, refused="bind: Permission denied", grants=GRANTS), WORKS, "(bind: Permission denied)"),
        (Attempt("process", {}, grants=GRANTS), WORKS, "environment variables"),
        (Attempt("full", {}, grants=GRANTS), Sight("", (), ("/dev/nvidia-uvm",)), "/dev/nvidia-uvm was not there yet"),
        (Attempt("full", {}, grants=GRANTS), Sight("", (), ("/dev/nvmap",)), "/dev/nvmap, which is not granted"),
        (Attempt("full", {}, grants=GRANTS), Sight("", ("/opt/nv/libcuda.so.1",)), "/opt/nv to LD_LIBRARY_PATH"),
        (Attempt("full", {}, grants=GRANTS), WORKS, cuda_trouble.UNKNOWN),
    ],
)
def test_the_likely_cause(attempt: Attempt, seen: Sight, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_trouble, "cuda_devices", lambda: [Path("/dev/nvidia0"), Path("/dev/nvidia-uvm")])
    assert words in likely_cause(attempt, seen)


def seen_as(monkeypatch: pytest.MonkeyPatch, sight: Sight) -> None:
    """Let the unconfined look find this."""
    monkeypatch.setattr(cuda_trouble, "look_unconfined", lambda device: sight)


@pytest.mark.parametrize("level", ["full", "strong", "process"])
def test_a_gpu_that_works_outside_only(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real worker that cannot have its device, and a machine that seems to have it."""
    seen_as(monkeypatch, WORKS)
    try:
        with pytest.raises(InfrastructureError) as caught:
            Worker(REFERENCE, device=NOWHERE, isolation=level).start()
    except LevelUnavailableError:
        pytest.skip(f"isolation {level!r} is not available on this machine: not tested")
    text = str(caught.value)
    assert f"{NOWHERE} works on this machine, but not in a worker at the isolation level '{level}'" in text
    assert "likely cause: " in text
    assert f"cannot use {NOWHERE}" in text, "and what the worker said"
    assert "models check" not in text


def test_a_gpu_that_does_not_work_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen_as(monkeypatch, Sight("no driver"))
    error = explain(NOWHERE, own_interpreter(), Attempt("strong", {}, grants=GRANTS), "said", Worker)
    assert isinstance(error, InfrastructureError)
    assert "the harness's own torch cannot use cuda:99 on this machine, without confinement either: no driver" in str(
        error
    )
    assert error.where == sys.executable
    assert "models check" not in str(error)


@pytest.fixture(scope="module")
def cpu_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's environment whose torch was built for CPUs."""
    return make_stub_environment(tmp_path_factory.mktemp("stub") / "venv")


def test_an_environment_without_cuda_is_the_models_fault(cpu_python: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_trouble, "_own_worker_fails", lambda start, device, level: None)
    spec = ModelSpec("worldstrat_bench.worker.inside.reference:load", python=cpu_python)
    with pytest.raises(ModelError) as caught:
        Worker(spec, device=NOWHERE, isolation="process").start()
    text = str(caught.value)
    assert "the model's environment cannot use cuda:99" in text
    assert "not compiled with CUDA" in text
    assert "models check" not in text


def test_a_confinement_that_fails_for_the_harness_too_is_not_the_environments_fault(
    cpu_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own worker is a real one; only what an unconfined process sees is made up."""
    seen_as(monkeypatch, WORKS)
    error = explain(NOWHERE, inspect_interpreter(cpu_python), Attempt("process", {}, grants=GRANTS), "said", Worker)
    assert isinstance(error, InfrastructureError)
    assert "cannot use cuda:99: said; nor can the harness's own torch: cuda:99 works on this machine, " in str(error)
    assert "but not in a worker at the isolation level 'process'" in str(error)


def test_a_model_that_fails_on_a_cpu_is_still_the_models_fault(cpu_python: Path) -> None:
    spec = ModelSpec("worldstrat_bench.worker.inside.reference:no_such_entry", python=cpu_python)
    with pytest.raises(ModelError, match="models check"):
        Worker(spec, isolation="process").start()
