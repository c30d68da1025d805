"""Events of a run; the listener decides how to show them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from worldstrat_bench.typed import typed

Stage = Literal["read", "predict", "score"]
"""read: predictions that were handed in."""


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
    """A notice for the user that is not an error.

    Attributes
    ----------
    once : whether several runs of one command need to say it but once; it holds for the machine, not for the run.
    """

    text: str
    once: bool = False


Event = Progress | Notice
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Show nothing."""


class Tally:
    """Counts the tiles of a stage and tells of each, from any thread; the first event comes at once.

    Parameters
    ----------
    done, total : tiles that an earlier, interrupted call did, and all tiles of the run.
    """

    @typed
    def __init__(self, stage: Stage, done: int, total: int, tell: Listener) -> None:
        self._stage, self._done, self._total, self._tell = stage, done, total, tell
        self._lock = threading.Lock()
        tell(Progress(stage, done, total))

    def add(self, tile: str, outcome: str, message: str = "") -> None:
        """Count one more tile and tell what became of it."""
        # Told under the lock, so that the counts reach the listener in their order.
        with self._lock:
            self._done += 1
            self._tell(Progress(self._stage, self._done, self._total, tile, outcome, message))
