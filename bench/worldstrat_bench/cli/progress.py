"""How a run is shown while it goes: a bar with the time left on a terminal, plain lines elsewhere, on stderr."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from worldstrat_bench.cli.console import say, stderr
from worldstrat_bench.pace import SECONDS_BETWEEN_LINES, Alive, duration

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from worldstrat_bench.run.events import Event, Notice, Progress

_WORDS = {"read": "reading predictions", "predict": "predicting", "score": "scoring"}
LONGEST_LINE = 1000
"""Characters of a tile's message: its cause and the way out."""


class Display:
    """A listener of a run's events; a context manager, since a bar has to be taken down."""

    def __init__(self) -> None:
        self._console = stderr()
        self._lock = threading.Lock()
        self._bars: Bars | None = _bars(self._console) if self._console.is_terminal else None
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, tuple[float, int]] = {}
        self._last_line: dict[str, float] = {}
        self._said: set[str] = set()
        # A bar shows the time that goes by; elsewhere silence would look like a program that hangs.
        self._alive = None if self._bars is not None else Alive(self._print, "getting ready")

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        if self._alive is not None:
            self._alive.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
        if self._alive is not None:
            self._alive.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Show an event, from any thread."""
        from worldstrat_bench.run.events import Notice

        with self._lock:
            if isinstance(event, Notice):
                self._notice(event)
                return
            self._remark(event)
            if self._bars is None:
                self._plain(event)
            else:
                self._bar(self._bars, event)

    def _notice(self, notice: Notice) -> None:
        if notice.once:
            if notice.text in self._said:
                return
            self._said.add(notice.text)
        self._line(notice.text)

    def _remark(self, event: Progress) -> None:
        """Print every failure with its reason, and a hint about odd values once."""
        first = event.message.partition("\n")[0][:LONGEST_LINE]
        if event.stage == "predict" and event.outcome not in ("", "ok"):
            self._line(f"{event.tile}: {event.outcome}{f': {first}' if first else ''}")
        elif first and first not in self._said:
            self._said.add(first)
            self._line(f"{event.tile}: {first}")

    def say(self, text: str) -> None:
        """Show a line about a step that begins now, from any thread."""
        with self._lock:
            self._leave_full_bars()
            self._line(text)

    def _leave_full_bars(self) -> None:
        """Leave bars that are full as lines on the screen: below the lines of a later step they would look alive."""
        if self._bars is None or not self._tasks or not self._bars.finished:
            return
        self._bars.stop()
        self._bars, self._tasks = _bars(self._console), {}
        self._bars.start()

    def _line(self, text: str) -> None:
        (self._alive or self._print)(text)

    def _print(self, text: str) -> None:
        say(self._bars.console if self._bars else self._console, text)

    def _bar(self, bars: Bars, event: Progress) -> None:
        if event.stage not in self._tasks:
            self._tasks[event.stage] = bars.add_task(_WORDS[event.stage], total=event.total, completed=event.done)
        bars.update(self._tasks[event.stage], completed=event.done)

    def _plain(self, event: Progress) -> None:
        now = time.monotonic()
        # A log wants a line now and then, and the last one; a line a tile would hide the failures.
        start, before = self._begun.setdefault(event.stage, (now, event.done))
        due = now - self._last_line.get(event.stage, 0.0) >= SECONDS_BETWEEN_LINES
        if event.tile and (due or event.done == event.total):
            self._last_line[event.stage] = now
            done, rest = event.done - before, event.total - event.done
            left = f", about {duration((now - start) * rest / done)} left" if done and rest else ""
            self._line(f"{_WORDS[event.stage]} {event.done}/{event.total}{left}")


def _bars(console: object) -> Bars:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    assert isinstance(console, Console)
    return Progress(
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
