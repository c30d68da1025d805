"""The page of a model: its card, where it stands, every stratum, the shift audit, all pairs, provenance."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup, escape

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.measures import MEASURES, measure
from worldstrat_bench.printed import counted, plain_reason, share_text
from worldstrat_bench.protocol import GaussianParabola
from worldstrat_bench.site.analysis import Analysis, Pair
from worldstrat_bench.site.board_table import metrics_of
from worldstrat_bench.site.board_top import Sentence, described
from worldstrat_bench.site.citations import model_reference
from worldstrat_bench.site.draws import draw_rows
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import forest_figure, shift_figures
from worldstrat_bench.site.model_card import card_rows
from worldstrat_bench.site.model_top import (
    crops_block,
    curve_figure,
    extremes,
    neighbours,
    strata_figures,
    verdicts,
    weakest,
)
from worldstrat_bench.site.pages_board import Context
from worldstrat_bench.site.pictures import TilePictures
from worldstrat_bench.site.provenance import Pairs, no_repository, provenance, reproduce, source_of
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.robustness import Partners, gap_block, robustness_figures
from worldstrat_bench.site.spectra_figures import spectrum_figures
from worldstrat_bench.site.tables import Cell, Column, Row, Table, render, value_cell
from worldstrat_bench.site.text import NO_VALUE, clean, day, number, probability
from worldstrat_bench.site.uncertainty import uncertainty_block
from worldstrat_bench.site.versions import version_notes
from worldstrat_bench.stats.letters import shown
from worldstrat_bench.stats.ranking import drawn_interval

OFFSET = 0.25
"""Mean distance to the median of all models, target px, from which a model's output is said to be offset."""


def build_models(
    out: Output,
    analysis: Analysis,
    common: Context,
    partners: Partners,
    pictures: dict[str, TilePictures],
) -> None:
    """Write one page an entry; `partners` are the runs of the same models on the other kind of inputs."""
    division = analysis.division
    for entry in division.paged:
        source = source_of(entry.record, entry.verification, analysis.config.repository)
        ranked = entry.table.take(entry.table.index_of(division.tiles))  # one set of tiles on the page
        context = {
            "e": entry,
            "state": clean(entry.state.text, 500),
            "corrections": [(clean(c.date, 40), clean(c.what, 400)) for c in entry.corrections],
            "card": [
                *card_rows(division, entry),
                *draw_rows(entry.record, division.list_name, division.protocol.ranking.metrics),
            ],
            "verdicts": (said := verdicts(analysis, entry)),
            **_described(entry, said),
            "weakest": weakest(analysis, entry),
            "measured_on": day(entry.memorisation.measured_at) if entry.memorisation else "",
            **crops_block(analysis, entry, pictures),
            "gains": strata_figures(analysis, entry),
            "curve": curve_figure(analysis, entry),
            "standings": _standings(analysis, entry),
            "scores_html": render(_scores(analysis, entry), sortable=False),
            "forests": [forest_figure(analysis, entry, metric) for metric in ("lpips",) if _measured(entry, metric)],
            "gap": gap_block(entry, division, partners),
            "spectra": spectrum_figures(analysis, entry),
            "trust": uncertainty_block(analysis.division, entry),
            "curves": robustness_figures(entry),
            "shift_verdict": _shift_verdict(analysis, entry),
            "shift_facts": _shift_facts(ranked),
            "shifts": shift_figures(ranked, _radius(analysis)),
            "pairs_html": _pairs_html(analysis, entry),
            "extremes": extremes(analysis, entry),
            "provenance": provenance(entry.record),
            "no_repository": no_repository(entry.record, source),
            "reproduce": reproduce(entry.record, source),
            "bibtex": model_reference(division, entry, analysis.config),
            "run_files": [(name, f"{division.prefix}data/runs/{entry.slug}/{name}") for name in sorted(entry.files)],
            "nulls": [(_label(k), clean(plain_reason(v), 200)) for k, v in sorted(entry.record.nulls.items())],
            "messages": _messages(entry.record),
            "warnings": [clean(w, 300) for w in entry.record.warnings] + version_notes(entry.record, division.versions),
        }
        out.page(f"{division.prefix}m/{entry.slug}.html", "model.html.j2", {**common, **context})


def _described(entry: Entry, said: list[Sentence]) -> dict[str, str]:
    """Return what other places show of the page: the model's name before what is said of it."""
    if said and said[0][0][1] != entry.title:
        said = [[("", f"{entry.title}: "), *said[0]], *said[1:]]
    return described(said)


def _messages(record: Record) -> list[tuple[str, str, str]]:
    """Return outcome, message and tiles of everything that was said of tiles."""
    return [
        (
            "looks odd" if one.outcome == "ok" else clean(one.outcome.replace("_", " "), 40),
            clean(one.message, 500) or NO_VALUE,
            f"{counted(one.tiles, 'tile')}: {', '.join(clean(name, 60) for name in one.names)}"
            + (", ..." if one.tiles > len(one.names) else ""),
        )
        for one in record.messages
    ]


def _label(metric: str) -> str:
    return MEASURES[metric].label if metric in MEASURES else clean(metric, 40)


def _measured(entry: Entry, metric: str) -> bool:
    """Return whether any tile has the metric; without one, a figure of it would be empty (the scores say why)."""
    if metric == "gain":
        return bool(np.isfinite(entry.table.numbers["psnr"]).any())
    return bool(np.isfinite(entry.table.numbers[metric]).any())


def _standings(analysis: Analysis, entry: Entry) -> list[dict[str, str]]:
    found = []
    division = analysis.division
    for metric in division.protocol.ranking.metrics:
        m = measure(metric)
        for name in division.lists:
            board = division.boards[name, metric]
            row = board.order.get(entry.slug)
            if row is None or not division.shows_ranks(name):
                text = "not ranked: " + division.why_unranked(entry, name, metric)
                found.append({"metric": m.label, "list": name, "rank": NO_VALUE, "letters": "", "text": text})
                continue
            s = board.standings[row]
            rank = str(s.rank_low) if s.rank_low == s.rank_high else f"{s.rank_low}–{s.rank_high}"
            tied = f"not told apart from {s.ties}" if s.ties else "no other model is statistically tied"
            text = f"of {board.counting + (not s.counts)}: beats {s.beats}, beaten by {s.beaten_by}; {tied}"
            text += "" if s.counts else "; it does not count: another entry of the same authors or code does"
            found.append({"metric": m.label, "list": name, "rank": rank, "letters": shown(s.letters), "text": text})
    return found


def _scores(analysis: Analysis, entry: Entry) -> Table:
    division = analysis.division
    own = division.scores(entry).micro
    metrics = [metric for metric in metrics_of(division) if metric in own and own[metric].mean is not None]
    columns = []
    for name in division.lists:
        columns.append(Column(f"mean_{name}", clean(name, 30), f"Mean over list {clean(name, 40)}"))
        columns.append(Column(f"ci_{name}", "95 % interval", "Of this model alone; not for comparing two models"))
    macros = {metric: value for metric in metrics if (value := division.scores(entry).macro.get(metric)) is not None}
    # As on a board, a column that no row fills is not drawn.
    if macros:
        columns.append(Column("macro", "macro", "Mean over IPCC classes of at least 10 tiles, descriptive"))
    rows = []
    for metric in metrics:
        m = measure(metric)
        cells: list[Cell] = []
        for name in division.lists:
            s = division.scores(entry, name).micro[metric]
            ends = drawn_interval(s, division.protocol.aggregation, metric)
            interval = ", ".join(number(end, m.decimals) for end in ends) if ends else NO_VALUE
            cells += [value_cell(s.mean, m.decimals), Cell(Markup(interval))]
        cells += [value_cell(macros.get(metric), m.decimals)] if macros else []
        unit = Markup(" <small>{}</small>").format(m.unit) if m.unit else Markup("")
        head = Markup('<span title="{}">{} {}</span>{}').format(m.explanation, m.label, m.arrow, unit)
        rows.append(Row(Cell(head), tuple(cells)))
    sizes = ", ".join(f"{clean(name, 40)} {counted(len(tiles), 'tile')}" for name, tiles in division.lists.items())
    return Table(
        "scores",
        f"Means with 95 % intervals: {sizes}",
        Column("metric", "Metric", "", numeric=False),
        tuple(columns),
        tuple(rows),
    )


def _pairs_html(analysis: Analysis, entry: Entry) -> Markup:
    if entry.state.word != "active":
        return Markup('<p class="empty">{}</p>').format(f"Nothing is compared with a {entry.state.word} submission.")
    if not analysis.division.ranks(entry):
        text = "Self-reported records are not tested against others here: <code>worldstrat-bench compare</code>."
        return Markup(f'<p class="empty">{text}</p>')
    return render(_pairs(analysis, entry), empty="There is no other model to compare with.")


def _pairs(analysis: Analysis, entry: Entry) -> Table:
    division = analysis.division
    ranked = [m for m in division.protocol.ranking.metrics if division.measured(m)]
    order = [s.model for s in analysis.board(ranked[0]).standings] if ranked else []
    others = neighbours(order, entry.slug)
    tiles = {metric: analysis.pairs(metric, entry.slug) for metric in ranked}
    columns: list[Column] = []
    level = f"{division.protocol.ranking.level:.2g}"
    needed = f"The larger of the two tests, with and without a correction for skewness; it decides: {level} or less"
    by = "By the two tests of this pair alone"
    for metric in ranked:
        m, margin = measure(metric), division.protocol.ranking.margin.get(metric)
        within = f"within {margin:g} {m.unit}" if margin else "equal"
        beyond = f" and a margin of {margin:g} {m.unit}" if margin else ""
        columns += [
            Column(f"d_{metric}", f"Δ {m.label}", f"This model minus the other; {m.direction} is better", unit=m.unit),
            Column(f"i_{metric}", "95 % interval", "Of the difference, for this pair alone"),
            Column(f"p_{metric}", "p of this pair", needed),
            Column(f"v_{metric}", "Verdict", f"{by}{beyond}, whatever other models there are", numeric=False),
            Column(f"t_{metric}", "Tiles", f"Won, {within}, lost", numeric=False),
        ]
    rows = []
    for other in others:
        pairs = [_pair_cells(analysis, metric, entry.slug, other, tiles[metric].get(other)) for metric in ranked]
        rows.append(
            Row(
                _pair_head(division.by_slug[other].title, entry.slug, other),
                tuple(cell for cells in pairs for cell in cells),
            )
        )
    caption = (
        f"Against {counted(len(others), 'model')} next to it on list {clean(division.list_name, 40)}, "
        f"{counted(len(division.tiles), 'tile')}: differences of the means on the board, paired by tile"
    )
    return Table("pairs", caption, Column("other", "Other model", "", numeric=False), tuple(columns), tuple(rows))


def _pair_head(title: str, slug: str, other: str) -> Cell:
    """Return the other model with the way to the page of the two."""
    text = '<a href="{}.html"><bdi>{}</bdi></a> <small><a href="../compare.html#a={}&amp;b={}">compare</a></small>'
    return Cell(Markup(text).format(other, title, slug, other), title.casefold(), (title,))


_VERDICTS = {
    text: Markup(f'<span class="v-{text.split()[0]}">{text}</span>') for text in ("better", "worse", "not told apart")
}


def _pair_cells(analysis: Analysis, metric: str, slug: str, other: str, tiles: Pair | None) -> list[Cell]:
    board, m = analysis.board(metric), measure(metric)
    i, j = board.order.get(slug), board.order.get(other)
    if i is None or j is None or tiles is None:
        return [Cell(Markup(NO_VALUE), "")] * 5
    verdict = "better" if board.beats[i, j] else "worse" if board.beats[j, i] else "not told apart"
    p, ends = float(board.p[i, j]), analysis.pair_interval(metric, i, j)
    interval = ", ".join(number(end, m.decimals + 1, signed=True) for end in ends) if ends else NO_VALUE
    return [
        Cell(Markup(number(float(board.pairs.value[i, j]), m.decimals + 1, signed=True))),
        Cell(Markup(interval), ""),
        Cell(escape(probability(p)), "" if np.isnan(p) else p),
        Cell(_VERDICTS[verdict]),
        Cell(Markup(f"{tiles.wins} / {tiles.ties} / {tiles.losses}"), tiles.wins),
    ]


def _radius(analysis: Analysis) -> int:
    registration = analysis.division.protocol.registration
    return registration.radius if isinstance(registration, GaussianParabola) else 8


def _shift_verdict(analysis: Analysis, entry: Entry) -> str:
    """Return in a sentence whether the model's output is offset against that of the others on the same tiles."""
    if len(analysis.division.entries) < 3:  # withdrawn ones have pages, and may be all that is left
        return ""
    rows = [analysis.row_of[tile] for tile in analysis.division.tiles]
    own = np.stack([entry.table.numbers[name][rows] for name in ("shift_y", "shift_x")])
    # Against the other models: the offset between a tile's two sensors is in the shift of every one.
    relative = own - analysis.median_shift[:, rows]
    known = ~np.isnan(relative).any(axis=0)
    if not known.any():
        return ""
    y, x = (float(v) for v in relative[:, known].mean(axis=1))
    where = f"({number(x, 2, signed=True)}, {number(y, 2, signed=True)}) px in x and y"
    if float(np.hypot(x, y)) < OFFSET:
        return f"No common offset: on average {where} from the median of all models on the same tiles."
    return f"A common offset: on average {where} from the median of all models on the same tiles."


def _shift_facts(table: TileTable) -> Pairs:
    y, x = table.numbers["shift_y"], table.numbers["shift_x"]
    known = ~np.isnan(x + y)
    edges = [flag for flag in table.flags["shift_at_edge"] if flag is not None]
    facts: Pairs = []
    if known.any():
        facts.append(("Median length", f"{number(float(np.median(np.hypot(x, y)[known])), 2)} px"))
        facts.append(("Mean (x, y)", f"{number(float(x[known].mean()), 2)}, {number(float(y[known].mean()), 2)} px"))
    if edges:
        facts.append(
            ("At the edge of the search", f"{sum(edges)} of {len(edges)} tiles, {share_text(sum(edges) / len(edges))}")
        )
    gain = (table.numbers["psnr"] - table.numbers["psnr_unregistered"])[table.ok]
    gain = gain[~np.isnan(gain)]
    if len(gain):
        facts.append(("Mean gain by registration", f"{number(float(gain.mean()), 2)} dB"))
    return facts
