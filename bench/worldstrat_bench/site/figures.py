"""The captioned figures of board and model pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.site import charts, worldmap
from worldstrat_bench.site.analysis import Analysis, shown_stratum
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.text import clean, number
from worldstrat_bench.stats.aggregate import metric_values
from worldstrat_bench.stats.ranking import drawn_interval
from worldstrat_bench.stats.strata import axis


@dataclass(frozen=True)
class Figure:
    """A drawing with what it shows and how many tiles."""

    id: str
    title: str
    caption: str
    svg: Markup


def map_figure(analysis: Analysis, tiles: tuple[str, ...], base: str) -> Figure | None:
    """Draw tiles coloured by the gain of the first model; None if no tile has both a place and a gain."""
    division = analysis.division
    first = division.by_slug.get(analysis.leader(tiles, division.protocol.ranking.metrics[0]).first)
    if first is None:
        return None
    facts, gains = division.facts, metric_values(first.table, "gain")
    known = [r for r in (analysis.row_of[t] for t in tiles) if not np.isnan(gains[r])]
    if not known:
        return None
    low, high = (float(v) for v in np.percentile(gains[known], [5, 95]))
    marks = []
    for r in known:
        lon, lat = float(facts.numbers["lon"][r]), float(facts.numbers["lat"][r])
        if not np.isnan(lon + lat):
            tile, value = facts.tiles[r], float(gains[r])
            title = f"{analysis.tile_titles[tile]}: {number(value, 2, signed=True)} dB"
            shade = worldmap.shade(value, low, high)
            marks.append(worldmap.Mark(lon, lat, shade, title, base + analysis.tile_pages[tile]))
    if not marks:
        return None
    rest = len(tiles) - len(marks)
    caption = (
        f"From {number(low, 2)} dB to {number(high, 2)} dB in six steps, the 5th to the 95th percentile of "
        f"{first.title}. {counted(len(marks), 'tile')}"
        + (f"; {rest} more have no coordinates or no score. " if rest else ". ")
        + "A dot leads to its tile. Equal Earth projection."
    )
    svg = worldmap.world_map(
        marks, "World map of the tiles coloured by gain", (f"{number(low, 2)}", f"{number(high, 2)} dB")
    )
    return Figure("map", f"Gain of {first.title} over bicubic on each tile", caption, svg)


def forest_figure(analysis: Analysis, entry: Entry, metric: str) -> Figure:
    """Draw one metric of a model in every stratum, with intervals where there are enough tiles."""
    m, division = measure(metric), analysis.division
    rules = division.protocol.aggregation
    rows: list[charts.ForestRow] = []
    whole = division.scores(entry).micro.get(metric)
    if whole is not None:
        rows.append(charts.ForestRow("All tiles", whole.n, whole.mean, *(drawn_interval(whole, rules, metric) or ())))
    for name in division.strata:
        rows.append(charts.ForestRow(axis(name).title))
        for stratum in (s for s in analysis.strata if s.axis == name):
            summary = division.scores(entry).strata[name].get(stratum.label, {}).get(metric)
            low, high = (drawn_interval(summary, rules, metric) if summary else None) or (None, None)
            mean = summary.mean if summary else None
            label = shown_stratum(name, stratum.label)
            rows.append(charts.ForestRow(label, len(stratum.tiles), mean, low, high, f"../{stratum.page}"))
    label = f"{m.label} in every stratum"
    svg = charts.forest(rows, label, m.unit, m.decimals, 0.0 if metric == "gain" else None)
    caption = (
        f"{m.explanation}. Mean and 95 % interval, {len(division.tiles)} tiles of list "
        f"{clean(division.list_name, 40)}; n is the number of tiles. Strata of fewer than "
        f"{rules.groups_interval:g} effective groups have no interval."
    )
    return Figure(f"forest-{metric}", label, caption, svg)


def shift_figures(table: TileTable, radius: int) -> list[Figure]:
    """Return the shift audit: where predictions had to be moved, how far, and what that gained."""
    y, x = table.numbers["shift_y"], table.numbers["shift_x"]
    known = ~np.isnan(x + y)
    if not known.any():
        return []
    distances = [float(v) for v in np.hypot(y[known], x[known])]
    shifts = [(float(a), float(b)) for a, b in zip(x[known], y[known], strict=True)]
    top = max(4.0, float(np.ceil(max(distances))))
    gains = (table.numbers["psnr"] - table.numbers["psnr_unregistered"])[table.ok]
    gains = gains[~np.isnan(gains)]
    count = len(distances)
    edges = [top * i / 16 for i in range(17)]
    figures = [
        Figure(
            "shift-map",
            "Estimated shifts",
            f"{count} tiles in squares of 1 px over the search of ±{radius} px.",
            charts.shift_map(shifts, radius, "Estimated shifts in the search window"),
        ),
        Figure(
            "shift-length",
            "Length of the shift",
            f"{count} tiles, px of the target grid (2.5 m).",
            charts.histogram(distances, edges, "Histogram of the length of shifts", "px"),
        ),
    ]
    if len(gains):
        high = max(1.0, float(np.ceil(np.percentile(gains, 99))))
        low = min(0.0, float(np.floor(gains.min())))
        edges = [low + (high - low) * i / 16 for i in range(17)]
        kept = [float(min(g, high)) for g in gains]
        caption = (
            f"PSNR at the estimated shift minus PSNR without one, {len(kept)} tiles; the last bar holds all beyond."
        )
        svg = charts.histogram(kept, edges, "Histogram of the gain by registration", "dB")
        figures.append(Figure("shift-gain", "Gain by registration", caption, svg))
    return figures
