"""Reading ahead: tiles are decoded by threads while others are in use, never more than a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(items: Iterable[Item], read: Callable[[Item], Result], ahead: int = 2) -> ReadAhead[Item, Result]:
    """Yield pairs of an item and what was read of it, in order, while the next `ahead` are being read.

    Reading begins at once, before the first pair is asked for. At most ``ahead + 1`` results exist at once. An
    exception of `read` is raised when its item's turn comes, after every earlier item was handed out. Leaving the loop
    early, or :meth:`ReadAhead.close`, cancels what has not begun.

    Raises
    ------
    ValueError
        if `ahead` is not positive.
    """
    if ahead < 1:
        raise ValueError("ahead must be positive")
    return ReadAhead(iter(items), read, ahead)


class ReadAhead(Iterator[tuple[Item, Result]]):
    """See :func:`read_ahead`."""

    def __init__(self, source: Iterator[Item], read: Callable[[Item], Result], ahead: int) -> None:
        self._source, self._read = source, read
        self._executor = ThreadPoolExecutor(max_workers=ahead, thread_name_prefix="read-ahead")
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._take(ahead)

    def __next__(self) -> tuple[Item, Result]:
        if not self._waiting:
            self.close()
            raise StopIteration
        # The oldest first, even if a later one is ready: the order of tiles is that of the list, however long each
        # took.
        item, future = self._waiting.popleft()
        try:
            result = future.result()
        except BaseException:
            self.close()
            raise
        # Only after this one was handed out, so that at most ``ahead + 1`` results exist.
        self._take(1)
        return item, result

    def close(self) -> None:
        """Cancel what has not begun, and wait for what has."""
        self._waiting.clear()
        self._source = iter(())
        self._executor.shutdown(wait=True, cancel_futures=True)

    def __del__(self) -> None:
        # Not waited for: the garbage collector would stand still until a tile is decoded.
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _take(self, count: int) -> None:
        for item in islice(self._source, count):
            self._waiting.append((item, self._executor.submit(self._read, item)))
