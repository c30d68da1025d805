"""State of a submission in its manifest: active, withdrawn or in dispute, and what was corrected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from worldstrat_bench.toml_text import read_toml

Word = Literal["active", "withdrawn", "disputed"]
WORDS: Final[tuple[Word, ...]] = get_args(Word)
UNREADABLE: Final = "its status cannot be read"
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class State:
    """State of a submission.

    Attributes
    ----------
    word : only an active one has ranks.
    date : since when, ISO 8601; "" for an active one.
    reason : in the words of the manifest; "" for an active one.
    """

    word: Word = "active"
    date: str = ""
    reason: str = ""

    @property
    def brief(self) -> str:
        """The state without foreign text, such as "disputed on 2026-11-26"; "" for an active submission."""
        if self.word == "active":
            return ""
        return f"{self.word} on {self.date}" if _DAY.fullmatch(self.date) else self.word

    @property
    def text(self) -> str:
        """The state for readers, without a full stop; "" for an active submission. It may hold foreign text."""
        if self.word == "active":
            return ""
        if not self.date:
            return f"{self.word}: {self.reason}"
        # In quotes: an owner withdraws a submission, and pages must not say it in their own voice.
        reason = self.reason.translate(dict.fromkeys(map(ord, '"“”„«»'), "'"))
        return f"{self.word} on {self.date}: “{reason}”"


ACTIVE: Final = State()


@dataclass(frozen=True)
class Correction:
    """One thing that was corrected after the submission was merged."""

    date: str
    what: str


def state_of(manifest: Mapping[str, Any]) -> State:
    """Return the state that a manifest states; one that cannot be read is taken for withdrawn.

    Parameters
    ----------
    manifest : as TOML gives it; whether it is valid, `submission check` says.
    """
    about = manifest.get("submission")
    if not isinstance(about, Mapping) or about.get("status", "active") == "active":
        return ACTIVE
    word, date, reason = (about.get(key) for key in ("status", "status_date", "status_reason"))
    known = next((each for each in WORDS if each == word), None)
    # The cautious way round: what cannot be read must not keep a rank that its authors may have given up.
    if known is None or not isinstance(date, str) or not isinstance(reason, str):
        return State("withdrawn", reason=UNREADABLE)
    return State(known, date[:40], reason[:400])


def state_in(text: str) -> State:
    """Return the state in the text of a manifest; active where it is not TOML, which other checks refuse."""
    try:
        return state_of(read_toml(text))
    except ValueError:
        return ACTIVE


def corrections_of(manifest: Mapping[str, Any]) -> tuple[Correction, ...]:
    """Return what a manifest says was corrected, in its order, without entries that cannot be read."""
    entries = manifest.get("correction")
    found = []
    for entry in entries[:100] if isinstance(entries, list) else ():
        date, what = (entry.get(key) if isinstance(entry, Mapping) else None for key in ("date", "what"))
        if isinstance(date, str) and isinstance(what, str):
            found.append(Correction(date[:40], what[:400]))
    return tuple(found)
