"""Submissions with which a site cannot be built: they are left out, so that no row keeps others from their pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from worldstrat_bench.site.entries import Entry, RejectedEntry
from worldstrat_bench.site.text import clean

T = TypeVar("T")
Make = Callable[[Sequence[Entry], Sequence[RejectedEntry]], T]
"""Makes a site of entries and of what is not on it."""


def without_breaking(
    make: Make[T], entries: Sequence[Entry], refused: Sequence[RejectedEntry], merged: Sequence[str]
) -> tuple[T, list[RejectedEntry]]:
    """Return what is made of the entries of strangers, and what was refused, those with which it fails included.

    Of two that cannot stand together the one that is not verified is left out, else the later one. An error that comes
    without any entry is raised.

    Parameters
    ----------
    merged : slugs in the order of their merges.
    """
    places = _places(entries, merged)
    broken: list[RejectedEntry] = []

    def of(identities: Sequence[str]) -> list[Entry]:
        """Return the entries of some submissions in the order in which all were given, which pages may show."""
        return [entry for entry in entries if entry.identity in identities]

    while True:
        try:
            return make(of(places), [*refused, *broken]), [*refused, *broken]
        except Exception as error:
            if not places or _fails(make, []) is not None:
                raise  # it is not a row that is at fault
            first, why = _first_breaking(lambda some: _fails(make, of(some)), places, error)
            what = f"left out: with it no site can be built: {type(why).__name__}: {why}"
            broken += [RejectedEntry(entry.source, clean(what, 400)) for entry in of([first])]
            places.remove(first)


def _places(entries: Sequence[Entry], merged: Sequence[str]) -> list[str]:
    """Return the identities of submissions: those that maintainers verified first, then as they were merged."""
    slugs = {entry.identity: entry.record.model.submission for entry in entries}
    rank = {slug: place for place, slug in enumerate(merged)}
    # A record may be added long after its submission was merged: one that is its authors' word must not push out a
    # verified one.
    verified = {entry.identity for entry in entries if entry.verified}
    return sorted(slugs, key=lambda one: (one not in verified, rank.get(slugs[one] or "", len(rank)), one))


def _first_breaking(
    fails: Callable[[Sequence[str]], Exception | None], places: Sequence[str], error: Exception
) -> tuple[str, Exception]:
    """Return a submission with which those before it cannot be made, and the error."""
    # Halving: the first `good` can be made, the first `bad` cannot.
    good, bad = 0, len(places)
    while bad - good > 1:
        middle = (good + bad) // 2
        failed = fails(places[:middle])
        good, bad, error = (good, middle, failed) if failed is not None else (middle, bad, error)
    return places[bad - 1], error


def _fails(make: Make[T], entries: Sequence[Entry]) -> Exception | None:
    try:
        make(entries, [])
    except Exception as error:  # noqa: BLE001  # whatever a stranger's row sets off
        return error
    return None
