"""Repositories with submissions, for tests of what a pull request may change."""

from __future__ import annotations

import subprocess
from pathlib import Path

from worldstrat_bench.submission.check import Options, check

# Tests run where no one has told git who they are, and where commits may be signed by default.
IDENTITY = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")


def git(root: Path, *arguments: str) -> str:
    """Run git in a folder and return what it printed, without the last line's end."""
    done = subprocess.run(["git", *IDENTITY, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(root: Path, *arguments: str) -> str:
    """Commit everything in a repository, even if nothing changed, and return the commit."""
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "--allow-empty", "-m", "change", *arguments)
    return git(root, "rev-parse", "HEAD")


def write_owners(root: Path, **owners: str) -> None:
    """Write the list of owners: an account for each slug, whose hyphens are written as underscores."""
    (root / "reports").mkdir()
    rows = (f'[[submission]]\nslug = "{slug.replace("_", "-")}"\nowners = ["{who}"]\n' for slug, who in owners.items())
    (root / "reports" / "owners.toml").write_text("".join(rows))


def rules(root: Path, author: str | None = None, *, maintainer: bool = False) -> set[str]:
    """Return the rules that the working tree breaks against the last commit, as a pull request of an author."""
    options = Options(base="HEAD", author=author, maintainer=maintainer)
    return {fault.rule for fault in check([root / "submissions"], options).errors}
