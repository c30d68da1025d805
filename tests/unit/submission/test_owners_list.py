"""A branch that changes the list of owners: what may be written there, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_scene import commit, git, write_owners
from submission_factory import SLUG, make_submission, record_of
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.faults import CheckReport

OLD = '[[submission]]\nslug = "old-sr"\nowners = ["ada"]\n'
NEW = f'[[submission]]\nslug = "{SLUG}"\nowners = ["grace", "Jo-M"]\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two merged submissions, of which the list names one."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    make_submission(tmp_path, "old-sr")
    make_submission(tmp_path, gain_db=2.5)
    write_owners(tmp_path, old_sr="ada")
    commit(tmp_path)
    git(tmp_path, "switch", "--quiet", "-c", "mine")
    return tmp_path


def checked(root: Path, text: str, *, maintainer: bool = True) -> CheckReport:
    (root / "reports" / "owners.toml").write_text(text)
    return check([root / "submissions"], Options(base="main", maintainer=maintainer, author="ada"))


def test_the_list_alone_is_checked_and_what_changes_is_said(root: Path) -> None:
    report = checked(root, OLD.replace('"ada"', "") + NEW)
    assert report.ok, report.errors
    assert report.checked == ("reports/owners.toml",)
    assert {notice.what for notice in report.notices} == {
        "no submission is changed, so the list of owners alone is checked",
        "owners of 'old-sr': maintainers only; before: ada",
        "owners of 'my-sr': grace, Jo-M",
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OLD + NEW.replace(SLUG, "nowhere"), "'nowhere' is not the slug of a submission here"),
        (NEW, "the entry of 'old-sr' is removed"),
        (NEW + OLD, "new ones stand before them"),
        (OLD + NEW.replace("Jo-M", "Grace"), "an owner of 'my-sr' is listed twice"),
        (OLD + NEW.replace("Jo-M", "jo m"), "not a valid list of owners"),
        (OLD + OLD, "a submission is listed twice"),
        (OLD + "owners =", "not a valid list of owners"),
        (OLD + NEW + f'records = ["{"a" * 64}"]\n', "'my-sr' has no record aaaaaaaaaaaa"),
    ],
)
def test_a_list_that_cannot_stand_is_refused(root: Path, text: str, words: str) -> None:
    report = checked(root, text)
    assert [fault.rule for fault in report.errors] == ["lists"]
    assert words in report.errors[0].what
    assert report.errors[0].place.startswith("reports/owners.toml") or "owners.toml" in report.errors[0].place


def test_a_list_that_is_gone_or_a_link_is_refused(root: Path) -> None:
    path = root / "reports" / "owners.toml"
    for link in (False, True):
        path.unlink()
        if link:
            path.symlink_to("../README.md")
        report = check([root / "submissions"], Options(base="main", maintainer=True))
        assert [fault.what for fault in report.errors] == ["the list of owners is removed, or is not a file"]
        path.unlink(missing_ok=True)
        path.write_text(OLD)


def test_records_that_are_there_may_be_listed(root: Path) -> None:
    own = record_of(root / "submissions" / SLUG).record_id
    assert checked(root, OLD + NEW + f'records = ["{own}"]\n').ok


def test_only_maintainers_change_the_list(root: Path) -> None:
    report = checked(root, OLD + NEW, maintainer=False)
    assert [(fault.rule, fault.what) for fault in report.errors] == [
        ("owner", "only maintainers change the list of owners")
    ]


def test_entries_merged_since_the_branch_began_are_not_missed(root: Path) -> None:
    git(root, "switch", "--quiet", "main")
    (root / "reports" / "owners.toml").write_text(OLD + NEW)
    commit(root)
    git(root, "switch", "--quiet", "mine")
    report = checked(root, OLD.replace('"ada"', '"ada", "grace"'))
    assert report.ok, report.errors
