"""What git says of a checkout, and what it does not: what cannot be known is unknown, never clean."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from submission_factory import SLUG, make_submission
from worldstrat_bench.artefacts.record import Harness
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.environment import probe_harness
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.compare import compare_markdown

pytestmark = pytest.mark.usefixtures("own_git_settings")

PROTOCOL = ("-c", "protocol.file.allow=always", "-c", "user.name=T", "-c", "user.email=t@example.org")


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *PROTOCOL, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout of a harness of two files, clean."""
    root = tmp_path / "harness"
    package = root / "bench" / "worldstrat_bench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    (package / "score.py").write_text("gain = 0\n")
    (root / "pyproject.toml").write_text("")
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root)
    return root


def commit(root: Path) -> str:
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "change")
    return git(root, "rev-parse", "HEAD")


def stated(root: Path) -> Harness:
    return probe_harness(root / "bench" / "worldstrat_bench")


def worktree(root: Path, to: Path) -> Path:
    git(root, "worktree", "add", "--quiet", "--detach", str(to))
    return to


def shallow(root: Path, to: Path) -> Path:
    commit(root)
    git(root, "clone", "--quiet", "--depth", "1", root.as_uri(), str(to))
    return to


def partial(root: Path, to: Path) -> Path:
    git(root, "config", "uploadpack.allowFilter", "true")
    git(root, "clone", "--quiet", "--filter=blob:none", root.as_uri(), str(to))
    return to


def submodule(root: Path, to: Path) -> Path:
    to.mkdir()
    git(to, "init", "--quiet")
    git(to, "submodule", "--quiet", "add", str(root), "vendor")
    git(to, "commit", "--quiet", "-m", "vendored")
    return to / "vendor"


def detached(root: Path, to: Path) -> Path:
    git(root, "switch", "--quiet", "--detach")
    return root


CHECKOUTS: list[Callable[[Path, Path], Path]] = [worktree, shallow, partial, submodule, detached]


@pytest.mark.parametrize("kind", CHECKOUTS, ids=lambda kind: kind.__name__)
def test_every_kind_of_checkout_says_its_commit(root: Path, tmp_path: Path, kind: Callable[[Path, Path], Path]) -> None:
    place = kind(root, tmp_path / "other")
    found = stated(place)
    assert (found.commit, found.dirty) == (git(place, "rev-parse", "HEAD"), False)
    (place / "bench" / "worldstrat_bench" / "score.py").write_text("gain = 3\n")
    assert stated(place).dirty is True


def assumed_unchanged(root: Path) -> None:
    git(root, "update-index", "--assume-unchanged", "bench/worldstrat_bench/score.py")
    (root / "bench" / "worldstrat_bench" / "score.py").write_text("gain = 3\n")


def skipped(root: Path) -> None:
    git(root, "update-index", "--skip-worktree", "bench/worldstrat_bench/score.py")
    (root / "bench" / "worldstrat_bench" / "score.py").write_text("gain = 3\n")


def excluded_module(root: Path) -> None:
    (root / ".git" / "info" / "exclude").write_text("*.py\n")
    (root / "bench" / "worldstrat_bench" / "sitecustomize.py").write_text("")


def ignored_by_the_user(root: Path) -> None:
    (root.parent / "ignore").write_text("*\n")
    git(root, "config", "--global", "core.excludesFile", str(root.parent / "ignore"))
    (root / "bench" / "worldstrat_bench" / "extra.toml").write_text("")


def staged(root: Path) -> None:
    (root / "bench" / "worldstrat_bench" / "score.py").write_text("gain = 3\n")
    git(root, "add", "-A")


def removed(root: Path) -> None:
    (root / "bench" / "worldstrat_bench" / "score.py").unlink()


def monitor_that_sees_nothing(root: Path) -> None:
    git(root, "config", "core.fsmonitor", "true")
    git(root, "config", "core.trustctime", "false")
    (root / "bench" / "worldstrat_bench" / "score.py").write_text("gain = 3\n")


CHANGES: list[Callable[[Path], None]] = [
    assumed_unchanged,
    skipped,
    excluded_module,
    ignored_by_the_user,
    staged,
    removed,
    monitor_that_sees_nothing,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_changed_harness_is_never_clean(root: Path, change: Callable[[Path], None]) -> None:
    assert stated(root).dirty is False
    change(root)
    assert stated(root).dirty is True


def test_notes_and_caches_beside_the_code_do_not_count(root: Path) -> None:
    package = root / "bench" / "worldstrat_bench"
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "score.cpython-311.pyc").write_bytes(b"")
    (package / "notes.txt").write_text("lies about")
    (root / "submissions.py").write_text("elsewhere")
    os.utime(package / "score.py", (1, 1))  # touched and not changed
    assert stated(root).dirty is False


def test_variables_of_a_hook_lead_to_no_other_repository(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    elsewhere = commit(other)
    ours = git(root, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert elsewhere != ours
    assert stated(root).commit == ours


def test_a_damaged_repository_does_not_answer_with_the_one_around_it(root: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "around")
    (root / ".git" / "HEAD").unlink()
    found = stated(root)
    assert (found.commit, found.dirty) == (None, None)
    assert found.code_sha256


def test_without_git_nothing_is_known(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(root))
    found = stated(root)
    assert (found.commit, found.dirty) == (None, None)
    make_submission(root)
    with pytest.raises(UsageError, match="git is not installed"):
        check_pull(root)


def owned_by_another(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        os.lchown(path, 12345, 12345)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user, which only root may")


@as_root
def test_a_checkout_of_another_user_is_unknown_until_git_is_told(root: Path) -> None:
    owned_by_another(root)
    found = stated(root)
    assert (found.commit, found.dirty) == (None, None)
    git(root, "config", "--global", "--add", "safe.directory", str(root))
    assert stated(root).dirty is False


def check_pull(root: Path) -> bool:
    return check([root / "submissions"], Options(base="main")).ok


@pytest.fixture
def pull(root: Path) -> Path:
    """A repository with a submission on main and another on the branch that is checked out."""
    make_submission(root, "old-sr")
    commit(root)
    git(root, "switch", "--quiet", "-c", "mine")
    make_submission(root)
    commit(root)
    return root


@as_root
@pytest.mark.parametrize("where", ["global", "system", "variables"])
def test_safe_directories_of_the_user_the_system_and_the_variables_count(
    pull: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    assert check_pull(pull)
    owned_by_another(pull)
    with pytest.raises(UsageError, match="another user") as caught:
        check_pull(pull)
    assert f"safe.directory {pull}" in (caught.value.remedy or "")
    if where == "variables":
        for name, value in (("COUNT", "1"), ("KEY_0", "safe.directory"), ("VALUE_0", str(pull))):
            monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    else:
        (tmp_path / where).write_text(f"[safe]\n\tdirectory = {pull}\n")
        monkeypatch.setenv(f"GIT_CONFIG_{where.upper()}", str(tmp_path / where))
        monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
    assert check_pull(pull)


def test_a_pull_request_is_checked_in_a_worktree_and_detached(pull: Path, tmp_path: Path) -> None:
    assert check_pull(worktree(pull, tmp_path / "tree"))
    assert check_pull(detached(pull, tmp_path))


def test_a_bare_repository_is_named_as_one(pull: Path, tmp_path: Path) -> None:
    git(pull, "clone", "--quiet", "--bare", str(pull), str(tmp_path / "bare"))
    (tmp_path / "bare" / "submissions" / SLUG / "results").mkdir(parents=True)
    with pytest.raises(UsageError, match="bare repository"):
        check_pull(tmp_path / "bare")
    (tmp_path / "global").write_text("[safe]\n\tbareRepository = explicit\n")
    with pytest.raises(UsageError, match=r"bare repository|no git checkout"):
        check_pull(tmp_path / "bare")


def test_a_shallow_clone_says_that_it_is_one(pull: Path, tmp_path: Path) -> None:
    place = tmp_path / "shallow"
    git(pull, "clone", "--quiet", "--depth", "1", "--no-single-branch", pull.as_uri(), str(place))
    with pytest.raises(UsageError, match="shallow") as caught:
        check([place / "submissions"], Options(base="origin/main"))
    assert "--unshallow" in (caught.value.remedy or "")
    git(place, "fetch", "--quiet", "--unshallow")
    assert check([place / "submissions"], Options(base="origin/main")).ok


def test_a_partial_clone_is_never_an_empty_board(pull: Path, tmp_path: Path) -> None:
    git(pull, "switch", "--quiet", "main")
    changed = pull / "submissions" / "old-sr" / "README.md"
    changed.write_text("more on main\n")  # a blob that the branch does not have
    commit(pull)
    git(pull, "switch", "--quiet", "mine")
    place = partial(pull, tmp_path / "partial")
    for ask in (
        lambda: check([place / "submissions"], Options(base="origin/main")),
        lambda: compare_markdown(SLUG, place / "submissions", "origin/main"),
    ):
        with pytest.raises(UsageError, match="partial clone") as caught:
            ask()
        assert "--no-filter" in (caught.value.remedy or "")
    git(place, "-c", "protocol.allow=always", "fetch", "--quiet", "--refetch", "--no-filter", "origin")
    assert check([place / "submissions"], Options(base="origin/main")).ok
    assert "old-sr" in compare_markdown(SLUG, place / "submissions", "origin/main")
