"""What a pull request may change: a real git repository, a base and a branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_scene import commit, git
from submission_factory import SLUG, add_record, make_submission, rewrite_record, the_result
from worldstrat_bench.errors import UsageError
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.compare import compare_markdown


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one submission on main, on branch `mine`, with a commit on main that `mine` lacks."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    make_submission(tmp_path, "old-sr")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "owners.toml").write_text('[[submission]]\nslug = "old-sr"\nowners = ["Ada"]\n')
    (tmp_path / "README.md").write_text("readme\n")
    commit(tmp_path)
    git(tmp_path, "switch", "--quiet", "-c", "mine")
    git(tmp_path, "switch", "--quiet", "main")
    (tmp_path / "later.md").write_text("later\n")
    commit(tmp_path)
    git(tmp_path, "switch", "--quiet", "mine")
    return tmp_path


def rules(root: Path, *, maintainer: bool = False, author: str | None = "ada") -> list[str]:
    report = check([root / "submissions"], Options(base="main", maintainer=maintainer, author=author))
    return [fault.rule for fault in report.errors]


def test_a_new_submission_alone_passes(root: Path) -> None:
    make_submission(root)
    assert rules(root) == []  # not yet committed
    commit(root)
    report = check([root / "submissions"], Options(base="main"))
    assert report.ok
    assert report.checked == (SLUG,)


def test_no_submission_at_all_is_nothing_to_check(root: Path) -> None:
    (root / "README.md").write_text("better\n")
    commit(root)
    report = check([root / "submissions"], Options(base="main"))
    assert report.ok
    assert [fault.rule for fault in report.notices] == ["changes"]


def test_a_submission_that_is_not_changed_is_said_to_be_unchanged(root: Path) -> None:
    for changed in (False, True):
        if changed:
            make_submission(root)
        report = check([root / "submissions" / "old-sr"], Options(base="main"))
        assert (report.ok, report.checked) == (True, ())
        assert [notice.what for notice in report.notices] == [
            "what was named is as it is in main, so there is nothing to check"
        ]


def test_other_files_are_refused(root: Path) -> None:
    make_submission(root)
    (root / "README.md").write_text("mine now\n")
    commit(root)
    (fault,) = check([root / "submissions"], Options(base="main", author="ada")).errors
    assert fault.what == "1 file outside of submissions/my-sr/ is changed as well"
    assert rules(root) == ["one-slug"]
    assert rules(root, maintainer=True) == []


def test_two_submissions_are_refused(root: Path) -> None:
    make_submission(root)
    make_submission(root, "my-other")
    commit(root)
    assert rules(root) == ["one-slug"]


@pytest.mark.parametrize("how", ["altered", "removed"])
def test_an_existing_record_never_changes(root: Path, how: str) -> None:
    folder = root / "submissions" / "old-sr"
    result = the_result(folder)
    if how == "altered":
        rewrite_record(folder, lambda d: d.update(created="2020-01-01T00:00:00Z"))
    else:
        for path in result.iterdir():
            path.unlink()
        result.rmdir()
    commit(root)
    report = check([root / "submissions"], Options(base="main"))
    faults = [fault for fault in report.errors if fault.rule == "immutable"]
    assert faults
    assert how in faults[0].what


def test_a_further_record_may_be_added(root: Path) -> None:
    add_record(root / "submissions" / "old-sr", "old-sr", device_class="H100-80GB")
    commit(root)
    assert rules(root) == []


def test_only_maintainers_verify(root: Path) -> None:
    (the_result(root / "submissions" / "old-sr") / "verification.json").write_text("{}")
    commit(root)
    assert rules(root) == ["verification", "verification"]  # who wrote it, and what it says
    assert rules(root, maintainer=True) == ["verification"]


def test_links_are_refused_even_where_they_lead_nowhere(root: Path) -> None:
    folder = make_submission(root)
    (folder / "link.md").symlink_to("../../README.md")
    commit(root)
    assert set(rules(root)) == {"files"}


def test_an_unknown_or_hostile_base_is_a_usage_error(root: Path) -> None:
    for base in ("nowhere", "--output=x", "a b", "HEAD:README.md"):
        with pytest.raises(UsageError):
            check([root / "submissions"], Options(base=base))
    assert not (root / "x").exists()


def test_hooks_and_filters_of_the_checkout_do_not_run(root: Path) -> None:
    marker = root / "ran"
    git(root, "config", "core.fsmonitor", f"touch {marker}; false")
    git(root, "config", "diff.evil.textconv", f"touch {marker};")
    git(root, "config", "diff.evil.command", f"touch {marker};")
    (root / ".git" / "info" / "attributes").write_text("* diff=evil\n")
    make_submission(root)
    assert rules(root) == []
    assert not marker.exists()


def test_compare_reads_the_others_from_the_base(root: Path) -> None:
    make_submission(root, gain_db=6.0)
    commit(root)
    text = compare_markdown(SLUG, root / "submissions", "main")
    assert "rank 1 of 2: beats 1" in text
    assert "| **my-sr** |" in text
    assert "old-sr" in text
    assert "practice" in text


def test_names_cannot_inject_markdown(root: Path) -> None:
    from worldstrat_bench.submission.faults import CheckFinding, CheckReport, as_github, as_markdown

    evil = "@everyone [x](https://evil.example) <img src=x> `a` | b\n::error::c %0A"
    report = CheckReport((evil,), (CheckFinding("r", evil, where=evil, remedy=evil),))
    text = as_markdown(report)
    assert "<img" not in text
    assert "](http" not in text
    assert "@everyone" not in text
    assert all(line.count("|") == 4 for line in text.splitlines() if line.startswith("| "))
    annotations = as_github(report).splitlines()
    assert [line for line in annotations if line.startswith("::")] == [annotations[0]]
