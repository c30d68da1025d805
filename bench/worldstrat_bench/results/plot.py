"""Content of a plot: the numbers of tables, boards and curves, before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.spectra import CURVES, read_spectra
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.data.split import sublists
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import measure, metric_named
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.results.load import Named, Paths, check_same_board, chosen_list, load_runs
from worldstrat_bench.stats.paired import sign_of, verdict_interval
from worldstrat_bench.stats.ranking import RankedBoard, list_display, rank_tables
from worldstrat_bench.stats.spectra import coherence_and_contrast

Floats = NDArray[np.float64]
Kind = Literal["forest", "strata", "pairs", "shift", "spectrum"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True)
class Runs:
    """Runs that may stand in one plot.

    Attributes
    ----------
    tiles : of the list.
    """

    runs: tuple[Named, ...]
    protocol: Protocol
    list_name: str
    tiles: frozenset[str]

    @property
    def tables(self) -> dict[str, TileTable]:
        """Name of a run to its tiles."""
        return {run.name: run.result.table for run in self.runs}


@dataclass(frozen=True)
class Difference:
    """A run less the leader, paired by tile.

    Attributes
    ----------
    interval : 95 %; None where pages draw none either (too few effective groups, or the difference never varies).
    verdict : the wider interval that excludes 0 where the tests of a verdict do; None where `interval` is.
    beaten : whether the leader beats the run; False as well where too few groups allow ranks.
    """

    run: str
    value: float
    interval: tuple[float, float] | None
    verdict: tuple[float, float] | None
    beaten: bool


@dataclass(frozen=True)
class Curve:
    """The spectrum of one run: coherence with the target and contrast, (bins,), NaN where there is nothing."""

    run: str
    coherence: Floats
    contrast: Floats


def plotted_runs(paths: Paths, list_name: str = "auto") -> Runs:
    """Read the runs of a plot.

    Raises
    ------
    UsageError
        for runs that may not stand side by side, or a list that they do not have.
    InvalidArtefactError
        if one is not a finished run.
    """
    runs = load_runs(paths)
    check_same_board(runs)
    chosen = chosen_list(runs, list_name)
    record, table = runs[0].result.record, runs[0].result.table
    tiles = frozenset(sublists(record.dataset.list, table.tiles)[chosen])
    return Runs(runs, load_protocol(record.protocol.id), chosen, tiles)


def board_of(shown: Runs, metric: str) -> tuple[RankedBoard, tuple[str, ...]]:
    """Return the board of a metric, and what to say of the runs that are not on it.

    Raises
    ------
    UsageError
        for a metric without a better side, one that is weighted, or fewer than two runs with all values.
    """
    known = dict.fromkeys(name for run in shown.runs for name in run.result.record.scores[shown.list_name].micro)
    metric = metric_named(metric, known, "no run has the metric", "--metric")
    # The tests of a board are of plain means over tiles: a weighted mean would be drawn with the wrong interval.
    if not sign_of(metric) or measure(metric).weight:
        why = "has no better side" if not sign_of(metric) else "weights its tiles"
        what, remedy = f"{metric} {why}: no run leads in it", "psnr, ssim, lpips or another plain metric"
        raise UsageError(what, where="--metric", remedy=remedy)
    board = rank_tables(shown.tables, shown.tiles, metric, shown.protocol)
    missing = [run.name for run in shown.runs if run.name not in board.order]
    notes = [f"{name} is left out: it has no {measure(metric).label} on some tiles" for name in missing]
    if len(board.standings) < 2:
        what = f"fewer than two runs have {measure(metric).label} on every tile of the list {shown.list_name}"
        raise UsageError("; ".join([what, *notes]), where="RUN...", remedy="give two or more runs without failed tiles")
    return board, tuple(notes)


def differences(board: RankedBoard, protocol: Protocol) -> tuple[Difference, ...]:
    """Return every run of a board less its first one, in the order of the board."""
    rules = protocol.aggregation
    display = list_display(board.effective_groups, rules)
    intervals, verdicts = board.pairs.interval(rules), verdict_interval(board.pairs, protocol)

    def ends(both: tuple[Floats, Floats], row: int) -> tuple[float, float] | None:
        low, high = float(both[0][row, 0]), float(both[1][row, 0])
        return None if board.effective_groups < rules.groups_interval or np.isnan(low + high) else (low, high)

    return tuple(
        Difference(
            standing.model,
            float(board.pairs.value[row, 0]),
            ends(intervals, row),
            ends(verdicts, row),
            display == "ranks" and bool(board.beats[0, row]),
        )
        for row, standing in enumerate(board.standings)
        if row
    )


def shifts(shown: Runs) -> Mapping[str, tuple[Floats, Floats]]:
    """Return the shifts of every run over the tiles that have one, (n,) x and y in px of the target.

    Raises
    ------
    UsageError
        if no tile has one: the protocol knows no one shift.
    """
    found = {}
    for name, table in shown.tables.items():
        rows = table.index_of(shown.tiles)
        x, y = table.numbers["shift_x"][rows], table.numbers["shift_y"][rows]
        known = ~np.isnan(x + y)
        found[name] = (x[known], y[known])
    if not any(len(x) for x, _ in found.values()):
        what = f"no tile has a shift: {shown.protocol.id} may have no single one, or all tiles failed"
        raise UsageError(what, where="--kind shift", remedy="plot runs of another protocol")
    return found


def spectra(shown: Runs) -> tuple[tuple[Curve, ...], int]:
    """Return the curves of every run over the tiles that all have, and how many tiles these are.

    Raises
    ------
    InvalidArtefactError
        if a run has no curves, or they are not valid.
    """
    found = []
    for run in shown.runs:
        curves = read_spectra(run.result)
        target, prediction, cross = (curves[name] for name in CURVES)
        found.append((target, prediction, cross))
    # The tiles that all have: curves over other tiles would differ by the land, not by the model.
    tiles = reduce(frozenset.intersection, (frozenset(own[0]) for own in found), shown.tiles)
    if not tiles:
        raise UsageError("the runs have no tile with curves in common", where="--kind spectrum")
    curves_of = zip(shown.runs, found, strict=True)
    return tuple(Curve(run.name, *coherence_and_contrast(*own, tiles)) for run, own in curves_of), len(tiles)
