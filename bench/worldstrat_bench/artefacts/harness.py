"""Which harness made a record, and whether that is one that others can get."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worldstrat_bench.artefacts.base import Part, parse_toml, read_file
from worldstrat_bench.artefacts.record import Harness, Name, Sha256

RELEASED_FILE: Final = "reports/harness.toml"
"""File in which a repository lists the digests of the harnesses that were released."""

MAX_BYTES: Final = 1 << 20
UNKNOWN: Final = "the harness is neither at a clean commit nor a released one"
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_KIND, _REMEDY = "list of released harnesses", "docs/maintainers.md says how a release is entered"


@dataclass(frozen=True)
class KnownHarnesses:
    """The harnesses that others can get: those that were released, and those that the main branch was at.

    Attributes
    ----------
    released : digests of the code of the released ones.
    commits : that the main branch was at, in hex; None: there is no git history to ask.
    shallow : whether older commits are missing from the history.
    """

    released: frozenset[str] = frozenset()
    commits: frozenset[str] | None = None
    shallow: bool = False

    def why_unknown(self, harness: Harness) -> str:
        """Return why the code that made a record is unknown; "" if others can get it.

        Parameters
        ----------
        harness : as the record states it. A digest or a commit of others can be copied: only a verification shows
            what ran.
        """
        # A released harness is installed without git: it has a digest and no commit, so that this is asked first.
        if harness.code_sha256 is not None and harness.code_sha256 in self.released:
            return ""
        if harness.dirty is not False or harness.commit is None or not _COMMIT.fullmatch(harness.commit):
            return UNKNOWN
        commit = f"commit {harness.commit[:12]} of the harness"
        if self.commits is None:
            return f"{commit} cannot be looked up: there is no git history of the repository here"
        if harness.commit in self.commits:
            return ""
        # A clone of the last commits must not make a good record look unknown without a word.
        if self.shallow:
            return f"{commit} is not in the part of the history that this shallow clone holds"
        return f"{commit} was never that of the main branch"


NONE_KNOWN: Final = KnownHarnesses()


class ReleasedHarness(Part):
    """One release of the harness."""

    version: Name
    code_sha256: Sha256


class _Released(Part):
    released: tuple[ReleasedHarness, ...] = ()


def released_harnesses(root: Path) -> frozenset[str]:
    """Return the digests of the code of every released harness that a repository lists; none without a list.

    Parameters
    ----------
    root : of the repository, the folder above ``reports``.

    Raises
    ------
    InvalidArtefactError
        if there is a list that cannot be used.
    """
    path = root / RELEASED_FILE
    return parse_released(read_file(path, _KIND, MAX_BYTES, _REMEDY), path) if path.exists() else frozenset()


def parse_released(content: bytes | str, where: object = RELEASED_FILE) -> frozenset[str]:
    """Return the digests in the text of a list of released harnesses.

    Raises
    ------
    InvalidArtefactError
        if it cannot be used.
    """
    listed = parse_toml(_Released, content, name=_KIND, where=where, remedy=_REMEDY)
    return frozenset(one.code_sha256 for one in listed.released)
