"""Numbers of a division that several pages need, each computed once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.leader import Leader, leader
from worldstrat_bench.site.text import clean, file_names
from worldstrat_bench.stats.paired import sign_of
from worldstrat_bench.stats.ranking import Display, RankedBoard
from worldstrat_bench.stats.strata import stratum_name

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Tile by tile, one model against another: tiles won, tied, lost."""

    wins: int
    ties: int
    losses: int


@dataclass(frozen=True)
class Stratum:
    """One stratum of the ranking list with its ranks, if there are enough effective groups for any.

    Attributes
    ----------
    page : its name in the division's folder.
    """

    axis: str
    label: str
    page: str
    tiles: tuple[str, ...]
    display: Display
    boards: Mapping[str, RankedBoard]


@dataclass(frozen=True)
class Analysis:
    """A division and what follows from its tiles."""

    division: Division
    config: BoardConfig

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Tile to its row in the tables."""
        return self.division.row_of

    @cached_property
    def tile_pages(self) -> dict[str, str]:
        """Tile to its page in the division's folder."""
        return {tile: f"t/{name}.html" for tile, name in self.tile_names.items()}

    @cached_property
    def tile_names(self) -> dict[str, str]:
        """Tile to its name in addresses."""
        return file_names(self.division.facts.tiles)

    @cached_property
    def tile_titles(self) -> dict[str, str]:
        """Tile to its name as pages print it."""
        return {tile: clean(tile, 80) for tile in self.division.facts.tiles}

    def matrix(self, metric: str) -> Floats:
        """Return (m, n) values by entry and tile; see :meth:`Division.matrix`."""
        return self.division.matrix(metric)

    def median(self, metric: str) -> Floats:
        """Return (n,) the median over the models on every tile; NaN where no model has a value."""
        matrix = self.matrix(metric)
        result = np.full(matrix.shape[1], np.nan)
        # numpy warns of a median of nothing; such tiles keep NaN.
        known = ~np.isnan(matrix).all(axis=0) if len(matrix) else np.zeros(matrix.shape[1], dtype=bool)
        result[known] = np.nanmedian(matrix[:, known], axis=0)
        return result

    @cached_property
    def strata(self) -> tuple[Stratum, ...]:
        """All strata of the ranking list, in the order of pages."""
        division = self.division
        found = []
        for axis, labels in division.strata.items():
            names = file_names(tuple(labels))
            for label, tiles in labels.items():
                display = division.display(tiles)
                metrics = division.protocol.ranking.metrics if display == "ranks" else ()
                boards = {m: division.rank(tiles, m) for m in metrics}
                found.append(Stratum(axis, label, f"s/{axis}-{names[label]}.html", tiles, display, boards))
        return tuple(found)

    def board(self, metric: str) -> RankedBoard:
        """Return the board of the ranking list."""
        return self.division.boards[self.division.list_name, metric]

    @cached_property
    def median_shift(self) -> Floats:
        """(2, n) the median over the models of the shift (y, x) on every tile; NaN where no model has one."""
        names, entries = ("shift_y", "shift_x"), self.division.entries or self.division.reported
        shifts = np.stack([[entry.table.numbers[name] for name in names] for entry in entries])
        found = np.full(shifts.shape[1:], np.nan)
        known = ~np.isnan(shifts).all(axis=(0, 1))
        found[:, known] = np.nanmedian(shifts[:, :, known], axis=0)
        return found

    # A cached property holds it, since a frozen dataclass takes no attribute later.
    @cached_property
    def _leaders(self) -> dict[tuple[tuple[str, ...], str], Leader]:
        return {}

    def leader(self, tiles: tuple[str, ...], metric: str) -> Leader:
        """Return the first model on some tiles and every model against it; models with a value on all of them."""
        key = tiles, metric
        if key not in self._leaders:
            columns = [self.row_of[tile] for tile in tiles]
            values = self.matrix(metric)[:, columns]
            whole = [bool(columns) and not any(row) for row in np.isnan(values).tolist()]
            named = {e.slug: v for e, v, w in zip(self.division.entries, values, whole, strict=True) if w}
            groups = [self.division.facts.groups[i] for i in columns]
            self._leaders[key] = leader(named, groups, metric, self.division.protocol)
        return self._leaders[key]

    @cached_property
    def _pair_intervals(self) -> dict[str, list[list[tuple[float, float]]]]:
        """(metric) to the ends of the interval of every pair; NaN where pages draw none."""
        rules, found = self.division.protocol.aggregation, {}
        for metric in self.division.protocol.ranking.metrics:
            board = self.board(metric)
            ends = np.stack(board.pairs.interval(rules), axis=-1)
            drawn = board.effective_groups >= rules.groups_interval
            found[metric] = [list(map(tuple, row)) for row in (ends if drawn else np.full_like(ends, np.nan)).tolist()]
        return found

    def pair_interval(self, metric: str, i: int, j: int) -> tuple[float, float] | None:
        """Return the interval of the difference of two rows of the ranking list's board; None where pages draw none."""
        ends = self._pair_intervals[metric][i][j]
        return None if math.isnan(ends[0]) else ends

    def pairs(self, metric: str, slug: str) -> dict[str, Pair]:
        """Count the tiles that `slug` wins, ties and loses against every other ranked entry, on the ranking list."""
        order = {entry.slug: i for i, entry in enumerate(self.division.entries)}
        ranked = [standing.model for standing in self.board(metric).standings]
        if slug not in ranked:
            return {}
        # Counted over the ranking list alone, whatever other tiles the tables hold.
        values = self.matrix(metric)[:, [self.row_of[tile] for tile in self.division.tiles]]
        margin = self.division.protocol.ranking.margin.get(metric, 0.0)
        # Within the margin a tile is tied: of two models that differ by less, neither is seen to be better.
        gains = sign_of(metric) * (values[order[slug]] - values[[order[s] for s in ranked]])
        wins, losses = (gains > margin).sum(axis=1), (gains < -margin).sum(axis=1)
        total = values.shape[1]
        return {
            other: Pair(int(w), int(total - w - lost), int(lost))
            for other, w, lost in zip(ranked, wins, losses, strict=True)
            if other != slug
        }

    def hardest(self, metric: str = "psnr") -> list[str]:
        """Return the tiles of the ranking list that have a value, hardest first by the median over the models."""
        median, sign = self.median(metric), sign_of(metric)
        tiles = self.division.tiles
        return sorted(
            (t for t in tiles if not np.isnan(median[self.row_of[t]])),
            key=lambda t: (sign * median[self.row_of[t]], t),
        )

    def by_rank(self) -> list[Entry]:
        """Return the entries, best first by the first metric that ranks."""
        order = self.board(self.division.protocol.ranking.metrics[0]).order
        return sorted(self.division.entries, key=lambda e: (order.get(e.slug, len(order)), e.slug))

    def featured(self) -> frozenset[str]:
        """Return the tiles that the gallery shows."""
        # Hard, usual and easy tiles, and those where neighbours disagree: one kind alone would favour some models.
        order, shown = self.hardest(), self.config.gallery
        median = [order[i] for i in positions(len(order), shown)]
        differ = [tile for tile, *_ in self.disagreements()[:shown]]
        return frozenset((*order[:shown], *median, *order[::-1][:shown], *differ))

    def disagreements(self, metric: str = "psnr") -> list[tuple[str, str, str, float]]:
        """Return (tile, better, worse, difference) for neighbours on the board, largest first, each tile once."""
        slugs = [standing.model for standing in self.board(metric).standings]
        order = {entry.slug: i for i, entry in enumerate(self.division.entries)}
        matrix, sign = self.matrix(metric), sign_of(metric)
        best: dict[str, tuple[str, str, str, float]] = {}
        # Neighbours only: any two models of a long board differ on every tile, which says nothing.
        for upper, lower in pairwise(slugs):
            gains = sign * (matrix[order[upper]] - matrix[order[lower]])
            for tile in self.division.tiles:
                gain = float(gains[self.row_of[tile]])
                if tile not in best or abs(gain) > best[tile][3]:
                    best[tile] = (tile, *((upper, lower) if gain >= 0 else (lower, upper)), abs(gain))
        return sorted(best.values(), key=lambda item: (-item[3], item[0]))


def shown_stratum(axis_name: str, label: str) -> str:
    """Return a stratum's label fit for a page: labels come from ``tiles.csv``."""
    return clean(stratum_name(axis_name, label), 60)


def positions(length: int, count: int) -> Sequence[int]:
    """Return `count` positions around the middle of a list of that length."""
    start = max(0, (length - count) // 2)
    return range(start, min(length, start + count))
