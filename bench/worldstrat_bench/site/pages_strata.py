"""One board a stratum, and the table of models by strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from markupsafe import Markup, escape

from worldstrat_bench.artefacts.record import Summaries, Summary
from worldstrat_bench.printed import counted
from worldstrat_bench.site.analysis import Analysis, Stratum, shown_stratum
from worldstrat_bench.site.board_csv import KEYS
from worldstrat_bench.site.board_table import Rows, board_table
from worldstrat_bench.site.board_top import answers, difference_figure, told_apart
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import map_figure
from worldstrat_bench.site.leader import Leader
from worldstrat_bench.site.pages_board import (
    Context,
    board_facts,
    board_sentences,
    empty_context,
    links_by_axis,
    rank_note,
)
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.tables import legend, render, rows_to_csv
from worldstrat_bench.site.text import clean, number
from worldstrat_bench.stats.strata import axis, stratum_title


def build_strata(out: Output, analysis: Analysis, common: Context) -> None:
    """Write one board page a stratum."""
    division = analysis.division
    for stratum in analysis.strata:
        title = clean(stratum_title(stratum.axis, stratum.label), 90)
        caption = f"{title}: {counted(len(stratum.tiles), 'tile')} of list {division.list_name}"
        rows = _rows(analysis, stratum)
        table = board_table(division, "board", caption, rows, base="../", beside=analysis.config.beside)
        found = rows.leaders.get(rows.order_by, Leader(rows.order_by, (), {}))
        context = empty_context() | {
            "heading": title,
            "tab": "Strata",
            "lead": f"{axis(stratum.axis).explanation}. The {counted(len(stratum.tiles), 'tile')} of list "
            f"{division.list_name} in this stratum.",
            # The lead has the number of tiles.
            "facts": board_facts(stratum.boards, len(stratum.tiles))[1:],
            "answers": answers(division, rows.leaders, rows.summaries, rows.display, "../"),
            "told": told_apart(division.protocol, rows.display, len(rows.entries)),
            "top": [f] if (f := difference_figure(division, found, "../")) else [],
            "sentences": board_sentences(stratum.boards),
            "rank_note": _exploratory(analysis, stratum),
            "table": table,
            "table_html": render(table),
            "legend": legend(table),
            "csv": "",
            "strata_links": [
                (title, [(label, f"../{page}", n) for label, page, n in items])
                for title, items in links_by_axis(analysis, only=stratum.axis)
            ],
            "figures": [f] if (f := map_figure(analysis, stratum.tiles, "../")) else [],
        }
        out.page(division.prefix + stratum.page, "board.html.j2", {**common, **context})


def _rows(analysis: Analysis, stratum: Stratum) -> Rows:
    """Return the rows of a stratum's table; no model is called the first where there are too few groups for a test."""
    division = analysis.division
    metrics = [m for m in division.protocol.ranking.metrics if division.measured(m)]
    leaders = {m: analysis.leader(stratum.tiles, m) for m in metrics} if stratum.display != "values" else {}
    # Strata are many: below the limit of ranks no figure and no cell says that two models are told apart.
    if stratum.display != "ranks":
        leaders = {m: found.unjudged() for m, found in leaders.items()}
    return Rows(
        division.entries, partial(_of, division, stratum), stratum.display, stratum.boards, leaders, lists=False
    )


def _exploratory(analysis: Analysis, stratum: Stratum) -> str:
    """Return how to read a stratum's table: its verdicts are some of very many."""
    note = rank_note(analysis.division, stratum.display)
    if stratum.display != "ranks":
        return note
    ranked = sum(other.display == "ranks" for other in analysis.strata)
    return f"Exploratory: {counted(ranked, 'stratum', 'strata')} of this list have ranks, each tested by itself. {note}"


def build_heat(out: Output, analysis: Analysis, common: Context) -> None:
    """Write the page of models by strata and the long table of all strata."""
    division = analysis.division
    out.page(division.prefix + "strata.html", "strata.html.j2", {**common, **heat_blocks(analysis)})
    rows = [
        (
            e.slug,
            e.record.record_id,
            e.title,
            s.axis,
            s.label,
            metric,
            summary.n,
            summary.effective_groups,
            summary.mean,
            summary.ci_low,
            summary.ci_high,
            *_ranks(s, metric, e),
        )
        for e in division.entries
        for s in analysis.strata
        for metric, summary in _of(division, s, e).items()
    ]
    header = (
        *KEYS,
        "model",
        "axis",
        "stratum",
        "metric",
        "n",
        "effective_groups",
        "mean",
        "ci_low",
        "ci_high",
        "rank_low",
        "rank_high",
    )
    out.put(division.prefix + "data/strata.csv", rows_to_csv(header, rows))


def _ranks(stratum: Stratum, metric: str, entry: Entry) -> tuple[int | None, int | None]:
    board = stratum.boards.get(metric)
    row = board.order.get(entry.slug) if board else None
    if board is None or row is None:
        return None, None
    return board.standings[row].rank_low, board.standings[row].rank_high


STEPS = 3
"""Shades on each side of no difference."""


def heat_blocks(analysis: Analysis) -> dict[str, object]:
    """Return the models x strata tables, one an axis: mean gain minus the model's own mean, on one scale."""
    division = analysis.division
    entries = sorted(division.entries, key=lambda e: _position(analysis, e.slug))
    own = {e.slug: division.scores(e).micro.get("gain", Summary(n=0)).mean for e in entries}
    cells = {}
    for e in entries:
        for s in analysis.strata:
            whole, mean = own[e.slug], _of(division, s, e).get("gain", Summary(n=0)).mean
            if whole is not None and mean is not None:
                cells[e.slug, s.axis, s.label] = mean - whole
    # Strata of few groups have the largest differences by chance; they do not set the scale.
    firm = [abs(v) for (_, name, label), v in cells.items() if (name, label) in _firm(analysis)]
    top = float(np.percentile(firm, 95)) if firm else 1.0
    blocks: list[dict[str, object]] = []
    for name, labels in division.strata.items():
        strata = [s for s in analysis.strata if s.axis == name]
        rows = [_heat_row(e, own[e.slug], strata, cells, top) for e in entries]
        blocks.append(
            {
                "axis": name,
                "title": axis(name).title,
                "explanation": axis(name).explanation,
                "rows": rows,
                "total": sum(map(len, labels.values())),
                "body": Markup("").join(rows),
                "columns": [(shown_stratum(name, s.label), s.page, len(s.tiles)) for s in strata],
            }
        )
    return {"blocks": blocks, "top": number(top, 2)}


def _firm(analysis: Analysis) -> frozenset[tuple[str, str]]:
    """Return axis and label of the strata that have intervals."""
    return frozenset((s.axis, s.label) for s in analysis.strata if s.display != "values")


def _heat_row(
    entry: Entry,
    own: float | None,
    strata: Sequence[Stratum],
    cells: Mapping[tuple[str, str, str], float],
    top: float,
) -> Markup:
    parts = [f'<td class="n">{number(own, 2, signed=True)}</td>']
    for s in strata:
        value = cells.get((entry.slug, s.axis, s.label))
        css = "n" if value is None else f"n {shade(value, top)}"
        css += " hatch" if s.display == "values" else ""
        parts.append(f'<td class="{css}">{number(value, 2, signed=True)}</td>')
    head = f'<th scope="row"><a href="m/{escape(entry.slug)}.html"><bdi>{escape(entry.title)}</bdi></a></th>'
    return Markup(f"<tr>{head}{''.join(parts)}</tr>")


def shade(value: float, top: float) -> str:
    """Return the class of a signed value: none near 0, then three steps up to `top` on each side."""
    step = min(STEPS, int(abs(value) / top * STEPS + 0.5)) if top > 0 else 0
    return "" if step == 0 else f"{'p' if value > 0 else 'm'}{step}"


def _position(analysis: Analysis, slug: str) -> tuple[int, str]:
    return analysis.board(analysis.division.protocol.ranking.metrics[0]).order.get(slug, 10**6), slug


def _of(division: Division, stratum: Stratum, entry: Entry) -> Summaries:
    return division.scores(entry).strata[stratum.axis].get(stratum.label, {})
