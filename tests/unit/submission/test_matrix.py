"""``evaluate --all``: which submissions are found, and which failure decides the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldstrat_bench.errors import DataError, InfrastructureError, ModelError, UsageError
from worldstrat_bench.submission.matrix import error_of, find_submissions


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
