"""Workers of a run: alike on every device, and tried again only for what the host itself saw."""

from __future__ import annotations

import shutil
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import worldstrat_bench
from run_helpers import model_wheel, run_cli, small_dataset
from worldstrat_bench.artefacts.record import IsolationReport
from worldstrat_bench.errors import InfrastructureError, ModelError, UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run import predict
from worldstrat_bench.run.crew import Crew
from worldstrat_bench.run.folder import hold_run
from worldstrat_bench.run.notes import PredictInputs, read_note
from worldstrat_bench.run.predict import Predictor, tiles_storing
from worldstrat_bench.run.request import RunOptions
from worldstrat_bench.worker.host import Hello, ModelSpec, Reply, Worker
from worldstrat_bench.worker.inside.reference import __name__ as reference_module
from worldstrat_bench.worker.isolation import LEVELS, Level
from worldstrat_bench.worker.starting import NO_MODEL

HELLO = Hello(
    python="3.11.7",
    torch="2.6.0",
    cuda="12.4",
    device_type="cuda",
    device_name="GPU",
    device_class="GPU-80GB",
    packages={},
    isolation=IsolationReport(level="full"),
    start_seconds=1.0,
    load_seconds=1.0,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 3)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    wheel = model_wheel(run.parent, "return bicubic(lr, target)")
    done = run_cli("predict", wheel, "--data", data, "--out", run, "--device", "cpu")
    assert done.code == 0, done.err
    return run


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"device_class": "GPU-40GB"}, UsageError),
        ({"isolation": IsolationReport(level="strong")}, InfrastructureError),
        ({"torch": "2.5.1"}, InfrastructureError),
    ],
)
def test_workers_that_differ_make_no_record(change: dict[str, Any], error: type[Exception]) -> None:
    assert predict._machine([HELLO, HELLO]).isolation.level == "full"
    with pytest.raises(error, match="differ"):
        predict._machine([HELLO, replace(HELLO, **change)])


def predictor(finished: Path, stack: ExitStack) -> Predictor:
    run = stack.enter_context(hold_run(finished, create=False))
    inputs = read_note(run.journal, "predict", PredictInputs)
    return Predictor(run, inputs, load_protocol(), lambda tile: pytest.fail("nothing is read"))


def test_later_workers_start_at_the_level_of_the_first(finished: Path, data: Path) -> None:
    with ExitStack() as stack:
        run = stack.enter_context(hold_run(finished, create=False))
        run.journal._execute("DELETE FROM note WHERE name = 'machine'")
        spec = ModelSpec(f"{reference_module}:load")
        crew = stack.enter_context(Crew(run, spec, data, ("cpu", "cpu"), RunOptions()))
        first, second = crew.workers()
        assert first.hello.isolation.requested == "auto"
        assert second.hello.isolation.requested == second.hello.isolation.level == first.hello.isolation.level


@pytest.mark.parametrize("noted", LEVELS)
def test_a_run_of_a_stranger_does_not_choose_how_a_model_is_confined(
    finished: Path, data: Path, tmp_path: Path, noted: Level
) -> None:
    """Its note of an earlier worker is what its authors wrote there."""
    with Worker(NO_MODEL, threads=1) as worker:
        best = worker.hello.isolation.level
    with ExitStack() as stack:
        run = stack.enter_context(hold_run(shutil.copytree(finished, tmp_path / "run"), create=False))
        said = predict._machine([replace(HELLO, isolation=IsolationReport(level=noted))])
        run.journal.set_note("machine", said.model_dump_json())
        spec = ModelSpec(f"{reference_module}:load")
        crew = stack.enter_context(Crew(run, spec, data, ("cpu",), RunOptions()))
        if noted == "full" != best:
            with pytest.raises(InfrastructureError, match="not available"):
                crew.workers()
        else:
            assert [worker.hello.isolation.level for worker in crew.workers()] == [best]


@pytest.mark.parametrize(("outcome", "error"), [("infra_error", InfrastructureError), ("crash", ModelError)])
def test_failures_in_a_row_are_the_fault_of_whoever_failed(
    finished: Path, outcome: str, error: type[Exception]
) -> None:
    with ExitStack() as stack:
        own = predictor(finished, stack)
        own._max_failures = 2
        stored: Future[None] = Future()
        stored.set_result(None)
        own._count(Reply(outcome, None, "why", 0.0), [stored])
        with pytest.raises(error, match="2 tiles in a row"):
            own._count(Reply(outcome, None, "why", 0.0), [stored])


def test_what_a_model_says_earns_no_second_try(data: Path, tmp_path: Path) -> None:
    source = """
        print("called")
        raise type("the model's process died of SIGKILL", (Exception,), {})("and again")
    """
    wheel = model_wheel(tmp_path, source)
    words = ("--data", data, "--out", tmp_path / "run", "--limit", "2", "--device", "cpu")
    done = run_cli("predict", wheel, *words, "--json")
    assert (done.code, done.json["outcomes"]) == (3, {"model_error": 2})
    assert (tmp_path / "run" / "log.txt").read_text().count("called\n") == 2


def test_several_predictions_are_written_at_once_on_many_cores(data: Path, tmp_path: Path) -> None:
    """As many as `tiles_storing` says are on their way, and each is stored whatever became of the others."""
    assert [tiles_storing(cores) for cores in (1, 2, 4, 8, 16, 64)] == [1, 1, 1, 2, 4, 4]
    runs = {}
    for threads in (1, 16):
        run = tmp_path / f"run-{threads}"
        worldstrat_bench.evaluate("nearest", data=data, out=run, download=False, threads=threads)
        runs[threads] = (run / "tiles.csv").read_bytes()
    assert runs[1] == runs[16]
