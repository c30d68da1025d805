"""The one door for TOML: a text is looked at before it is parsed, whose time grows with the square of a key."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

MOST_PARTS: Final = 16
"""Parts of a dotted key. The parser copies them for each part: one key of 32,000 parts, 64 kB, would take 20 s."""

_NOT_KEYS: Final = re.compile(
    r"""\#[^\n]*
    | \"{3} [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* (?:\"{3,})?
    | '{3} [^']* (?: '(?!'') [^']* )* (?:'{3,})?
    | " [^"\\\n]* (?: \\. [^"\\\n]* )* "?
    | ' [^'\n]* '?""",
    re.DOTALL | re.VERBOSE,
)
"""Comments and strings. Each is read to its end or to that of the text, so that nothing is read twice."""

_LONG_KEY: Final = re.compile(rf"(?<![\w-])[\w-]+(?:[ \t]*\.[ \t]*[\w-]+){{{MOST_PARTS}}}")


def read_toml(text: str) -> dict[str, Any]:
    """Return the content of a TOML text.

    Raises
    ------
    ValueError
        if it is not TOML (then a ``tomllib.TOMLDecodeError``), a key has more than :data:`MOST_PARTS` parts, or a value
        is too deep or too large.
    """
    # Strings may be parts of keys, and what is in them counts for nothing: one letter stands for each.
    if found := _LONG_KEY.search(_NOT_KEYS.sub("_", text)):
        raise ValueError(f"a key of more than {MOST_PARTS} parts: {found.group()[:40]!r}")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("a value is nested too deep") from None
    except OverflowError as error:
        raise ValueError(f"a value is too large: {error}") from None
