"""The page that chooses a model: what counts of every model as a table, and the data with which the script decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted, three_digits
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.board_table import device_classes
from worldstrat_bench.site.crossing import axis_choices, scaled_values, tile_data
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.extras import Speed
from worldstrat_bench.site.leader import Leader, bracketed
from worldstrat_bench.site.pages_board import Context
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.tables import Cell, Column, Row, Table, filled, link_cell, render, text_cell, value_cell
from worldstrat_bench.site.terms import TERMS, terms_of
from worldstrat_bench.site.text import NO_VALUE, number

METRIC: Final = "psnr"
TOLERANCE: Final = 0.1
"""dB by which a cheaper model may be worse than the best."""


def build_choose(out: Output, analysis: Analysis, common: Context) -> None:
    """Write the page that chooses a model of a division."""
    division = analysis.division
    ranked = [s.model for s in analysis.board(METRIC).standings]
    rest = sorted(e.slug for e in division.entries if e.slug not in ranked)
    entries = [division.by_slug[slug] for slug in (*ranked, *rest)]
    shown = (*entries, *division.reported)
    # Self-reported rows take no part where ranks may be cited, and their machines no place of those of verified rows.
    devices = device_classes(entries if division.cited and entries else shown)
    context = {
        "tolerance": f"{TOLERANCE:g}",
        "axes": axis_choices(analysis),
        "devices": devices,
        "timed": timed_words(devices),
        "most_frames": max((e.frame_count or 1 for e in shown), default=1),
        "some_verified": len({e.status for e in shown}) > 1,
        "models": len(shown),
        "table_html": render(_table(analysis, shown, devices)),
        "terms": TERMS,
        "data": _data(analysis, entries, devices),
    }
    out.page(division.prefix + "choose.html", "choose.html.j2", {**common, **context})


def timed_words(devices: Sequence[str]) -> str:
    """Return on what the models of a board were timed, above all whether on a CPU."""
    if not devices:
        return "No model of this board has a speed yet, on a GPU or on a CPU: cost is the number of frames alone."
    if any(device.startswith("CPU") for device in devices):
        return f"Timed on {', '.join(devices)}."
    return f"Timed on {', '.join(devices)}, not on a CPU: for one, the number of frames is the only cost that is known."


def time_of(entry: Entry, device: str) -> Speed | None:
    """Return the valid timing of a model on a device class, of batches where there is one; None without any."""
    return next((s for s in entry.speed if s.valid and s.device_class == device), None)


def _milliseconds(entry: Entry, device: str) -> float | None:
    speed = time_of(entry, device)
    # As it is printed: the script would round a tie the other way.
    return float(f"{1000 / speed.tiles_per_second:.3g}") if speed is not None and speed.tiles_per_second > 0 else None


def _deciding(entry: Entry, device: str, *, cited: bool) -> float | None:
    """Return the time that may decide, ms: where ranks may be cited only one that maintainers measured again."""
    speed = time_of(entry, device)
    return None if speed is None or (cited and not speed.confirmed) else _milliseconds(entry, device)


def _data(analysis: Analysis, entries: Sequence[Entry], devices: Sequence[str]) -> dict[str, object]:
    """Return what the script decides from; self-reported rows beside a board of verified ones have no values."""
    reported = analysis.division.reported
    shown = (*entries, *reported)
    scaled = scaled_values(analysis, METRIC, [e.slug for e in entries])
    return {
        **tile_data(analysis),
        **scaled,
        "tolerance": TOLERANCE,
        "unit": measure(METRIC).unit,
        "decimals": measure(METRIC).decimals,
        "tiles": len(analysis.division.tiles),
        "models": [
            {
                "slug": e.slug,
                "title": e.title,
                "ranked": i < len(entries),
                "verified": bool(e.verified),
                # What a run without a submission was offered is more than it may need.
                "frames": e.frame_count,
                "declared": e.declares_frames or e.frame_count == 1,
                "licence": e.card.licence,
                "terms": terms_of(e.card.licence),
                "ms": [_deciding(e, device, cited=analysis.division.cited) for device in devices],
            }
            for i, e in enumerate(shown)
        ],
        "devices": list(devices),
    }


def _table(analysis: Analysis, shown: Sequence[Entry], devices: Sequence[str]) -> Table:
    """Return what counts of every model, in the order of the board; a column that no row fills is not drawn."""
    division, m = analysis.division, measure(METRIC)
    found = analysis.leader(division.tiles, METRIC)
    columns = (
        Column(METRIC, m.label, m.explanation, arrow=m.arrow, unit=m.unit),
        Column(
            "frames",
            "Frames",
            "Sentinel-2 revisits: it uses up to so many, with fewer it was not measured; "
            "offered: no submission says how many",
        ),
        *(
            Column(f"ms_{i}", d, f"Time for one tile on {d}", arrow="↓", unit="ms a tile")
            for i, d in enumerate(devices)
        ),
        Column("licence", "Licence", "Of the model, as its manifest states it", numeric=False),
        Column("to_first", "to the first", f"{m.label} minus that of the first, 95 % interval", unit=m.unit),
        Column("gain", "over bicubic", measure("gain").explanation, arrow="↑", unit=m.unit),
        Column("status", "Status", "Verified: maintainers ran the whole list", numeric=False),
    )
    rows = [_row(analysis, entry, found, devices) for entry in shown]
    caption = f"{counted(len(shown), 'model')} on {counted(len(division.tiles), 'tile')}"
    return filled(Table("choices", caption, Column("model", "Model", "", numeric=False), columns, tuple(rows), METRIC))


def _row(analysis: Analysis, entry: Entry, found: Leader, devices: Sequence[str]) -> Row:
    micro, m = analysis.division.scores(entry).micro, measure(METRIC)
    means = [micro.get(name, Summary(n=0)).mean for name in (METRIC, "gain")]
    cells = (
        value_cell(means[0], m.decimals),
        Cell(Markup(entry.frames), entry.frame_count or "", (entry.frame_count,)),
        *(_time_cell(entry, device) for device in devices),
        text_cell(entry.card.licence or "not stated"),
        _first_cell(found, entry.slug),
        value_cell(means[1], measure("gain").decimals),
        text_cell(entry.status),
    )
    return Row(link_cell(entry.title, f"m/{entry.slug}.html"), cells, anchor=f"r-{entry.slug}")


def _first_cell(found: Leader, slug: str) -> Cell:
    difference, m = found.differences.get(slug), measure(METRIC)
    if difference is None:
        return Cell(Markup(NO_VALUE), "", (None,))
    if slug == found.first:
        return Cell(Markup("first"), 0.0, (0.0,))
    text = number(difference.value, m.decimals, signed=True) + bracketed(difference.interval, m)
    return Cell(Markup(text), difference.value, (difference.value,))


def _time_cell(entry: Entry, device: str) -> Cell:
    ms = _milliseconds(entry, device)
    if ms is None:
        invalid = any(s.device_class == device for s in entry.speed)
        return Cell(Markup("invalid") if invalid else Markup(NO_VALUE), "", ("invalid",) if invalid else (None,))
    speed = time_of(entry, device)
    by = speed.by if speed is not None else ""
    return Cell(Markup("{}<small> {}</small>").format(three_digits(ms), by), ms, (ms,))
