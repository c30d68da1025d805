"""Killed at any moment, host or worker, a run goes on and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from run_helpers import command, environment, leftovers, model_wheel, run_cli, run_process, small_dataset

TILES = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", TILES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes its time, so that a kill finds it at work, and that depends on the seed of the tile."""
    source = """
        time.sleep(0.1)
        return bicubic(lr, target) + 0.01 * torch.rand(1, 3, 1, 1)
    """
    return model_wheel(tmp_path_factory.mktemp("wheel"), source, name="slow")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path, wheel: Path) -> Path:
    """The run that was not interrupted."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    done = run_cli(*arguments(wheel, data, run))
    assert done.code == 0, done.err
    return run


def arguments(wheel: Path, data: Path, run: Path) -> tuple[object, ...]:
    return ("evaluate", wheel, "--data", data, "--out", run, "--no-download", "--device", "cpu")


def content(run: Path) -> dict[str, object]:
    record = json.loads((run / "record.json").read_text())
    return {k: v for k, v in record.items() if k not in ("created", "record_id", "harness", "warnings")}


def start(wheel: Path, data: Path, run: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments(wheel, data, run)),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def descendants(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        family: list[psutil.Process] = psutil.Process(process.pid).children(recursive=True)
        return family
    except psutil.Error:
        return []


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=60)
    alive = [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert alive == [], [process.cmdline() for process in alive]


def wait_for_work(run: Path, process: subprocess.Popen[bytes], tiles: int) -> None:
    deadline = time.monotonic() + 120
    while len(list(run.glob("predictions/*.safetensors"))) < tiles:
        if process.poll() is not None or time.monotonic() > deadline:
            return
        time.sleep(0.01)


def assert_same(run: Path, whole: Path) -> None:
    assert (run / "tiles.csv").read_bytes() == (whole / "tiles.csv").read_bytes()
    assert content(run) == content(whole)
    assert leftovers(run) == []


def test_a_host_that_is_killed_with_9_goes_on(data: Path, wheel: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    for tiles in (1, 4):
        process = start(wheel, data, run)
        wait_for_work(run, process, tiles)
        family = descendants(process)
        process.kill()
        process.wait()
        assert_gone(family)
        assert not (run / "record.json").exists()
    done = run_process(*arguments(wheel, data, run))
    assert done.code == 0, done.err
    assert_same(run, whole)


def test_an_interrupt_ends_with_130_and_goes_on(data: Path, wheel: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(wheel, data, run)
    wait_for_work(run, process, 2)
    family = descendants(process)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: everything in the group gets it
    assert process.wait(timeout=300) == 130
    assert_gone(family)
    assert run_cli(*arguments(wheel, data, run)).code == 0
    assert_same(run, whole)


def test_a_worker_that_is_killed_with_9_costs_nothing(data: Path, wheel: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(wheel, data, run)
    wait_for_work(run, process, 2)
    family = descendants(process)
    for child in family:
        child.kill()
    assert process.wait(timeout=300) == 0
    assert_gone(family)
    assert_same(run, whole)


def test_a_model_that_kills_itself_has_crashed(data: Path, tmp_path: Path) -> None:
    wheel = model_wheel(tmp_path, "import signal; os.kill(os.getpid(), signal.SIGKILL)")
    done = run_cli(*arguments(wheel, data, tmp_path / "run"), "--limit", "1")
    assert done.code == 3
    assert json.loads((tmp_path / "run" / "record.json").read_text())["outcomes"] == {"ok": 0, "crash": 1}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_fifty_kills_of_host_or_worker(data: Path, wheel: Path, whole: Path, tmp_path: Path) -> None:
    chance = random.Random(20220713)
    kills = runs = 0
    while kills < 50:
        run = tmp_path / f"run-{runs}"
        runs += 1
        while not (run / "record.json").exists():
            kills += kill_at_random(start(wheel, data, run), chance) if kills < 50 else finish(wheel, data, run)
        assert_same(run, whole)


def kill_at_random(process: subprocess.Popen[bytes], chance: random.Random) -> int:
    """Kill the host, or some process of the worker and let the host go on. Returns the number of kills."""
    try:
        process.wait(timeout=chance.uniform(0.5, 10.0))
        return 0
    except subprocess.TimeoutExpired:
        pass
    family = descendants(process)
    if family and chance.random() < 0.5:
        chance.choice(family).kill()
        family += descendants(process)
        process.wait(timeout=300)
    else:
        process.kill()
        process.wait()
    assert_gone(family)
    return 1


def finish(wheel: Path, data: Path, run: Path) -> int:
    """Let the run end in peace."""
    done = run_process(*arguments(wheel, data, run))
    assert done.code == 0, done.err
    return 0
