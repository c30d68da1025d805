"""The captioned figures of board and model pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.measures import measure
from worldstrat_bench.site import charts, worldmap
from worldstrat_bench.site.analysis import Analysis, shown_stratum
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.extras import TIMED
from worldstrat_bench.site.text import clean, counted, number
from worldstrat_bench.stats.ranking import drawn_interval
from worldstrat_bench.stats.strata import axis


@dataclass(frozen=True)
class Figure:
    """A drawing with what it shows and how many tiles."""

    id: str
    title: str
    caption: str
    svg: Markup


def board_figures(analysis: Analysis, base: str) -> list[Figure]:
    """Map of the tiles, and quality against speed for every device class."""
    figures = []
    if tile_map := map_figure(analysis, analysis.division.tiles, base):
        figures.append(tile_map)
    devices = sorted({s.device_class for e in analysis.division.entries for s in e.speed if s.valid})
    for number_of, device in enumerate(devices):
        figures += _speed_figures(analysis, device, number_of, base)
    return figures


def map_figure(analysis: Analysis, tiles: Sequence[str], base: str) -> Figure | None:
    """Tiles coloured by the median of the gain over the models; None if no tile has both a place and a gain."""
    facts, median = analysis.division.facts, analysis.median("gain")
    known = [r for r in (analysis.row_of[t] for t in tiles) if not np.isnan(median[r])]
    if not known:
        return None
    low, high = (float(v) for v in np.percentile(median[known], [5, 95]))
    marks = []
    for r in known:
        lon, lat = float(facts.numbers["lon"][r]), float(facts.numbers["lat"][r])
        if not np.isnan(lon + lat):
            tile, value = facts.tiles[r], float(median[r])
            title = f"{analysis.tile_titles[tile]}: {number(value, 2, signed=True)} dB"
            shade = worldmap.shade(value, low, high)
            marks.append(worldmap.Mark(lon, lat, shade, title, base + analysis.tile_pages[tile]))
    rest = len(tiles) - len(marks)
    caption = (
        "Gain over the reference bicubic on each tile, the median over all models on this board, baselines included: "
        f"from {number(low, 2)} dB to {number(high, 2)} dB in six steps, the 5th to the 95th percentile. "
        f"{len(marks)} tiles" + (f"; {rest} more have no coordinates or no score." if rest else ".")
    )
    if not marks:
        return None
    svg = worldmap.world_map(
        marks, "World map of the tiles coloured by gain", (number(low, 2), f"{number(high, 2)} dB")
    )
    return Figure("map", "Where the tiles are, and the median gain of the models shown", caption, svg)


def _speed_figures(analysis: Analysis, device: str, number_of: int, base: str) -> list[Figure]:
    division = analysis.division
    figures: list[Figure] = []
    for metric in division.protocol.ranking.metrics:
        m = measure(metric)
        points = [p for e in division.entries if (p := _point(analysis, e, metric, device, base))]
        if not points:
            continue
        front = charts.pareto(points, y_higher=m.direction == "higher")
        title = f"{m.label} against throughput on {device}"
        svg = charts.scatter(
            points, title, "km²/s, logarithmic", _axis_title(metric), up=m.direction == "higher", front=front
        )
        caption = (
            f"{counted(len(points), 'model')}, {counted(len(division.tiles), 'tile')}. The line joins those that no "
            "other is ahead of in both; better is up and to the right. Hollow: scores self-reported; throughput "
            "always is. It is that of batches (offline): neither single tiles nor other device classes are here. "
            + TIMED
        )
        figures.append(Figure(f"speed-{number_of}-{metric}", title, caption, svg))
    return figures


def _axis_title(metric: str) -> str:
    m = measure(metric)
    title = f"{m.label} {m.arrow}{', ' if m.unit else ''}{m.unit}"
    return title if m.direction == "higher" else f"{title} axis reversed: better is above"


def _point(analysis: Analysis, entry: Entry, metric: str, device: str, base: str) -> charts.Point | None:
    summary = analysis.division.scores(entry).micro.get(metric)
    speed = next((s for s in entry.speed if s.valid and s.device_class == device and s.scenario == "offline"), None)
    if summary is None or summary.mean is None or speed is None:
        return None
    href = f"{base}m/{entry.slug}.html"
    return charts.Point(entry.title, speed.km2_per_second, summary.mean, href, entry.status != "verified")


def forest_figure(analysis: Analysis, entry: Entry, metric: str) -> Figure:
    """One metric of a model in every stratum, with intervals where there are enough tiles."""
    m, division = measure(metric), analysis.division
    rules = division.protocol.aggregation
    rows: list[charts.ForestRow] = []
    whole = division.scores(entry).micro.get(metric)
    if whole is not None:
        rows.append(charts.ForestRow("All tiles", whole.n, whole.mean, *(drawn_interval(whole, rules) or ())))
    for name in division.strata:
        rows.append(charts.ForestRow(axis(name).title))
        for stratum in (s for s in analysis.strata if s.axis == name):
            summary = division.scores(entry).strata[name].get(stratum.label, {}).get(metric)
            low, high = (drawn_interval(summary, rules) if summary else None) or (None, None)
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
        Figure("shift-map", "Estimated shifts", f"{count} tiles in squares of 1 px over the search of ±{radius} px.",
               charts.shift_map(shifts, radius, "Estimated shifts in the search window")),
        Figure("shift-length", "Length of the shift", f"{count} tiles, px of the target grid (2.5 m).",
               charts.histogram(distances, edges, "Histogram of the length of shifts", "px")),
    ]  # fmt: skip
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
