"""Finding of ``doctor`` about one thing that it looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class MachineFinding:
    """One thing that was looked at.

    Attributes
    ----------
    state : "ok", "warn" (runs work, with a limit) or "bad" (runs do not work).
    name, text : what, and what was found.
    remedy : what to do, unless it is ok.
    """

    state: State
    name: str
    text: str
    remedy: str = ""
