"""Output streams that can write every text, whatever their encoding."""

from __future__ import annotations

import codecs
import sys

_HANDLER = "worldstrat-bench-plain"
_PLAIN = {
    "\u2191": "^",
    "\u2193": "v",
    "\u2013": "-",
    "\u2014": "-",
    "\u2212": "-",
    "\u2026": "...",
    "\u00d7": "x",
    "\u00b1": "+-",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2248": "~",
    "\u00b7": ".",
    "\u2020": "*",
    "\u0394": "delta",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u00b2": "2",
    "\u00b0": " deg",
    "\u2500": "-",
    "\u2501": "-",
    "\u2502": "|",
    "\u2022": "*",
    "\u2713": "ok",
    "\u2714": "ok",
    "\u2705": "ok",
    "\u274c": "FAIL",
}
"""Replacements for characters of the harness's own texts where the encoding lacks them."""


def write_anything() -> None:
    """Let stdout and stderr replace what their encoding lacks instead of raising in the middle of a report.

    A terminal in Latin-1, a log in cp1252 or ``PYTHONIOENCODING=ascii`` must not turn a finished run into a failure.
    """
    codecs.register_error(_HANDLER, _replace)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # a stream that a test or a notebook put there may be of another kind
            reconfigure(errors=_HANDLER)


def writes_unicode() -> bool:
    """Return whether stdout can take any character as it is."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("_", "-") in ("utf-8", "utf8", "utf-16")


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return the plain spelling of characters that cannot be encoded, or their number as Python writes it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode("ascii") for c in text), error.end
