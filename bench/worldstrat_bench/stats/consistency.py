"""Whether a record follows from its tiles and the package: one answer for the check, the verification and the site."""

from __future__ import annotations

from collections.abc import Iterator

from worldstrat_bench.artefacts.identity import short_value
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.data import split
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.stats.aggregate import not_from_tiles
from worldstrat_bench.stats.contradiction import Contradiction
from worldstrat_bench.stats.table_consistency import table_contradictions


def contradictions(record: Record, table: TileTable, *, scores: bool = True) -> tuple[Contradiction, ...]:
    """Return what of a record does not follow from its tiles and the package; nothing if all of it does.

    The scores are recomputed only if nothing else is wrong: they would only repeat the other faults.

    Parameters
    ----------
    scores : False leaves them out.
    """
    if unknown := unknown_protocol(record):
        return unknown
    found = (*_of_list(record, table), *table_contradictions(table, record))
    if found or not scores:
        return found
    return tuple(_of_scores(record, table, load_protocol(record.protocol.id)))


def unknown_protocol(record: Record) -> tuple[Contradiction, ...]:
    """Return why the package has not the protocol that a record names; nothing if it has."""
    try:
        protocol = load_protocol(record.protocol.id)
    except UsageError as error:
        return (Contradiction("protocol", error.what, remedy=error.remedy or ""),)
    if protocol.sha256 != record.protocol.sha256:
        what = f"the record was made with another {protocol.id!r}: the protocol's sha256 differs from the package's"
        return (Contradiction("protocol", what, remedy="protocols never change; use a release's and score again"),)
    return ()


def _of_list(record: Record, table: TileTable) -> Iterator[Contradiction]:
    """Check that the tiles are those of the list that the record names, all of them."""
    dataset = record.dataset
    evaluated = set(table.tiles) | set(dataset.no_target)
    if dataset.tiles != len(table):
        yield Contradiction("list-complete", f"the record counts {dataset.tiles} tiles, tiles.csv has {len(table)}")
    partial = dataset.limit is not None or dataset.shard is not None
    if dataset.official or (dataset.release in split.release_names() and dataset.list in split.LISTS and not partial):
        yield from _of_official_list(record, evaluated)
    elif not partial and dataset.list_sha256 != split.list_sha256(evaluated):
        what = "list_sha256 is not the hash of the tiles in tiles.csv: the list is stale or tiles were removed"
        yield Contradiction("list-hash", what)


def _of_official_list(record: Record, evaluated: set[str]) -> Iterator[Contradiction]:
    dataset = record.dataset
    if dataset.list not in split.LISTS or dataset.release not in split.release_names():
        what = f"a record on list {dataset.list!r} of release {dataset.release!r} cannot be official"
        remedy = f"official lists are {', '.join(split.LISTS)} of {' and '.join(split.release_names())}"
        yield Contradiction("official", what, remedy=remedy)
        return
    if dataset.revisits is not None:
        what = f"a record of a copy with revisits 1 to {dataset.revisits} alone cannot be official"
        yield Contradiction("official", what, remedy="evaluate a whole copy of the release")
    wanted = set(split.list_tiles(dataset.list))
    missing, foreign = sorted(wanted - evaluated), sorted(evaluated - wanted)
    if foreign:
        what = f"{len(foreign)} tiles are not on list {dataset.list!r}, {foreign[0]!r} for one"
        yield Contradiction("list-complete", what, "tiles", remedy="evaluate the list as the package defines it")
    if missing and dataset.limit is None and dataset.shard is None:
        what = f"{len(missing)} tiles of list {dataset.list!r} are missing, {missing[0]!r} for one"
        remedy = "a tile is never left out; a failed one stays in with its outcome"
        yield Contradiction("list-complete", what, "tiles", remedy=remedy)
    if dataset.list_sha256 != split.list_sha256(wanted):
        what = f"list_sha256 is not that of list {dataset.list!r} in this version of the package: it is stale"
        yield Contradiction("list-hash", what, remedy="update worldstrat-bench and evaluate again")


def _of_scores(record: Record, table: TileTable, protocol: Protocol) -> Iterator[Contradiction]:
    """Check that every mean and interval follows from tiles.csv, to a relative 1e-7."""
    lists = split.sublists(record.dataset.list, table.tiles)
    if difference := not_from_tiles(record.scores, table, lists, protocol):
        key, stored, computed = difference
        what = f"scores.{key} is {short_value(stored)} but tiles.csv gives {short_value(computed)}"
        yield Contradiction("record-aggregates", what)
