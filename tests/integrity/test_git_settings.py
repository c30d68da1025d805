"""Settings of a checkout name programs, and whoever packs a folder writes them: no question to git runs one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.git import git_text
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.git import commit_of, open_checkout

pytestmark = pytest.mark.usefixtures("own_git_settings")

AUTHOR = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always")


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """The file that the programs make."""
    return tmp_path / "ran"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *AUTHOR, *arguments], cwd=folder, capture_output=True, check=True)


def checkout(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "submission.toml").write_text("x = 1\n")
    git(folder, "init", "--quiet")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def ask_everything(folder: Path) -> None:
    """Compare a changed file in every way that the harness knows."""
    (folder / "submission.toml").write_text("x = 2\n")
    assert commit_of(folder) is None
    there = open_checkout(folder, "HEAD")
    assert [str(change.path) for change in there.changes()] == ["submission.toml"]
    there.export(".", folder.with_name("exported"))


@pytest.mark.parametrize("name", ["x", "a.b", "c=d"])
@pytest.mark.parametrize("setting", ["clean", "smudge", "process"])
def test_filters_of_a_checkout_do_not_run(tmp_path: Path, ran: Path, name: str, setting: str) -> None:
    folder = checkout(tmp_path / "repo")
    git(folder, "config", "extensions.worktreeConfig", "true")
    (tmp_path / "more").write_text(f'[filter "{name}"]\n\t{setting} = touch {ran}; cat\n\trequired = true\n')
    git(folder, "config", "--worktree", "include.path", str(tmp_path / "more"))
    (folder / ".git" / "info" / "attributes").write_text(f"* filter={name}\n")
    ask_everything(folder)
    assert not ran.exists()


def test_the_test_would_see_a_filter_run(tmp_path: Path, ran: Path) -> None:
    folder = checkout(tmp_path / "repo")
    git(folder, "config", "filter.x.clean", f"touch {ran}; cat")
    (folder / ".git" / "info" / "attributes").write_text("* filter=x\n")
    (folder / "submission.toml").write_text("x = 2\n")
    git(folder, "status")
    assert ran.exists()


@pytest.mark.parametrize("transport", ["ext", "file", "ssh"])
def test_what_a_partial_clone_lacks_is_not_fetched(tmp_path: Path, ran: Path, transport: str) -> None:
    """A remote can be a program, and the settings of a checkout can allow one kind in spite of all others."""
    folder = checkout(tmp_path / "repo")
    first = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True).stdout
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "second")
    (folder / ".git" / "objects" / first[:2] / first[2:].strip()).unlink()
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\n")
    program.chmod(0o755)
    for key, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": {"ext": f"ext::{program}", "file": f"file://{folder}", "ssh": "ssh://example.org/x"}[
            transport
        ],
        "remote.origin.uploadpack": str(program),
        "core.sshCommand": str(program),
        f"protocol.{transport}.allow": "always",
    }.items():
        git(folder, "config", key, value)
    with pytest.raises(UsageError):
        git_text(folder, "rev-list", "--first-parent", "HEAD")
    (folder / "submission.toml").write_text("x = 2\n")
    assert commit_of(folder) is None
    check([folder], Options(base="HEAD"))
    assert not ran.exists()
    subprocess.run(["git", "rev-list", "HEAD"], cwd=folder, capture_output=True, check=False)
    assert ran.exists(), "git by itself would have run it"


def test_a_folder_laid_out_as_a_repository_is_not_asked(tmp_path: Path, ran: Path) -> None:
    """Such files can be committed in another repository: git takes the folder for one of its own."""
    outer = checkout(tmp_path / "repo")
    inner = outer / "submissions" / "x-sr"
    inner.mkdir(parents=True)
    (inner / "submission.toml").write_text("x = 1\n")
    git(inner, "init", "--quiet", "--bare", ".")
    (inner / "info" / "attributes").write_text("* filter=x\n")
    for key, value in (("core.bare", "false"), ("core.worktree", ".")):
        git(inner, "config", key, value)
    git(inner, "add", "-f", "submission.toml")
    git(inner, "commit", "--quiet", "-m", "first")
    git(inner, "config", "filter.x.clean", f"touch {ran}; cat")
    (inner / "submission.toml").write_text("x = 2\n")
    assert commit_of(inner) is None
    assert not ran.exists()


def test_a_pull_request_that_makes_a_repository_of_the_submissions_is_not_passed(tmp_path: Path, ran: Path) -> None:
    """Its files are plain ones to git, and the check asks git in that folder: for a repository of the stranger."""
    outer = checkout(tmp_path / "repo")
    inner = outer / "submissions"
    inner.mkdir()
    git(inner, "init", "--quiet", "--bare", ".")
    (inner / "info" / "attributes").write_text("* filter=x\n")
    (inner / "x.txt").write_text("x\n")
    for key, value in (("core.bare", "false"), ("core.worktree", ".")):
        git(inner, "config", key, value)
    git(inner, "add", "-f", "x.txt")
    git(inner, "commit", "--quiet", "-m", "of the stranger")
    git(inner, "config", "filter.x.clean", f"touch {ran}; cat")
    (inner / "x.txt").write_text("y\n")
    with pytest.raises(UsageError, match="bare repository"):
        check([inner], Options(base="HEAD"))
    assert not ran.exists()


def test_the_settings_of_a_submodule_are_not_asked(tmp_path: Path, ran: Path) -> None:
    inner, folder = checkout(tmp_path / "inner"), checkout(tmp_path / "repo")
    git(folder, "submodule", "add", "--quiet", str(inner), "inner")
    git(folder, "commit", "--quiet", "-m", "second")
    git(folder / "inner", "config", "filter.x.clean", f"touch {ran}; cat")
    (folder / ".git" / "modules" / "inner" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "modules" / "inner" / "info" / "attributes").write_text("* filter=x\n")
    (folder / "inner" / "submission.toml").write_text("x = 2\n")
    there = open_checkout(folder, "HEAD")
    assert there.changes() == ()
    assert commit_of(folder) == there.base
    assert not ran.exists()
    git(folder / "inner", "-c", "filter.x.clean=cat", "commit", "--quiet", "-am", "other")
    assert [str(change.path) for change in there.changes()] == ["inner"]


def test_filters_of_the_user_stay(tmp_path: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of LFS, for one, without which every large file would seem changed."""
    folder = checkout(tmp_path / "repo")
    git(folder, "config", "--global", "filter.mine.clean", f"touch {ran}; sed s/2/1/")
    (folder / ".git" / "info" / "attributes").write_text("* filter=mine\n")
    (folder / "submission.toml").write_text("x = 2\n")
    assert commit_of(folder) is not None
    assert ran.exists()
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "some.setting")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "of the user")
    git(folder, "config", "filter.x.clean", "false")
    assert git_text(folder, "config", "some.setting") == "of the user\n"
