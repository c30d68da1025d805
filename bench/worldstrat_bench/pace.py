"""Words on how far counted work is and how long it may still take, for terminals, pipes and logs alike."""

from __future__ import annotations

import time
from collections.abc import Callable

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
