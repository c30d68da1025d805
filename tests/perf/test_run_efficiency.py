"""What the harness adds to the model and the metrics: loading, storing, waiting, memory.

The aims: wall time without the start at most 1.15 times that of model and scoring, and memory within 10 % between 8
tiles and 64.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from run_helpers import command, environment
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.run.events import Event, Progress
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.pipeline import evaluate_run
from worldstrat_bench.run.request import RunOptions, RunRequest

pytestmark = pytest.mark.timeout(3600)

TILES = 32
FEW, MANY = 8, 64
REPEATS = 3

PEAK = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
process.returncode = os.waitstatus_to_exitcode(status)
print(usage.ru_maxrss)
sys.exit(process.returncode)
"""
"""Prints the peak memory of a command in KiB. Started from a small process: a child begins with its parent's peak."""


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of WorldStrat's size."""
    folder = tmp_path_factory.mktemp("data") / "mini"
    write_mini(folder, test_tiles=MANY, train_tiles=0, size=1054)
    return folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that this test fills and nobody else keeps."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("own_cache")
def test_wall_time_beside_model_and_scoring(benchmark: Any, publish: Any, full_size: Path, tmp_path: Path) -> None:
    options = RunOptions(device="cpu", download=False)
    request = RunRequest(ModelRequest("nearest"), full_size, tmp_path / "warm", limit=TILES)
    evaluate_run(request, options)  # the targets are cached now
    figures: list[dict[str, float]] = []
    folders = iter(tmp_path / f"run-{k}" for k in range(REPEATS))

    def evaluate() -> None:
        figures.append(_evaluate(RunRequest(ModelRequest("shift-and-add"), full_size, next(folders), limit=TILES)))

    benchmark.pedantic(evaluate, rounds=REPEATS)
    publish("efficiency", {"tiles": TILES, "model": "shift-and-add", "runs": figures}, map(_line, figures))


def _line(run: dict[str, float]) -> str:
    share = run["wall"] / (run["model"] + run["scoring"])
    return (
        f"start {run['start']:.1f} s, apart; wall {run['wall']:.1f} s = {share:.2f} of model {run['model']:.1f} s + "
        f"scoring {run['scoring']:.1f} s; of it making the record {run['finish']:.1f} s"
    )


def _evaluate(request: RunRequest) -> dict[str, float]:
    """Seconds: `start` to the loaded model, `wall` from there to the record, and what timings.csv adds up to."""
    loaded: list[float] = []
    scored: list[float] = []

    def tell(event: Event) -> None:
        if isinstance(event, Progress):
            (loaded if event.stage == "predict" else scored).append(time.perf_counter())

    began = time.perf_counter()
    evaluate_run(request, RunOptions(device="cpu", download=False), tell)
    ended = time.perf_counter()
    rows = list(csv.DictReader((request.out / "timings.csv").read_text(encoding="utf-8").splitlines()))
    model, scoring = (sum(float(row[name]) for row in rows) for name in ("model_seconds", "score_seconds"))
    return {
        "start": loaded[0] - began, "wall": ended - loaded[0], "finish": ended - scored[-1], "model": model,
        "scoring": scoring,
    }  # fmt: skip


@pytest.mark.usefixtures("own_cache")
def test_peak_memory_by_number_of_tiles(benchmark: Any, publish: Any, full_size: Path, tmp_path: Path) -> None:
    """The host's: a worker holds one tile whatever the number."""
    peaks: dict[int, int] = {}

    def evaluate() -> None:
        for count in (FEW, MANY):
            words = command("evaluate", "shift-and-add", "--data", full_size, "--out", tmp_path / str(count),
                            "--limit", count, "--device", "cpu", "--no-download")  # fmt: skip
            done = subprocess.run(
                [sys.executable, "-c", PEAK, *words], env=environment(), capture_output=True, text=True, check=True
            )
            peaks[count] = int(done.stdout) >> 10

    benchmark.pedantic(evaluate, rounds=1)
    few, many = peaks[FEW], peaks[MANY]
    line = f"peak memory of the host: {few} MiB with {FEW} tiles, {many} MiB with {MANY}: {many / few - 1:+.1%}"
    publish("memory", {"mebibytes": peaks}, [line])
