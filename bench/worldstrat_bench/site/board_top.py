"""The first screen of a board: the answer in sentences, every model against the first, quality against speed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from worldstrat_bench.artefacts.record import Summaries
from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.site import board_charts
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.board_table import NOTHING, device_classes
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.extras import TRAINING_DATA, Speed
from worldstrat_bench.site.figures import Figure
from worldstrat_bench.site.leader import BASELINE, Leader, answer
from worldstrat_bench.site.licences import synthetic
from worldstrat_bench.site.text import clean
from worldstrat_bench.stats.ranking import Display

SHOWN = 12
"""Models in the chart of differences; the entry of bicubic is always there."""

Sentence = list[tuple[str, str]]
"""Parts of a sentence: a path from the page, or "", and a text."""


def answers(
    division: Division,
    leaders: Mapping[str, Leader],
    summaries: Callable[[Entry], Summaries],
    display: Display,
    base: str,
) -> list[Sentence]:
    """Return one sentence for each ranked metric: who is first, by how much, who cannot be told from it."""
    titles = {entry.slug: entry.title for entry in division.entries}
    found = []
    for leader in leaders.values():
        first = division.by_slug.get(leader.first)
        gain = summaries(first).get("gain", NOTHING) if first else None
        parts = answer(leader, titles, gain, tested=display == "ranks")
        if parts:
            found.append([(f"{base}m/{slug}.html" if slug else "", text) for slug, text in parts])
    return found


def described(sentences: Sequence[Sentence]) -> dict[str, str]:
    """Return what other places show of a page: its answer as plain text; nothing without one."""
    text = " ".join("".join(part for _, part in parts) for parts in sentences)
    return {"description": clean(text, 300)} if text else {}


def level_text(protocol: Protocol) -> str:
    """Return the level of the interval that decides, in per cent: "99.97"."""
    return f"{100 * (1 - protocol.ranking.level):.2f}"


def trained_alike(division: Division, leaders: Mapping[str, Leader]) -> list[str]:
    """Return which of the first models of a board of generated scenes state that such scenes trained them."""
    if not synthetic(division.release):
        return []
    found = []
    for slug in dict.fromkeys(leader.first for leader in leaders.values()):
        entry = division.by_slug.get(slug)
        data = dict(entry.card.training).get(TRAINING_DATA, "") if entry else ""
        if entry is not None and re.search(r"\bmini\b", f"{data} {entry.train_split}"):
            found.append(
                f"{entry.title}, by its authors' account, was trained on scenes like those of this board: its lead "
                "says little of other data."
            )
    return found


def told_apart(protocol: Protocol, display: Display, models: int) -> str:
    """Return what "told apart" means, for the place where a page first says so; "" where there are no verdicts."""
    if display != "ranks" or models < 2:
        return ""
    rules = protocol.ranking
    margins = " and ".join(f"{v:g} {measure(k).unit} of {measure(k).label}" for k, v in rules.margin.items())
    least = f", and it is at least {margins}" if margins else ""
    return (
        "Told apart: if the two were equal, chance would make so large a difference in at most 1 of "
        f"{1 / rules.level:,.0f} cases, by each of two tests{least}."
    )


def difference_figure(division: Division, found: Leader, base: str) -> Figure | None:
    """Return the best models and bicubic against the first; None with fewer than two models or without intervals."""
    slugs = [slug for i, slug in enumerate(found.slugs) if i < SHOWN or slug == BASELINE]
    if len(slugs) < 2 or not any(found.differences[slug].interval for slug in slugs):
        return None
    m, title = measure(found.metric), {entry.slug: entry.title for entry in division.entries}
    rows = [board_charts.Row(title[s], f"{base}m/{s}.html", found.differences[s]) for s in slugs]
    label = f"{m.label} of each model minus that of the first"
    svg = board_charts.difference_chart(rows, label, m.unit, m.decimals, up=m.direction == "higher")
    rest = len(found.slugs) - len(slugs)
    verdict = (
        f"Thin line: the extent at the level of a verdict ({level_text(division.protocol)} %), which decides. "
        "Hollow: not told apart from the first."
        if found.judged
        else "Hollow: too few groups of tiles for a verdict; exploratory."
    )
    caption = f"Paired by tile. Bar: 95 % interval. {verdict}" + (
        f" {counted(rest, 'more model')} in the table." if rest else ""
    )
    return Figure("differences", label, caption, svg)


def speed_figures(analysis: Analysis, found: Leader, base: str) -> list[Figure]:
    """Return quality against speed on each device class, the one with the most models first."""
    division, m = analysis.division, measure(found.metric)
    figures = []
    for place, device in enumerate(device_classes(division.entries)):
        points = [p for e in division.entries if (p := _point(division, e, found, device, base))]
        if not points:
            continue
        others = sum(_speed_of(e, device) is not None for e in division.entries) - len(points)
        front = board_charts.pareto(points, y_higher=m.direction == "higher")
        corners = [points[i] for i in front]
        named = [
            point
            if point not in corners
            else board_charts.Point(point.label, point.x, point.y, point.href, point.hollow, named=True)
            for point in points
        ]
        title = f"{m.label} against speed on {device}"
        svg = board_charts.speed_chart(
            named, title, "km²/s, logarithmic", _axis_title(found.metric), up=m.direction == "higher", front=front
        )
        figures.append(Figure(f"speed-{place}", title, _speed_caption(division, found, points, others), svg))
    return figures


def _speed_caption(division: Division, found: Leader, points: Sequence[board_charts.Point], others: int) -> str:
    """Return the caption; `others` models have a speed and no place in the chart."""
    m, absent = measure(found.metric), ""
    first = division.by_slug.get(found.first)
    if first is not None and first.title not in [point.label for point in points]:
        absent = f" {first.title}, first by {m.label}, has no valid speed here."
    measured = "self-reported; hollow: scores self-reported, too."
    if division.cited:
        measured = "timed again by maintainers."
        measured += f" {counted(others, 'more model')} with a self-reported one in the table." if others else ""
    return (
        f"{counted(len(points), 'model')}.{absent} Stairs: the best {m.label} at each speed; better is up and to the "
        f"right. Throughput of batches, {measured}"
    )


def _speed_of(entry: Entry, device: str) -> Speed | None:
    valid = (speed for speed in entry.speed if speed.valid and speed.device_class == device)
    return next((speed for speed in valid if speed.scenario == "offline"), None)


def _axis_title(metric: str) -> str:
    m = measure(metric)
    title = f"{m.label} {m.arrow}{', ' if m.unit else ''}{m.unit}"
    return title if m.direction == "higher" else f"{title} axis reversed: better is above"


def _point(division: Division, entry: Entry, found: Leader, device: str, base: str) -> board_charts.Point | None:
    summary, speed = division.scores(entry).micro.get(found.metric), _speed_of(entry, device)
    if summary is None or summary.mean is None or speed is None:
        return None
    # Its authors can add a time after the verification: it must not decide the axis and the stairs of the others.
    if division.cited and not speed.confirmed:
        return None
    named = entry.slug in (found.first, BASELINE)
    href = f"{base}m/{entry.slug}.html"
    hollow = entry.status != "verified"
    return board_charts.Point(entry.title, speed.km2_per_second, summary.mean, href, hollow, named)
