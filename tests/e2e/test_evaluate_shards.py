"""Shards: cut, run anywhere, put together to the same bytes."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from run_helpers import command, environment, leftovers, model_wheel, run_cli, small_dataset
from worldstrat_bench.run.predictions import PredictionStore

TILES = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", TILES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = "return bicubic(lr, target) + 0.01 * torch.rand(1, 3, 1, 1)"
    return model_wheel(tmp_path_factory.mktemp("wheel"), source, name="sharded")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path, wheel: Path) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert run_cli(*arguments(wheel, data, run)).code == 0
    return run


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory, data: Path, wheel: Path) -> Path:
    """A folder with both shards of two."""
    out = tmp_path_factory.mktemp("runs") / "halves"
    for shard in ("1/2", "2/2"):
        done = run_cli(*arguments(wheel, data, out), "--shard", shard)
        assert done.code == 0, done.err
        assert f"shard {shard}" in done.out
    return out


def arguments(wheel: Path, data: Path, out: Path) -> tuple[object, ...]:
    return ("evaluate", wheel, "--data", data, "--out", out, "--no-download", "--device", "cpu")


def assert_same(run: Path, whole: Path) -> None:
    assert (run / "tiles.csv").read_bytes() == (whole / "tiles.csv").read_bytes()
    one, other = (json.loads((folder / "record.json").read_text()) for folder in (run, whole))
    for record in (one, other):
        for key in ("created", "record_id", "harness", "warnings"):
            del record[key]
    assert one == other
    assert leftovers(run) == []


def test_shards_merge_to_the_bytes_of_the_whole(halves: Path, data: Path, whole: Path, tmp_path: Path) -> None:
    done = run_cli("merge", halves, "--data", data, "--out", tmp_path / "merged")
    assert done.code == 0, done.err
    assert_same(tmp_path / "merged", whole)
    merged, reference = (PredictionStore(run / "predictions") for run in (tmp_path / "merged", whole))
    for file in reference.folder.iterdir():
        assert (merged.read(file.stem).image == reference.read(file.stem).image).all()
    again = run_cli("score", tmp_path / "merged", "--data", data, "--no-download")
    assert again.code == 0, again.err


def test_a_shard_writes_no_file_outside_of_the_run(halves: Path, data: Path, whole: Path, tmp_path: Path) -> None:
    """Its journal names the files that are taken over, and it may come from another machine or person."""
    shutil.copytree(halves, tmp_path / "in" / "halves")
    shard = min((tmp_path / "in" / "halves").rglob("run.sqlite")).parent
    name = "../../victim"  # beside the run that is made
    (shard / "predictions" / f"{name}.safetensors").write_bytes(b"theirs")
    with contextlib.closing(sqlite3.connect(shard / "run.sqlite")) as journal, journal:
        (columns,) = journal.execute("SELECT group_concat(name) FROM pragma_table_info('tile')").fetchone()
        others = columns.partition(",")[2]
        journal.execute(f"INSERT INTO tile SELECT ?, {others} FROM tile WHERE score IS NOT NULL LIMIT 1", (name,))
    (tmp_path / "out").mkdir()
    victim = tmp_path / "out" / "victim.safetensors"
    victim.write_bytes(b"mine")
    done = run_cli("merge", tmp_path / "in" / "halves", "--data", data, "--out", tmp_path / "out" / "merged")
    assert done.code == 0, done.err
    assert victim.read_bytes() == b"mine"
    assert_same(tmp_path / "out" / "merged", whole)


def test_shards_may_be_named_one_by_one_and_merged_where_they_lie(
    halves: Path, data: Path, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(halves, tmp_path / "out")
    parts = [tmp_path / "out" / "shards" / name for name in ("2-of-2", "1-of-2")]
    done = run_cli("merge", *parts, "--data", data, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "tiles.csv").read_bytes() == (whole / "tiles.csv").read_bytes()


def test_what_is_missing_is_named(halves: Path, data: Path, tmp_path: Path) -> None:
    one = halves / "shards" / "1-of-2"
    done = run_cli("merge", one, "--data", data, "--out", tmp_path / "m")
    assert (done.code, "1 of 2 shards is missing: 2/2" in done.err) == (5, True)
    done = run_cli("merge", one, one / ".." / "1-of-2", "--data", data, "--out", tmp_path / "m")
    assert (done.code, "given twice" in done.err) == (2, True)
    done = run_cli("merge", tmp_path / "none", "--data", data, "--out", tmp_path / "m")
    assert done.code == 5
    assert not (tmp_path / "m" / "record.json").exists()


def test_mixed_shards_are_refused(halves: Path, wheel: Path, data: Path, whole: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    assert run_cli(*arguments(wheel, data, odd), "--shard", "2/2", "--seed", "9").code == 0
    parts = [halves / "shards" / "1-of-2", odd / "shards" / "2-of-2"]
    done = run_cli("merge", *parts, "--data", data, "--out", tmp_path / "m")
    assert (done.code, "seed: 0, now 9" in done.err) == (2, True)
    done = run_cli("merge", whole, "--data", data, "--out", tmp_path / "m")
    assert (done.code, "not a shard" in done.err) == (2, True)


def test_stored_predictions_are_scored_in_shards(whole: Path, data: Path, tmp_path: Path) -> None:
    for shard in ("1/2", "2/2"):
        done = run_cli("score", whole, "--data", data, "--out", tmp_path / "s", "--shard", shard, "--no-download")
        assert done.code == 0, done.err
    assert run_cli("merge", tmp_path / "s", "--data", data, "--out", tmp_path / "m").code == 0
    assert (tmp_path / "m" / "tiles.csv").read_bytes() == (whole / "tiles.csv").read_bytes()
    done = run_cli("score", whole, "--data", data, "--shard", "1/2", "--no-download")
    assert (done.code, "--out" in done.err) == (2, True)


def test_four_processes_in_one_folder_one_of_them_killed(wheel: Path, data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def start(index: int) -> subprocess.Popen[bytes]:
        words = command(*arguments(wheel, data, out), "--shard", f"{index}/4")
        return subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    processes = {index: start(index) for index in (1, 2, 3, 4)}
    deadline = time.monotonic() + 120
    while not list(out.glob("shards/2-of-4/predictions/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    processes[2].kill()
    processes[2].wait()
    processes[2] = start(2)
    assert {index: process.wait(timeout=300) for index, process in processes.items()} == dict.fromkeys((1, 2, 3, 4), 0)
    assert run_cli("merge", out, "--data", data, "--out", tmp_path / "m").code == 0
    assert_same(tmp_path / "m", whole)
