"""Contradictions of ``tiles.csv`` in itself: labels against the package, numbers against each other."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.data import split
from worldstrat_bench.measures import MEASURES, optional_column
from worldstrat_bench.protocol import load_protocol, protocol_ids
from worldstrat_bench.stats.contradiction import Contradiction
from worldstrat_bench.stats.ranges import RANGES

SCORES = ("psnr", "ssim", "lpips", "rmse", "psnr_raw", "psnr_unregistered", "sam", "lr_consistency", "clipped")
_LABELS = ("group", "ipcc", "smod", "source", "continent")
_DB_TOLERANCE = 0.001
"""Two columns of seven digits that say the same agree to this, in dB."""


def table_contradictions(table: TileTable, record: Record) -> Iterator[Contradiction]:
    """Yield everything that a table says wrongly, at most one fault a rule."""
    yield from _first(_column_faults(table))
    yield from _first(_outcome_faults(table, record))
    yield from _first(_message_faults(table, record))
    yield from _first(_range_faults(table))
    yield from _first(_null_faults(table, record))
    yield from _first(_version_faults(table, record))
    yield from _first(_consistency_faults(table, record))
    yield from _first(_label_faults(table, record))


def _first(faults: Iterator[Contradiction]) -> Iterator[Contradiction]:
    found = next(faults, None)
    if found:
        yield found


def _column_faults(table: TileTable) -> Iterator[Contradiction]:
    """Find columns that the package does not know: their names would be heads of the tables of a board."""
    for name in table.optional_metrics:
        if optional_column(name) is None and (name not in MEASURES or name == "gain"):
            yield Contradiction(
                "columns", f"the column {name[:60]!r} is not one that the harness writes", "tiles", line=1
            )


def _outcome_faults(table: TileTable, record: Record) -> Iterator[Contradiction]:
    outcomes = table.text("outcome")
    counted = {name: outcomes.count(name) for name in set(outcomes)}
    stored = {name: n for name, n in record.outcomes.items() if n}
    if counted != stored:
        what = f"the record's outcomes are {_counts(stored)}, tiles.csv has {_counts(counted)}"
        yield Contradiction("outcomes", what, "tiles")


def _message_faults(table: TileTable, record: Record) -> Iterator[Contradiction]:
    """Check that messages are of tiles with that outcome: what a model said of a failed one is in its own words."""
    said: dict[str, int] = {}
    outcomes = dict(zip(table.tiles, table.text("outcome"), strict=True))
    for one in record.messages:
        said[one.outcome] = said.get(one.outcome, 0) + one.tiles
        other = next((name for name in one.names if outcomes.get(name) != one.outcome), None)
        if other is not None:
            what = f"a message with the outcome {one.outcome[:40]!r} names tile {other[:60]!r}, which has another one"
            yield Contradiction("messages", what)
        elif said[one.outcome] > record.outcomes.get(one.outcome, 0):
            what = f"it holds messages of more tiles with the outcome {one.outcome[:40]!r} than there are"
            yield Contradiction("messages", what)


def _range_faults(table: TileTable) -> Iterator[Contradiction]:
    for name, (low, high) in RANGES.items():
        if name not in table.numbers:
            continue  # an optional column
        values = table.numbers[name]
        for row in np.flatnonzero(~np.isnan(values) & ((values < low) | (values > high))):
            what = f"{name} of tile {table.tiles[row]!r} is {values[row]:.7g}, outside {low:g} to {high:g}"
            yield Contradiction("values", what, "tiles", line=int(row) + 2)


def _null_faults(table: TileTable, record: Record) -> Iterator[Contradiction]:
    """Check that a scored tile has its scores and a failed one none; a metric without any value has a reason."""
    ok = table.ok
    for row in np.flatnonzero(~ok):
        filled = [name for name in SCORES if not math.isnan(table.numbers[name][row])]
        if filled:
            what = f"tile {table.tiles[row]!r} failed and yet has {filled[0]}"
            yield Contradiction("nulls", what, "tiles", line=int(row) + 2)
    for row in np.flatnonzero(ok & np.isnan(table.numbers["psnr"])):
        # Every protocol of ours has a PSNR for every tile that was scored, whatever reason the record gives.
        if "psnr" not in record.nulls or record.protocol.id.startswith("wsb-"):
            yield Contradiction("nulls", f"tile {table.tiles[row]!r} is ok and has no psnr", "tiles", line=int(row) + 2)
    for name in sorted(record.nulls.keys() - {*table.numbers, *MEASURES}):
        what = f"the record says why {name[:60]!r} is null, which is not a metric"
        yield Contradiction("nulls", what, "record")
    known = record.protocol.id in protocol_ids()
    # The table has the columns of wsb: what another protocol does not measure needs no reason.
    measured = load_protocol(record.protocol.id).metrics.names if known else SCORES
    for name in (*measured, *record.optional):
        if name not in table.numbers:
            continue
        if ok.any() and np.isnan(table.numbers[name][ok]).all() and name not in record.nulls:
            yield Contradiction("nulls", f"{name} is null on every tile and the record does not say why", "tiles")


def _version_faults(table: TileTable, record: Record) -> Iterator[Contradiction]:
    """Check that the record gives the version of every column of an optional metric, and of no other."""
    owners = {name: optional_column(name) for name in table.numbers}
    present = {name for name, owner in owners.items() if owner is not None}
    needed = {name for owner in owners.values() if owner is not None for name in owner.names}
    for name in sorted(needed - present):
        yield Contradiction("optional", f"the column {name!r} is missing beside others of its metric", "tiles")
    for name in sorted(present ^ set(record.optional)):
        what = f"has no version of the column {name!r}" if name in present else f"gives a version of {name[:60]!r}"
        yield Contradiction("optional", f"the record {what}, contrary to tiles.csv", "tiles")


def _consistency_faults(table: TileTable, record: Record) -> Iterator[Contradiction]:
    """In the wsb protocols rmse and psnr are one number, and bias removal cannot lower psnr."""
    if not record.protocol.id.startswith("wsb-"):
        return
    psnr, rmse = table.numbers["psnr"], table.numbers["rmse"]
    both = ~np.isnan(psnr) & ~np.isnan(rmse) & (rmse > 1e-4)
    derived = np.full_like(psnr, np.nan)
    derived[both] = -20 * np.log10(rmse[both])
    yield from _rows(both & (np.abs(psnr - derived) > _DB_TOLERANCE), table, "psnr and rmse contradict each other")
    raw = table.numbers["psnr_raw"]
    higher = ~np.isnan(psnr) & ~np.isnan(raw) & (raw > psnr + _DB_TOLERANCE)
    yield from _rows(higher, table, "psnr_raw is above psnr, which removes a bias from the same pixels")


def _rows(bad: NDArray[np.bool_], table: TileTable, what: str) -> Iterator[Contradiction]:
    for row in np.flatnonzero(bad):
        yield Contradiction("values", f"tile {table.tiles[row]!r}: {what}", "tiles", line=int(row) + 2)


def _label_faults(table: TileTable, record: Record) -> Iterator[Contradiction]:
    """Labels and groups of official tiles are the package's own; other groups follow from the names."""
    if not (record.dataset.official or record.dataset.release in split.release_names()):
        return
    known = split.official_facts()
    texts = {name: table.text(name) for name in _LABELS}
    for row, tile in enumerate(table.tiles):
        facts = known.get(tile)
        if facts is None:
            continue
        for name, column in texts.items():
            stated, own = column[row], str(getattr(facts, name))
            if stated != own and own not in (split.UNLABELLED, "unlocated"):
                what = f"{name} of tile {tile!r} is {stated!r}, the package says {own!r}"
                yield Contradiction("labels", what, "tiles", line=row + 2)
        for name in ("lon", "lat"):
            value, fact = float(table.numbers[name][row]), getattr(facts, name)
            if fact is not None and not abs(value - fact) < 1e-4:
                what = f"{name} of tile {tile!r} is {value:.7g}, the package says {fact:.7g}"
                yield Contradiction("labels", what, "tiles", line=row + 2)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or "empty"
