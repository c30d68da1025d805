"""One thing that a record or its tiles say and that cannot be so."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Final, Literal

SCORE_AGAIN: Final = "a record is never edited by hand; score the run again and submit what that writes"


@dataclass(frozen=True)
class Contradiction:
    """A statement that does not follow from the tiles, the package or other statements.

    Attributes
    ----------
    rule : a stable, short name, such as "record-aggregates".
    what : one sentence without a full stop; it may hold foreign text.
    file : the file that is wrong: ``record.json`` or ``tiles.csv``.
    line : 1-based line in that file, if known.
    remedy : what to do about it.
    """

    rule: str
    what: str
    file: Literal["record", "tiles"] = "record"
    _: KW_ONLY
    line: int | None = None
    remedy: str = SCORE_AGAIN
