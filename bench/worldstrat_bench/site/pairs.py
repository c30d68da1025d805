"""Two models on any tiles of a division: difference, interval and p; and the nearest pairs of a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Ranking
from worldstrat_bench.site.analysis import Analysis, shown_stratum
from worldstrat_bench.site.leader import Difference, against, differences
from worldstrat_bench.site.tables import Cell, Column, Row, Table, render
from worldstrat_bench.site.text import NO_VALUE, number, probability
from worldstrat_bench.stats.paired import sign_of
from worldstrat_bench.stats.strata import axis

NEAREST = 10
"""Pairs that a page shows without a script."""


@dataclass(frozen=True)
class PairOn:
    """Two models on some tiles, first minus second; without p where there are too few groups for a test."""

    tiles: int
    difference: Difference
    p: float | None


def pair_on(analysis: Analysis, metric: str, first: str, second: str, tiles: Sequence[str]) -> PairOn | None:
    """Return two models on some tiles; None if one has no value on one of them."""
    order = {entry.slug: i for i, entry in enumerate(analysis.division.entries)}
    columns = [analysis.row_of[tile] for tile in tiles]
    values = analysis.matrix(metric)[[order[first], order[second]]][:, columns]
    if not columns or np.isnan(values).any():
        return None
    protocol = analysis.division.protocol
    found = against(values[:1], values[1], [analysis.division.facts.groups[i] for i in columns])
    p = float(found.largest_p(protocol.aggregation, protocol.ranking.tests)[0])
    return PairOn(len(columns), differences(found, metric, protocol)[0], None if np.isnan(p) else p)


def short_probability(p: float) -> str:
    """Return the p-value of a stratum: no verdict hangs on it."""
    return "< 0.001" if p < 0.001 else number(p, 3)


@dataclass(frozen=True)
class NearPair:
    """One of the nearest pairs: what is said of it, and its strata."""

    sentence: Markup
    strata_html: Markup


def nearest_pairs(analysis: Analysis) -> list[NearPair]:
    """Return the neighbours of the board whose means differ least, with their strata; by the first metric."""
    metric = analysis.division.protocol.ranking.metrics[0]
    board = analysis.board(metric)
    slugs = [s.model for s in board.standings]
    places = sorted(range(len(slugs) - 1), key=lambda i: (abs(float(board.pairs.value[i, i + 1])), i))[:NEAREST]
    return [_near(analysis, metric, slugs[i], slugs[i + 1]) for i in sorted(places)]


def _near(analysis: Analysis, metric: str, first: str, second: str) -> NearPair:
    division, m = analysis.division, measure(metric)
    whole = pair_on(analysis, metric, first, second, division.tiles)
    titles = [division.by_slug[slug].title for slug in (first, second)]
    text = Markup("<bdi>{}</bdi> minus <bdi>{}</bdi>: ").format(*titles)
    if whole is not None:
        said = verdict_words(titles, whole.difference, metric, division.protocol.ranking)
        text += Markup("{} {}: <bdi>{}</bdi>").format(m.label, _words(whole, metric), said)
    rows = []
    for stratum in analysis.strata:
        found = pair_on(analysis, metric, first, second, stratum.tiles)
        if found is None:
            continue
        name = Markup("{}: {}").format(axis(stratum.axis).title, shown_stratum(stratum.axis, stratum.label))
        rows.append(Row(Cell(name), tuple(_cells(found, metric))))
    caption = (
        f"{titles[0]} minus {titles[1]} in each stratum; {counted(len(rows), 'stratum', 'strata')} were looked at. "
        "Exploratory: no verdict hangs on p"
    )
    columns = (
        Column("difference", f"Δ {m.label}", "", unit=m.unit),
        Column("interval", "95 % interval", ""),
        Column("p", "p of this pair", ""),
        Column("tiles", "Tiles", ""),
    )
    table = Table(
        f"pair-{first}-{second}", caption, Column("stratum", "Stratum", "", numeric=False), columns, tuple(rows)
    )
    return NearPair(text, render(table, sortable=False))


def _words(found: PairOn, metric: str) -> str:
    m, difference = measure(metric), found.difference
    text = f"{number(difference.value, m.decimals + 1, signed=True)} {m.unit}".rstrip()
    if difference.interval is not None and found.p is not None:
        ends = ", ".join(number(end, m.decimals + 1, signed=True) for end in difference.interval)
        p = probability(found.p)
        text += f" [{ends}], p {p if p.startswith('<') else f'= {p}'}"
    return text


def verdict_words(titles: Sequence[str], found: Difference, metric: str, rules: Ranking) -> str:
    """Return which of two models is better, or why that is not known; ``compare.js`` says the same.

    Parameters
    ----------
    found : the first minus the second.
    """
    better = titles[0] if found.value * sign_of(metric) > 0 else titles[1]
    if found.apart:
        return f"{better} is better"
    if found.interval is None or found.interval[0] <= 0 <= found.interval[1]:
        return "neither is shown to be better"
    m, margin = measure(metric), rules.margin.get(metric, 0.0)
    if abs(found.value) < margin:
        return f"too small to count: a verdict needs {margin:g} {m.unit}".rstrip()
    return f"{better} looks better, but a verdict needs p ≤ {rules.level:.2g}"


def _cells(found: PairOn, metric: str) -> list[Cell]:
    decimals, ends = measure(metric).decimals, found.difference.interval
    value = number(found.difference.value, decimals, signed=True)
    if ends is None or found.p is None:
        small = Markup('<span class="hatch">{}</span>').format(value)
        return [Cell(small), Cell(Markup(NO_VALUE)), Cell(Markup(NO_VALUE)), Cell(Markup(str(found.tiles)))]
    interval = ", ".join(number(end, decimals, signed=True) for end in ends)
    return [
        Cell(Markup(value)),
        Cell(Markup(interval)),
        Cell(escape(short_probability(found.p))),
        Cell(Markup(str(found.tiles))),
    ]
