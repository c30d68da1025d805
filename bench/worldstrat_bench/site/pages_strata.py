"""One board a stratum, and the table of models by strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from markupsafe import Markup, escape

from worldstrat_bench.artefacts.record import Summaries
from worldstrat_bench.site import worldmap
from worldstrat_bench.site.analysis import Analysis, Stratum, shown_stratum
from worldstrat_bench.site.board_table import board_table
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import map_figure
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
from worldstrat_bench.site.text import clean, counted, number
from worldstrat_bench.stats.strata import axis, stratum_title


def build_strata(out: Output, analysis: Analysis, common: Context) -> None:
    """One board page a stratum."""
    division = analysis.division
    for stratum in analysis.strata:
        title = clean(stratum_title(stratum.axis, stratum.label), 90)
        caption = f"{title}: {counted(len(stratum.tiles), 'tile')} of list {division.list_name}"
        table = board_table(
            division, "board", caption, stratum.boards, partial(_of, division, stratum), stratum.display,
            base="../", beside=analysis.config.beside, lists=False,
        )  # fmt: skip
        context = empty_context() | {
            "heading": title, "tab": "Strata",
            "lead": f"{axis(stratum.axis).explanation}. The {counted(len(stratum.tiles), 'tile')} of list "
            f"{division.list_name} in this stratum.",
            "facts": board_facts(stratum.boards, len(stratum.tiles)),
            "sentences": board_sentences(stratum.boards),
            "rank_note": _exploratory(analysis, stratum),
            "table": table, "table_html": render(table), "legend": legend(table),
            "csv": "",
            "strata_links": [
                (title, [(label, f"../{page}", n) for label, page, n in items])
                for title, items in links_by_axis(analysis, only=stratum.axis)
            ],
            "figures": [f] if (f := map_figure(analysis, stratum.tiles, "../")) else [],
        }  # fmt: skip
        out.page(division.prefix + stratum.page, "board.html.j2", {**common, **context})


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
        "model", "axis", "stratum", "metric", "n", "effective_groups", "mean", "ci_low", "ci_high", "rank_low",
        "rank_high",
    )  # fmt: skip
    out.put(division.prefix + "data/strata.csv", rows_to_csv(header, rows))


def _ranks(stratum: Stratum, metric: str, entry: Entry) -> tuple[int | None, int | None]:
    board = stratum.boards.get(metric)
    row = board.order.get(entry.slug) if board else None
    if board is None or row is None:
        return None, None
    return board.standings[row].rank_low, board.standings[row].rank_high


def heat_blocks(analysis: Analysis) -> dict[str, object]:
    """Return the models x strata tables, one an axis: mean gain, coloured on one scale."""
    division = analysis.division
    entries = sorted(division.entries, key=lambda e: _position(analysis, e.slug))
    means = {
        (e.slug, s.axis, s.label): getattr(_of(division, s, e).get("gain"), "mean", None)
        for e in entries for s in analysis.strata
    }  # fmt: skip
    known = [v for v in means.values() if v is not None]
    low, high = (float(v) for v in np.percentile(known, [5, 95])) if known else (0.0, 1.0)
    blocks: list[dict[str, object]] = []
    for name, labels in division.strata.items():
        strata = [s for s in analysis.strata if s.axis == name]
        rows = [_heat_row(e, strata, means, low, high) for e in entries]
        blocks.append({
            "axis": name, "title": axis(name).title, "explanation": axis(name).explanation, "rows": rows,
            "total": sum(map(len, labels.values())), "body": Markup("").join(rows),
            "columns": [(shown_stratum(name, s.label), s.page, len(s.tiles)) for s in strata],
        })  # fmt: skip
    return {"blocks": blocks, "low": number(low, 2), "high": number(high, 2)}


def _heat_row(
    entry: Entry, strata: Sequence[Stratum], means: Mapping[tuple[str, str, str], float | None], low: float, high: float
) -> Markup:
    cells = []
    for s in strata:
        value = means[entry.slug, s.axis, s.label]
        css = f' class="n q{worldmap.shade(value, low, high)}"' if value is not None else ' class="n"'
        shown = number(value, 2)
        cells.append(f"<td{css}>{f'({shown})' if value is not None and s.display == 'values' else shown}</td>")
    head = f'<th scope="row"><a href="m/{escape(entry.slug)}.html"><bdi>{escape(entry.title)}</bdi></a></th>'
    return Markup(f"<tr>{head}{''.join(cells)}</tr>")


def _position(analysis: Analysis, slug: str) -> tuple[int, str]:
    return analysis.board(analysis.division.protocol.ranking.metrics[0]).order.get(slug, 10**6), slug


def _of(division: Division, stratum: Stratum, entry: Entry) -> Summaries:
    return division.scores(entry).strata[stratum.axis].get(stratum.label, {})
