"""What the harness adds to the model and the metrics: loading, storing, waiting, memory.

The aims: wall time without the start at most 1.15 times that of model and scoring, and memory within 10 % between 8
tiles and 64.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from run_helpers import command, environment
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.target import read_target
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.protocol import load_protocol
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
    """A cache that only this test fills."""
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
        "start": loaded[0] - began,
        "wall": ended - loaded[0],
        "finish": ended - scored[-1],
        "model": model,
        "scoring": scoring,
    }


@pytest.mark.usefixtures("own_cache")
def test_a_further_tile_beside_a_plain_loop(benchmark: Any, publish: Any, full_size: Path, tmp_path: Path) -> None:
    """A second model on warm caches, without learned metrics, against what a script would do with the same tiles.

    The aim is a third of the loop's wall time on two cores. Processor time is printed beside it, of the host and the
    worker together: on a machine that others use it says more.
    """
    options = RunOptions(device="cpu", download=False)
    evaluate_run(RunRequest(ModelRequest("nearest"), full_size, tmp_path / "warm", limit=TILES), options)
    figures: dict[str, dict[str, float]] = {}

    def evaluate() -> None:
        figures["run"] = _further_tile(RunRequest(ModelRequest("bicubic"), full_size, tmp_path / "run", limit=TILES))

    benchmark.pedantic(evaluate, rounds=1)
    figures["loop"] = _plain_loop(open_dataset(full_size).tiles()[:8])
    ours, theirs = figures["run"], figures["loop"]
    lines = [
        f"a further tile: {ours['wall']:.0f} ms, {ours['cpu']:.0f} ms of processor time",
        f"plain loop: {theirs['wall']:.0f} ms, {theirs['cpu']:.0f} ms of processor time",
        f"of it reading {theirs['reading']:.0f}, search {theirs['search']:.0f}, SSIM {theirs['ssim']:.0f} ms",
        f"share: {ours['wall'] / theirs['wall']:.2f} by wall clock",
        f"share: {ours['cpu'] / 2 / theirs['cpu']:.2f} by processor time, shared by two cores",
    ]
    publish("further_tile", {"tiles": TILES, **figures}, lines)


def _further_tile(request: RunRequest) -> dict[str, float]:
    """Milliseconds a tile after the first, wall clock and processor."""
    seen: list[tuple[float, float, float]] = []

    def tell(event: Event) -> None:
        if isinstance(event, Progress) and event.stage == "score" and event.tile:
            seen.append((time.perf_counter(), time.process_time(), _seconds_below()))

    evaluate_run(request, RunOptions(device="cpu", download=False), tell)
    first, last, tiles = seen[0], seen[-1], len(seen) - 1
    # The worker is gone before the last tiles are scored: what it took is the most that was seen.
    below = max(entry[2] for entry in seen) - first[2]
    return {"wall": (last[0] - first[0]) / tiles * 1e3, "cpu": (last[1] - first[1] + below) / tiles * 1e3}


def _seconds_below() -> float:
    """Processor time of the processes below this one."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = child.cpu_times()
            total += times.user + times.system
    return total


def _plain_loop(tiles: Sequence[Tile]) -> dict[str, float]:
    """Milliseconds a tile: 16 + 1 files by rasterio, a 17 x 17 search by slicing, one SSIM by scikit-image."""
    import rasterio
    from skimage.metrics import structural_similarity

    protocol = load_protocol("wsb-1")
    spent = {"wall": 0.0, "cpu": 0.0, "reading": 0.0, "search": 0.0, "ssim": 0.0}
    for tile in tiles:
        target = read_target(tile, protocol).image
        prediction = target + np.float32(0.01)
        began, cpu = time.perf_counter(), time.process_time()
        for path in (tile.hr, *(path for revisit in tile.revisits[:8] for path in (revisit.data, revisit.cloud_mask))):
            with rasterio.open(path) as source:
                source.read()
        read = time.perf_counter()
        inside = target[:, 20:-20, 20:-20]
        height, width = inside.shape[1:]
        offsets = [(y, x) for y in range(12, 29) for x in range(12, 29)]
        min((float(np.square(prediction[:, y : y + height, x : x + width] - inside).mean()), y, x) for y, x in offsets)
        searched = time.perf_counter()
        structural_similarity(target, prediction, channel_axis=0, data_range=1.0)  # type: ignore[no-untyped-call]
        ended = time.perf_counter()
        for name, seconds in (
            ("wall", ended - began),
            ("cpu", time.process_time() - cpu),
            ("reading", read - began),
            ("search", searched - read),
            ("ssim", ended - searched),
        ):
            spent[name] += seconds / len(tiles) * 1e3
    return spent


@pytest.mark.usefixtures("own_cache")
def test_peak_memory_by_number_of_tiles(benchmark: Any, publish: Any, full_size: Path, tmp_path: Path) -> None:
    """The host's: a worker holds one tile whatever the number."""
    peaks: dict[int, int] = {}

    def evaluate() -> None:
        for count in (FEW, MANY):
            words = command(
                "evaluate",
                "shift-and-add",
                "--data",
                full_size,
                "--out",
                tmp_path / str(count),
                "--limit",
                count,
                "--device",
                "cpu",
                "--no-download",
            )
            done = subprocess.run(
                [sys.executable, "-c", PEAK, *words], env=environment(), capture_output=True, text=True, check=True
            )
            peaks[count] = int(done.stdout) >> 10

    benchmark.pedantic(evaluate, rounds=1)
    few, many = peaks[FEW], peaks[MANY]
    line = f"peak memory of the host: {few} MiB with {FEW} tiles, {many} MiB with {MANY}: {many / few - 1:+.1%}"
    publish("memory", {"mebibytes": peaks}, [line])
