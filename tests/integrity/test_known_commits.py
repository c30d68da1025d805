"""A commit of the harness is known only if the main branch was there: a record alone makes none known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from factories import COMMIT
from git_scene import commit, git
from submission_factory import MANIFEST, make_submission, rewrite_record
from worldstrat_bench.artefacts.harness import KnownHarnesses
from worldstrat_bench.artefacts.record import Harness
from worldstrat_bench.cli.app import app
from worldstrat_bench.run.known import known_harnesses, repository_of
from worldstrat_bench.site.config import DEFAULTS, of_repository
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.compare import compare_markdown

SCORED: dict[str, Any] = {
    "tiles": None,
    "release": "v1.1",
    "list_name": "never-split",
    "official": True,
    "protocol": "worldstrat-2022",
}
"""A record of a board whose ranks may be cited, and that needs no reference."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository on whose main branch a pull request was merged, with commits of its own."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch", "main")
    (root / "README.md").write_text("first")
    commit(root)
    git(root, "switch", "--quiet", "-c", "theirs")
    (root / "README.md").write_text("psnr + 3")
    git(root, "tag", "of-the-pull-request", commit(root))
    (root / "README.md").write_text("first")
    commit(root)
    git(root, "switch", "--quiet", "main")
    git(root, "merge", "--quiet", "--no-ff", "-m", "merge", "theirs")
    return root


def submitted(root: Path, commit_of_harness: str, slug: str = "my-sr") -> Path:
    text = MANIFEST.replace('"my-sr"', f'"{slug}"').replace('"wsb-1"', '"worldstrat-2022"')
    folder = make_submission(root, slug, manifest=text, **SCORED)
    rewrite_record(folder, lambda d: d["harness"].update(commit=commit_of_harness))
    return folder


def said(folder: Path, **options: object) -> str:
    found = check([folder], Options(**options)).faults  # type: ignore[arg-type]  # names are the caller's
    return "; ".join(fault.what for fault in found if fault.rule == "unranked" and "harness" in fault.what)


def test_commits_of_the_main_branch_are_known_and_no_others(root: Path) -> None:
    known = known_harnesses(root)
    for revision in ("HEAD", "HEAD~1"):
        assert known.why_unknown(Harness(version="1", commit=git(root, "rev-parse", revision), dirty=False)) == ""
    brought = git(root, "rev-parse", "of-the-pull-request")
    assert git(root, "merge-base", brought, "HEAD") == brought  # it is part of the history all the same
    for other in (brought, "1" * 40, "0" * 40, COMMIT):
        assert "never that of the main branch" in known.why_unknown(Harness(version="1", commit=other, dirty=False))


@pytest.mark.parametrize("where", ["no git", "a folder inside of a checkout"])
def test_without_a_history_no_commit_is_known(root: Path, tmp_path: Path, where: str) -> None:
    folder = tmp_path / "plain" if where == "no git" else root / "inner"
    folder.mkdir()
    head = Harness(version="1", commit=git(root, "rev-parse", "HEAD"), dirty=False)
    assert "no git history" in known_harnesses(folder).why_unknown(head)
    assert KnownHarnesses(frozenset({"a" * 64})).why_unknown(head.model_copy(update={"code_sha256": "a" * 64})) == ""


def test_a_shallow_clone_says_that_it_is_one(root: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{root}", "clone")
    first = Harness(version="1", commit=git(root, "rev-parse", "HEAD~1"), dirty=False)
    assert "shallow" in known_harnesses(tmp_path / "clone").why_unknown(first)


def test_check_and_compare_and_site_say_the_same(root: Path, tmp_path: Path) -> None:
    honest = submitted(root, git(root, "rev-parse", "HEAD"))
    assert said(honest) == ""
    assert "harness" not in compare_markdown("my-sr", root / "submissions")
    invented = submitted(root, "1234567890" * 4, "forged-sr")
    assert "commit 123456789012 of the harness was never that of the main branch" in said(invented)
    assert "was never that of the main branch" in compare_markdown("forged-sr", root / "submissions")
    out = tmp_path / "site"
    command = ["site", "build", str(root / "submissions"), "--out", str(out), "--json"]
    built = json.loads(CliRunner().invoke(app, command, catch_exceptions=False).stdout)
    reasons = {item["source"].split("/")[1]: item["reason"] for item in built["apart"]}
    assert list(reasons) == ["forged-sr"]
    assert "was never that of the main branch" in reasons["forged-sr"]
    # The site holds what it needs to be built again, far from the repository.
    moved = shutil.copytree(out, tmp_path / "elsewhere" / "site")
    assert CliRunner().invoke(app, ["site", "check", str(moved)], catch_exceptions=False).exit_code == 0


def test_a_pull_request_makes_no_commit_and_no_digest_known(root: Path) -> None:
    git(root, "switch", "--quiet", "-c", "mine")
    (root / "README.md").write_text("psnr + 3")
    own = commit(root)
    (root / "README.md").write_text("first")
    folder = submitted(root, own)
    (root / "reports").mkdir()
    (root / "reports" / "harness.toml").write_text(
        f'[[released]]\nversion = "1"\ncode_sha256 = "{"b" * 64}"\n', encoding="utf-8"
    )
    commit(root)
    assert "was never that of the main branch" in said(folder.parent, base="main")
    rewrite_record(folder, lambda d: d["harness"].update(commit=None, dirty=None, code_sha256="b" * 64))
    assert "neither at a clean commit nor a released one" in said(folder.parent, base="main")
    rewrite_record(folder, lambda d: d["harness"].update(commit=git(root, "rev-parse", "main"), dirty=False))
    assert said(folder.parent, base="main") == ""


@pytest.mark.parametrize("name", ["owners.toml", "harness.toml"])
def test_a_list_that_cannot_be_read_is_said_once_and_stops_nothing(root: Path, name: str, tmp_path: Path) -> None:
    for slug in ("one-sr", "two-sr"):
        make_submission(root, slug, gain_db=1.0 if slug == "one-sr" else 2.0)
    (root / "reports").mkdir()
    (root / "reports" / name).write_text("[[submission", encoding="utf-8")
    commit(root)
    report = check([root / "submissions"])
    assert report.checked == ("one-sr", "two-sr")
    assert [fault.rule for fault in report.errors] == ["lists"]
    assert name in report.errors[0].place
    against = check([root / "submissions"], Options(base="HEAD"))
    assert [fault.rule for fault in against.errors] == ["lists"]
    config, faults = of_repository(DEFAULTS, root / "reports" / "board.toml", [])
    assert len(faults) == 1
    assert config.commits
    command = ["site", "build", str(root / "submissions"), "--out", str(tmp_path / "site"), "--checked", "--json"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    assert name in done.stderr


def test_the_repository_of_a_record_is_the_one_that_it_was_submitted_to(root: Path, tmp_path: Path) -> None:
    folder = submitted(root, COMMIT)
    (result,) = (folder / "results").glob("*/*")
    assert repository_of(result) == root
    assert repository_of(tmp_path) is None
