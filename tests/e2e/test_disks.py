"""Disks that are full or cannot be written, no home, two runs in one folder, a moved run: a clear line each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from run_helpers import run_cli, run_process, small_dataset
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.run.folder import hold_run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 2)


def asked(data: Path, out: Path) -> tuple[object, ...]:
    return (
        "evaluate",
        "bicubic",
        "--data",
        data,
        "--out",
        out,
        "--frames",
        "1",
        "--no-download",
        "--isolation",
        "process",
    )


def test_a_full_disk_is_one_line_and_leaves_no_record(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    done = run_cli(*asked(data, tmp_path / "run"))
    assert (done.code, "bug" in done.err) == (6, False)
    assert "the disk is full" in done.err
    assert not (tmp_path / "run" / "record.json").exists()


def test_no_home_and_a_cache_that_cannot_be_written_spoil_nothing(data: Path, tmp_path: Path) -> None:
    done = run_process(
        *asked(data, tmp_path / "run"),
        HOME="/proc/none",
        XDG_CACHE_HOME="",
        WORLDSTRAT_BENCH_CACHE="/proc/none/cache",
    )
    assert done.code == 0, done.err
    assert "bug" not in done.err


def test_data_that_cannot_be_written_is_evaluated_and_not_touched(data: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "data"))
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    for path in (*before, copy):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = run_cli(*asked(copy, tmp_path / "run"))
        assert done.code == 0, done.err
        assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before
    finally:
        for path in (copy, *before):
            path.chmod(0o755)


def test_a_second_run_into_the_same_folder_is_refused(data: Path, tmp_path: Path) -> None:
    with hold_run(tmp_path / "run"):
        done = run_process(*asked(data, tmp_path / "run"))
    assert done.code == 2
    assert "another process is working on this run" in done.err
    assert "give another --out" in done.err


def test_a_run_that_was_moved_goes_on_and_is_scored_where_it_is(data: Path, tmp_path: Path) -> None:
    predict = [one for one in asked(data, tmp_path / "run")[1:] if one != "--no-download"]
    assert run_cli("predict", *predict).code == 0
    (tmp_path / "elsewhere").mkdir()
    moved = Path(shutil.move(tmp_path / "run", tmp_path / "elsewhere" / "other name"))
    done = run_cli(*asked(data, moved))
    assert done.code == 0, done.err
    first = load_record(moved).record_id
    again = Path(shutil.move(moved, tmp_path / "third"))
    assert run_cli("score", again, "--data", data, "--no-download").code == 0
    assert load_record(again).record_id == first


def test_an_interrupt_before_anything_is_done_says_so() -> None:
    code = (
        "import worldstrat_bench.cli.app as a\n"
        "def stop(**_):\n    raise KeyboardInterrupt\n"
        "a.app = stop\n"
        "from worldstrat_bench.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (130, 1)
    assert "interrupted" in done.stderr
