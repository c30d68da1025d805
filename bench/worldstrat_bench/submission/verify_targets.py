"""Dataset of this machine against that of a record: its revisits, and the digests of its targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worldstrat_bench.artefacts.identity import targets_sha256
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.submission.faults import CheckFinding

if TYPE_CHECKING:
    from worldstrat_bench.data.layout import Dataset
    from worldstrat_bench.pace import Pace
    from worldstrat_bench.protocol import Protocol


def target_faults(result: Result, dataset: Dataset, protocol: Protocol, pace: Pace) -> tuple[CheckFinding, ...]:
    """Return a fault if the targets or the revisits of this machine are not those of the record."""
    from worldstrat_bench.data.target import read_target

    listed = frozenset(dataset.names(result.record.dataset.list))
    if absent := next((name for name in result.table.tiles if name not in listed), None):
        what = f"this dataset has no tile {absent[:60]!r}, which the record has"
        return (CheckFinding("targets", what, where=str(dataset.root), remedy="verify with the dataset of the run"),)
    held, stated = dataset.partial_revisits(result.table.tiles), result.record.dataset.revisits
    if held != stated:
        copies = [f"revisits 1 to {n}" if n else "all revisits" for n in (held, stated)]
        what = f"this copy of the dataset has {copies[0]} of its tiles, that of the run {copies[1]}: frames differ"
        remedy = "verify on a copy like that of the run; worldstrat-bench data fetch DIR --frames N makes one"
        return (CheckFinding("targets", what, where=str(dataset.root), remedy=remedy),)
    # From the files, never from the cache: a verification rests on nothing that was kept.
    targets = []
    for name in result.table.tiles:
        targets.append((name, read_target(dataset.tile(name), protocol).sha256))
        pace(len(targets), len(result.table))
    if targets_sha256(targets) == result.record.dataset.targets_sha256:
        return ()
    what = "the targets of this dataset are not those of the record"
    return (CheckFinding("targets", what, where=str(dataset.root), remedy="verify with the dataset of the run"),)
