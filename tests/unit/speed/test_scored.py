"""What a run says of the time that its tiles took."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worldstrat_bench.artefacts.speed import faster_than_run
from worldstrat_bench.speed.scored import seconds_of_tiles

NAMES = tuple("abcde")


def timings(folder: Path, text: str) -> Path:
    (folder / "timings.csv").write_text("tile,model_seconds,score_seconds\n" + text, encoding="utf-8")
    return folder


def test_the_lower_quartile_of_the_tiles_that_were_predicted(tmp_path: Path) -> None:
    """A run's machine reads and scores tiles at the same time; tiles that failed say nothing of the model."""
    rows = "a,5.0,0.1\nb,0.10,0.1\nc,0.11,0.1\nd,0.12,0.1\ne,0.13,0.1\nfailed,0.000000,0.0\n"
    assert seconds_of_tiles(timings(tmp_path, rows), NAMES) == pytest.approx(0.11)
    assert seconds_of_tiles(tmp_path, ["a"]) == 5.0


@pytest.mark.parametrize(
    "text", ["", "a,0.0,0.1\n", "a,nan,1\n", "a,-1,1\n", "a,soon,1\n", "a\n", "other,1,1\n", "a,inf,1\n"]
)
def test_a_run_that_does_not_tell(tmp_path: Path, text: str) -> None:
    assert seconds_of_tiles(timings(tmp_path, text), NAMES) is None


def test_a_run_without_the_file(tmp_path: Path) -> None:
    assert seconds_of_tiles(tmp_path, NAMES) is None
    (tmp_path / "timings.csv").write_bytes(b"\xff\xfe\x00")
    assert seconds_of_tiles(tmp_path, NAMES) is None


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "timings.csv")
    assert seconds_of_tiles(tmp_path, NAMES) is None


@pytest.mark.parametrize(
    ("call", "run", "doubted"),
    [(7e-5, 0.0014, False), (0.001, 0.022, False), (0.001, 0.025, True), (0.1, 0.31, False), (0.1, 0.33, True)],
)
def test_how_much_faster_than_the_run_is_believed(call: float, run: float, doubted: bool) -> None:
    """bicubic on a GPU: 0.07 ms in a block, and 1.4 ms in a run of single calls far apart."""
    assert faster_than_run(call, run) is doubted
