"""Board pages: the lists of a division, with figures and downloads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from worldstrat_bench.artefacts.record import Summaries
from worldstrat_bench.data.split import release_names
from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.site.analysis import Analysis, shown_stratum
from worldstrat_bench.site.board_csv import board_csv
from worldstrat_bench.site.board_json import board_document
from worldstrat_bench.site.board_table import LETTERED, Rows, board_table
from worldstrat_bench.site.board_top import (
    answers,
    described,
    difference_figure,
    speed_figures,
    told_apart,
    trained_alike,
)
from worldstrat_bench.site.citations import board_references
from worldstrat_bench.site.copies import copies
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.emptied import emptied
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import map_figure
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.spectra_figures import plane_figure
from worldstrat_bench.site.stability import stability_block
from worldstrat_bench.site.tables import legend, render
from worldstrat_bench.site.text import clean, number, slugify
from worldstrat_bench.stats.ranking import Display, RankedBoard
from worldstrat_bench.stats.strata import axis

Context = Mapping[str, object]


def list_page(division: Division, name: str, metric: str) -> str:
    """Return the page of a list in the order of a metric, in the division's folder."""
    main = name == division.list_name
    if main:
        return "index.html" if metric == division.protocol.ranking.metrics[0] else f"by-{metric}.html"
    return f"list-{slugify(name)}.html"


def build_boards(out: Output, analysis: Analysis, common: Context, *, home: Context | None) -> None:
    """Write all list pages of a division and its downloads; with `home` the site's front page as well."""
    division = analysis.division
    ranked = division.protocol.ranking.metrics
    for name in division.lists:
        orders = [m for m in ranked if m == ranked[0] or division.measured(m)]
        for metric in orders if name == division.list_name else ranked[:1]:
            context = _list_context(analysis, name, metric, base="")
            page = division.prefix + list_page(division, name, metric)
            if metric == ranked[0]:
                _download(out, analysis, name)
            if home is not None and page == "index.html":
                context |= home
            out.page(page, "board.html.j2", {**common, **context})
    # The front page lies at the top, hence is rendered again with its links from there.
    if home is not None and division.prefix:
        context = _list_context(analysis, division.list_name, ranked[0], base=division.prefix) | dict(home)
        out.page("index.html", "board.html.j2", {**common, **context})


NONE_VERIFIED: Final = "No record on this board is verified yet, so none is ranked."
_REPORTED: Final = (
    "We checked that the files agree with each other, not that the model made them: with public data anyone can "
    "compute consistent files. On an official board a rank, letters and a place in a figure belong to verified "
    "records, and self-reported ones change nothing of these. Speeds are the authors' own."
)
SELF_REPORTED: Final = f"Computed by the authors. {_REPORTED}"
"""Meaning of the word, on the page of one record."""
SELF_REPORTED_ROWS: Final = f"Computed by the authors, in the order of their scores. {_REPORTED}"
VERIFIED: Final = (
    "Maintainers ran the submitted code over the whole list, and the numbers are those of their run. That does not "
    "exclude that the model has seen the public test images, or that it is the best of many tries."
)
_WHY_MISSING = {"lpips": " (weights were missing)"}


def _rows(analysis: Analysis, name: str, metric: str, *, reported: bool = False) -> Rows:
    """Return the ranked runs of a list, or the self-reported ones: these have values alone, no rank and no interval."""
    division = analysis.division
    main = name == division.list_name

    def summaries(entry: Entry) -> Summaries:
        return division.scores(entry, name).micro

    if reported:
        return Rows(division.reported, summaries, "values", order_by=metric, lists=main, list_name=name)
    boards = {m: division.boards[name, m] for m in division.protocol.ranking.metrics}
    leaders = {m: analysis.leader(division.lists[name], m) for m in boards if division.measured(m)}
    # The metric by which the page is sorted is answered first.
    leaders = dict(sorted(leaders.items(), key=lambda item: item[0] != metric))
    display = division.list_display(name)
    return Rows(division.entries, summaries, display, boards, leaders, metric, lists=main, list_name=name)


def empty_context() -> dict[str, object]:
    """Return what the board template needs, with nothing to show."""
    return {
        "no_official": False,
        "answers": [],
        "told": "",
        "alike": [],
        "top": [],
        "facts": [],
        "lists": [],
        "orders": [],
        "figures": [],
        "strata_links": [],
        "others": [],
        "missing": [],
        "apart": [],
        "apart_more": 0,
        "unranked": "",
        "sentences": [],
        "rank_note": "",
        "csv": "",
        "none_verified": "",
        "emptied": "",
        "not_counting": [],
        "stability": None,
        "copies": [],
        "bibtex": "",
        "reported_html": "",
        "reported_note": "",
        "reported_csv": "",
    }


def _list_context(analysis: Analysis, name: str, metric: str, *, base: str) -> dict[str, object]:
    division = analysis.division
    ranked = division.protocol.ranking.metrics
    main = name == division.list_name
    gone = emptied(division)
    missing = [m for m in ranked if not division.measured(m)]
    orders = [m for m in ranked if m not in missing]
    boards = {m: division.boards[name, m] for m in orders}
    rows, tiles = _rows(analysis, name, metric), division.lists[name]
    caption = f"List {clean(name, 40)}: {counted(len(tiles), 'tile')}, {counted(len(rows.entries), 'model')}"
    table = board_table(division, "board", caption, rows, base=base, beside=analysis.config.beside)
    ranks, said = division.shows_ranks(name), answers(division, rows.leaders, rows.summaries, rows.display, base)
    return (
        empty_context()
        | _reported_context(analysis, name, metric, base)
        | _figures(analysis, rows, base, main)
        | {
            "tab": "Board",
            "heading": heading_of(division) if main else f"List {clean(name, 40)}",
            "lead": _lead(division, name),
            "answers": said,
            "told": told_apart(division.protocol, rows.display, len(rows.entries)),
            "alike": trained_alike(division, rows.leaders),
            **described(said),
            "lists": [
                (n, len(t), base + list_page(division, n, ranked[0]), n == name) for n, t in division.lists.items()
            ],
            "orders": [
                (f"{measure(m).label} {measure(m).arrow}", base + list_page(division, name, m), m == metric)
                for m in orders
            ]
            if main and len(orders) > 1
            else [],
            "missing": [
                f"No {measure(m).label} yet: no record has it{_WHY_MISSING.get(m, '')}" for m in missing if not gone
            ],
            "emptied": gone,
            "facts": board_facts(boards, len(tiles), ranks=ranks),
            "sentences": board_sentences(boards) if ranks else [],
            "rank_note": rank_note(division, division.list_display(name)),
            "table": table,
            "table_html": render(table),
            "legend": legend(table),
            "csv": f"{division.prefix}data/board-{slugify(name)}",
            "unranked": "; ".join(_unranked(division, name, orders)),
            "none_verified": NONE_VERIFIED if division.cited and not division.entries else "",
            "not_counting": [e.title for e in division.entries if not division.counts(e)],
            "copies": copies(division, name, _order(rows)),
            "bibtex": board_references(division, analysis.config),
            "stability": stability_block(division, name, base),
        }
    )


def _order(rows: Rows) -> tuple[str, ...]:
    return next((found.slugs for found in rows.leaders.values()), ())


def _figures(analysis: Analysis, rows: Rows, base: str, main: bool) -> dict[str, object]:
    """Return the charts beside the answer, and on the page of the list that ranks the others below the table."""
    division, found = analysis.division, rows.leaders.get(rows.order_by)
    if found is None:
        return {}
    chart = difference_figure(division, found, base)
    speeds = speed_figures(analysis, found, base) if main else []
    top = [figure for figure in (chart, *speeds[:1]) if figure is not None]
    below = speeds[1:]
    if main:
        below += [f] if (f := map_figure(analysis, division.tiles, base)) else []
        below += plane_figure(analysis, base)
        return {"top": top, "figures": below, "strata_links": _strata_links(analysis, base)}
    return {"top": top}


def _reported_context(analysis: Analysis, name: str, metric: str, base: str) -> dict[str, object]:
    """Return the section of self-reported runs below a board."""
    division = analysis.division
    if not division.reported:
        return {}
    rows = _rows(analysis, name, metric, reported=True)
    caption = f"Self-reported. List {clean(name, 40)}: {counted(len(rows.entries), 'model')}"
    table = board_table(division, "self-reported", caption, rows, base=base, beside=analysis.config.beside)
    return {
        "reported_html": render(table),
        "reported_note": SELF_REPORTED_ROWS,
        "reported_csv": f"{division.prefix}data/self-reported-{slugify(name)}",
    }


def _unranked(division: Division, name: str, metrics: Sequence[str]) -> list[str]:
    """Return why runs on the board have no rank in a list, each reason with the metrics that it is about."""
    found = []
    for entry in division.entries:
        reasons: dict[str, list[str]] = {}
        for metric in metrics:
            if entry.slug not in division.boards[name, metric].order:
                reasons.setdefault(division.why_unranked(entry, name, metric), []).append(measure(metric).label)
        found += [
            f"{entry.title}{'' if len(by) == len(metrics) else ' by ' + ' and '.join(by)} ({text})"
            for text, by in reasons.items()
        ]
    return found


def heading_of(division: Division) -> str:
    """Return the title of a division."""
    kind = {
        "official": "Leaderboard",
        "practice": "Practice board",
        "probe": "Out-of-split probe",
        "compatibility": "Compatibility board",
        "predictions": "Predictions handed in",
    }[division.kind]
    published = (division.kind != "practice" or division.awaits_reference) and {*division.release.split(", ")} <= {
        *release_names()
    }
    source = f"WorldStrat {division.release}" if published else division.release
    return f"{kind}: {source}, {division.protocol.id}"


def _lead(division: Division, name: str) -> str:
    uses = {
        "clean": "The list that ranks: no test tile that is also in train or val, nor a sibling of one",
        "full": "All test tiles, leaks included: shown beside the ranking list",
        "strict": "Sensitivity: also without tiles that share an acquisition with train or val",
        "never-split": "Tiles that no published split contains",
    }
    text = uses.get(name, "The test tiles of this data set")
    inputs = "" if division.inputs == "real" else " Inputs were made from the high-resolution image by a sensor model."
    return f"{text}.{inputs}"


def board_facts(boards: Mapping[str, RankedBoard], tiles: int, *, ranks: bool = True) -> list[str]:
    """Return the sizes of a board in words."""
    largest = max(boards.values(), key=lambda board: board.groups, default=None)
    facts = [counted(tiles, "tile")]
    if largest is not None and largest.groups and largest.groups != largest.effective_groups:
        facts.append(f"{counted(largest.groups, 'group')} ({largest.effective_groups:.1f} effective)")
    for metric, board in boards.items() if ranks else ():
        facts.append(f"{counted(board.counting, 'model')} ranked by {measure(metric).label}")
    return facts


def board_sentences(boards: Mapping[str, RankedBoard]) -> list[str]:
    """Return what a board can tell apart, and how many of its verdicts chance alone would make, in sentences."""
    found = []
    for metric, board in boards.items():
        m = measure(metric)
        if board.detectable is not None:
            value = f"{number(board.detectable, m.decimals + (1 if m.unit else 0))} {m.unit}".rstrip()
            found.append(
                f"{m.label}: two neighbours here are told apart about four times in five if they truly differ "
                f"by {value}; smaller differences can be real, and some are told apart."
            )
        if not board.bounded:
            found.append(
                f"{m.label}: if all {board.counting} models were equal, {board.expected_wrong:.1f} wrong verdicts "
                "would be expected among their pairs."
            )
    return found


def rank_note(division: Division, display: Display) -> str:
    """Return how to read the ranks and intervals of a table, or why there are none."""
    ranking, rules = division.protocol.ranking, division.protocol.aggregation
    if display == "values":
        return f"Under {rules.groups_interval:g} effective groups: values alone, no intervals, no ranks."
    intervals = "Intervals are of the difference to the first model, paired by tile."
    if display == "intervals":
        return f"{intervals} Under {rules.groups_rank:g} effective groups: no ranks."
    margins = " and ".join(f"{measure(k).label} differs by {v:g} {measure(k).unit}" for k, v in ranking.margin.items())
    # The n that has n (n - 1) / 2 pairs.
    models = (1 + math.isqrt(1 + 8 * ranking.family)) // 2
    letters = "Letters: models that share one are not told apart. " if len(division.entries) <= LETTERED else ""
    return (
        f"Rank: from the best to the worst place that the tests leave open, on other tiles of the same kind. {letters}"
        "Two models are told apart by a paired test of them alone "
        f"(p ≤ {ranking.level:.2g} with and without a correction for skewness"
        f"{f', and {margins} or more' if margins else ''}), whatever other models there are: "
        f"the level is {100 * ranking.alpha:g} % over all pairs of {models} models. {intervals}"
    )


def _download(out: Output, analysis: Analysis, name: str) -> None:
    division = analysis.division
    path, metric = f"{division.prefix}data/board-{slugify(name)}", division.protocol.ranking.metrics[0]
    out.put(f"{path}.csv", board_csv(division, _rows(analysis, name, metric)))
    if division.reported:
        reported = board_csv(division, _rows(analysis, name, metric, reported=True))
        out.put(f"{division.prefix}data/self-reported-{slugify(name)}.csv", reported)
    out.put_json(f"{path}.json", board_document(division, name))


def links_by_axis(analysis: Analysis, only: str = "") -> list[tuple[str, list[tuple[str, str, int]]]]:
    """Map the title of an axis to (stratum, page, tiles) of every stratum."""
    found: dict[str, list[tuple[str, str, int]]] = {}
    for stratum in analysis.strata:
        if only in ("", stratum.axis):
            item = (shown_stratum(stratum.axis, stratum.label), stratum.page, len(stratum.tiles))
            found.setdefault(axis(stratum.axis).title, []).append(item)
    return list(found.items())


def _strata_links(analysis: Analysis, base: str) -> list[tuple[str, list[tuple[str, str, int]]]]:
    return [(t, [(label, base + page, n) for label, page, n in items]) for t, items in links_by_axis(analysis)]
