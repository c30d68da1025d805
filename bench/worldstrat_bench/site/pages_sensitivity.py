"""The page of a board that says whether its order depends on choices of the protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from worldstrat_bench.artefacts.sensitivity import Sensitivity
from worldstrat_bench.printed import counted
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.pages_board import Context
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.studies import Study
from worldstrat_bench.site.tables import Cell, Column, Row, Table, link_cell, render, rows_to_csv, text_cell, value_cell
from worldstrat_bench.site.text import NO_VALUE, clean, number, short_hash
from worldstrat_bench.stats.sensitivity import Findings, findings, swap_sentence

PAGE: Final = "sensitivity.html"


def build_sensitivity(out: Output, division: Division, common: Context, studies: Sequence[Study]) -> None:
    """Write the page of a division's studies, and their files; nothing without one."""
    if not studies:
        return
    shown = []
    for number_of, study in enumerate(studies):
        base = f"{division.prefix}data/sensitivity/{short_hash(study.content.hex(), 12)}"
        variants = _variants(study.report, f"variants-{number_of}")
        out.put(f"{base}/{Sensitivity.FILE}", study.content)
        out.put(f"{base}/variants.csv", _csv(study.report))
        shown.append(_block(division, study.report, number_of, variants) | {"csv": f"{base}/variants.csv"})
    out.page(division.prefix + PAGE, "sensitivity.html.j2", {**common, "tab": "Board", "studies": shown})


def _block(division: Division, report: Sensitivity, number_of: int, variants: Table) -> dict[str, object]:
    found = findings(report)
    titles = {choice.key: clean(choice.title, 80) for choice in report.choices}
    return {
        "lead": (
            f"{counted(len(report.models), 'model')}, list {clean(report.list, 40)}. {found.computed} of "
            f"{counted(found.variants, 'variant')} give means, {found.tested} of them verdicts. All variants score the "
            "same predictions of the same tiles, so a share of variants is not a probability."
        ),
        "places_html": render(_places(division, report, found, f"places-{number_of}"), sortable=False),
        "moved_html": render(_moved(found, titles, f"moved-{number_of}"), sortable=False),
        "swaps": [clean(swap_sentence(swap, titles), 1000) for swap in found.swaps],
        "pairs_html": render(_pairs(found, f"pairs-{number_of}"), sortable=False),
        "variants_html": render(variants),
        "count": found.variants,
    }


def _places(division: Division, report: Sensitivity, found: Findings, name: str) -> Table:
    slugs = {entry.record.record_id: entry.slug for entry in division.entries}
    by_name = {model.name: slugs[model.record_id] for model in report.models}
    columns = (
        Column("usual", "Protocol", "Place by the mean under the protocol itself"),
        Column("best", "Best", "Best place over all variants"),
        Column("worst", "Worst", "Worst place over all variants"),
    )
    rows = [
        Row(
            link_cell(place.model, f"m/{by_name[place.model]}.html"),
            tuple(Cell(Markup(str(p))) for p in (place.usual, place.best, place.worst)),
        )
        for place in found.places
    ]
    head = Column("model", "Model", "", numeric=False)
    return Table(name, "Place of each model, and over all variants", head, columns, tuple(rows))


def _moved(found: Findings, titles: Mapping[str, str], name: str) -> Table:
    columns = (
        Column("option", "Option", "", numeric=False),
        Column("alone", "Alone", "Pairs of models in another order when it alone is changed"),
        Column("joined", "With others", "Mean over all variants with it, each against the same one without it"),
        Column("places", "Places", "Mean number of places that a model moves when it alone is changed"),
    )
    rows = [
        Row(
            text_cell(titles[moved.option[0]]),
            (
                text_cell(moved.option[1]),
                Cell(Markup(NO_VALUE if moved.alone is None else str(moved.alone))),
                Cell(Markup(number(moved.joined, 2))),
                Cell(Markup(number(moved.places, 2))),
            ),
        )
        for moved in found.moved
    ]
    head = Column("choice", "Choice", "", numeric=False)
    return Table(name, "Pairs of models that an option puts in another order", head, columns, tuple(rows))


def _pairs(found: Findings, name: str) -> Table:
    columns = (
        Column("second", "Second", "", numeric=False),
        Column("ahead", "First ahead", "Share of variants in which the first has the better mean", unit="%"),
        Column("beats", "First beats", "Share of variants with verdicts", unit="%"),
        Column("beaten", "Second beats", "Share of variants with verdicts", unit="%"),
    )
    rows = []
    for pair in found.pairs:
        shares = (Cell(Markup(number(100 * share, 0))) for share in (pair.ahead, pair.beats, pair.beaten))
        rows.append(Row(text_cell(pair.first), (text_cell(pair.second), *shares)))
    head = Column("first", "First", "Ahead under the protocol", numeric=False)
    return Table(name, "Each pair of models, the one ahead under the protocol first", head, columns, tuple(rows))


def _variants(report: Sensitivity, name: str) -> Table:
    titles = {choice.key: clean(choice.title, 80) for choice in report.choices}
    columns = (
        Column("tiles", "Tiles", ""),
        *(Column(f"m{i}", clean(model.name, 60), "", unit="dB") for i, model in enumerate(report.models)),
    )
    rows = []
    for variant in report.variants:
        changed = "; ".join(f"{titles[key]}: {option}" for key, option in sorted(variant.changed.items()))
        means = variant.means or (None,) * len(report.models)
        note = f" ({clean(variant.reason, 200)})" if variant.reason else ""
        tiles = Cell(Markup(str(variant.tiles)), None, (variant.tiles,))
        cells = (tiles, *(value_cell(mean, 2) for mean in means))
        rows.append(Row(text_cell((changed or "the protocol itself") + note), cells))
    head = Column("variant", "Variant", "", numeric=False)
    caption = "Mean PSNR of each model under each variant"
    return Table(name, caption, head, columns, tuple(rows))


def _csv(report: Sensitivity) -> str:
    header = [*(choice.key for choice in report.choices), "tiles", *(clean(m.name, 60) for m in report.models)]
    rows = []
    for variant in report.variants:
        options = [variant.changed.get(choice.key, choice.usual) for choice in report.choices]
        rows.append([*options, variant.tiles, *(variant.means or (None,) * len(report.models))])
    return rows_to_csv(header, rows)
