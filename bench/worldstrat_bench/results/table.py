"""The numbers of a table of runs: means, intervals and who is told apart, as records and boards have them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.data.split import sublists
from worldstrat_bench.measures import measure, metrics_named
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.results.load import Named, Paths, check_same_board, chosen_list, load_runs
from worldstrat_bench.run.standing import standing_remarks
from worldstrat_bench.stats.aggregate import largest_list
from worldstrat_bench.stats.estimate import effective_groups
from worldstrat_bench.stats.letters import letter
from worldstrat_bench.stats.paired import sign_of
from worldstrat_bench.stats.ranking import RankedBoard, display_of, drawn_interval, list_display, rank_tables
from worldstrat_bench.stats.strata import AXES, members, sort_strata, strata_of
from worldstrat_bench.typed import typed

USUAL = ("psnr", "ssim", "lpips")
"""The metrics of a table unless others are asked for; those without a value in any run are left out."""


@dataclass(frozen=True)
class Column:
    """One metric on a list or on one of its strata.

    Attributes
    ----------
    axis, stratum : of the set of tiles; both "" for the whole list.
    tiles : in the set.
    ties : letter to the names of the runs that bear it; empty where runs are not told apart by letters.
    """

    metric: str
    axis: str
    stratum: str
    tiles: int
    ties: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Cell:
    """One mean.

    Attributes
    ----------
    n, mean : of the record; None where it is null.
    interval : 95 %, None where pages draw none either (too few effective groups).
    best : whether this run beats every other run of the column.
    letters : of the sets of ties that it belongs to.
    """

    n: int
    mean: float | None
    interval: tuple[float, float] | None
    best: bool
    letters: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Runs by columns.

    Attributes
    ----------
    runs : best first by the first metric.
    cells : by row and column.
    notes : what a reader must know beside the numbers, in sentences without a full stop.
    """

    protocol: Protocol
    list_name: str
    tiles: int
    runs: tuple[Named, ...]
    columns: tuple[Column, ...]
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


@typed
def make_table(
    paths: Paths, metrics: str | Iterable[str] | None = None, axis: str | None = None, list_name: str = "auto"
) -> Table:
    """Put runs of the same protocol, list and targets side by side.

    Parameters
    ----------
    paths : finished runs.
    metrics : names, also in one text with commas; None: :data:`USUAL`.
    axis : also the strata of this axis, such as "ipcc".
    list_name : "auto" is the list that ranks the runs.

    Raises
    ------
    UsageError
        for runs that may not stand in one table, an unknown metric, axis or list.
    InvalidArtefactError
        if one is not a finished run.
    """
    runs = load_runs(paths)
    check_same_board(runs)
    chosen = chosen_list(runs, list_name)
    axis = None if axis is None else one_of(axis, AXES, "unknown axis", "--strata")
    return table_of(runs, chosen, metrics, axis)


def table_of(
    runs: Sequence[Named],
    chosen: str,
    metrics: str | Iterable[str] | None = None,
    axis: str | None = None,
    *,
    ranked: bool = False,
) -> Table:
    """Put runs that may stand in one table side by side, on a list that all of them have; see :func:`make_table`.

    Parameters
    ----------
    ranked : whether a board ranks all of them, so that nothing is said of their standing.
    """
    names = _metrics(runs, chosen, metrics)
    protocol = load_protocol(runs[0].result.record.protocol.id)
    # Before the columns are made, which have a cell for each run in this order.
    runs = _ordered(runs, chosen, names[0])
    sets = _sets(runs[0], chosen, axis)
    columns, cells = [], []
    for metric in names:
        for stratum, tiles in sets.items():
            column, own = _column(runs, chosen, metric, axis if stratum else None, stratum, tiles, protocol)
            columns.append(column)
            cells.append(own)
    rows = tuple(zip(*cells, strict=True))
    notes = notes_on(runs, chosen, USUAL if metrics is None else names, ranked=ranked)
    return Table(protocol, chosen, len(sets[""]), runs, tuple(columns), rows, notes)


def _metrics(runs: Sequence[Named], list_name: str, asked: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the metrics to show, each once.

    Raises
    ------
    UsageError
        for a metric that no run has.
    """
    known = dict.fromkeys(name for run in runs for name in run.result.record.scores[list_name].micro)
    if asked is None:
        # PSNR even without a value: a table has at least one column.
        return tuple(name for name in USUAL if any(_summary(run, list_name, name).n for run in runs)) or ("psnr",)
    return metrics_named(asked, known, "no run has the metric", "--metrics")


def _ordered(runs: Sequence[Named], list_name: str, metric: str) -> tuple[Named, ...]:
    sign = sign_of(metric) or 1

    def place(run: Named) -> tuple[bool, float]:
        mean = _summary(run, list_name, metric).mean
        return (mean is None, 0.0 if mean is None else -sign * mean)

    return tuple(sorted(runs, key=place))


def _sets(run: Named, list_name: str, axis: str | None) -> dict[str, frozenset[str]]:
    """Return the whole list under "", then the strata in the order of pages. Cut as ``stats.aggregate`` cuts them."""
    table = run.result.table
    lists = sublists(run.result.record.dataset.list, table.tiles)
    tiles = lists[list_name]
    sets = {"": tiles}
    if axis is not None:
        labels, rows = strata_of(table, largest_list(lists))[axis], table.index_of(tiles)
        found = members([labels[int(row)] for row in rows])
        sets |= {s: frozenset(table.tiles[int(rows[i])] for i in found[s]) for s in sort_strata(axis, found)}
    return sets


def _column(
    runs: Sequence[Named],
    list_name: str,
    metric: str,
    axis: str | None,
    stratum: str,
    tiles: frozenset[str],
    protocol: Protocol,
) -> tuple[Column, tuple[Cell, ...]]:
    groups = runs[0].result.table
    effective = effective_groups([groups.groups[int(row)] for row in groups.index_of(tiles)])
    board = None
    # As on pages: a diagnostic has no better, and few groups bear no order, of a stratum sooner than of a list.
    display = display_of if stratum else list_display
    if sign_of(metric) and display(effective, protocol.aggregation) == "ranks":
        # A run with a failed tile has a row and no place: the tests need every model on every tile.
        tables = {run.name: run.result.table for run in runs if run.result.record.rankable(list_name)}
        board = rank_tables(tables, tiles, metric, protocol)
    cells = []
    for run in runs:
        summary = _summary(run, list_name, metric, axis, stratum)
        interval = drawn_interval(summary, protocol.aggregation, metric)
        best, letters = _standing(board, run.name)
        cells.append(Cell(summary.n, summary.mean, interval, best, letters))
    return Column(metric, axis or "", stratum, len(tiles), _ties(board)), tuple(cells)


def _standing(board: RankedBoard | None, name: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether a run beats all others of a board, and its letters."""
    place = None if board is None else board.order.get(name)
    # The only run would beat all others.
    if board is None or place is None or len(board.standings) < 2:
        return False, ()
    standing = board.standings[place]
    return standing.beats == len(board.standings) - 1, standing.letters


def _ties(board: RankedBoard | None) -> dict[str, tuple[str, ...]]:
    if board is None or len(board.standings) < 2:
        return {}
    known = dict.fromkeys(one for standing in board.standings for one in standing.letters)
    order = {letter(number): number for number in range(len(known))}
    return {
        one: tuple(standing.model for standing in board.standings if one in standing.letters)
        for one in sorted(known, key=lambda one: order[one])
    }


def _summary(run: Named, list_name: str, metric: str, axis: str | None = None, stratum: str = "") -> Summary:
    """Return the record's own numbers; without any where the run lacks the metric."""
    scores = run.result.record.scores[list_name]
    found = scores.micro if axis is None else scores.strata.get(axis, {}).get(stratum, {})
    return found.get(metric) or Summary(n=0)


def _nulls(runs: Sequence[Named], metrics: Collection[str]) -> list[str]:
    """Return which metrics are null, on all tiles or some, each once for all runs: a caption has no room for why."""
    names: dict[tuple[str, bool], list[str]] = {}
    for run in runs:
        for name in run.result.record.nulls:
            if name in metrics:
                some = any(scores.micro.get(name, Summary(n=0)).n for scores in run.result.record.scores.values())
                names.setdefault((measure(name).label, some), []).append(run.name)
    everyone = f"all {len(runs)} models"
    return [
        f"{label} of {everyone if 1 < len(owners) == len(runs) else ', '.join(owners)} was not computed"
        + (" on every tile" if some else "")
        for (label, some), owners in names.items()
    ]


def notes_on(
    runs: Sequence[Named], list_name: str, metrics: Collection[str], *, ranked: bool = False
) -> tuple[str, ...]:
    """Return what a reader must know beside the numbers of those metrics, in sentences without a full stop."""
    notes = []
    if any(run.result.record.predictions is not None for run in runs):
        notes.append("the predictions were handed in, and code, weights and speed are not known")
    if not runs[0].result.record.dataset.official:
        notes.append("this is not an official test set, and the numbers compare models on this data only")
    for run in runs:
        record = run.result.record
        if record.dataset.limit is not None or record.dataset.shard is not None:
            notes.append(f"{run.name} is a part of a run and is not ranked")
        elif not record.rankable(list_name):
            notes.append(
                f"{run.name} failed on {counted(record.scores[list_name].failed, 'tile')} and has no mean there"
            )
        if record.model.draws > 1:
            notes.append(f"{run.name} is stochastic, and its scores are means over {record.model.draws} draws a tile")
        notes += () if ranked else standing_remarks(run.result, run.name)
    notes += _nulls(runs, metrics)
    # What is so of several runs is said once.
    return tuple(dict.fromkeys(notes))
