"""What Dask costs and what it brings: overhead per tile, speed-up of two workers, and the model of docs/scale.md.

The aims: less than 5 ms a tile, and two workers at least 1.7 times as fast as one. What two plain processes gain over
one is measured at the same moment: on a quiet machine with two cores that is 2.0.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cluster_model import TILES, Plan, simulate
from run_helpers import environment, run_process
from worldstrat_bench.data.mini import write_mini

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

TASK_TILES = 24
SHARD_TILES = 4

ROUND_TRIPS = """
import statistics, time
from worldstrat_bench.run.cluster.connect import ClusterOptions, connected
from worldstrat_bench.run.cluster.task import run_shard

if __name__ == "__main__":
    with connected(ClusterOptions(workers=1), ("cpu",), print) as client:
        client.submit(run_shard, "no task", pure=False).result()
        trips = []
        for _ in range(50):
            begin = time.perf_counter()
            client.submit(run_shard, "no task", pure=False).result()
            trips.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        client.gather([client.submit(run_shard, "no task", pure=False) for _ in range(500)])
        print(statistics.median(trips), (time.perf_counter() - begin) / 500)
"""

SCORING = """
import sys, time
from pathlib import Path
from worldstrat_bench.run.cluster.connect import ClusterOptions, connected
from worldstrat_bench.run.cluster.engine import Cluster
from worldstrat_bench.run.events import ignore
from worldstrat_bench.run.request import RunOptions, ScoreRequest

if __name__ == "__main__":
    run, data, out, workers, tiles, repeats = (*map(Path, sys.argv[1:4]), *map(int, sys.argv[4:7]))
    options = RunOptions(device="cpu", cache=False, download=False, threads=1)
    with connected(ClusterOptions(workers=workers), ("cpu",), ignore) as client:
        cluster = Cluster(client, tiles)
        client.wait_for_workers(workers)
        cluster.score(ScoreRequest(run, data, out / "warm"), options, ignore)
        for repeat in range(repeats):
            begin = time.perf_counter()
            cluster.score(ScoreRequest(run, data, out / str(repeat)), options, ignore)
            print(time.perf_counter() - begin, flush=True)
"""

BURN = "x = 0\nfor i in range({turns}):\n    x += i * i\n"


def test_scheduling_per_tile(benchmark: Any, publish: Any, tmp_path: Path) -> None:
    """A task there and its answer back, with nothing to do in between; a task is 24 tiles."""
    said: list[str] = []
    benchmark.pedantic(lambda: said.append(_script(tmp_path, ROUND_TRIPS)), rounds=1)
    alone, many = map(float, said[0].split())
    figures = {"task_alone_seconds": alone, "task_of_many_seconds": many, "tiles": TASK_TILES}
    line = (
        f"a task alone {alone * 1e3:.1f} ms, one of many {many * 1e3:.1f} ms: "
        f"{max(alone, many) / TASK_TILES * 1e3:.2f} ms a tile"
    )
    publish("cluster-scheduling", figures, [line])


@pytest.mark.timeout(1800)
def test_speed_up_of_two_workers(benchmark: Any, publish: Any, tmp_path: Path) -> None:
    """Scoring of full-size tiles, targets not cached."""
    data, run, tiles, repeats = tmp_path / "mini", tmp_path / "run", 32, 3
    write_mini(data, test_tiles=tiles, train_tiles=0, size=1054)
    done = run_process("predict", "nearest", "--data", data, "--out", run, "--device", "cpu")
    assert done.code == 0, done.err
    seconds: dict[int, list[float]] = {}
    possible: list[float] = []

    def score() -> None:
        for workers in (1, 2):
            possible.append(_possible_speed_up())
            words = [
                str(run),
                str(data),
                str(tmp_path / f"out-{workers}"),
                str(workers),
                str(SHARD_TILES),
                str(repeats),
            ]
            seconds[workers] = [float(line) for line in _script(tmp_path, SCORING, *words).splitlines()]

    benchmark.pedantic(score, rounds=1)
    speed_up = statistics.median(seconds[1]) / statistics.median(seconds[2])
    publish(
        "cluster-speed-up",
        {"seconds": seconds, "two_plain_processes": possible, "speed_up": speed_up},
        [f"two workers {speed_up:.2f} times as fast as one ({seconds}); two plain processes {min(possible):.2f}"],
    )


def _possible_speed_up() -> float:
    """What two processes that share nothing gain over one, now."""

    def burn(processes: int) -> float:
        begin = time.perf_counter()
        words = [sys.executable, "-c", BURN.format(turns=30_000_000)]
        for process in [subprocess.Popen(words) for _ in range(processes)]:
            assert process.wait() == 0
        return time.perf_counter() - begin

    return 2 * burn(1) / burn(2)


def _script(folder: Path, text: str, *words: str) -> str:
    """Run a program as a file, which Dask's own processes can import; its standard output."""
    path = folder / "program.py"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, str(path), *words], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_model_of_a_cluster_keeps_its_books() -> None:
    """Every tile of every model that does not stop is one row, whoever vanishes; work is conserved."""
    plan = Plan(models=60, gpus=8, at_once=4, deaths_per_gpu_hour=2.0, lost_model_share=0.0)
    outcome = simulate(plan, seed=3)
    assert outcome.deaths > 0
    assert outcome.rows == plan.models * TILES
    assert outcome.useful < outcome.busy <= 1.0
    calm = simulate(replace(plan, deaths_per_gpu_hour=0.0), seed=3)
    assert (calm.deaths, calm.twice, calm.rows) == (0, 0, outcome.rows)
    assert calm.hours < outcome.hours
    assert simulate(plan, seed=3) == outcome


def test_the_model_of_a_cluster_against_arithmetic() -> None:
    """One GPU, equal models, nothing shared in the way: the sum of all seconds."""
    base = Plan()
    costs = replace(base.costs, model_sigma=0.0, tile_sigma=0.0, load_sigma=0.0, merge_seconds_tile=0.0)
    work = replace(base, models=3, gpus=1, at_once=3, task_tiles=197, costs=costs)
    honest = replace(work, deaths_per_gpu_hour=0.0, lost_model_share=0.0, hanging_model_share=0.0)
    plan = replace(honest, folder_mb_second=1e9, folder_operations_second=1e9)
    tile = costs.model_median_seconds + costs.score_seconds + costs.host_seconds
    expected = 3 * (2 * (costs.start_seconds + costs.scheduling_seconds) + TILES * tile)
    assert simulate(plan).hours * 3600 == pytest.approx(expected, rel=1e-6)
