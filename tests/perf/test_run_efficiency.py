"""What the harness adds to the model and the metrics: loading, storing, waiting, memory."""

from __future__ import annotations

import csv
import os
import subprocess
import time
from pathlib import Path

import pytest

from run_helpers import command, environment
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.run.events import Event, Progress
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.pipeline import evaluate_run
from worldstrat_bench.run.request import RunOptions, RunRequest

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

TILES = 32
FEW = 8


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of WorldStrat's size."""
    folder = tmp_path_factory.mktemp("data") / "mini"
    write_mini(folder, test_tiles=TILES, train_tiles=0, size=1054)
    return folder


def test_wall_time_is_that_of_model_and_scoring(full_size: Path, tmp_path: Path) -> None:
    """At most 1.15 times their sum, with the targets cached; the start of the worker is apart."""
    options = RunOptions(device="cpu", download=False)
    evaluate_run(RunRequest(ModelRequest("nearest"), full_size, tmp_path / "warm"), options)
    times: list[float] = []

    def tell(event: Event) -> None:
        if isinstance(event, Progress) and (event.stage == "predict" or event.tile):
            times.append(time.perf_counter())

    began = time.perf_counter()
    evaluate_run(RunRequest(ModelRequest("shift-and-add"), full_size, tmp_path / "run"), options, tell)
    wall = times[-1] - times[0]
    rows = list(csv.DictReader((tmp_path / "run" / "timings.csv").open()))
    model, scoring = (sum(float(row[name]) for row in rows) for name in ("model_seconds", "score_seconds"))
    print(f"start {times[0] - began:.1f} s, wall {wall:.1f} s, model {model:.1f} s, scoring {scoring:.1f} s")
    assert wall <= 1.15 * (model + scoring)


def test_memory_is_flat_in_the_number_of_tiles(full_size: Path, tmp_path: Path) -> None:
    """The host's peak within 10 % between few tiles and many."""
    peaks = {}
    for count in (FEW, TILES):
        words = command("evaluate", "nearest", "--data", full_size, "--out", tmp_path / str(count), "--limit", count,
                        "--device", "cpu", "--no-download")  # fmt: skip
        process = subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peaks[count] = usage.ru_maxrss
    print(f"peak memory: {peaks[FEW] >> 10} MiB with {FEW} tiles, {peaks[TILES] >> 10} MiB with {TILES}")
    assert peaks[TILES] <= 1.1 * peaks[FEW]
