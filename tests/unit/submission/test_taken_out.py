"""The way back for a submission that was merged although the check refuses it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from git_scene import commit, git, write_owners
from submission_factory import SLUG, make_submission, rewrite_record, the_result
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.faults import CheckReport, as_json, as_markdown, from_json, summary


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose `main` holds one submission that passes and one whose record was changed by hand."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    make_submission(tmp_path, "old-sr")
    refused = make_submission(tmp_path, gain_db=2.5)
    rewrite_record(refused, lambda document: document.update(record_id="b" * 64), consistent_id=False)
    write_owners(tmp_path, old_sr="ada", my_sr="grace")
    commit(tmp_path)
    git(tmp_path, "switch", "--quiet", "-c", "take-out")
    return tmp_path


def checked(root: Path, author: str = "jo", *, maintainer: bool = True) -> CheckReport:
    return check([root / "submissions"], Options(base="main", maintainer=maintainer, author=author))


def test_maintainers_take_out_what_the_check_refuses(root: Path) -> None:
    shutil.rmtree(root / "submissions" / SLUG)
    report = checked(root)
    assert report.ok, report.errors
    (said,) = (notice for notice in report.notices if notice.rule == "taken-out")
    assert "files of 'my-sr' are taken out" in said.what
    assert "record_id" in said.what  # why it was refused
    assert [fault.rule for fault in checked(root, "grace", maintainer=False).errors] == ["immutable", "immutable"]
    # Nothing was looked at, so that there is no tick; what it was about is said, and survives the way to the comment.
    assert (report.checked, report.removed) == ((), (SLUG,))
    assert summary(report) == "submission check: my-sr (removed): passed, 1 notice"
    assert from_json(json.dumps(as_json(report))).removed == (SLUG,)
    assert "✅" not in as_markdown(report)


def test_its_refused_record_alone_may_go(root: Path) -> None:
    shutil.rmtree(the_result(root / "submissions" / SLUG))
    assert checked(root).ok


def test_what_passes_is_never_taken_out(root: Path) -> None:
    shutil.rmtree(root / "submissions" / "old-sr")
    shutil.rmtree(root / "submissions" / SLUG)
    faults = checked(root).errors
    assert {fault.rule for fault in faults} == {"immutable"}
    assert all("old-sr" in fault.place for fault in faults)


def test_a_refused_record_is_removed_and_never_rewritten(root: Path) -> None:
    rewrite_record(root / "submissions" / SLUG, lambda document: None)
    assert "immutable" in {fault.rule for fault in checked(root).errors}


def test_the_last_submission_takes_its_folder_with_it(root: Path) -> None:
    git(root, "switch", "--quiet", "main")
    shutil.rmtree(root / "submissions" / "old-sr")
    commit(root)
    shutil.rmtree(root / "submissions")
    assert checked(root).ok


def test_its_owners_may_submit_it_again(root: Path) -> None:
    shutil.rmtree(root / "submissions" / SLUG)
    commit(root)
    git(root, "branch", "--force", "main")
    git(root, "switch", "--quiet", "-c", "again")
    make_submission(root, gain_db=2.5)
    assert checked(root, "grace", maintainer=False).ok
    assert [fault.rule for fault in checked(root, "eve", maintainer=False).errors] == ["owner"]
