"""Which runs compete with which: one division per protocol, inputs, list and decoded targets, never mixed.

A division holds the boards of its lists; the official one has ``clean``, ``full`` and ``strict``. What may not
be ranked is kept beside it with the reason in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.record import ListScores, Record
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.artefacts.tiles import FACT_COLUMNS, TileTable
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.messages import in_words
from worldstrat_bench.site.entries import Entry, protocol_of
from worldstrat_bench.site.text import clean, instant, short_hash, slugify
from worldstrat_bench.site.versions import shown_versions, with_versions
from worldstrat_bench.stats.aggregate import metric_names, metric_values
from worldstrat_bench.stats.boards import (
    KINDS,
    Kind,
    awaits_reference,
    board_key,
    claimed_kind,
    foreign_inputs,
    kind_of,
)
from worldstrat_bench.stats.estimate import effective_groups
from worldstrat_bench.stats.ranking import Display, RankedBoard, display_of, rank
from worldstrat_bench.stats.strata import AXES, members, sort_strata, strata_of

_LIST_ORDER = ("clean", "full", "strict")


@dataclass(frozen=True)
class UnrankedEntry:
    """A run that is shown but not ranked, and why."""

    entry: Entry
    reason: str


@dataclass(frozen=True)
class Division:
    """Runs that may be compared.

    Attributes
    ----------
    prefix : folder of its pages, "" for the main one, else ending in "/".
    versions : column of an optional metric to the version whose values are shown.
    entries : runs on the boards, in the order of their slugs; each is ranked in the lists it completed.
    apart : runs of this division that no board ranks.
    facts : the tiles with their labels, on which all entries agree; the scores in it are not to be used.
    lists : name to tiles, the ranking one first.
    awaits_reference : whether it would be official if the package had a reference of the release.
    counting : slugs of the counting rows, which alone move a rank; None: all entries.
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
    versions: Mapping[str, str] = field(default_factory=dict)
    counting: frozenset[str] | None = None
    awaits_reference: bool = False

    @property
    def list_name(self) -> str:
        """The list that ranks."""
        return next(iter(self.lists))

    @property
    def tiles(self) -> tuple[str, ...]:
        """The tiles of the ranking list."""
        return self.lists[self.list_name]

    @property
    def verified(self) -> int:
        """The number of entries whose numbers maintainers computed."""
        return sum(bool(entry.verified) for entry in self.entries)

    @cached_property
    def by_slug(self) -> dict[str, Entry]:
        """Entries by slug."""
        return {entry.slug: entry for entry in self.entries}

    @cached_property
    def strata(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Axis to stratum to the tiles of the ranking list, in the order of pages."""
        labels = strata_of(self.facts)
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
        """Return what a list shows: ranks as soon as there are tests. The higher limit is for strata: they are many."""
        tiles = self.lists[list_name]
        tested = self.effective_groups(tiles) >= self.protocol.aggregation.groups_min
        return "ranks" if tested else self.display(tiles)

    def display(self, tiles: Iterable[str]) -> Display:
        """Return what a stratum may show, by its effective groups."""
        return display_of(self.effective_groups(tiles), self.protocol.aggregation)

    def effective_groups(self, tiles: Iterable[str]) -> float:
        """Effective groups of a set of tiles."""
        groups = self.facts.groups
        return effective_groups([groups[self.row_of[tile]] for tile in tiles])

    def rank(self, tiles: Iterable[str], metric: str) -> RankedBoard:
        """Ranks of the entries on some of the tiles."""
        columns = [self.row_of[tile] for tile in tiles]
        values = self.matrix(metric)[:, columns]
        complete = [not any(row) for row in np.isnan(values).tolist()]
        named = {e.slug: v for e, v, whole in zip(self.entries, values, complete, strict=True) if whole}
        groups = [self.facts.groups[i] for i in columns]
        return rank(named, groups, metric=metric, protocol=self.protocol, counting=self.counting)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """Tile to its row in the tables."""
        return {tile: i for i, tile in enumerate(self.facts.tiles)}

    @cached_property
    def _matrices(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def matrix(self, metric: str) -> NDArray[np.float64]:
        """(m, n) values by entry and tile, NaN for null; entries in the order of their slugs."""
        if metric not in self._matrices:
            none = np.full(len(self.facts), np.nan)
            rows = [metric_values(e.table, metric) if metric in metric_names(e.table) else none for e in self.entries]
            self._matrices[metric] = np.stack(rows) if rows else np.empty((0, len(none)))
        return self._matrices[metric]

    def measured(self, metric: str) -> bool:
        """Whether any entry has the metric on any tile: LPIPS is missing where its weights were."""
        return not bool(np.isnan(self.matrix(metric)).all())

    def scores(self, entry: Entry, list_name: str | None = None) -> ListScores:
        """An entry's scores on a list, by default the ranking one."""
        return entry.record.scores[list_name or self.list_name]


def list_divisions(entries: Sequence[Entry], references: References | None = None) -> tuple[Division, ...]:
    """Sort runs into divisions: the official one first (its pages have no prefix), then by kind.

    How many runs a division has decides nothing, how many of them maintainers verified does.

    Parameters
    ----------
    references : what official records are held against; None for those that the package ships.
    """
    groups: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(board_key(entry.record, references), []).append(entry)
    drafts = [
        division
        for key, own in sorted(groups.items())
        for part, agreeing in enumerate(_agreeing(own))
        if (division := _division(key, agreeing, part, references))
    ]
    drafts.sort(key=lambda d: (KINDS.index(d.kind), d.protocol.id, -d.verified, d.release, d.key))
    main = next((d for d in drafts if d.kind == "official" and d.entries), None)
    ordered = ([main] if main else []) + [d for d in drafts if d is not main]
    return tuple(d if d is main else replace(d, prefix=_prefix(d)) for d in ordered)


def unplaced(entries: Sequence[Entry]) -> tuple[UnrankedEntry, ...]:
    """Runs that no division takes: they are limited or a shard, so that nothing else can be compared with them."""
    return tuple(_apart(entry, reason) for entry in entries if (reason := _smoke_test(entry.record)))


def _named(kept: Sequence[Entry]) -> list[Entry]:
    """Entries of one division with their slugs: the name where it is alone in having it, else with a hash."""
    plain = [slugify(_name(entry)) for entry in kept]
    shared = Counter(plain)
    return [
        replace(entry, slug=name if shared[name] == 1 else f"{name[:50]}-{short_hash(entry.identity, 6)}")
        for entry, name in zip(kept, plain, strict=True)
    ]


def _apart(entry: Entry, reason: str) -> UnrankedEntry:
    """A run that is not ranked; its slug never takes the name that a ranked one may want."""
    return UnrankedEntry(replace(entry, slug=f"{slugify(_name(entry))[:50]}-{entry.record.record_id[:8]}"), reason)


def _name(entry: Entry) -> str:
    return entry.record.model.submission or entry.record.model.name


def _smoke_test(record: Record) -> str:
    if record.dataset.limit is not None:
        return f"limited to {record.dataset.limit} tiles: a smoke test"
    if record.dataset.shard is not None:
        return f"shard {clean(record.dataset.shard, 20)}: merge the shards first"
    return ""


def _division(
    key: tuple[str, ...], group: Sequence[Entry], part: int, references: References | None
) -> Division | None:
    """Return the division of runs that agree about their tiles; `part` tells those of one key apart."""
    whole = [entry for entry in group if not _smoke_test(entry.record)]
    if not whole:
        return None
    apart: list[UnrankedEntry] = []
    kept: list[Entry] = []
    for entry in whole:
        reason = _unranked(entry, claimed_kind(entry.record))
        if reason:
            apart.append(_apart(entry, reason))
        else:
            kept.append(entry)
    kept, superseded = _newest(kept)
    apart += superseded
    facts = (kept or whole)[0].table
    versions = shown_versions([entry.record for entry in kept])
    kept = [with_versions(entry, versions) for entry in kept]
    record = (kept or whole)[0].record
    names = [name for name in _LIST_ORDER if name in record.scores] or sorted(record.scores)
    lists = {name: _tiles_of(record, name, facts) for name in names}
    releases = sorted({clean(entry.record.dataset.release, 40) for entry in whole})
    return Division(
        key="/".join((*key, str(part)) if part else key), kind=kind_of(record, references), prefix="",
        protocol=protocol_of(record), release=", ".join(releases),
        inputs=record.dataset.inputs, targets_sha256=record.dataset.targets_sha256,
        entries=tuple(sorted(_named(kept), key=lambda e: e.slug)),
        apart=tuple(sorted(apart, key=lambda a: a.entry.slug)),
        facts=facts, lists=lists, versions=versions, awaits_reference=awaits_reference(record, references),
    )  # fmt: skip


def _tiles_of(record: Record, name: str, facts: TileTable) -> tuple[str, ...]:
    from worldstrat_bench.data.split import sublists

    if record.dataset.list in ("full", "clean"):
        return tuple(sorted(sublists(record.dataset.list, facts.tiles)[name]))
    return facts.tiles


def _unranked(entry: Entry, kind: str) -> str:
    """Why no board of its division may rank an entry; "" if some may."""
    record, declared = entry.record, entry.declaration
    if declared.status == "contaminated":
        return f"contaminated: trained on {declared.title}. {declared.explanation}"
    if reason := foreign_inputs(record):
        return clean(reason, 200)
    on_official_list = kind in ("official", "probe") or (kind == "predictions" and record.dataset.official)
    if kind != "probe" and on_official_list and declared.status == "undeclared":
        return "the train list is not declared"
    failed = {k: v for k, v in sorted(record.outcomes.items()) if k != "ok" and v}
    if failed and all(scores.failed for scores in record.scores.values()):
        parts = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in failed.items())
        why = "".join(f"; {clean(line, 600)}" for line in in_words(record.messages[:3]))
        return f"incomplete: {sum(failed.values())} of {record.dataset.tiles} tiles failed ({parts}){why}"
    if on_official_list:
        from worldstrat_bench.data.split import list_tiles

        expected = set(list_tiles(record.dataset.list)) - set(record.dataset.no_target)
        if set(entry.table.tiles) != expected:
            return f"claims to be official, but its tiles are not those of list {record.dataset.list}"
    return ""


def _newest(entries: Sequence[Entry]) -> tuple[list[Entry], list[UnrankedEntry]]:
    """One run of each identity: a verified one before others, then the newest."""
    best: dict[str, Entry] = {}
    for entry in entries:
        held = best.get(entry.identity)
        if held is None or _age(entry) > _age(held):
            best[entry.identity] = entry
    others = [e for e in entries if best[e.identity] is not e]
    return list(best.values()), [
        _apart(e, f"another run of the same entry is on the board: record {best[e.identity].record.record_id[:12]}")
        for e in others
    ]


def _age(entry: Entry) -> tuple[bool, float, str]:
    return bool(entry.verified), instant(entry.record.created).timestamp(), entry.record.record_id


def _agreeing(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Part runs on the same targets by what they state of the tiles, verified ones first, then by their ids.

    Runs that agree are never parted by what others state: no majority decides which of two statements is true. Official
    ones agree to begin with, since each agrees with the reference.
    """
    parts: list[list[Entry]] = []
    for entry in sorted(entries, key=lambda e: (not e.verified, e.record.record_id)):
        near = [part for part in parts if any(_same_facts(entry.table, other.table) for other in part)]
        joined = [other for part in near for other in part]
        first = parts.index(near[0]) if near else len(parts)
        parts = [part for part in parts if part not in near]
        parts.insert(first, [*joined, entry])
    return parts


def _same_facts(table: TileTable, other: TileTable) -> bool:
    if table.tiles != other.tiles:
        return False
    texts = all(table.texts[name] == other.texts[name] for name in FACT_COLUMNS if name in table.texts)
    return texts and all(
        np.allclose(table.numbers[name], other.numbers[name], rtol=1e-3, atol=1e-9, equal_nan=True)
        for name in FACT_COLUMNS
        if name in table.numbers
    )


def _prefix(division: Division) -> str:
    name = f"{division.kind}-{division.protocol.id}-{division.release}-{division.list_name}"
    return f"{slugify(name[:60].replace(', ', '-').lower())}-{short_hash(division.key, 6)}/"
