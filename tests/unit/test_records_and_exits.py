"""What records say of their lists, and the exit code when another program is at fault."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from factories import make_run, official_facts
from run_helpers import command, environment, run_cli
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.cli import running
from worldstrat_bench.errors import ModelError
from worldstrat_bench.stats.boards import board_key, ranking_list


def test_a_failed_tile_spoils_the_lists_that_hold_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = {fact.tile for fact in official_facts("clean")}
    outside = next(fact.tile for fact in official_facts("full") if fact.tile not in clean)
    record = make_run(tmp_path, failed={outside: "timeout"})
    assert (record.spoiled_lists, ranking_list(record), record.complete) == (("full",), "clean", False)
    assert [record.rankable(name) for name in ("clean", "strict", "full", "other")] == [True, True, False, False]
    with pytest.raises(ModelError, match="no mean and no rank on full; clean, strict are complete"):
        running.report(record, tmp_path, json=True)
    assert capsys.readouterr().out


def test_a_part_of_a_list_is_not_rankable(tmp_path: Path) -> None:
    assert not make_run(tmp_path / "a", tiles=4, list_name="test", release="mini", limit=2).rankable("test")
    assert not make_run(tmp_path / "b", tiles=4, list_name="test", release="mini", shard="1/2").rankable("test")


def test_a_record_that_calls_itself_official_and_one_that_does_not_share_no_board(tmp_path: Path) -> None:
    one, other = (make_run(tmp_path / str(flag), official=flag) for flag in (True, False))
    assert one.dataset.targets_sha256 == other.dataset.targets_sha256
    assert board_key(one) != board_key(other)


@pytest.mark.parametrize("words", [("--help",), ("models", "list"), ("--version",)])
def test_a_reader_that_leaves_early_is_not_a_failure(words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command(*words), stdout=writing, stderr=subprocess.PIPE, env=environment(), timeout=300, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_disk_that_fails_is_not_a_bug(tmp_path: Path) -> None:
    make_run(tmp_path / "run", tiles=4, list_name="test", release="mini")
    record = load_record(tmp_path / "run")
    assert record.outcomes == {"ok": 4}
    from unittest.mock import patch

    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere")
    with patch("worldstrat_bench.run.compare.load_result", side_effect=full):  # a disk cannot be filled in a test
        done = run_cli("compare", tmp_path / "run", tmp_path / "run")
    assert (done.code, "No space left" in done.err, "/somewhere" in done.err, "bug" in done.err) == (
        6,
        True,
        True,
        False,
    )
