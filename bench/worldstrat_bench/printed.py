"""Numbers and reasons as messages and pages print them: sensible digits, never an exponent, words for readers."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Final


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number of things.

    >>> counted(1, "model"), counted(2, "model"), counted(3, "entry", "entries")
    ('1 model', '2 models', '3 entries')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def three_digits(value: float | None) -> str:
    """Return a figure with three significant digits and never an exponent: 0.0123, 4.50, 1320; a dash for None.

    >>> three_digits(1316.0)
    '1320'
    """
    return "–" if value is None else format(Decimal(f"{value:.2e}"), "f")


def plain_number(value: float, digits: int = 3) -> str:
    """Return a number of at most so many significant digits, without zeros at its end and never with an exponent.

    >>> plain_number(30000.0), plain_number(1.0), plain_number(0.00001234)
    ('30000', '1', '0.0000123')
    """
    text = f"{value:.{digits}g}"
    return format(Decimal(text), "f") if math.isfinite(value) else text


def share_text(share: float) -> str:
    """Return a share in percent, with three digits at most; one that exists is never 0 %, one of a part never 100 %.

    >>> share_text(0.00391), share_text(1e-7), share_text(0.5), share_text(0.99999), share_text(0.0), share_text(1.0)
    ('0.39 %', 'under 0.01 %', '50 %', 'over 99.9 %', '0 %', '100 %')
    """
    percent = 100 * share
    if 0 < percent < _LEAST:
        return f"under {_LEAST:g} %"
    if _MOST < percent < 100:
        return f"over {_MOST:g} %"
    return f"{percent:.{2 if percent < 1 else 3}g} %"


_LEAST, _MOST = 0.01, 99.9
"""Percent: what lies below or above is told as a bound."""


_SHARE: Final = r"\d+ of \d+ tiles: "
"""How a record begins the reason of some tiles; several reasons are joined by "; "."""


def plain_reason(reason: str) -> str:
    """Return why a metric is null in words for readers, who have no command line and no machine in front of them.

    >>> plain_reason("no LPIPS weights on this machine: --lpips-weights FILE with alexnet.pth")
    'no LPIPS weights on the machine of the run'
    >>> plain_reason("2 of 9 tiles: the metric failed: ValueError: x; 3 of 9 tiles: no pixel counts")
    '2 of 9 tiles: the metric failed; 3 of 9 tiles: no pixel counts'

    Parameters
    ----------
    reason : of a record: what is null, then a machine's message or what to type, after a colon or semicolon.
    """
    found = []
    for part in re.split(rf"; (?={_SHARE})", reason):
        begin = re.match(_SHARE, part)
        share = begin[0] if begin else ""
        words = re.split(r"[:;] ", part.removeprefix(share), maxsplit=1)[0]
        words = re.sub(r"\bneeds pip install \S+", "was not installed", words)
        found.append(share + words.replace("on this machine", "on the machine of the run"))
    return "; ".join(found)
