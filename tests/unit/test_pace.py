"""Progress in words: through a pipe as well, now and then, with an estimate."""

from __future__ import annotations

import shutil
import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest

from run_helpers import run_cli, run_process, small_dataset
from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.pace import Pace, duration
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
