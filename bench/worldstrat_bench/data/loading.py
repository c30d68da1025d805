"""Reading ahead: tiles are decoded by threads while others are in use, never more than a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from worldstrat_bench.data.layout import Tile
from worldstrat_bench.data.reading import Inputs, read_inputs
from worldstrat_bench.data.target import ArrayCache, TargetImage, read_target
from worldstrat_bench.protocol import Protocol

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class LoadedTile:
    """A tile with its pixels."""

    tile: Tile
    inputs: Inputs
    target: TargetImage


def read_ahead(items: Iterable[Item], read: Callable[[Item], Result], ahead: int = 2) -> Iterator[tuple[Item, Result]]:
    """Pairs of an item and what was read of it, in order, with `ahead` more being read meanwhile.

    At most ``ahead + 1`` results exist at once. An exception of `read` is raised when its item's turn comes,
    after every earlier item was handed out. Leaving the loop early cancels what has not begun.

    Raises
    ------
    ValueError
        if `ahead` is not positive.
    """
    if ahead < 1:
        raise ValueError("ahead must be positive")
    return _read_ahead(iter(items), read, ahead)


def _read_ahead(source: Iterator[Item], read: Callable[[Item], Result], ahead: int) -> Iterator[tuple[Item, Result]]:
    executor = ThreadPoolExecutor(max_workers=ahead, thread_name_prefix="read-ahead")
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in islice(source, ahead):
            waiting.append((item, executor.submit(read, item)))
        while waiting:
            item, future = waiting.popleft()
            result = future.result()
            del future  # else the last result would live until the next one is there
            for following in islice(source, 1):
                waiting.append((following, executor.submit(read, following)))
            yield item, result
            del result
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def load_tiles(
    tiles: Iterable[Tile], protocol: Protocol, frames: int, *, cache: ArrayCache | None = None, ahead: int = 2
) -> Iterator[LoadedTile]:
    """Tiles with their inputs and targets, in order, read ahead by threads; see :func:`read_ahead`.

    Raises
    ------
    DataError
        when the turn of a damaged tile comes.
    """

    def read(tile: Tile) -> LoadedTile:
        return LoadedTile(tile, read_inputs(tile, protocol, frames), read_target(tile, protocol, cache))

    for _, loaded in read_ahead(tiles, read, ahead):
        yield loaded
