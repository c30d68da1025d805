"""Which level of isolation `auto` takes is the machine's affair: no model's files and no busy moment lower it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.worker import ModelSpec, Worker, starting
from worldstrat_bench.worker import host as host_module
from worldstrat_bench.worker.canaries import Canaries
from worldstrat_bench.worker.isolation import Attempt
from worldstrat_bench.worker.log import ModelLog
from worldstrat_bench.worker.session import WorkerSession
from worldstrat_bench.worker.starting import NO_MODEL, LaunchRequest, launch

Launched = tuple[WorkerSession | None, Attempt]


@pytest.fixture(scope="module")
def best() -> str:
    """The best level of this machine."""
    with Worker(NO_MODEL, threads=1) as worker:
        level: str = worker.hello.isolation.level
    if level == "process":
        pytest.skip("nothing is confined on this machine")
    return level


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Weights of more files and folders than bubblewrap takes words."""
    folder = tmp_path / "weights"
    for number in range(1900):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "x").touch()
    return folder


def test_weights_of_many_files_do_not_lower_the_level(best: str, many: Path) -> None:
    if best != "full":
        pytest.skip("isolation 'full' is not available on this machine")
    worker = Worker(replace(NO_MODEL, weights=many), threads=1)
    with pytest.raises(InfrastructureError, match="'full' works here, but not with what this model needs") as caught:
        worker.start()
    assert str(caught.value.where) == str(many)
    for number in range(900):
        (many / str(number) / "x").unlink()
        (many / str(number)).rmdir()
    with Worker(replace(NO_MODEL, weights=many), threads=1) as honest:
        assert honest.hello.isolation.level == "full"


def test_a_level_that_fails_with_the_model_alone_is_an_error(best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(request: LaunchRequest, log: ModelLog) -> Launched:
        return None, Attempt(request.level, {}, "the model's files")

    monkeypatch.setattr(host_module, "launch", fails)
    with pytest.raises(InfrastructureError, match=r"works here, but not with .*: the model's files"):
        Worker(NO_MODEL, threads=1).start()


def test_a_level_that_the_machine_lacks_is_passed_over(best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(request: LaunchRequest, log: ModelLog) -> Launched:
        return (None, Attempt(request.level, {}, "not here")) if request.level == "full" else launch(request, log)

    for module in (host_module, starting):
        monkeypatch.setattr(module, "launch", lacks)
    with Worker(NO_MODEL, threads=1) as worker:
        assert worker.hello.isolation.level == "strong"


def test_a_busy_machine_is_an_error_and_no_lesser_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "LAUNCH_SECONDS", 1e-6)
    with pytest.raises(InfrastructureError, match="did not start within"):
        Worker(NO_MODEL, threads=1).start()


def test_a_python_that_ends_at_once_is_named(best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper has cleared the canaries away by then."""

    def gone(self: Canaries, held: object) -> dict[str, bool]:
        raise FileNotFoundError

    monkeypatch.setattr(Canaries, "confirm", gone)
    with pytest.raises(InfrastructureError, match="Python ended as soon as it was started"):
        Worker(ModelSpec("some.module:load"), threads=1).start()
