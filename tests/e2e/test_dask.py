"""Dask: the same rows as on one machine, whoever dies on the way."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dask_helpers import confined_below, dask_workers, scheduler_and_workers, tls_files
from run_helpers import command, environment, model_wheel, run_process, small_dataset
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.protocol import load_protocol

pytest.importorskip("distributed", reason="the extra `dask` is not installed: the tests of clusters were not run")
pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).resolve().parents[2]
TILES = 8
MODEL = """
    if abs(float(lr.images.double().mean()) - self.parameters.get("poison", -1.0)) < 1e-12:
        os.abort()
    time.sleep(self.parameters.get("sleep", 0.0))
    return bicubic(lr, target) + 0.01 * torch.rand(1, 3, 1, 1)
"""
"""Depends on the seed of the tile, takes its time if asked to, and dies on one tile that it knows by its mean."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", TILES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_wheel(tmp_path_factory.mktemp("wheel"), MODEL, name="mortal")


@pytest.fixture(scope="module")
def poison(data: Path) -> tuple[str, float]:
    """The name of a tile, and what the model knows it by."""
    import torch

    tile = open_dataset(data).tiles()[4]
    inputs = read_inputs(tile, load_protocol("wsb-1"), 8)
    return tile.name, float(torch.from_numpy(inputs.task.images).double().mean())


def arguments(model: object, data: Path, out: Path, *more: object) -> tuple[object, ...]:
    return ("evaluate", model, "--data", data, "--out", out, "--no-download", "--device", "cpu", *more)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, data: Path, wheel: Path, poison: tuple[str, float]) -> Path:
    """The run of this machine alone, poisoned."""
    run = tmp_path_factory.mktemp("runs") / "local"
    done = run_process(*arguments(wheel, data, run, "--param", f"poison={poison[1]!r}", "--param", "sleep=0.2"))
    assert done.code == 3, done.err
    return run


def assert_same(run: Path, local: Path) -> None:
    assert (run / "tiles.csv").read_bytes() == (local / "tiles.csv").read_bytes()
    one, other = (json.loads((folder / "record.json").read_text()) for folder in (run, local))
    for record in (one, other):
        for key in ("created", "record_id", "harness", "warnings"):
            del record[key]
    assert one == other


@pytest.mark.soak
def test_real_imagery_by_two_workers_row_for_row(realdata: Path, tmp_path: Path) -> None:
    done = run_process(*arguments("bicubic", realdata, tmp_path / "local"))
    assert done.code == 0, done.err
    done = run_process(*arguments("bicubic", realdata, tmp_path / "dask", "--workers", 2, "--task-tiles", 2, "--json"))
    assert done.code == 0, done.err
    assert done.json["run"] == str(tmp_path / "dask")
    assert_same(tmp_path / "dask", tmp_path / "local")
    assert sorted(path.name for path in (tmp_path / "dask" / "shards").iterdir()) == ["1-of-2", "2-of-2"]


def test_deaths_of_a_dask_worker_and_a_confined_one_and_a_poison_tile(
    data: Path, wheel: Path, poison: tuple[str, float], local: Path, tmp_path: Path
) -> None:
    survive(data, wheel, poison, local, tmp_path / "run", random.Random(1))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_twenty_times_deaths_at_random(
    data: Path, wheel: Path, poison: tuple[str, float], local: Path, tmp_path: Path
) -> None:
    for repetition in range(20):
        survive(data, wheel, poison, local, tmp_path / f"run-{repetition}", random.Random(repetition))


def survive(data: Path, wheel: Path, poison: tuple[str, float], local: Path, out: Path, chance: random.Random) -> None:
    """A run of two Dask workers, of which one is killed, and so is a confined worker: no other may suffer."""
    words = arguments(wheel, data, out, "--param", f"poison={poison[1]!r}", "--param", "sleep=0.2", "--json")
    with (out.parent / f"{out.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command(*words, "--workers", 2, "--task-tiles", 3), env=environment(), stdout=subprocess.DEVNULL, stderr=log
        )
        killed = {
            "dask": kill_one(process, chance, confined=False),
            "confined": kill_one(process, chance, confined=True),
        }
        code = process.wait(timeout=300)
    text = (out.parent / f"{out.name}.log").read_text()
    assert all(killed.values()), (killed, text)
    assert code == 3, text
    assert_same(out, local)
    table = parse_tiles((out / "tiles.csv").read_bytes())
    failed = {
        tile: outcome for tile, outcome in zip(table.tiles, table.texts["outcome"], strict=True) if outcome != "ok"
    }
    assert failed == {poison[0]: "crash"}
    assert len(table.tiles) == len(set(table.tiles)) == TILES


def kill_one(process: subprocess.Popen[bytes], chance: random.Random, *, confined: bool) -> bool:
    """Kill a Dask worker that is at work, or a process of the confined worker below one; at a moment of chance."""
    deadline = time.monotonic() + 200
    while process.poll() is None and time.monotonic() < deadline:
        busy = [(worker, below) for worker in dask_workers(process) if (below := confined_below(worker))]
        if busy:
            time.sleep(chance.uniform(0.0, 1.5))
            worker, below = chance.choice(busy)
            victim = chance.choice(below) if confined else worker
            try:
                victim.kill()
                victim.wait(timeout=60)
                return True
            except psutil.NoSuchProcess:
                continue
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return tls_files(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory, tls: dict[str, Path]) -> Iterator[Path]:
    """A scheduler and two workers as a user starts them, with TLS."""
    with scheduler_and_workers(tmp_path_factory.mktemp("dask"), tls) as file:
        yield file


def on(scheduler: Path, tls: dict[str, Path]) -> tuple[object, ...]:
    keys = ("--tls-ca", tls["ca"], "--tls-cert", tls["cert"], "--tls-key", tls["key"])
    return ("--scheduler", scheduler, "--task-tiles", 3, *keys)


def test_workers_of_a_scheduler_file_and_scores_of_stored_predictions(
    scheduler: Path,
    tls: dict[str, Path],
    data: Path,
    wheel: Path,
    local: Path,
    poison: tuple[str, float],
    tmp_path: Path,
) -> None:
    words = arguments(wheel, data, tmp_path / "run", "--param", f"poison={poison[1]!r}", "--param", "sleep=0.2")
    done = run_process(*words, *on(scheduler, tls))
    assert done.code == 3, done.err
    assert "2 Dask workers" in done.err or "waiting for one" in done.err
    assert f"{poison[0]}: crash" in done.err
    assert_same(tmp_path / "run", local)
    scored = ("score", local, "--data", data, "--out", tmp_path / "scores", "--no-download", "--device", "cpu")
    done = run_process(*scored, *on(scheduler, tls))
    assert done.code == 3, done.err
    assert (tmp_path / "scores" / "tiles.csv").read_bytes() == (local / "tiles.csv").read_bytes()
    refused = run_process("score", local, "--data", data, *on(scheduler, tls))
    assert (refused.code, "--out DIR" in refused.err) == (2, True)


def test_a_hopeless_model_ends_the_run_with_its_reason(
    scheduler: Path, tls: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    wheel = model_wheel(tmp_path, "return 1", name="hopeless")
    done = run_process(*arguments(wheel, data, tmp_path / "a", "--max-failures", 2), *on(scheduler, tls))
    assert (done.code, "2 tiles in a row failed" in done.err) == (3, True), done.err
    assert list((tmp_path / "a" / "shards").glob("*-of-3/failure.json"))
    assert not (tmp_path / "a" / "record.json").exists()


def test_a_changed_request_is_refused_and_the_same_one_goes_on(
    scheduler: Path, tls: dict[str, Path], data: Path, wheel: Path, tmp_path: Path
) -> None:
    first = run_process(*arguments(wheel, data, tmp_path / "run", "--limit", 4), *on(scheduler, tls))
    assert first.code == 0, first.err
    record = (tmp_path / "run" / "record.json").read_bytes()
    again = run_process(*arguments(wheel, data, tmp_path / "run", "--limit", 4), *on(scheduler, tls), "--task-tiles", 1)
    assert (again.code, "with the 2 shards" in again.err) == (0, True), again.err
    assert "4 of 4 tiles were done before" in again.err
    assert (tmp_path / "run" / "record.json").read_bytes() == record
    other = run_process(*arguments(wheel, data, tmp_path / "run", "--limit", 4, "--seed", 7), *on(scheduler, tls))
    assert (other.code, "seed: 0, now 7" in other.err) == (2, True), other.err


def test_a_matrix_of_submissions_two_at_once(scheduler: Path, tls: dict[str, Path], data: Path, tmp_path: Path) -> None:
    for slug in ("bicubic", "nearest"):
        leave_out = shutil.ignore_patterns("results")
        shutil.copytree(ROOT / "submissions" / slug, tmp_path / "submissions" / slug, ignore=leave_out)
    manifest = tmp_path / "submissions" / "nearest" / "submission.toml"
    manifest.write_text(manifest.read_text().replace('entry_point = "nearest"', 'entry_point = "no-such-model"'))
    words = ("evaluate", "--all", tmp_path / "submissions", "--data", data, "--out", tmp_path / "out", "--no-download")
    done = run_process(*words, "--device", "cpu", *on(scheduler, tls), "--json")
    assert done.code == 3, done.err
    assert {cell["name"]: cell["state"] for cell in done.json} == {"bicubic": "ran", "nearest": "failed"}
    assert len(parse_tiles((tmp_path / "out" / "bicubic" / "wsb-1-auto" / "tiles.csv").read_bytes())) == TILES


def test_nothing_of_dask_is_imported_by_a_run_of_this_machine(data: Path, tmp_path: Path) -> None:
    words = ["worldstrat-bench", *map(str, arguments("bicubic", data, tmp_path / "run", "--limit", "1"))]
    program = f"""
import sys
from worldstrat_bench.cli import main
sys.argv = {words!r}
try:
    main()
finally:
    found = sorted(name for name in sys.modules if name.partition(".")[0] in ("dask", "distributed"))
    print("imported", found, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "imported []" in done.stderr
