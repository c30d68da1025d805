"""``submission compare``: what a submission would do to the boards, as Markdown for a reviewer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from worldstrat_bench.artefacts.harness import KnownHarnesses
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.stats.aggregate import metric_values
from worldstrat_bench.stats.estimate import effective_groups
from worldstrat_bench.stats.paired import Comparison, compare
from worldstrat_bench.stats.ranking import RankedBoard, Standing, as_shown, rank_tables
from worldstrat_bench.stats.strata import AXES, members, sort_strata, strata_of, stratum_title
from worldstrat_bench.submission.boards import Board, boards_of
from worldstrat_bench.submission.faults import escape_markdown


def compare_markdown(
    slug: str,
    submissions: Path,
    base: str | None = None,
    *,
    board: str | None = None,
    references: References | None = None,
    known: KnownHarnesses | None = None,
) -> str:
    """Return ranks, ties and differences to the nearest neighbours, per board and stratum.

    Parameters
    ----------
    board : site or checkout with the others; None: those in `submissions`, or in its revision `base`.
    references : what official records are held against; None for those that the package ships.
    known : harnesses that others can get; None for those that the repository knows.

    Raises
    ------
    UsageError, InvalidArtefactError
        see :func:`worldstrat_bench.submission.boards.boards_of`.
    """
    lines = [f"### What {escape_markdown(slug)} does to the boards", ""]
    for found in boards_of(slug, submissions, base, board=board, references=references, known=known):
        lines += _board_lines(found)
    return "\n".join(lines)


def _board_lines(board: Board) -> Iterator[str]:
    dataset = board.own.record.dataset
    size = f"list {board.list_name} ({counted(len(board.tiles), 'tile')})"
    title = f"{board.protocol.id}, {dataset.release}, {size}, {_kind_in_words(board)}"
    yield f"#### {escape_markdown(title)}"
    yield ""
    for reason in board.reasons:
        yield f"Not ranked: {escape_markdown(reason.text.removesuffix('.'))}."
    if board.reasons:
        yield ""
    if not board.own.record.rankable(board.list_name):
        yield "The list is not complete (failed tiles, a limit or a shard), so the run has no rank on it."
        yield ""
        return
    if any(reason.rule != "self-reported" for reason in board.reasons):
        yield "Below is where it would stand if that were not so."
        yield ""
    if board.cited:
        yield (
            "Below is where it would stand once verified, among the verified records. Only counting ones move ranks: "
            f"one of the same code or authors. This one would {'' if _counts(board) else 'not '}count."
        )
        yield ""
    for metric in board.protocol.ranking.metrics:
        yield from _metric_lines(board, metric)


def _kind_in_words(board: Board) -> str:
    """Return what kind of board it is: never what the record says of itself, which nothing but a reference tells."""
    if board.kind == "predictions":
        return "predictions handed in, which are ranked among themselves and never cited"
    if board.kind == "practice":
        pending = board.own.record.dataset.official
        return f"{'official pending a reference' if pending else 'not official'}: these ranks are practice"
    return f"{board.kind} board" if board.kind != "official" else "official"


def _counts(board: Board) -> bool:
    counting = board.counting()
    return counting is None or board.own.slug in counting


def _metric_lines(board: Board, metric: str) -> Iterator[str]:
    counted = board.counting(with_own=False)
    # Twice over the same tiles, so that what changes is due to this submission alone.
    before = rank_tables(board.tables(with_own=False), board.tiles, metric, board.protocol, counted)
    after = rank_tables(board.tables(), board.tiles, metric, board.protocol, board.counting())
    place = after.order.get(board.own.slug)
    label = measure(metric).label
    if place is None:
        yield f"**{label}**: no rank, because {_missing(board, metric)}."
        yield ""
        return
    yield f"**{label}**: {_verdict(after, place)}"
    yield ""
    yield f"| model | {label} | rank before | rank after | ties |"
    yield "|---|---:|---:|---:|---|"
    former = {standing.model: standing for standing in before.standings}
    for standing in after.standings:
        name = escape_markdown(standing.model)
        shown = f"**{name}**" if standing.model == board.own.slug else name
        earlier = _ranks(former[standing.model]) if standing.model in former else "new"
        mean = f"{standing.mean:.{measure(metric).decimals}f}"
        yield f"| {shown} | {mean} | {earlier} | {_ranks(standing)} | {' '.join(standing.letters) or '–'} |"
    yield ""
    yield from _neighbour_lines(board, metric, [s.model for s in after.standings], place)


def _verdict(after: RankedBoard, place: int) -> str:
    standing = after.standings[place]
    others = after.counting - standing.counts
    if not others:
        return "alone on its board."
    text = f"rank {_ranks(standing)} of {others + 1}: beats {standing.beats}, "
    text += f"beaten by {standing.beaten_by}, tied with {standing.ties}."
    if after.detectable is not None:
        value = f"{after.detectable:.3g} {measure(after.metric).unit}".rstrip()
        text += f" Neighbours here are told apart about four times in five if they truly differ by {value}."
    return text


def _neighbour_lines(board: Board, metric: str, order: Sequence[str], place: int) -> Iterator[str]:
    """Differences to the models right above and below it, over the list and per stratum."""
    around = [order[i] for i in (place - 1, place + 1) if 0 <= i < len(order)]
    if not around:
        return
    tables = board.tables()
    yield f"| difference, own minus other (95 % interval) | tiles | {' | '.join(escape_markdown(m) for m in around)} |"
    yield f"|---|---:|{'---:|' * len(around)}"
    for title, tiles in _strata(board):
        cells = []
        for other in around:
            found = compare(board.own.table, tables[other], metric=metric, protocol=board.protocol, tiles=tiles)
            whole, rules = tiles == board.tiles, board.protocol.aggregation
            cells.append(_difference(found and as_shown(found, rules, stratum=not whole), metric))
        yield f"| {escape_markdown(title)} | {len(tiles)} | {' | '.join(cells)} |"
    yield ""
    yield (
        f"▲ better, ▼ worse by paired tests of these two alone, p ≤ {board.protocol.ranking.level:.2g} with and "
        "without a correction for skewness; strata have verdicts from "
        f"{board.protocol.aggregation.groups_rank:g} effective groups, and theirs are exploratory."
    )
    yield ""


def _strata(board: Board) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the whole list, then every stratum with enough effective groups for an interval."""
    yield "all", board.tiles
    table = board.own.table
    labels = strata_of(table)
    least = board.protocol.aggregation.groups_interval
    groups = dict(zip(table.tiles, table.groups, strict=True))
    for axis in AXES:
        rows = members(labels[axis])
        for stratum in sort_strata(axis, rows):
            tiles = frozenset(table.tiles[int(row)] for row in rows[stratum]) & board.tiles
            if effective_groups([groups[tile] for tile in tiles]) >= least:
                yield stratum_title(axis, stratum), tiles


def _difference(comparison: Comparison | None, metric: str) -> str:
    if comparison is None:
        return "–"
    decimals = measure(metric).decimals
    text = f"{comparison.difference:+.{decimals}f}"
    if comparison.ci_low is not None and comparison.ci_high is not None:
        text += f" [{comparison.ci_low:+.{decimals}f}, {comparison.ci_high:+.{decimals}f}]"
    mark = {"a": " ▲", "b": " ▼", "tie": "", "none": ""}[comparison.verdict]
    return text + mark


def _ranks(standing: Standing) -> str:
    low, high = standing.rank_low, standing.rank_high
    return str(low) if low == high else f"{low}–{high}"


def _missing(board: Board, metric: str) -> str:
    reason = board.own.record.nulls.get(metric)
    if reason:
        return f"the metric is null: {escape_markdown(reason)}"
    values = metric_values(board.own.table, metric)
    return f"{int((values != values).sum())} tiles have no value"
