"""What a run tells while it goes; whoever shows it decides how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["predict", "score"]


@dataclass(frozen=True)
class Progress:
    """One more tile of a stage is done.

    Attributes
    ----------
    done, total : tiles of the run in this stage, those of an earlier, interrupted call included.
    tile, outcome : the tile and what became of it; both empty for the first event of a stage.
    message : why it failed; with ``ok``, a hint if the values look odd.
    """

    stage: Stage
    done: int
    total: int
    tile: str = ""
    outcome: str = ""
    message: str = ""


@dataclass(frozen=True)
class Notice:
    """Something that the user should know and that is no error.

    Attributes
    ----------
    once : whether several runs of one command need to say it but once; it holds for the machine, not for the run.
    """

    text: str
    once: bool = False


Event = Progress | Notice
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that shows nothing."""
