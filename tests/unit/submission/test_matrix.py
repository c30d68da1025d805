"""``evaluate --all``: which submissions are found, and which failure decides the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldstrat_bench.errors import DataError, InfrastructureError, ModelError, UsageError
from worldstrat_bench.run.events import ignore
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.pipeline import ThisMachine
from worldstrat_bench.run.request import RunOptions
from worldstrat_bench.submission import matrix
from worldstrat_bench.submission.matrix import Matrix, error_of, find_submissions


def test_the_exit_code_of_many_runs_is_that_of_their_failures() -> None:
    assert (error_of({3}), error_of({3, 4}), error_of({4, 6, 3})) == (ModelError, DataError, InfrastructureError)


def test_submissions_are_found_by_their_manifest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no submission"):
        find_submissions(tmp_path)
    for slug in ("b", "a", "not-one"):
        (tmp_path / slug).mkdir()
    for slug in ("b", "a"):
        (tmp_path / slug / "submission.toml").touch()
    assert [path.name for path in find_submissions(tmp_path)] == ["a", "b"]


def test_what_breaks_in_one_submission_does_not_end_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(folder: Path) -> ModelRequest:
        raise {"a": ValueError("Invalid IPv6 URL"), "b": RecursionError("too deep")}.get(folder.name, DataError("gone"))

    monkeypatch.setattr(matrix, "open_dataset", lambda data: None)
    monkeypatch.setattr(Matrix, "_earlier", lambda *arguments: None)
    monkeypatch.setattr(matrix, "submitted_model", fails)
    submissions = tuple(tmp_path / name for name in "abc")
    cells = Matrix(submissions, ("wsb-1",), ("test",), tmp_path, tmp_path / "out", RunOptions()).evaluate(
        ThisMachine(), ignore
    )
    assert [(cell.name, cell.state, cell.exit_code) for cell in cells] == [
        ("a", "failed", InfrastructureError.exit_code),
        ("b", "failed", InfrastructureError.exit_code),
        ("c", "failed", DataError.exit_code),
    ]
    assert cells[0].reason == "an error of the harness: ValueError: Invalid IPv6 URL"


def test_a_folder_of_runs_that_leads_elsewhere_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders of runs are passed on like runs: a link in one would have a stranger's run made in any folder."""
    monkeypatch.setattr(matrix, "open_dataset", lambda data: None)
    runs, own = tmp_path / "out", tmp_path / "own"
    for folder in (runs / "b", own):
        folder.mkdir(parents=True)
    (runs / "a").symlink_to(own)
    (runs / "b" / "wsb-1-test").symlink_to(own)
    submissions = tuple(tmp_path / name for name in "ab")
    cells = Matrix(submissions, ("wsb-1",), ("test",), tmp_path, runs, RunOptions()).evaluate(ThisMachine(), ignore)
    assert [(cell.state, "a link in a run" in cell.reason) for cell in cells] == [("failed", True)] * 2
    assert not list(own.iterdir())
