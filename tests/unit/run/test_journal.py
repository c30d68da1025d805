"""The journal: what is written is there, whatever happens to the process afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.run.filesystem import HeldError, locked
from worldstrat_bench.run.folder import LONGEST_PATH, hold_run, read_run
from worldstrat_bench.run.journal import FILE_NAME, Journal, Predicted
from worldstrat_bench.run.tile_score import Scored

SCORED = Scored(
    target_sha256="a" * 64,
    usable=True,
    cloud=0.1 + 0.2,
    days=-3,
    detail=1.23456789012345e-5,
    values={"psnr": 31.4159265358979, "lpips": None},
    nulls={"lpips": "no weights"},
    shift_y=1.25,
    shift_x=-0.5,
    shift_at_edge=False,
    clipped=0.0,
)


@pytest.mark.parametrize("network", [False, True])
def test_rows_and_notes_come_back_bit_for_bit(tmp_path: Path, network: bool) -> None:
    row = Predicted("Landcover-1", "ok", "", 0.1, "b" * 64)
    with Journal(tmp_path, network=network) as journal:
        journal.set_note("predict", "{}")
        journal.set_predicted(row)
        journal.set_predicted(Predicted("Amnesty POI-1", "crash", "signal 11\nlast words"))
        journal.set_scored("Landcover-1", SCORED, 0.25)
    with Journal(tmp_path, create=False) as journal:
        entries = journal.entries()
        assert journal.note("predict") == "{}"
        assert journal.note("score") is None
    assert list(entries) == ["Amnesty POI-1", "Landcover-1"]
    assert entries["Landcover-1"].predicted == row
    assert entries["Landcover-1"].scored == SCORED
    assert entries["Landcover-1"].score_seconds == 0.25
    assert entries["Amnesty POI-1"].scored is None


def test_rows_of_another_journal_come_over_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Journal(tmp_path / "a") as one, Journal(tmp_path / "b") as other:
        one.set_predicted(Predicted("t", "ok", "", 0.1, "b" * 64))
        one.set_scored("t", SCORED, 0.25)
        one.set_predicted(Predicted("u", "crash", "signal 11"))
        other.set_predicted(Predicted("t", "timeout"))
        other.set_entries(one.entries().values())
        assert other.entries() == one.entries()


def test_a_closed_journal_is_one_file(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.set_note("a", "b")
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]


def test_one_row_a_tile_and_a_new_prediction_forgets_the_old_score(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.set_predicted(Predicted("t", "ok", sha256="a" * 64))
        journal.set_scored("t", SCORED, 0.1)
        journal.set_predicted(Predicted("t", "timeout", "60 s"))
        assert len(journal.entries()) == 1
        assert journal.entries()["t"].scored is None
        assert journal.entries()["t"].predicted.outcome == "timeout"


def test_the_journal_is_a_write_ahead_log_with_full_sync_on_a_local_disk(tmp_path: Path) -> None:
    with Journal(tmp_path, network=False) as journal:
        database = journal._database
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.not_quick  # waits ten seconds for a lock
def test_on_a_network_file_system_there_is_no_shared_memory(tmp_path: Path) -> None:
    with Journal(tmp_path, network=True) as journal:
        assert journal._database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        journal.set_note("a", "b")
        assert not (tmp_path / f"{FILE_NAME}-shm").exists()
        with pytest.raises(InfrastructureError, match="cannot be"):
            Journal(tmp_path, network=True)._database.execute("SELECT 1")


def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from worldstrat_bench.run.journal import Journal, Predicted
journal = Journal(Path({str(tmp_path)!r}))
for number in range(25):
    journal.set_predicted(Predicted(f"tile-{{number:02}}", "ok", sha256="c" * 64))
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert done.returncode == -signal.SIGKILL
    with Journal(tmp_path, create=False) as journal:
        assert len(journal.entries()) == 25
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]


def test_threads_may_write_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:

        def write(worker: int) -> None:
            for number in range(20):
                journal.set_predicted(Predicted(f"{worker}-{number}", "ok"))

        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(journal.entries()) == 80


def test_reading_changes_nothing_and_works_beside_a_writer(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.set_predicted(Predicted("t", "ok"))
        with Journal(tmp_path, read_only=True) as reader:
            assert list(reader.entries()) == ["t"]
    before = (tmp_path / FILE_NAME).read_bytes()
    with Journal(tmp_path, read_only=True) as reader:
        assert list(reader.entries()) == ["t"]
        with pytest.raises(InfrastructureError):
            reader.set_note("a", "b")
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]


def test_no_process_writes_while_a_journal_is_read_as_immutable(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.set_predicted(Predicted("t", "ok"))
    with Journal(tmp_path, read_only=True) as one, Journal(tmp_path, read_only=True) as other:
        assert one.entries() == other.entries()
        with pytest.raises(HeldError), locked(tmp_path):
            pass
    with locked(tmp_path), Journal(tmp_path) as writer:
        with Journal(tmp_path, read_only=True) as late:  # a writer is at work: its changes are seen
            writer.set_predicted(Predicted("u", "ok"))
            assert set(late.entries()) == {"t", "u"}
        writer.set_predicted(Predicted("v", "ok"))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / FILE_NAME).write_bytes(b"no database, but long enough to be looked at" * 30)
    with pytest.raises(InvalidArtefactError):
        Journal(tmp_path / "bad", read_only=True)
    with locked(tmp_path / "bad"):
        pass


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtefactError, match="not a run"):
        Journal(tmp_path, create=False)
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 100)
    with pytest.raises(InvalidArtefactError, match="damaged"):
        Journal(tmp_path)


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / FILE_NAME)
    database.execute("PRAGMA user_version=7")
    database.close()
    with pytest.raises(InvalidArtefactError, match="version 7"):
        Journal(tmp_path)


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.set_predicted(Predicted("t", "ok"))
        journal._execute("UPDATE tile SET score = ?", ('{"psnr": 1}',))
        with pytest.raises(InvalidArtefactError, match="damaged"):
            journal.entries()


@pytest.mark.parametrize("name", ["a" * 100, "\u65e5" * 33], ids=["ASCII", "three bytes each"])
def test_a_path_that_is_too_long_is_named_and_nothing_is_made(tmp_path: Path, name: str) -> None:
    long = tmp_path.joinpath(*[name] * 5)
    with pytest.raises(UsageError, match="500 in all"), hold_run(long):
        pass
    assert not list(tmp_path.iterdir())
    long.mkdir(parents=True)
    with pytest.raises(UsageError, match="500 in all"), read_run(long):
        pass


def test_the_longest_path_that_is_taken_works(tmp_path: Path) -> None:
    left = LONGEST_PATH - len(str(tmp_path.resolve())) - len(f"/{FILE_NAME}")
    folder = tmp_path.joinpath("a" * 200, "b" * (left - 202))
    with hold_run(folder) as run:
        run.journal.set_note("a", "b")
    with read_run(folder) as run:
        assert run.journal.note("a") == "b"
