"""How stable the order of a board is, as its page shows it, folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from markupsafe import Markup

from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.tables import Cell, Column, Row, Table, link_cell, render
from worldstrat_bench.site.text import NO_VALUE, number
from worldstrat_bench.stats.paired import sign_of
from worldstrat_bench.stats.stability import SPLITS, Stability, kendall_tau, stability

PERCEPTUAL = ("lpips", "stlpips")
"""The perceptual scores, the preferred one first."""


@dataclass(frozen=True)
class StabilityBlock:
    """Statement of a board about its own order.

    Attributes
    ----------
    orders : Kendall's tau between the orders by two metrics, in a sentence; "" with fewer than two.
    """

    text: str
    halves_html: Markup
    first_html: Markup
    orders: str


def stability_block(division: Division, list_name: str, base: str) -> StabilityBlock | None:
    """Return the block of a list; None where it has no ranks, or fewer than two models that count."""
    if not division.shows_ranks(list_name):
        return None
    found = [one for m in division.protocol.ranking.metrics if (one := _stability(division, list_name, m))]
    if not found:
        return None
    text = (
        f"{SPLITS:,} times the {found[0].groups} groups of tiles are split at random into two halves, and the models "
        "ordered by their means on each. Kendall's tau is 1 if both orders are the same, 0 if they have nothing to do "
        f"with each other, −1 if one is the reverse of the other. {SPLITS:,} resamples of the groups, drawn with "
        "repetition, tell how often each model comes first. Both describe the order of the means; what may be said of "
        "two models is in the table above."
    )
    return StabilityBlock(
        text,
        render(_halves(found), sortable=False),
        render(_first(found, division, base), sortable=False),
        _orders(division, list_name),
    )


def _counting(division: Division) -> list[Entry]:
    return [entry for entry in division.entries if division.counts(entry)]


def _stability(division: Division, list_name: str, metric: str) -> Stability | None:
    board = division.boards[list_name, metric]
    counting = {entry.slug for entry in _counting(division)}
    columns = [division.row_of[tile] for tile in division.lists[list_name]]
    row = {entry.slug: i for i, entry in enumerate(division.entries)}
    matrix = division.matrix(metric)
    # Counting rows only: copies of one model would agree with each other on every half.
    slugs = [standing.model for standing in board.standings if standing.model in counting]
    values = {slug: matrix[row[slug], columns] for slug in slugs}
    return stability(values, [division.facts.groups[i] for i in columns], metric)


def _halves(found: Sequence[Stability]) -> Table:
    columns = (
        Column("tau", "Agreement of the halves", "Kendall's tau between the orders on two halves of the tiles"),
        Column("range", "5 to 95 %", "Its 5th and 95th percentile over the splits"),
        Column("same", "Same first", "Share of the splits in which both halves have the same model first", unit="%"),
    )
    rows = [
        Row(
            Cell(Markup("{}").format(measure(one.metric).label)),
            (
                Cell(Markup(number(one.agreement, 2))),
                Cell(Markup(f"{number(one.agreement_low, 2)} to {number(one.agreement_high, 2)}")),
                Cell(Markup(number(100 * one.same_first, 0))),
            ),
        )
        for one in found
    ]
    head = Column("metric", "Order by", "", numeric=False)
    return Table("halves", "Order on halves of the tiles", head, columns, tuple(rows))


def _first(found: Sequence[Stability], division: Division, base: str) -> Table:
    columns = tuple(
        Column(one.metric, f"First by {measure(one.metric).label}", "Share of resamples of the tiles", unit="%")
        for one in found
    )
    slugs = list(dict.fromkeys(slug for one in found for slug in one.first))
    rows = [
        Row(
            link_cell(division.by_slug[slug].title, f"{base}m/{slug}.html"),
            tuple(_share(one.first.get(slug)) for one in found),
        )
        for slug in slugs
    ]
    head = Column("model", "Model", "", numeric=False)
    return Table("first", "How often a model comes first", head, columns, tuple(rows))


def _share(value: float | None) -> Cell:
    return Cell(Markup(NO_VALUE if value is None else number(100 * value, 1)))


def _orders(division: Division, list_name: str) -> str:
    """Return how far the orders by PSNR, a perceptual score and the resolution agree, in a sentence."""
    entries = _counting(division)
    means: dict[str, list[float | None]] = {}
    perceptual = next((name for name in PERCEPTUAL if division.measured(name)), None)
    for metric in ("psnr", perceptual, "resolution_m"):
        if metric is not None and division.measured(metric):
            own = [division.scores(entry, list_name).micro.get(metric) for entry in entries]
            means[metric] = [None if s is None or s.mean is None else sign_of(metric) * s.mean for s in own]
    parts = []
    for one, other in combinations(means, 2):
        pairs = [(a, b) for a, b in zip(means[one], means[other], strict=True) if a is not None and b is not None]
        tau = kendall_tau(*np.array(pairs, dtype=np.float64).T) if len(pairs) > 1 else float("nan")
        if np.isfinite(tau):
            names = f"{measure(one).label} and {measure(other).label}"
            parts.append(f"{names} {number(tau, 2)} ({counted(len(pairs), 'model')})")
    return f"Kendall's tau between the orders by two metrics: {'; '.join(parts)}." if parts else ""
