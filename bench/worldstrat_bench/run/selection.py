"""The tiles of a run: those of a list, the first of them, or the part of a shard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from worldstrat_bench.data.layout import Dataset
from worldstrat_bench.data.split import LISTS
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, from 1; tiles are dealt in turn, so that parts differ by one tile at most."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``.

        Raises
        ------
        UsageError
            unless 1 <= i <= n <= 10,000.
        """
        match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]) <= 10_000:
            raise UsageError(f"not a shard: {text[:40]!r}", where="--shard", remedy="i/n with 1 <= i <= n, say 1/4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def take(self, items: Sequence[T]) -> tuple[T, ...]:
        """Return the items of this part."""
        return tuple(items[self.index - 1 :: self.count])

    def folder(self, out: Path) -> Path:
        """Return the run directory of this part within a folder that all parts share."""
        return out / "shards" / f"{self.index}-of-{self.count}"


@dataclass(frozen=True)
class Selection:
    """The tiles of a run: those of the list, then the first of them, then the shard's.

    `revisits` is N if the copy of the dataset holds the revisits 1..N only.
    """

    dataset: Dataset
    list_name: str
    list_tiles: tuple[str, ...]
    tiles: tuple[Tile, ...]
    limit: int | None = None
    shard: Shard | None = None
    revisits: int | None = None

    @property
    def official(self) -> bool:
        """True if these are the fixed tiles of a recognised release, all of them and their revisits here."""
        return (
            self.revisits is None and self.dataset.official_release and self.list_name in LISTS and self.limit is None
        )


def select(
    dataset: Dataset, list_name: str = "auto", limit: int | None = None, shard: Shard | None = None
) -> Selection:
    """Choose the tiles of a run.

    Raises
    ------
    UsageError, DataError
        for an unknown list, tiles that are not in the folder, or more shards than tiles.
    """
    # First the list, then the limit, then the shard: the shards of a limited run deal out the same tiles as the run.
    resolved = dataset.resolve_list(list_name)
    tiles = dataset.tiles(resolved, limit)
    if shard and shard.count > len(tiles):
        raise UsageError(f"{len(tiles)} tiles cannot be dealt to {shard.count} shards", where="--shard")
    chosen = shard.take(tiles) if shard else tiles
    names = dataset.names(resolved)
    return Selection(dataset, resolved, names, chosen, limit, shard, dataset.partial_revisits(names))
