"""Tiles that wait until enough of their kind are there to be scored together."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Batches(Generic[T]):
    """Items by kind. Threads may add at the same time; every item is given out once.

    Parameters
    ----------
    size : of a batch.
    most : items that may wait; beyond it the largest group is given out as it is, so that memory is bounded.
    """

    def __init__(self, size: int, most: int) -> None:
        self._size, self._most = size, most
        self._lock = threading.Lock()
        self._groups: dict[Hashable, list[T]] = {}

    def add(self, kind: Hashable, item: T) -> list[T]:
        """Put an item to its kind; what is to be scored now: a whole batch, or nothing yet."""
        with self._lock:
            group = self._groups.setdefault(kind, [])
            group.append(item)
            if len(group) == self._size:
                return self._groups.pop(kind)
            if sum(map(len, self._groups.values())) > self._most:
                return self._groups.pop(max(self._groups, key=lambda one: len(self._groups[one])))
            return []

    def rest(self) -> list[list[T]]:
        """Return everything that waits, by kind."""
        with self._lock:
            groups, self._groups = list(self._groups.values()), {}
            return groups
