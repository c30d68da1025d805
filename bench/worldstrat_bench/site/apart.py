"""Runs that no board ranks, as pages list them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from worldstrat_bench.printed import counted
from worldstrat_bench.site.divisions import UnrankedEntry
from worldstrat_bench.site.text import clean

_NEXT_MESSAGE: Final = re.compile(r"; (?=\d+ tiles? \()")

FRONT: Final = 40
"""Runs without a rank on the first page; all of them are on the page of the data."""


def front_rows(apart: Sequence[UnrankedEntry]) -> dict[str, object]:
    """Return what the first page says of runs without a rank: strangers must not decide how long it is."""
    # Withdrawn ones have a page that readers may come from.
    first = sorted(apart, key=lambda item: not item.page)[:FRONT]
    short = [replace(item, reason=_short(item.reason)) for item in first]
    return {"apart": apart_rows(short), "apart_more": len(apart) - len(short)}


def _short(reason: str) -> str:
    """Return a reason in which every message of failed tiles is cut by itself: none hides the next one's tiles."""
    parts = _NEXT_MESSAGE.split(clean(reason, 2500), maxsplit=3)
    return "; ".join(clean(part, 200 if len(parts) == 1 else 140) for part in parts)


def apart_rows(apart: Sequence[UnrankedEntry]) -> list[dict[str, str]]:
    """Return a row for every run without a rank: title, page, reason and data."""
    return [
        {
            "title": a.entry.title,
            "page": a.page,
            "reason": a.reason,
            "data": f"{a.entry.record.dataset.release[:40]}, list {a.entry.record.dataset.list[:40]}, "
            f"{counted(a.entry.record.dataset.tiles, 'tile')}, {a.entry.record.protocol.id[:40]}",
        }
        for a in apart
    ]
