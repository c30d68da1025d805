"""The first screen of a model's page: where it stands in a sentence, where it gains, how the gain is spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted, share_text
from worldstrat_bench.site.analysis import Analysis, shown_stratum
from worldstrat_bench.site.board_table import NOTHING
from worldstrat_bench.site.board_top import Sentence
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import Figure
from worldstrat_bench.site.leader import Difference, Leader, answer, bracketed, shown
from worldstrat_bench.site.model_charts import CurveLine, GainRow, gain_curve, gain_rows
from worldstrat_bench.site.pictures import TilePictures
from worldstrat_bench.site.text import number
from worldstrat_bench.stats.aggregate import metric_values
from worldstrat_bench.stats.ranking import drawn_interval
from worldstrat_bench.stats.strata import axis

NAMED = 3
"""Up to so many models that cannot be told from this one are named."""
WEAKEST = 3
"""Tiles of the smallest gain that are named."""
CONDITIONS = ("ipcc", "cloud", "age")
"""Axes whose stratum of such a tile is told."""
CROPS = ("best", "best", "median", "median", "worst", "worst")


def verdicts(analysis: Analysis, entry: Entry) -> list[Sentence]:
    """Return one sentence for each metric that ranks the model: its place, its lead or its distance to the first."""
    division, found = analysis.division, []
    for metric in division.protocol.ranking.metrics:
        leader = analysis.leader(division.tiles, metric)
        if entry.slug not in leader.differences or not division.ranks(entry):
            continue
        tested = division.shows_ranks(division.list_name)
        if leader.first == entry.slug:
            titles = {e.slug: e.title for e in division.entries}
            gain = division.scores(entry).micro.get("gain", NOTHING)
            parts = answer(leader, titles, gain, tested=tested)
        else:
            parts = _behind(analysis, entry, leader, tested=tested)
        found.append([(f"{slug}.html" if slug and slug != entry.slug else "", text) for slug, text in parts])
    return found


def weakest(analysis: Analysis, entry: Entry) -> Sentence:
    """Return a sentence on the tiles where the model gains least over bicubic: their gain, place and conditions.

    A reader who asks where a model fails finds the tiles on the first screen, with what makes them hard beside them.
    """
    gains = metric_values(entry.table, "gain")
    tiles = [tile for tile in analysis.division.tiles if not np.isnan(gains[analysis.row_of[tile]])]
    tiles.sort(key=lambda tile: (gains[analysis.row_of[tile]], tile))
    if len(tiles) <= WEAKEST:
        return []
    found: Sentence = [("", "Weakest tiles, by gain over bicubic: ")]
    for place, tile in enumerate(tiles[:WEAKEST]):
        gain = number(float(gains[analysis.row_of[tile]]), 2, signed=True)
        strata = [s for s in analysis.strata if s.axis in CONDITIONS and tile in s.tiles]
        where = ", ".join(
            ("" if s.axis == "ipcc" else f"{axis(s.axis).title.lower()} ") + shown_stratum(s.axis, s.label)
            for s in sorted(strata, key=lambda s: CONDITIONS.index(s.axis))
        )
        end = "." if place == WEAKEST - 1 else "; "
        found += [
            (_tile_link(analysis, entry, tile), analysis.tile_titles[tile]),
            ("", f" {gain} dB{f' ({where})' if where else ''}{end}"),
        ]
    return found


def _tile_link(analysis: Analysis, entry: Entry, tile: str) -> str:
    """Return the path from a model's page to a tile, which names the model in its plot."""
    return f"../{analysis.tile_pages[tile]}#a={entry.slug}"


def extremes(analysis: Analysis, entry: Entry) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return the tiles with the largest and the smallest gain over bicubic."""
    gains = metric_values(entry.table, "gain")
    ranked = [analysis.row_of[tile] for tile in analysis.division.tiles]
    rows = sorted((r for r in ranked if not np.isnan(gains[r])), key=lambda r: (-gains[r], r))

    def items(chosen: Sequence[int]) -> list[tuple[str, str, str]]:
        tiles = analysis.division.facts.tiles
        return [
            (tiles[r], _tile_link(analysis, entry, tiles[r]), number(float(gains[r]), 2, signed=True)) for r in chosen
        ]

    count = min(8, len(rows) // 2)
    return [("Largest gain", items(rows[:count])), ("Smallest gain", items(rows[::-1][:count]))] if count else []


def _behind(analysis: Analysis, entry: Entry, leader: Leader, *, tested: bool) -> list[tuple[str, str]]:
    division, m = analysis.division, measure(leader.metric)
    first = division.by_slug[leader.first]
    difference = leader.differences[entry.slug]
    place = leader.slugs.index(entry.slug) + 1
    parts = [("", f"Place {place} of {len(leader.slugs)} by {m.label}")]
    gain = division.scores(entry).micro.get("gain", NOTHING)
    if m.name == "psnr" and gain.mean is not None:
        ends = drawn_interval(gain, division.protocol.aggregation, "gain")
        parts.append(("", f", {shown(gain.mean, m)}{bracketed(ends, m)} over bicubic"))
    parts += [
        ("", f", {shown(difference.value, m)}{bracketed(difference.interval, m)} against the first, "),
        (leader.first, first.title),
        ("", ". "),
    ]
    return parts + _tied(analysis, entry, leader.metric) if tested else parts


def _tied(analysis: Analysis, entry: Entry, metric: str) -> list[tuple[str, str]]:
    """Return who cannot be told from the model, in a sentence."""
    board = analysis.board(metric)
    row = board.order.get(entry.slug)
    if row is None:
        return []
    told = board.beats[row] | board.beats[:, row]
    tied = [s.model for i, s in enumerate(board.standings) if i != row and not told[i]]
    if not tied:
        return [("", "No other model is statistically tied with it.")]
    if len(tied) > NAMED:
        return [("", f"{counted(len(tied), 'model')} cannot be told from it.")]
    parts: list[tuple[str, str]] = []
    for place, slug in enumerate(tied):
        join = "" if place == 0 else " and " if place == len(tied) - 1 else ", "
        parts += [("", join)] * bool(join) + [(slug, analysis.division.by_slug[slug].title)]
    return [*parts, ("", " cannot be told from it.")]


@dataclass(frozen=True)
class AxisFigure:
    """The strata of one axis, drawn against the mean over all tiles."""

    title: str
    figure: Figure


def strata_figures(analysis: Analysis, entry: Entry) -> list[AxisFigure]:
    """Return where a model gains more or less than on all tiles, one figure an axis."""
    division, rules, m = analysis.division, analysis.division.protocol.aggregation, measure("gain")
    whole = division.scores(entry).micro.get("gain", NOTHING).mean
    found: list[AxisFigure] = []
    if whole is None:
        return found
    for name in division.strata:
        rows = []
        for stratum in (s for s in analysis.strata if s.axis == name):
            summary = division.scores(entry).strata[name].get(stratum.label, {}).get("gain", NOTHING)
            if summary.mean is None:
                continue
            ends = drawn_interval(summary, rules, "gain")
            interval = (ends[0] - whole, ends[1] - whole) if ends else None
            label = shown_stratum(name, stratum.label)
            difference = Difference(summary.mean - whole, interval, None, interval is not None)
            rows.append(GainRow(label, f"../{stratum.page}", len(stratum.tiles), difference))
        rows.sort(key=lambda row: -row.difference.value)
        title = axis(name).title
        caption = (
            "Numbers: mean gain over bicubic in each stratum; below 0 is a loss. Bars: that minus "
            f"{shown(whole, m)}, the mean gain on all {counted(len(division.tiles), 'tile')}, with its 95 % interval. "
            f"Hollow: fewer than {rules.groups_interval:g} effective groups. {len(analysis.strata)} strata were "
            "looked at."
        )
        svg = gain_rows(rows, whole, f"Gain by {title}, minus the mean gain")
        found.append(AxisFigure(title, Figure(f"gain-{name}", f"Gain by {title}", caption, svg)))
    return found


def curve_figure(analysis: Analysis, entry: Entry) -> Figure | None:
    """Return the gains of all tiles, sorted, beside those of the next model; None without gains."""
    division = analysis.division
    rows = [analysis.row_of[tile] for tile in division.tiles]
    own = metric_values(entry.table, "gain")[rows]
    own = own[~np.isnan(own)]
    if len(own) < 2:
        return None
    lines = [CurveLine(entry.title, np.sort(own)[::-1].tolist(), "ln-a")]
    other = _rival(analysis, entry)
    if other is not None:
        values = metric_values(other.table, "gain")[rows]
        lines.append(CurveLine(other.title, np.sort(values[~np.isnan(values)])[::-1].tolist(), "ln-b"))
    worse, median = int((own < 0).sum()), number(float(np.median(own)), 2)
    caption = (
        f"Every tile's gain over bicubic, largest first, each model sorted by itself. Worse than bicubic on {worse} "
        f"of {counted(len(own), 'tile')}, {share_text(worse / len(own))}; median gain {median} dB."
    )
    svg = gain_curve(lines, "Gain over bicubic of every tile, sorted")
    return Figure("gain-curve", "Gain of every tile, sorted", caption, svg)


def _rival(analysis: Analysis, entry: Entry) -> Entry | None:
    """Return the model that a model is held against: the first, and for the first the second."""
    division = analysis.division
    slugs = [s for s in analysis.leader(division.tiles, division.protocol.ranking.metrics[0]).slugs if s != entry.slug]
    return division.by_slug[slugs[0]] if slugs else None


def crops_block(analysis: Analysis, entry: Entry, pictures: dict[str, TilePictures]) -> dict[str, object]:
    """Return the crops of a model's page, and whether only some tiles have pictures, so that they are of those."""
    return {
        "crops": crops(analysis, entry, pictures),
        "some_pictures": not set(analysis.division.tiles) <= set(pictures),
    }


def crops(
    analysis: Analysis, entry: Entry, pictures: dict[str, TilePictures]
) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """Return six tiles chosen by rule, the two best, median and worst by gain among those with pictures of the model.

    Returns
    -------
    why, title and page of the tile, and (path, title) of input, this model, its rival and target.
    """
    gains = metric_values(entry.table, "gain")
    drawn = [t for t in analysis.division.tiles if t in pictures and entry.slug in pictures[t].close]
    drawn = [t for t in drawn if not np.isnan(gains[analysis.row_of[t]])]
    drawn.sort(key=lambda t: (-gains[analysis.row_of[t]], t))
    if not drawn:
        return []
    middle = max(0, len(drawn) // 2 - 1)
    places = dict.fromkeys((0, 1, middle, middle + 1, len(drawn) - 2, len(drawn) - 1))
    chosen = [i for i in places if 0 <= i < len(drawn)]
    rival, found = _rival(analysis, entry), []
    for i, why in zip(chosen, CROPS, strict=False):
        tile = drawn[i]
        shots = pictures[tile]
        names = [("input", "Input"), (entry.slug, entry.title)]
        names += [(rival.slug, rival.title)] if rival is not None and rival.slug in shots.close else []
        layers = [(f"{shots.folder}/k-{key}.webp", title) for key, title in (*names, ("target", "Target"))]
        gain = number(float(gains[analysis.row_of[tile]]), 2, signed=True)
        found.append((f"{why}, {gain} dB", analysis.tile_titles[tile], _tile_link(analysis, entry, tile), layers))
    return found


def neighbours(order: Sequence[str], slug: str, reach: int = 5) -> list[str]:
    """Return up to `reach` models above and below one, in the order of the board."""
    if slug not in order:
        return list(order[:reach])
    at = list(order).index(slug)
    return [*order[max(0, at - reach) : at], *order[at + 1 : at + 1 + reach]]
