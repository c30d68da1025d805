"""Which harness made a record, and whether that is one that others can get."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from worldstrat_bench.artefacts.base import Part, parse_toml, read_file
from worldstrat_bench.artefacts.record import Harness, Name, Sha256

RELEASED_FILE: Final = "reports/harness.toml"
"""File in which a repository lists the digests of the harnesses that were released."""

MAX_BYTES: Final = 1 << 20
UNKNOWN: Final = "the harness is neither at a known clean commit nor a released one"
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_KIND, _REMEDY = "list of released harnesses", "docs/maintainers.md says how a release is entered"


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
    if not path.exists():
        return frozenset()
    content = read_file(path, _KIND, MAX_BYTES, _REMEDY)
    listed = parse_toml(_Released, content, name=_KIND, where=path, remedy=_REMEDY)
    return frozenset(one.code_sha256 for one in listed.released)


def unknown_harness(harness: Harness, released: Collection[str] = ()) -> str:
    """Return why the code that made a record is unknown; "" if it is a clean commit or a released harness.

    Parameters
    ----------
    harness : as the record states it. A digest or a commit can be invented: only a verification shows what ran.
    released : digests from :func:`released_harnesses`.
    """
    if harness.code_sha256 is not None and harness.code_sha256 in released:
        return ""
    # `dirty` may be null, which is not known, and does not count as clean.
    clean = harness.dirty is False and harness.commit is not None and _COMMIT.fullmatch(harness.commit)
    return "" if clean else UNKNOWN
