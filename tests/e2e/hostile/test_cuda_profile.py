"""What the profile of a CUDA worker leaves open, and nothing more. A stand-in for libcuda needs no GPU.

That the attacks of this suite are stopped under this profile too is in the other files: they run under both.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hostile_scene import CONFINEMENTS, LIMITS, MIB, PLUGIN, Confinement, Scene, ask, hostile_worker, number_of, or_skip
from worldstrat_bench.errors import ModelError
from worldstrat_bench.worker import ModelSpec, Worker

ACTIONS = (
    "start_again",
    "start_in_thread",
    "start_in_child",
    "hold_tasks_open",
    "occupy_name",
    "let_clients_wait",
    "hear_clients",
)
CONFINED = [one for one in CONFINEMENTS if one.level != "process"]
FOR_CUDA = [one for one in CONFINED if one.profile == "cuda"]


@pytest.fixture(params=FOR_CUDA, ids=str, scope="module")
def for_cuda(request: pytest.FixtureRequest, stub_python: Path) -> Confinement:
    return or_skip(request.param, stub_python)


@pytest.fixture(params=[one for one in CONFINED if one.profile == "cpu"], ids=str)
def for_cpu(request: pytest.FixtureRequest, stub_python: Path) -> Confinement:
    return or_skip(request.param, stub_python)


def stand_in(confinement: Confinement, folder: Path, python: Path, entry: str = "load") -> Worker:
    """A worker that holds the stand-in, not yet started."""
    folder.mkdir(exist_ok=True)
    shutil.copy(PLUGIN.parent / "libcuda_standin.py", folder)
    spec = ModelSpec(f"libcuda_standin:{entry}", {"name": name_to_occupy()}, search_paths=(folder,), python=python)
    return Worker(spec, isolation=confinement.level, limits=LIMITS, threads=1, granted=confinement.profile)


def name_to_occupy() -> str:
    """A name that nothing else on this machine uses."""
    return f"worldstrat-bench-occupied-{os.getpid()}"


@pytest.fixture(scope="module")
def started(for_cuda: Confinement, stub_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A worker in which the stand-in for CUDA has started."""
    with stand_in(for_cuda, tmp_path_factory.mktemp("models"), stub_python) as worker:
        yield worker


def works(worker: Worker, action: str) -> bool:
    """Whether the kernel lets the stand-in do something."""
    reply = ask(worker, ACTIONS.index(action))
    assert reply.image is not None, reply.message
    return bool(reply.image.mean() > 0.5)


def test_cuda_would_start_and_the_report_says_under_which_profile(for_cuda: Confinement, started: Worker) -> None:
    report = started.hello.isolation
    assert (report.level, report.profile) == (for_cuda.level, "cuda")
    assert works(started, "start_again")
    assert works(started, "start_in_thread")


def test_a_worker_that_is_started_again_has_the_same_profile(
    for_cuda: Confinement, tmp_path: Path, stub_python: Path
) -> None:
    with stand_in(for_cuda, tmp_path / "models", stub_python) as worker:
        assert ask(worker, 99).outcome == "model_error"
        assert works(worker, "start_again")
        assert worker.hello.isolation.profile == "cuda"


def test_cuda_would_not_start_in_a_worker_of_the_cpu(for_cpu: Confinement, tmp_path: Path, stub_python: Path) -> None:
    with pytest.raises(ModelError, match="socket: Permission denied"):
        stand_in(for_cpu, tmp_path / "models", stub_python).start()
    with stand_in(for_cpu, tmp_path / "models", stub_python, "load_only") as worker:
        assert worker.hello.isolation.profile == "cpu"
        for action in ("start_again", "start_in_thread", "hold_tasks_open", "occupy_name"):
            assert not works(worker, action), action


def test_a_child_of_a_model_cannot_start_cuda(started: Worker) -> None:
    """Its threads have their names in another folder, which no rule covers."""
    assert not works(started, "start_in_child")


def test_the_folder_of_threads_is_kept_open_over_exec(started: Worker) -> None:
    """The rule belongs to an inode, and the kernel may forget which path leads to it unless a process has it open."""
    assert works(started, "hold_tasks_open")


def test_a_name_can_be_occupied_at_strong_only(for_cuda: Confinement, started: Worker) -> None:
    """Documented in docs/security.md: `full` has names of its own, `strong` shares those of the host."""
    assert works(started, "occupy_name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        if for_cuda.level == "full":
            sock.bind(f"\0{name_to_occupy()}")
        else:
            with pytest.raises(OSError, match="in use"):
                sock.bind(f"\0{name_to_occupy()}")


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [(socket.SOCK_STREAM, "-stream"), (socket.SOCK_SEQPACKET, "-packets")],
    ids=["stream", "packets"],
)
def test_who_connects_to_an_occupied_name_waits_in_vain(
    for_cuda: Confinement, started: Worker, kind: int, suffix: str
) -> None:
    """And the model learns nothing of what such a client says."""
    assert works(started, "let_clients_wait")
    with socket.socket(socket.AF_UNIX, kind) as client:
        client.settimeout(0.5)
        if for_cuda.level == "full":
            with pytest.raises(ConnectionRefusedError):
                client.connect(f"\0{name_to_occupy()}{suffix}")
            return
        client.connect(f"\0{name_to_occupy()}{suffix}")
        client.send(b"secret")
        assert not works(started, "hear_clients")
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_memory_is_limited_whatever_a_model_writes_to_oom_score_adj(
    for_cuda: Confinement, scene: Scene, stub_python: Path, tmp_path: Path
) -> None:
    limits = replace(LIMITS, memory_bytes=400 * MIB)
    log = tmp_path / "log.txt"
    with hostile_worker(scene, for_cuda, log, limits, stub_python) as worker:
        session = worker._session
        assert session is not None
        reply = ask(worker, number_of("leaks_after_sparing_itself"))
        assert reply.outcome == "out_of_memory"
        assert "are allowed" in reply.message
        assert session.peak_bytes < 1100 * MIB
    stuck = re.search(r"oom_score_adj is now (-?\d+)", log.read_text(encoding="utf-8"))
    assert stuck is not None
    if stuck[1] == "1000":
        pytest.skip(
            "memory was limited, but a model with another oom_score_adj was NOT tested: the kernel let it write "
            "none, since the launcher set 1000 with CAP_SYS_RESOURCE, and less needs it again"
        )
