"""Words on how far counted work is and how long it may still take, for terminals, pipes and logs alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

Say = Callable[[str], None]
FIRST_SECONDS = 3.0
"""Work that ends sooner is not spoken of."""
SECONDS_BETWEEN_LINES = 10.0


def duration(seconds: float) -> str:
    """Return a span of time as people say it.

    >>> duration(7.2), duration(200), duration(7300)
    ('8 s', '4 min', '2 h 2 min')
    """
    whole = max(1, int(-(-seconds // 1)))
    if whole < 100:
        return f"{whole} s"
    minutes = -(-whole // 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class Pace:
    """Says how much of counted work is done and about how long the rest takes, at most every ten seconds.

    The estimate takes the rest to be like what is done.

    Parameters
    ----------
    say : is given each line.
    what : the things that are counted, in the plural.
    """

    def __init__(self, say: Say, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._what, self._clock = say, what, clock
        self._start = clock()
        self._next = self._start + FIRST_SECONDS

    def __call__(self, done: int, total: int) -> None:
        """Take note that so many are done."""
        now = self._clock()
        if now < self._next and (done < total or self._next == self._start + FIRST_SECONDS):
            return
        self._next = now + SECONDS_BETWEEN_LINES
        self._say(f"{self._what}: {done} of {total}{self.left(done, total)}")

    def left(self, done: int, total: int) -> str:
        """Return ", about 40 s left"; "" where nothing is done yet, or nothing is left."""
        if not 0 < done < total:
            return ""
        return f", about {duration((self._clock() - self._start) * (total - done) / done)} left"


class Aside:
    """A context manager whose :meth:`_watch` runs in a thread until the block ends, which does not wait for it."""

    def __init__(self, name: str) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        raise NotImplementedError


class Alive(Aside):
    """Passes lines on, and after every ten seconds without one says how long the last step has taken so far.

    For work whose end cannot be foretold: without it a start of a minute looks like a program that hangs. A context
    manager, and a :data:`Say`; lines may come from any thread.

    Parameters
    ----------
    say : is given each line.
    step : what begins now, in words; it is said only if it lasts.
    every : seconds of silence.
    """

    def __init__(self, say: Say, step: str, every: float = SECONDS_BETWEEN_LINES) -> None:
        self._say, self._every = say, every
        self._step, self._since, self._spoken = step, time.monotonic(), time.monotonic()
        self._lock = threading.RLock()
        super().__init__("alive")

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self._thread.join()

    def __call__(self, line: str) -> None:
        """Pass a line on, which names the step that begins now."""
        with self._lock:
            self.step(line)
            self._say(line)

    def step(self, step: str) -> None:
        """Take note of the step that begins now, without a line."""
        with self._lock:
            self._step = step.partition(", about ")[0]  # an estimate would be out of date
            self._since = self._spoken = time.monotonic()

    def _watch(self) -> None:
        wait = self._every
        while not self._over.wait(wait):
            with self._lock:
                now = time.monotonic()
                wait = self._every - (now - self._spoken)
                if wait <= 0:
                    self._say(f"{self._step} ({duration(now - self._since)} so far)")
                    self._spoken, wait = now, self._every
