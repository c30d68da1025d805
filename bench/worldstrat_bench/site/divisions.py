"""Which runs compete with which: one division per protocol, inputs, list and decoded targets, never mixed.

A division holds the boards of its lists; the official one has ``clean``, ``full`` and ``strict``. What may not
be ranked is kept beside it with the reason in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.record import ListScores
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.text import clean
from worldstrat_bench.stats.aggregate import metric_names, metric_values
from worldstrat_bench.stats.boards import Kind
from worldstrat_bench.stats.eligibility import cites, why_unranked
from worldstrat_bench.stats.estimate import effective_groups
from worldstrat_bench.stats.ranking import Display, RankedBoard, display_of, list_display, rank
from worldstrat_bench.stats.strata import AXES, members, sort_strata, strata_of

NEVER: Final = "~"
"""In the place of a day: it comes after every one."""


@dataclass(frozen=True)
class UnrankedEntry:
    """A run that is shown but not ranked, and why.

    Attributes
    ----------
    page : of the run, from the top of the site; "" if it has none.
    """

    entry: Entry
    reason: str
    page: str = ""


@dataclass(frozen=True)
class Division:
    """Runs that may be compared.

    Attributes
    ----------
    prefix : folder of its pages, "" for the main one, else ending in "/".
    versions : column of an optional metric to the version whose values are shown.
    entries : runs on the boards, in the order of their slugs; each is ranked in the lists it completed. Where ranks may
        be cited these are the verified ones, and nothing that is shown of them depends on any other run.
    reported : self-reported runs beside them, in the order of their slugs: shown with their scores, without a rank.
    apart : runs of this division that no board ranks.
    withdrawn : runs of submissions that were withdrawn or are in dispute, in the order of their slugs: they keep their
        page, which says so, and have a place in no table.
    facts : the tiles with their labels, on which all entries agree; the scores in it are not to be used.
    lists : name to tiles, the ranking one first.
    awaits_reference : whether it would be official if the package had a reference of the release.
    counting : slugs of the counting rows, which alone move a rank; None: all entries.
    verified_since : when maintainers first computed the numbers of one of its records, ISO 8601; after every date if
        they computed none. Withdrawn and superseded ones count, so that whoever takes one off moves no board.
    """

    key: str
    kind: Kind
    prefix: str
    protocol: Protocol
    release: str
    inputs: str
    targets_sha256: str
    entries: tuple[Entry, ...]
    apart: tuple[UnrankedEntry, ...]
    facts: TileTable
    lists: Mapping[str, tuple[str, ...]]
    reported: tuple[Entry, ...] = ()
    withdrawn: tuple[UnrankedEntry, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    counting: frozenset[str] | None = None
    awaits_reference: bool = False
    verified_since: str = NEVER

    @property
    def cited(self) -> bool:
        """True if its ranks may be cited, so that only verified runs have one."""
        return cites(self.kind)

    @property
    def shown(self) -> tuple[Entry, ...]:
        """The runs in its tables: the ranked ones, then the self-reported ones."""
        return (*self.entries, *self.reported)

    @property
    def paged(self) -> tuple[Entry, ...]:
        """All runs that have a page."""
        return (*self.shown, *(item.entry for item in self.withdrawn))

    @property
    def list_name(self) -> str:
        """The list that ranks."""
        return next(iter(self.lists))

    @property
    def tiles(self) -> tuple[str, ...]:
        """The tiles of the ranking list."""
        return self.lists[self.list_name]

    @cached_property
    def by_slug(self) -> dict[str, Entry]:
        """Ranked entries by slug."""
        return {entry.slug: entry for entry in self.entries}

    @cached_property
    def strata(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Axis to stratum to the tiles of the ranking list, in the order of pages."""
        labels = strata_of(self.facts)
        # Strata are of the ranking list alone, or a rank in one would be of other tiles than the rank above it.
        ranking = set(self.tiles)
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for axis in AXES:
            rows = members(labels[axis])
            held = {
                stratum: tuple(self.facts.tiles[i] for i in own if self.facts.tiles[i] in ranking)
                for stratum, own in rows.items()
            }
            found[axis] = {s: held[s] for s in sort_strata(axis, held) if held[s]}
        return found

    @cached_property
    def boards(self) -> dict[tuple[str, str], RankedBoard]:
        """(list, metric) to its ranks."""
        return {
            (name, metric): self.rank(tiles, metric)
            for name, tiles in self.lists.items()
            for metric in self.protocol.ranking.metrics
        }

    def shows_ranks(self, list_name: str) -> bool:
        """Return whether a list has enough effective groups for tests, hence for ranks."""
        return self.list_display(list_name) == "ranks"

    def list_display(self, list_name: str) -> Display:
        """Return what a list shows."""
        return list_display(self.effective_groups(self.lists[list_name]), self.protocol.aggregation)

    def display(self, tiles: Iterable[str]) -> Display:
        """Return what a stratum may show, by its effective groups."""
        return display_of(self.effective_groups(tiles), self.protocol.aggregation)

    def effective_groups(self, tiles: Iterable[str]) -> float:
        """Return the effective groups of a set of tiles."""
        groups = self.facts.groups
        return effective_groups([groups[self.row_of[tile]] for tile in tiles])

    def rank(self, tiles: Iterable[str], metric: str) -> RankedBoard:
        """Rank the entries on some of the tiles."""
        columns = [self.row_of[tile] for tile in tiles]
        values = self.matrix(metric)[:, columns]
        # An entry without a value on one of the tiles has no rank: its mean would be over easier or harder ones.
        complete = [not any(row) for row in np.isnan(values).tolist()]
        named = {e.slug: v for e, v, whole in zip(self.entries, values, complete, strict=True) if whole}
        groups = [self.facts.groups[i] for i in columns]
        return rank(named, groups, metric=metric, protocol=self.protocol, counting=self.counting)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Tile to its row in the tables."""
        return {tile: i for i, tile in enumerate(self.facts.tiles)}

    # A cached property holds them, since a frozen dataclass takes no attribute later.
    @cached_property
    def _matrices(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def matrix(self, metric: str) -> NDArray[np.float64]:
        """Return (m, n) values by entry and tile, NaN for null; entries in the order of their slugs."""
        if metric not in self._matrices:
            none = np.full(len(self.facts), np.nan)
            rows = [metric_values(e.table, metric) if metric in metric_names(e.table) else none for e in self.entries]
            self._matrices[metric] = np.stack(rows) if rows else np.empty((0, len(none)))
        return self._matrices[metric]

    def measured(self, metric: str) -> bool:
        """Return whether any ranked entry has the metric on any tile: LPIPS is missing where its weights were."""
        tables = (entry.table for entry in self.entries or self.reported)
        return any(metric in metric_names(t) and not np.isnan(metric_values(t, metric)).all() for t in tables)

    def ranks(self, entry: Entry) -> bool:
        """Return whether an entry is on the boards; it has a rank in the lists and metrics of which it has all."""
        return entry.slug in self.by_slug

    def counts(self, entry: Entry) -> bool:
        """Return whether a ranked entry moves ranks; the others have the rank of joining alone."""
        return self.counting is None or entry.slug in self.counting

    def why_unranked(self, entry: Entry, list_name: str, metric: str) -> str:
        """Return why an entry has no rank in a list by a metric, in words for pages."""
        if entry.state.word != "active":
            return clean(entry.state.text, 400)
        if not self.shows_ranks(list_name):
            return f"under {self.protocol.aggregation.groups_min:g} effective groups"
        reasons = why_unranked(
            entry.record, entry.table, verified=bool(entry.verified), kind=self.kind, list_name=list_name, metric=metric
        )
        # What the build takes for known, such as a released harness, was decided when the entry got its place.
        own = [why for why in reasons if why.rule in ("self-reported", "value", "failed")]
        return clean(own[0].text, 400) if own else "no value"

    def scores(self, entry: Entry, list_name: str | None = None) -> ListScores:
        """Return an entry's scores on a list, by default the ranking one."""
        return entry.record.scores[list_name or self.list_name]
