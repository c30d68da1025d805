"""Harnesses that a repository knows: the released ones that it lists, and the history of its main branch."""

from __future__ import annotations

from pathlib import Path

from worldstrat_bench.artefacts.harness import KnownHarnesses, released_harnesses
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.git import git_text

SUBMISSIONS = "submissions"


def known_harnesses(root: Path) -> KnownHarnesses:
    """Return the harnesses that the repository in a folder knows.

    Parameters
    ----------
    root : of the repository, the folder above ``reports`` and ``submissions``.

    Raises
    ------
    InvalidArtefactError
        if its list of released harnesses cannot be used.
    """
    return with_history(released_harnesses(root), root)


def with_history(released: frozenset[str], root: Path, revision: str = "HEAD") -> KnownHarnesses:
    """Return released harnesses together with the commits that a branch was at.

    Only first parents count: what a pull request brought along in commits of its own was never the main branch, though
    a merge makes it part of the history.

    Parameters
    ----------
    root : of the checkout; where it is the folder of no checkout, there is no history.
    revision : the branch.
    """
    try:
        top = Path(git_text(root, "rev-parse", "--show-toplevel").removesuffix("\n"))
        if top.resolve() != root.resolve():
            return KnownHarnesses(released)
        listed = git_text(root, "rev-list", "--first-parent", "--end-of-options", revision)
        shallow = git_text(root, "rev-parse", "--is-shallow-repository").strip() == "true"
    except (UsageError, OSError):
        return KnownHarnesses(released)
    return KnownHarnesses(released, frozenset(listed.split()), shallow)


def repository_of(result: Path) -> Path | None:
    """Return the repository that holds a record in its place: ``submissions/SLUG/results/PROTOCOL/DATASET``.

    Parameters
    ----------
    result : folder of the record.

    Returns
    -------
    The folder above ``submissions``; None for a record that lies elsewhere.
    """
    parents = result.resolve().parents
    return parents[4] if len(parents) > 4 and parents[3].name == SUBMISSIONS else None
