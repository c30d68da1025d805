"""Options and requests check themselves, whoever makes them: Python, the command line, or a Dask worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from run_helpers import run_cli
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import OPTIONAL
from worldstrat_bench.run.cluster.task import ShardTask, read_task, write_task
from worldstrat_bench.run.events import Listener
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.pipeline import ThisMachine, evaluate
from worldstrat_bench.run.request import RunOptions, RunRequest
from worldstrat_bench.run.selection import Shard
from worldstrat_bench.worker.types import Limits

REQUEST = RunRequest(ModelRequest("bicubic"), Path("data"), Path("out"), shard=Shard(1, 1))


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"device": "tpu"}, "--device"),
        ({"device": "cuda:0;cuda:1"}, "--device"),
        ({"isolation": "some"}, "--isolation"),
        ({"limits": Limits(tile_seconds=0)}, "--tile-seconds"),
        ({"limits": Limits(tile_seconds=float("nan"))}, "--tile-seconds"),
        ({"limits": Limits(tile_seconds=float("inf"))}, "--tile-seconds"),
        ({"limits": Limits(memory_bytes=0)}, "--memory-gib"),
        ({"limits": Limits(processes=-1)}, "limits.processes"),
        ({"max_failures": -1}, "--max-failures"),
        ({"max_failures": "5"}, "--max-failures"),
        ({"max_failures": True}, "--max-failures"),
        ({"cache_bytes": -1}, "--cache-gib"),
        ({"threads": 0}, "threads"),
        ({"metrics": ("sharpness",)}, "--metrics"),
        ({"metrics": "sharpness"}, "--metrics"),
    ],
)
def test_options_out_of_range_name_themselves(change: dict[str, Any], option: str) -> None:
    with pytest.raises(UsageError) as caught:
        RunOptions(**change)
    assert caught.value.where == option
    assert caught.value.remedy
    with pytest.raises(UsageError):
        replace(RunOptions(), **change)


def test_options_at_their_limits_are_taken() -> None:
    limits = Limits(tile_seconds=0.1, memory_bytes=1)
    options = RunOptions("cuda:0,cuda:2", "strong", limits, max_failures=0, cache_bytes=0, threads=1)
    assert (options.max_failures, options.limits) == (0, limits)


def test_optional_metrics_mean_the_same_in_any_spelling() -> None:
    names = tuple(OPTIONAL)[1:3]
    asked = [f"+{names[1]}", names[0], f" {names[1]} "]
    options = RunOptions(metrics=asked)  # type: ignore[arg-type]  # what a user may well give
    assert options == RunOptions(metrics=names)
    assert RunOptions(metrics=names[0]).metrics == names[:1]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"limit": 0}, "--limit"),
        ({"inputs": "fake"}, "--lr"),
        ({"model": ModelRequest("bicubic", frames=0)}, "--frames"),
    ],
)
def test_requests_out_of_range_name_themselves(change: dict[str, Any], option: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(REQUEST, **change)
    assert caught.value.where == option


@pytest.mark.parametrize(
    ("before", "after"), [('"max_failures":5', '"max_failures":-5'), ('"isolation":"auto"', '"isolation":"none"')]
)
def test_a_dask_worker_refuses_the_same(before: str, after: str) -> None:
    text = write_task(ShardTask(REQUEST, RunOptions()))
    assert read_task(text).options == RunOptions()
    assert before in text
    with pytest.raises(UsageError, match=r"out of range|unknown isolation"):
        read_task(text.replace(before, after))


def test_the_command_line_refuses_the_same(tmp_path: Path) -> None:
    words = ("evaluate", "bicubic", "--data", tmp_path, "--out", tmp_path / "run")
    for more in (("--isolation", "some"), ("--device", "tpu"), ("--lr", "fake"), ("--tile-seconds", "nan")):
        done = run_cli(*words, *more)
        assert (done.code, more[0] in done.err) == (2, True), done.err
    assert not (tmp_path / "run").exists()


def test_single_options_may_be_given_by_name(tmp_path: Path) -> None:
    class SeenError(Exception):
        """Carries the options out of the engine."""

    class Engine(ThisMachine):
        def evaluate(self, request: RunRequest, options: RunOptions, tell: Listener) -> Record:
            raise SeenError(request, options)

    def given(**how: Any) -> RunOptions:
        with pytest.raises(SeenError) as seen:
            evaluate("bicubic", data=tmp_path, out=tmp_path / "run", engine=Engine(), **how)
        options: RunOptions = seen.value.args[1]
        return options

    assert given(options=RunOptions(threads=2), max_failures=0) == RunOptions(threads=2, max_failures=0)
    assert given() == RunOptions()
    for wrong in ({"max_failures": -1}, {"isolation": "some"}):
        with pytest.raises(UsageError):
            given(**wrong)
    with pytest.raises(UsageError, match="sharpness"):
        evaluate("bicubic", data=tmp_path, out=tmp_path / "run", sharpness=1)


def test_a_model_request_states_its_own_options(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="states its frames"):
        evaluate(ModelRequest("bicubic"), data=tmp_path, out=tmp_path / "run", frames=1)
