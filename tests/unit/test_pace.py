"""Progress in words: through a pipe as well, now and then, with an estimate."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
import time
from collections import namedtuple
from pathlib import Path

import pytest

from run_helpers import run_cli, run_process, small_dataset
from worldstrat_bench.cli.progress import Display
from worldstrat_bench.data.mini import mini_bytes, write_mini
from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.pace import Alive, Pace, duration
from worldstrat_bench.run.events import Progress
from worldstrat_bench.run.folder import enough_space, hold_run


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_lines_come_now_and_then_with_an_estimate() -> None:
    clock, lines = Clock(), list[str]()
    pace = Pace(lines.append, "tiles", clock)
    for done in range(1, 41):
        clock.now += 1.0
        pace(done, 40)
    assert lines[0] == "tiles: 3 of 40, about 37 s left"
    assert lines[1] == "tiles: 13 of 40, about 27 s left"
    assert lines[-1] == "tiles: 40 of 40"
    assert len(lines) == 5


def test_silence_is_broken_by_the_step_and_its_time() -> None:
    said, heard = list[str](), threading.Semaphore(0)

    def say(line: str) -> None:
        said.append(line)
        heard.release()

    with Alive(say, "starting", every=0.02) as alive:
        assert heard.acquire(timeout=60)
        assert re.fullmatch(r"starting \(\d+ s so far\)", said[0])
        alive("probe 2 of 27: order, about 3 min left")
        assert said[-1] == "probe 2 of 27: order, about 3 min left"
        before = len(said)
        while len(said) < before + 2:
            assert heard.acquire(timeout=60)
        assert re.fullmatch(r"probe 2 of 27: order \(\d+ s so far\)", said[-1])  # an old estimate is not told again
        alive.step("a step without a line of its own")
        before = len(said)
        while len(said) < before + 2:
            assert heard.acquire(timeout=60)
        assert re.fullmatch(r"a step without a line of its own \(\d+ s so far\)", said[-1])
    ended = len(said)
    time.sleep(0.1)
    assert len(said) == ended


def test_work_that_speaks_is_not_interrupted() -> None:
    said: list[str] = []
    with Alive(said.append, "starting", every=600) as alive:
        for number in range(5):
            alive(f"tile {number}")
    assert said == [f"tile {number}" for number in range(5)]


def test_a_pipe_gets_an_estimate_of_a_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    monkeypatch.setattr("worldstrat_bench.cli.progress.time.monotonic", clock)
    with Display() as display:
        for done in (10, 20, 30, 40):  # ten were done before
            display(Progress("predict", done, 40, tile=f"t{done}", outcome="ok"))
            clock.now += 20.0
    assert capsys.readouterr().err.splitlines() == [
        "predicting 10/40",
        "predicting 20/40, about 40 s left",
        "predicting 30/40, about 20 s left",
        "predicting 40/40",
    ]


def test_data_mini_says_how_much_disk_it_takes_before_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run_cli("data", "mini", tmp_path / "a", "--test-tiles", "3", "--train-tiles", "1", "--size", "160")
    assert done.code == 0, done.err
    taken = sum(path.stat().st_size for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert mini_bytes(3, 1, 160) == pytest.approx(taken, rel=0.25)
    assert done.err.splitlines()[0] == "a dataset of about 1 MiB"
    usage = namedtuple("usage", "total used free")  # as shutil returns it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 1 << 20))
    with pytest.raises(InfrastructureError, match="1 MiB left, and the dataset takes about"):
        write_mini(tmp_path / "b", test_tiles=36, size=1054)
    assert not (tmp_path / "b").exists()


def test_short_work_is_not_spoken_of() -> None:
    clock, lines = Clock(), list[str]()
    pace = Pace(lines.append, "tiles", clock)
    for done in range(1, 41):
        clock.now += 0.05
        pace(done, 40)
    assert lines == []
    assert pace.left(0, 40) == pace.left(40, 40) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "1 s"), (0.2, "1 s"), (61, "61 s"), (99.5, "2 min"), (3600, "60 min"), (86400, "24 h 0 min")],
)
def test_spans_of_time_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_data_mini_speaks_through_a_pipe_where_it_takes_long(tmp_path: Path) -> None:
    quick = run_process("data", "mini", tmp_path / "a", "--test-tiles", "1", "--train-tiles", "0", "--size", "160")
    assert quick.code == 0, quick.err
    assert "left" not in quick.err


def test_a_resumed_run_says_what_was_done_before(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data", tiles=3)
    words = ("evaluate", "bicubic", "--data", data, "--out", tmp_path / "run", "--no-download", "--frames", "1")
    whole = run_cli(*words)
    assert whole.code == 0, whole.err
    assert "before" not in whole.err
    with sqlite3.connect(tmp_path / "run" / "run.sqlite") as journal:
        journal.execute("delete from tile where tile = (select min(tile) from tile)")
    (tmp_path / "run" / "record.json").unlink()
    again = run_cli(*words)
    assert again.code == 0, again.err
    assert "2 of 3 tiles were predicted before" in again.err


def test_a_full_disk_says_how_much_a_run_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # as shutil returns it
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 19 << 20))
    with pytest.raises(InfrastructureError, match="19 MiB left, a run needs 512 MiB; 100 MiB more keep all"):
        enough_space(tmp_path, 100 << 20)


@pytest.mark.parametrize("name", ["x" * 300, "/".join(["x" * 200] * 20), "ü" * 130])
def test_a_path_that_is_too_long_is_told_as_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="too long"), hold_run(tmp_path / name):
        pass
    assert not list(tmp_path.iterdir())
