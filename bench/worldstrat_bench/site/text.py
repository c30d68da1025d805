"""Strings from outside made fit for a page, a file name, a CSV cell. Everything here assumes the worst."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

MINUS = "−"
NO_VALUE = "–"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_SAFE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")


def clean(text: str, limit: int = 120) -> str:
    """Return one line without control, direction-changing or unassigned characters, at most `limit` long.

    Spaces are collapsed. What is cut off is marked by an ellipsis.
    """
    kept = []
    # Cut first: what is dropped costs time as well, and a title may be megabytes.
    for character in text[: 4 * limit + 200]:
        category = unicodedata.category(character)
        if category in ("Zs", "Zl", "Zp") or character in "\t\n\r":
            kept.append(" ")
        elif category[0] != "C":  # Cc controls, Cf direction overrides and joiners, Cs surrogates, Co, Cn
            kept.append(character)
    line = " ".join("".join(kept).split())
    # Marks that pile up on one letter would be drawn over the lines above and below.
    line = re.sub(
        r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]{3})[\u0300-\u036f\u1ab0-\u1aff]+", r"\1", line
    )
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def cut_middle(text: str, limit: int) -> str:
    """Return a name of at most `limit` characters: names of a family differ at their end, so the middle goes."""
    if len(text) <= limit:
        return text
    end = (limit - 1) // 2
    return f"{text[: limit - 1 - end].rstrip()}…{text[len(text) - end :].lstrip()}"


def short_hash(text: str, length: int = 8) -> str:
    """Return the first hexadecimal digits of a string's sha256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


def slugify(text: str, *, salt: str = "") -> str:
    """Return a name for files and anchors: the text itself if it is safe, else what is left of it and a hash.

    Parameters
    ----------
    salt : makes the hash differ between things of the same name; if given there is always a hash.
    """
    # Lower case only: two names that differ in case would be one file on some systems.
    # Without a dot at the end, which Windows drops.
    if not salt and _SAFE_NAME.fullmatch(text) and text.strip(".") == text:
        return text
    plain = unicodedata.normalize("NFKD", text[:400]).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].strip("-")
    return f"{plain or 'x'}-{short_hash(text + salt, 6)}"


def distinct(wanted: Sequence[tuple[str, str]], taken: Collection[str] = ()) -> list[str]:
    """Return names for files of which no two are alike: those of strangers may be made to meet.

    Parameters
    ----------
    wanted : (name, key) of each thing; a name that is not alone gets digits of the digest of its key, all of them where
        a few do not do. No two things have the same name and key.
    taken : names that other things have already.
    """
    names = [name for name, _ in wanted]
    for digits in (6, 64):
        shared = Counter([*names, *taken])
        names = [
            f"{plain[:50]}-{short_hash(key, digits)}" if shared[name] > 1 else name
            for name, (plain, key) in zip(names, wanted, strict=True)
        ]
    return names


def file_names(texts: Collection[str]) -> dict[str, str]:
    """Return text to its name in addresses, no two alike."""
    return dict(zip(texts, distinct([(slugify(text), text) for text in texts]), strict=True))


def csv_cell(value: str | float | int | None, digits: int = 7) -> str:
    """Return a cell that no spreadsheet takes for a formula: such text gets an apostrophe in front. One line."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return "" if isinstance(value, float) and not math.isfinite(value) else f"{value:.{digits}g}"
    # A bare \r would end a row for some readers. Nearly every text is printable: characters are looked at in others.
    line = value if value.isprintable() else "".join(c if c.isprintable() else " " for c in value)
    if value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return "'" + line
    return line


def number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """Return a number of fixed decimals with a real minus sign, so that a column aligns on the point."""
    if value is None or not math.isfinite(value):
        return NO_VALUE
    text = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    # What rounds to 0 has no sign: "-0.00" would be read as a loss.
    if float(text) == 0:
        text = text.lstrip("-+")
    return text.replace("-", MINUS)


def probability(value: float) -> str:
    """Return a p-value as pages show it: five decimals, so that the level of one pair can be seen."""
    return "< 0.00001" if value < 0.00001 else number(value, 5)


def safe_url(text: str | None) -> str | None:
    """Return the address if it is plain http or https with a host, else None: never javascript:, data: or file:."""
    if not text or len(text) > 500 or any(c.isspace() or not c.isprintable() for c in text):
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    return text if parts.scheme in ("http", "https") and host and "@" not in parts.netloc else None


def instant(text: str) -> datetime:
    """Return a time as ISO 8601 in UTC; 1970 if it is invalid, so that a bad record sorts last in the feed."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        parsed = datetime.fromisoformat(text[:40])
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return epoch


def day(text: str) -> str:
    """Return the day of a time in UTC, as sentences name it."""
    return instant(text).strftime("%Y-%m-%d")


def stamp(text: str) -> str:
    """Return a time as RFC 3339, second precision, Z."""
    return instant(text).strftime("%Y-%m-%dT%H:%M:%SZ")
