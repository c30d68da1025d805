"""Sentences of a board that has no row left, and of a site that has no board: what became of them, with names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import RejectedEntry
from worldstrat_bench.site.text import clean

NAMED: Final = 5
"""Runs that are named; the others are counted, and listed on the page of the data."""


def emptied(division: Division) -> str:
    """Return what became of the rows of a board that has none left; "" while it has one."""
    if division.shown:
        return ""
    gone = (*division.withdrawn, *division.apart)
    return _listed((item.entry.title, item.reason) for item in gone)


def left_out(refused: Sequence[RejectedEntry]) -> str:
    """Return the lead of a site without a board: what was found and could not be used."""
    said = "There is no record that could be ranked."
    return f"{said} Not used: {_listed((item.source, item.reason) for item in refused)}" if refused else said


def _listed(items: Iterable[tuple[str, str]]) -> str:
    texts = [f"{clean(name, 80)} ({clean(reason, 160).removesuffix('.')})" for name, reason in items]
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return f"{', '.join(texts[:NAMED])}{more}."
