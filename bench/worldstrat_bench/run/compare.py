"""Two finished runs side by side: paired differences, on every list and in every stratum."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.data.split import sublists
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.record import Record
from worldstrat_bench.run.result import load_result
from worldstrat_bench.stats.aggregate import largest_list
from worldstrat_bench.stats.paired import Comparison, compare_all
from worldstrat_bench.stats.strata import AXES, members, strata_of
from worldstrat_bench.tiles import TileTable


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
    """

    a: Record
    b: Record
    lists: dict[str, tuple[Comparison, ...]]
    strata: dict[str, dict[str, tuple[Comparison, ...]]]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    remarks: tuple[str, ...]


def compare_runs(path_a: Path, path_b: Path, *, wilcoxon: bool = False) -> RunComparison:
    """Compare two runs on the tiles that both scored.

    Raises
    ------
    InvalidArtefactError
        if one is not a finished run.
    UsageError
        if they are of different protocols, or have no tile in common.
    """
    a, b = load_result(path_a), load_result(path_b)
    if a.record.protocol != b.record.protocol:
        raise UsageError(
            f"the runs are of different protocols: {a.record.protocol.id} and {b.record.protocol.id}",
            where=f"{path_a}, {path_b}",
            remedy="score one again: worldstrat-bench score RUN --protocol ID --out DIR",
        )
    protocol = load_protocol(a.record.protocol.id)
    both = _scored(a.table) & _scored(b.table)
    if not both:
        raise UsageError("the runs have no scored tile in common", where=f"{path_a}, {path_b}")
    shared = _shared_lists(a.record, b.record, both)
    return RunComparison(
        a.record,
        b.record,
        {
            name: compare_all(a.table, b.table, protocol=protocol, tiles=tiles, wilcoxon=wilcoxon)
            for name, tiles in shared.items()
        },
        _strata(a.table, b.table, protocol, largest_list(shared)),
        tuple(sorted(_scored(a.table) - both)),
        tuple(sorted(_scored(b.table) - both)),
        _remarks(a.record, b.record),
    )


def _scored(table: TileTable) -> frozenset[str]:
    return frozenset(tile for tile, ok in zip(table.tiles, table.ok, strict=True) if ok)


def _shared_lists(a: Record, b: Record, both: frozenset[str]) -> dict[str, frozenset[str]]:
    """The lists that both have, over the tiles that both scored; if the lists differ, the common tiles alone."""
    if a.dataset.list == b.dataset.list:
        return {name: tiles & both for name, tiles in sublists(a.dataset.list, both).items()}
    return {"common": both}


def _strata(
    a: TileTable, b: TileTable, protocol: Protocol, tiles: frozenset[str]
) -> dict[str, dict[str, tuple[Comparison, ...]]]:
    labels = strata_of(a, tiles)
    rows = a.index_of(tiles)
    found: dict[str, dict[str, tuple[Comparison, ...]]] = {}
    for axis in AXES:
        groups = members([labels[axis][int(row)] for row in rows])
        found[axis] = {
            stratum: tuple(
                one
                for one in compare_all(a, b, protocol=protocol, tiles={a.tiles[int(rows[i])] for i in own})
                if one.metric in protocol.ranking.metrics
            )
            for stratum, own in groups.items()
        }
    return found


def _remarks(a: Record, b: Record) -> tuple[str, ...]:
    remarks = []
    if a.dataset.targets_sha256 != b.dataset.targets_sha256:
        remarks.append("the runs were not scored against the same targets, or not on the same tiles")
    if a.dataset.inputs != b.dataset.inputs:
        remarks.append("one run was given synthetic inputs")
    if a.device.type != b.device.type:
        remarks.append("one run was made on a GPU, the other on a CPU")
    return tuple(remarks)
