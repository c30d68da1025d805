"""Where a key stands in a TOML text: ``tomllib`` keeps no positions, and an error should name a line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from worldstrat_bench.toml_text import read_toml

Key = Sequence[str | int]

_ASSIGNMENT = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_AT_LINE = re.compile(r"at line (\d+)")


def line_of(text: str, key: Key) -> int | None:
    """Return the 1-based line on which `key` is assigned, else that of the nearest table around it, else None.

    Positions inside an array (integers in `key`) are those of the array's own line.
    """
    names = tuple(part for part in key if isinstance(part, str))
    lines = _key_lines(text)
    for length in range(len(names), 0, -1):
        if names[:length] in lines:
            return lines[names[:length]]
    return None


def line_of_syntax_error(message: str) -> int | None:
    """Return the line that a message of ``tomllib`` names."""
    found = _AT_LINE.search(message)
    return int(found.group(1)) if found else None


@lru_cache(maxsize=4)
def _key_lines(text: str) -> Mapping[tuple[str, ...], int]:
    """First line of every table header and every assignment that starts a line."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("["):
            header = _path(line.strip())
            if header:
                table = header
                for length in range(1, len(table) + 1):
                    lines.setdefault(table[:length], number)
            continue
        found = _ASSIGNMENT.match(line)
        if found:
            path = _path(f"{found.group(1)} = 0")
            for length in range(1, len(path) + 1):
                lines.setdefault(table + path[:length], number)
    return lines


def _path(statement: str) -> tuple[str, ...]:
    """Return the dotted path that one statement (a header or ``key = 0``) creates; () for any other line."""
    try:
        node: object = read_toml(statement)
    except ValueError:
        return ()
    path: list[str] = []
    while isinstance(node, dict | list) and node and len(path) < 32:
        if isinstance(node, list):
            node = node[0]
            continue
        name, node = next(iter(node.items()))
        path.append(name)
    return tuple(path)
