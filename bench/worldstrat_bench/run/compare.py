"""Two finished runs side by side: paired differences, on every list and in every stratum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from worldstrat_bench.artefacts.record import ProtocolRef, Record
from worldstrat_bench.artefacts.result import Result, load_result
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.data.split import sublists
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Aggregation, Protocol, load_protocol, same_task
from worldstrat_bench.run.standing import standing_remarks
from worldstrat_bench.stats.aggregate import largest_list
from worldstrat_bench.stats.paired import Comparison, compare_all
from worldstrat_bench.stats.ranking import as_shown
from worldstrat_bench.stats.strata import AXES, members, strata_of

OF_THE_TARGET = ("psnr_bicubic", "lr_consistency_target", "gain")
"""Metrics whose difference says nothing more: they follow from the target, or differ as `psnr` does."""


@dataclass(frozen=True)
class RunComparison:
    """Two runs compared.

    Attributes
    ----------
    a, b : their records.
    lists : comparisons of every metric by list.
    strata : comparisons of the ranked metric (psnr) by axis and stratum, over the largest list that both have.
    only_a, only_b : tiles that one scored and the other did not.
    remarks : what makes the comparison weaker than it looks.
    ranking : the metrics that rank.
    level, margin : what a verdict takes: the largest p of each test, and the smallest difference by metric.
    limits : with the numbers of effective groups that intervals, tests and verdicts take.
    """

    a: Record
    b: Record
    lists: dict[str, tuple[Comparison, ...]]
    strata: dict[str, dict[str, tuple[Comparison, ...]]]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    remarks: tuple[str, ...]
    ranking: tuple[str, ...]
    level: float
    margin: Mapping[str, float]
    limits: Aggregation


def compare_runs(path_a: Path | str, path_b: Path | str) -> RunComparison:
    """Compare two runs on the tiles that both have. Where one failed such a tile, the verdict is "none".

    Raises
    ------
    InvalidArtefactError
        if one is not a finished run.
    UsageError
        if they are of different protocols, of different inputs or targets, or have no scored tile in common.
    """
    a, b = load_result(path_a), load_result(path_b)
    if a.record.protocol != b.record.protocol:
        raise UsageError(
            f"the runs are of different protocols: {a.record.protocol.id} and {b.record.protocol.id}",
            where=f"{path_a}, {path_b}",
            remedy="score one again: worldstrat-bench score RUN --protocol ID --out DIR",
        )
    protocol = load_protocol(a.record.protocol.id)
    _refuse_other_data(a, b)
    both = _scored(a.table) & _scored(b.table)
    if not both:
        raise UsageError("the runs have no scored tile in common", where=f"{path_a}, {path_b}")
    common = frozenset(a.table.tiles) & frozenset(b.table.tiles)
    other = other_versions(a.record, b.record)
    a, b = replace(a, table=a.table.without(other)), replace(b, table=b.table.without(other))
    shared = _shared_lists(a.record, b.record, common)
    return RunComparison(
        a.record,
        b.record,
        {name: _judged(a.table, b.table, protocol, tiles, both, stratum=False) for name, tiles in shared.items()},
        _strata(a.table, b.table, protocol, largest_list(shared), both),
        tuple(sorted(_scored(a.table) - both)),
        tuple(sorted(_scored(b.table) - both)),
        (*_remarks(a.record, b.record, common - both), *standing_remarks(a, "a"), *standing_remarks(b, "b")),
        tuple(protocol.ranking.metrics),
        protocol.ranking.level,
        protocol.ranking.margin,
        protocol.aggregation,
    )


def other_versions(a: Record, b: Record) -> tuple[str, ...]:
    """Return the optional columns that both have and that are not the same metric: their versions differ."""
    return tuple(name for name in sorted(a.optional) if name in b.optional and a.optional[name] != b.optional[name])


def _refuse_other_data(a: Result, b: Result) -> None:
    """Differences between models mean something on the same inputs and targets only."""
    where, one, other = f"{a.folder}, {b.folder}", a.record.dataset, b.record.dataset
    given = [record.dataset.inputs_protocol or record.protocol for record in (a.record, b.record)]
    if one.inputs != other.inputs or not _same_inputs(given[0], given[1]):
        raise UsageError(
            f"the models were given different inputs: {one.inputs} of {given[0].id}, {other.inputs} of {given[1].id}",
            where=where,
            remedy="evaluate both with the same --lr and --protocol",
        )
    if one.revisits != other.revisits:
        copies = " and ".join(
            "all revisits" if n is None else f"revisits 1 to {n}" for n in (one.revisits, other.revisits)
        )
        raise UsageError(
            f"the runs are on copies of the dataset that hold {copies}: the models were given other frames",
            where=where,
            remedy="evaluate both on one copy; worldstrat-bench data fetch DIR --frames 8 makes it whole",
        )
    if a.table.tiles == b.table.tiles:
        differs = one.targets_sha256 != other.targets_sha256
    else:
        differs = _facts_differ(a.table, b.table)
    if differs:
        raise UsageError(
            "the runs were scored against different targets", where=where, remedy="score both on the same --data DIR"
        )


def _same_inputs(a: ProtocolRef, b: ProtocolRef) -> bool:
    return a == b or same_task(load_protocol(a.id), load_protocol(b.id))


def _facts_differ(a: TileTable, b: TileTable) -> bool:
    """Return whether tiles of the same name are not the same: their detail follows from the target alone."""
    names = sorted(set(a.tiles) & set(b.tiles))
    one, other = (t.numbers["detail"][t.index_of(names)] for t in (a, b))
    return not np.allclose(one, other, rtol=1e-4, atol=1e-9, equal_nan=True)


def _judged(
    a: TileTable, b: TileTable, protocol: Protocol, tiles: frozenset[str], both: frozenset[str], *, stratum: bool
) -> tuple[Comparison, ...]:
    """Compare on those of the tiles that both scored; no verdict if a tile failed, which is never dropped."""
    found = compare_all(a, b, protocol=protocol, tiles=tiles & both)
    shown = tuple(as_shown(one, protocol.aggregation, stratum=stratum) for one in found)
    return tuple(replace(one, verdict="none") for one in shown) if tiles - both else shown


def _scored(table: TileTable) -> frozenset[str]:
    return frozenset(tile for tile, ok in zip(table.tiles, table.ok, strict=True) if ok)


def _shared_lists(a: Record, b: Record, common: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return the lists that both have, over the tiles that both have; if the lists differ, the common tiles alone."""
    if a.dataset.list == b.dataset.list:
        return {name: tiles & common for name, tiles in sublists(a.dataset.list, common).items()}
    return {"common": common}


def _strata(
    a: TileTable, b: TileTable, protocol: Protocol, tiles: frozenset[str], both: frozenset[str]
) -> dict[str, dict[str, tuple[Comparison, ...]]]:
    labels = strata_of(a, tiles)
    rows = a.index_of(tiles)
    found: dict[str, dict[str, tuple[Comparison, ...]]] = {}
    for axis in AXES:
        groups = members([labels[axis][int(row)] for row in rows])
        found[axis] = {}
        for stratum, own in groups.items():
            inside = frozenset(a.tiles[int(rows[i])] for i in own)
            judged = _judged(a, b, protocol, inside, both, stratum=True)
            found[axis][stratum] = tuple(one for one in judged if one.metric in protocol.ranking.metrics)
    return found


def _remarks(a: Record, b: Record, failed: frozenset[str]) -> tuple[str, ...]:
    remarks = []
    if failed:
        remarks.append(f"{counted(len(failed), 'tile')} failed in one run or both: where they are, neither is better")
    remarks += [
        f"{measure(name).label} is not compared: version {a.optional[name]} and version {b.optional[name]}"
        for name in other_versions(a, b)
    ]
    for name, record in (("a", a), ("b", b)):
        if record.dataset.limit is not None:
            remarks.append(f"{name} is a smoke test of the first {counted(record.dataset.limit, 'tile')}")
        if record.dataset.shard is not None:
            remarks.append(f"{name} is shard {record.dataset.shard} of a run")
    if a.dataset.list != b.dataset.list:
        remarks.append(f"the runs are on different lists, {a.dataset.list} and {b.dataset.list}")
    if (a.predictions is None) != (b.predictions is None):
        remarks.append(
            "the predictions of one were handed in, the other is of a model that was run: no board ranks both"
        )
    elif a.device.type != b.device.type:
        remarks.append("one run was made on a GPU, the other on a CPU")
    return tuple(remarks)
