"""Which rows of a board move ranks: one per code digest or group of authors (protocol 3.7)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.stats.names import author_key
from worldstrat_bench.toml_text import read_toml


@dataclass(frozen=True)
class Claim:
    """A ranked row that may count.

    Attributes
    ----------
    key : of the row.
    authors : names from its manifest; rows that share one are of one group.
    code : digests of its code; none if it is not known.
    since : when maintainers verified it, ISO 8601; the first of a group counts, whatever comes later.
    main : whether its authors named it their main entry.
    owners : logins that may change it, as maintainers wrote them down; None where they did not.
    """

    key: str
    authors: tuple[str, ...]
    code: frozenset[str]
    since: str
    main: bool = False
    owners: frozenset[str] | None = None

    @cached_property
    def group(self) -> frozenset[str]:
        """The authors as they are compared."""
        return frozenset(author_key(author) for author in self.authors)

    def shares(self, other: Claim) -> bool:
        """Return whether only one of two rows may count."""
        return bool(self.group & other.group) or bool(self.code & other.code)

    def same_owner(self, other: Claim) -> bool:
        """Return whether one login may change both; the names of authors anyone can write."""
        if self.owners is None or other.owners is None:  # of what maintainers did not write down nothing is known
            return False
        return bool(self.owners & other.owners)


_ADAPTERS: Final = {"worldstrat-bench": "worldstrat_bench", "worldstrat-bench-baselines": "worldstrat_bench_baselines"}
"""Distribution to package, of those of this repository, whose code runs networks of other people."""


def code_digests(model: ModelRef) -> frozenset[str]:
    """Return what tells whether two models are one: the digests of the code that ran.

    Both of them, since a wheel that is packed again has another digest with the same files in it. Where the code is an
    adapter of ours, the network is in the weights, and their digest is returned: many people use one adapter. Without
    weights it is a function that the parameters name.
    """
    if not _is_adapter(model):
        return frozenset(digest for digest in (model.wheel_sha256, model.code_sha256) if digest is not None)
    if model.weights_sha256 is not None:
        return frozenset({model.weights_sha256})
    stated = json.dumps([model.code_sha256, model.entry_point, sorted(model.parameters.items())])
    return frozenset({hashlib.sha256(stated.encode()).hexdigest()} if model.code_sha256 is not None else ())


def _is_adapter(model: ModelRef) -> bool:
    """Return whether an adapter of this repository ran: it comes with the harness, and in no wheel of a submission."""
    package = _ADAPTERS.get(model.distribution or "")
    if package is None or model.wheel_sha256 is not None:
        return False
    return model.entry_point is None or re.split(r"[.:]", model.entry_point)[0] == package


def claim_of(key: str, model: ModelRef, manifest: str, since: str, owners: Iterable[str] | None = None) -> Claim:
    """Return what decides whether a row counts.

    Parameters
    ----------
    manifest : text of the submission's manifest; one that cannot be read names no author.
    since : when maintainers verified the row, ISO 8601.
    owners : logins that may change it; None where maintainers did not write them down.
    """
    try:
        about = read_toml(manifest)["submission"]
        authors, main = about["authors"], about.get("main", False)
    # A stranger's manifest: the check of submissions refuses it, and a page must be built all the same.
    except (ValueError, KeyError, TypeError, AttributeError):
        authors, main = [], False
    named = tuple(author for author in authors if isinstance(author, str)) if isinstance(authors, list) else ()
    logins = None if owners is None else frozenset(login.casefold() for login in owners)
    return Claim(key, named, code_digests(model), since, main is True, logins)


def counting_rows(claims: Iterable[Claim]) -> frozenset[str]:
    """Return the keys of the rows that count.

    Rows are taken in the order in which they were verified, and compared with those that count already: whom a later
    row names as its author takes nothing away from an earlier one. Only a main entry of exactly the same authors and of
    the same owner takes the place of their first.
    """
    counted: list[Claim] = []
    ordered = sorted(claims, key=lambda claim: (claim.since, claim.key))
    for claim in ordered:
        if not any(claim.shares(other) for other in counted):
            counted.append(claim)
    for place, first in enumerate(counted):
        others = counted[:place] + counted[place + 1 :]
        for claim in ordered:
            free = (
                claim.group == first.group
                and claim.same_owner(first)
                and not any(claim.shares(other) for other in others)
            )
            if claim.main and claim.group and free and not first.main:
                counted[place] = claim
                break
    return frozenset(claim.key for claim in counted)
