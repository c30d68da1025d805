"""Tasks as text, failures as files, and what is imported when."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from worldstrat_bench.errors import InfrastructureError, ModelError, UsageError, WorldstratBenchError
from worldstrat_bench.run.cluster import connect
from worldstrat_bench.run.cluster.connect import ClusterOptions, connected, is_address, visible
from worldstrat_bench.run.cluster.task import (
    FAILURE,
    Failure,
    Reply,
    ShardTask,
    read_failure,
    read_task,
    run_shard,
    write_task,
)
from worldstrat_bench.run.events import Event
from worldstrat_bench.run.filesystem import locked
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.request import RunOptions, RunRequest, ScoreRequest
from worldstrat_bench.run.selection import Shard
from worldstrat_bench.worker.types import Limits


def tasks(folder: Path) -> list[ShardTask]:
    parameters: dict[str, str | int | float | bool] = {"a": 1, "b": 1.0, "c": True, "d": "1", "e": -0.1}
    model = ModelRequest("x.whl::y", 3, folder / "w", parameters, Path("/p/python"), submission="slug")
    options = RunOptions(limits=Limits(tile_seconds=1.5, memory_bytes=5), keep=False, threads=3)
    return [
        ShardTask(RunRequest(model, folder, folder / "out", limit=5, shard=Shard(2, 3), inputs="synthetic"), options),
        ShardTask(ScoreRequest(folder, folder, folder / "out", "probav", Shard(1, 3)), options),
    ]


@pytest.mark.parametrize("kind", [0, 1])
def test_a_task_is_text_and_comes_back_as_it_was(tmp_path: Path, kind: int) -> None:
    task = tasks(tmp_path)[kind]
    back = read_task(write_task(task))
    assert back == task
    assert isinstance(back.request, RunRequest) == (kind == 0)
    if isinstance(back.request, RunRequest):
        values = back.request.model.parameters or {}
        assert [type(value) for value in values.values()] == [int, float, bool, str, float]


def test_another_version_is_refused(tmp_path: Path) -> None:
    text = write_task(ShardTask(tasks(tmp_path)[0].request, RunOptions(), "0.0.1"))
    with pytest.raises(UsageError, match=r"the client 0\.0\.1"):
        read_task(text)
    with pytest.raises(UsageError, match="another version"):
        read_task("{}")


def test_a_failure_goes_through_a_file_and_the_answer_holds_nothing(tmp_path: Path) -> None:
    task = ShardTask(RunRequest(ModelRequest("no-such-model"), tmp_path, tmp_path, shard=Shard(1, 1)), RunOptions())
    reply = Reply.model_validate_json(run_shard(write_task(task)))
    assert reply.state == "failed"
    error = read_failure(task.folder)
    assert type(error) in (UsageError, ModelError)
    assert "no-such-model" in error.what
    assert Reply.model_validate_json(run_shard("no task")).state == "failed"


def test_a_bug_is_told_and_does_not_travel(tmp_path: Path) -> None:
    (tmp_path / "out" / "shards").mkdir(parents=True)
    task = tasks(tmp_path)[1]
    folder = task.folder
    folder.mkdir()
    (folder / FAILURE).mkdir()  # unlink() of a folder is an unexpected error
    assert Reply.model_validate_json(run_shard(write_task(task))).state == "failed"
    assert isinstance(read_failure(folder), InfrastructureError)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 100, b"x" * 5_000_000])
def test_a_damaged_note_does_not_fail_a_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FAILURE).write_bytes(content)
    assert isinstance(read_failure(tmp_path), InfrastructureError)


def test_errors_keep_their_kind() -> None:
    assert type(Failure(exit_code=3, what="w").error()) is ModelError
    assert type(Failure(exit_code=1, what="w").error()) is WorldstratBenchError


def test_a_shard_that_another_process_makes_is_waited_for(tmp_path: Path) -> None:
    task = ShardTask(RunRequest(ModelRequest("bicubic"), tmp_path, tmp_path, shard=Shard(1, 1)), RunOptions())
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        folder = tmp_path / "held"
        folder.mkdir()
        with locked(folder):
            held.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    tries: list[str] = []

    def make() -> None:
        tries.append("try")
        try:
            with locked(tmp_path / "held"):
                pass
        finally:
            leave.set()  # the first try finds it held

    from worldstrat_bench.run.cluster.task import when_free

    when_free(make)
    thread.join()
    assert len(tries) >= 2
    assert task.folder == tmp_path / "shards" / "1-of-1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls://a:1", True),
        ("10.0.0.1:8786", True),
        ("host:8786", True),
        ("scheduler.json", False),
        ("/shared/s.json", False),
        ("a/b:3", False),
        ("C:file", False),
    ],
)
def test_addresses_and_files(text: str, expected: bool) -> None:
    assert is_address(text) == expected


def test_a_scheduler_file_that_never_comes_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(connect, "_FILE_SECONDS", 0.2)
    heard: list[Event] = []
    options = ClusterOptions(scheduler=str(tmp_path / "mistyped.json"))
    with (
        pytest.raises(InfrastructureError, match="no scheduler wrote its file"),
        connected(options, ("cpu",), heard.append),
    ):
        pytest.fail("there is no scheduler")
    assert "0.2 s at most" in str(heard[0])


def test_a_worker_sees_its_gpu_and_no_other() -> None:
    assert visible("cuda:1", {}) == "1"
    assert visible("cuda:1", {"CUDA_VISIBLE_DEVICES": "4, 6"}) == "6"
    assert visible("cuda:0", {"CUDA_VISIBLE_DEVICES": "GPU-8f0e"}) == "GPU-8f0e"


def test_no_module_imports_dask() -> None:
    program = """
import importlib, pkgutil, sys
import worldstrat_bench.cli, worldstrat_bench.run
for room in (worldstrat_bench.cli, worldstrat_bench.run):
    for info in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
        importlib.import_module(info.name)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"dask", "distributed", "worldstrat_bench"}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["worldstrat_bench"]


def test_without_dask_the_remedy_is_told() -> None:
    program = """
import sys
sys.modules["distributed"] = None
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.cluster.connect import ClusterOptions, connected
from worldstrat_bench.run.events import ignore
try:
    with connected(ClusterOptions(workers=1), ("cpu",), ignore):
        print("connected")
except UsageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'worldstrat-bench[dask]'" in done.stdout
