"""Messages about tiles for the record, the log and the terminal: each one once, with its tiles."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from worldstrat_bench.artefacts.record import TileMessage
from worldstrat_bench.run.folder import LOG
from worldstrat_bench.run.journal import Predicted
from worldstrat_bench.worker.causes import shortened

MOST = 20
"""Messages that a record keeps, the most frequent first."""

LONGEST = 500
"""Characters of one."""

_READ = 8000
"""Characters of one that are looked at: a worker sends no more, and the journal of a stranger may hold millions."""

NAMED = 10
"""Tiles that are named of each."""

_SCRATCH = re.compile(r"\S*/worldstrat-bench-worker-[0-9a-f]+(?:/(?:scratch|harness))?")
_OWN = re.compile(r"(?<![\w./:])/(?:[^\s/'\"():,;]+/)+")
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def tile_messages(rows: Iterable[Predicted]) -> tuple[TileMessage, ...]:
    """Return what was said of tiles, failures before hints, then the most frequent first, then by text.

    Messages that differ in numbers alone are one: sizes differ from tile to tile. The first tile's text stands for all.
    """
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in sorted(rows, key=lambda row: row.tile):
        text = published(row.message)
        if text or row.outcome != "ok":
            # By text without numbers, or a message that holds the size of its tile would be there once for each.
            groups.setdefault((row.outcome, _NUMBER.sub("#", text)), []).append((row.tile, text))
    found = [
        TileMessage(outcome=outcome, message=own[0][1], tiles=len(own), names=tuple(tile for tile, _ in own[:NAMED]))
        for (outcome, _), own in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.outcome == "ok", -one.tiles, one.outcome, one.message))[:MOST])


def published(message: str) -> str:
    """Return the first line of a message as a record may show it: printable, short, no folder of the machine."""
    line = "".join(c if c.isprintable() else " " for c in message[:_READ].strip().partition("\n")[0])
    line = _SCRATCH.sub("SCRATCH", line)
    line = _OWN.sub(".../", line)
    return shortened(" ".join(_ADDRESS.sub("0x...", line).split()), LONGEST)


def in_words(messages: Sequence[TileMessage]) -> list[str]:
    """Return a line for each message: how many tiles, which, what was said."""
    return [_in_words(one) for one in messages]


def _in_words(one: TileMessage) -> str:
    names = ", ".join(one.names[:3]) + (", ..." if one.tiles > 3 else "")
    count = f"{one.tiles} tile{'s' if one.tiles != 1 else ''}"
    what = "hint" if one.outcome == "ok" else one.outcome
    return f"{count} ({names}): {what}{f': {one.message}' if one.message else ''}"


def log_messages(run: Path, messages: Sequence[TileMessage]) -> None:
    """Append the messages to the run's log; a log that cannot be written spoils nothing."""
    if not messages:
        return
    text = "".join(f"[worldstrat-bench] {line}\n" for line in in_words(messages))
    try:
        with (run / LOG).open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError:
        pass  # the record holds them
