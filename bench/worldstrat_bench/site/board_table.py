"""The table of a board: every entry of a division on a list or a stratum, with its ranks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from markupsafe import Markup

from worldstrat_bench.artefacts.record import Summaries, Summary
from worldstrat_bench.measures import MEASURES, measure, optional_column
from worldstrat_bench.printed import three_digits
from worldstrat_bench.site.charts import rank_bar, span
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.extras import Speed
from worldstrat_bench.site.leader import Leader
from worldstrat_bench.site.tables import (
    Cell,
    Column,
    Row,
    Table,
    filled,
    link_cell,
    metric_column,
    text_cell,
    value_cell,
)
from worldstrat_bench.site.text import NO_VALUE, cut_middle, number
from worldstrat_bench.stats.letters import shown
from worldstrat_bench.stats.ranking import Display, RankedBoard

NOTHING = Summary(n=0)
LETTERED = 12
"""Up to so many models have letters on the page; more have a bar each. Letters stay in the CSV."""
DEVICES = 3
"""Device classes that have a column, those with the most models; model pages have all."""


@dataclass(frozen=True)
class Rows:
    """Content of a table of a board.

    Attributes
    ----------
    entries : its rows in any order.
    summaries : the scores of an entry on the tiles of the table.
    display : ranks, values with intervals, or values alone.
    boards : ranked metric to its ranks; used if `display` is "ranks".
    leaders : ranked metric to the differences that are drawn; empty for none.
    order_by : the metric by which rows are sorted.
    lists : whether the other lists of the division get columns.
    list_name : the list that the tiles belong to; "" for the one that ranks.
    """

    entries: Sequence[Entry]
    summaries: Callable[[Entry], Summaries]
    display: Display
    boards: Mapping[str, RankedBoard] = field(default_factory=dict)
    leaders: Mapping[str, Leader] = field(default_factory=dict)
    order_by: str = "psnr"
    lists: bool = True
    list_name: str = ""


def board_table(
    division: Division, name: str, caption: str, rows: Rows, *, base: str = "", beside: Sequence[str] = ("gain", "ssim")
) -> Table:
    """Draw rows of entries, best first; a column that no row fills is not drawn.

    Parameters
    ----------
    base : path from the page to the division's folder.
    beside : metrics beside the ranked ones in the first group.
    """
    ranked = [m for m in division.protocol.ranking.metrics if division.measured(m)]
    # The metric by which the page is sorted comes first.
    ranked.sort(key=lambda metric: metric != rows.order_by)
    beside = [m for m in beside if optional_column(m) is None or division.measured(m)]
    others = [m for m in metrics_of(division) if m not in (*division.protocol.ranking.metrics, *beside)]
    # One scale for a whole column, because bars of different rows are compared by eye.
    bounds = {metric: _bounds(found) for metric, found in rows.leaders.items()}
    devices = device_classes(rows.entries)
    made = []
    for entry in ordered(rows):
        own = rows.summaries(entry)
        cells: list[Cell] = []
        for metric in ranked:
            cells += [_rank_cell(rows.boards.get(metric), entry.slug)] if rows.display == "ranks" else []
            cells.append(_metric_cell(metric, own))
            cells += [_first_cell(rows.leaders[metric], entry.slug, bounds[metric])] if metric in rows.leaders else []
            cells += [_metric_cell("gain", own)] if metric == "psnr" and "gain" in beside else []
        cells += [_metric_cell(m, own) for m in (*(b for b in beside if b != "gain"), *others)]
        cells += _list_cells(division, entry, ranked) if rows.lists else []
        cells += _entry_cells(entry, devices)
        head = link_cell(entry.title, f"{base}m/{entry.slug}.html")
        made.append(Row(head, tuple(cells), _filters(entry), f"r-{entry.slug}"))
    # On the front page the folder of the division lies below, elsewhere it is the page's own or above it.
    top = "" if base == division.prefix else base + "../" * division.prefix.count("/")
    columns = _columns(division, ranked, beside, others, rows, devices, top)
    table = Table(name, caption, Column("model", "Model", "", numeric=False), columns, tuple(made), rows.order_by)
    return filled(table)


def ordered(rows: Rows) -> list[Entry]:
    """Return the entries, best first; those without a mean come last."""
    sign = -1 if measure(rows.order_by).direction == "higher" else 1

    def key(entry: Entry) -> tuple[bool, float, str]:
        mean = rows.summaries(entry).get(rows.order_by, NOTHING).mean
        # The slug decides last, or equal means would change places from build to build.
        return mean is None, sign * (mean or 0.0), entry.slug

    return sorted(rows.entries, key=key)


def _columns(
    division: Division,
    ranked: Sequence[str],
    beside: Sequence[str],
    others: Sequence[str],
    rows: Rows,
    devices: Sequence[str],
    top: str,
) -> tuple[Column, ...]:
    columns: list[Column] = []
    for metric in ranked:
        label = measure(metric).label
        if rows.display == "ranks":
            text = f"From the best to the worst place that the tests by {label} leave open"
            text += ", and letters: models that share one are not told apart" if _lettered(rows, metric) else ""
            columns.append(Column(f"rank_{metric}", "Rank" if len(ranked) == 1 else f"{label} rank", text))
        place = "short" if metric == "psnr" else f"m-{metric}"
        columns.append(replace(metric_column(metric, "main"), method=f"{top}method.html#{place}"))
        if metric in rows.leaders:
            columns.append(
                Column(
                    f"ci_{metric}",
                    "to the first",
                    f"{label} minus that of the first model, "
                    f"paired by tile. Bar: 95 % interval. {_VERDICT[rows.leaders[metric].judged]}",
                    numeric=False,
                )
            )
        if metric == "psnr" and "gain" in beside:
            columns.append(metric_column("gain", "main", label="over bicubic"))
    rest = [b for b in beside if b != "gain"]
    columns += [metric_column(m, "main", version=division.versions.get(m, "")) for m in rest]
    columns += [metric_column(m, "metrics", version=division.versions.get(m, "")) for m in others]
    if rows.lists:
        for name in [n for n in division.lists if n != division.list_name]:
            columns += [
                metric_column(m, "lists", label=f"{measure(m).label} {name}", key=f"{m}_{name}") for m in ranked
            ]
        columns += [metric_column(m, "lists", label=f"{measure(m).label} macro", key=f"{m}_macro") for m in ranked]
    status = "Verified: maintainers ran the whole list. Self-reported: the authors say so"
    frames = "Sentinel-2 revisits used at most; offered: no submission says how many"
    return (
        *columns,
        Column("status", "Status", status, "entry", numeric=False),
        Column("family", "Family", "As declared, else by the frames of a submission", "entry", numeric=False),
        Column("frames", "Frames", frames, "entry"),
        Column("train", "Train list", "What the entry says it was trained on", "entry", numeric=False),
        *(
            Column(
                f"speed_{i}",
                device,
                f"Throughput on {device}, in batches; single tiles are marked",
                "entry",
                "↑",
                "km²/s",
            )
            for i, device in enumerate(devices)
        ),
    )


_VERDICT = {
    True: "Thin line: the extent at the level of a verdict; where it excludes 0 the two are told apart",
    False: "Too few groups of tiles for a verdict; exploratory",
}
"""The words of the column of differences about verdicts, by whether there are any."""


def _lettered(rows: Rows, metric: str) -> bool:
    board = rows.boards.get(metric)
    return board is not None and len(board.standings) <= LETTERED


def _first_cell(found: Leader, slug: str, bounds: tuple[float, float]) -> Cell:
    """Return the difference to the first model with its intervals."""
    difference = found.differences.get(slug)
    if difference is None:
        return Cell(Markup(NO_VALUE), "", (None,))
    if slug == found.first:
        return Cell(Markup("<small>first</small>"), 0.0, (0.0,))
    m = measure(found.metric)
    drawn = span(difference.value, difference.interval, difference.wide, bounds, hollow=not difference.apart)
    text = number(difference.value, m.decimals, signed=True)
    return Cell(drawn + Markup("<small>{}</small>").format(text), difference.value, (difference.value,))


def _rank_cell(board: RankedBoard | None, slug: str) -> Cell:
    row = board.order.get(slug) if board else None
    if board is None or row is None:
        # The sort key lies beyond any rank: rows without one stay below.
        return Cell(Markup(NO_VALUE), 1e9, (None,))
    standing = board.standings[row]
    low, high = standing.rank_low, standing.rank_high
    if not standing.counts:
        mark = Markup('<small class="lt">not counting</small>')
    elif len(board.standings) > LETTERED:
        mark = rank_bar(low, high, board.counting)
    else:
        mark = Markup('<small class="lt">{}</small>').format(shown(standing.letters))
    return Cell(Markup("{}{}").format(low if low == high else f"{low}–{high}", mark), row, (low,))


def _metric_cell(metric: str, own: Summaries) -> Cell:
    return value_cell(own.get(metric, NOTHING).mean, measure(metric).decimals)


def _list_cells(division: Division, entry: Entry, ranked: Sequence[str]) -> list[Cell]:
    cells = []
    for name in division.lists:
        if name != division.list_name:
            micro = division.scores(entry, name).micro
            cells += [_metric_cell(m, micro) for m in ranked]
    macro = division.scores(entry).macro
    return cells + [value_cell(macro.get(m), measure(m).decimals) for m in ranked]


def device_classes(entries: Sequence[Entry]) -> list[str]:
    """Return the device classes that get a column: those on which most of the models were timed.

    Times that maintainers took again come first: authors name the classes of theirs.
    """
    confirmed = Counter(device for e in entries for device in {s.device_class for s in e.speed if s.confirmed})
    counts = Counter(device for e in entries for device in {s.device_class for s in e.speed})
    return sorted(counts, key=lambda device: (-confirmed[device], -counts[device], device))[:DEVICES]


def _entry_cells(entry: Entry, devices: Sequence[str]) -> list[Cell]:
    flag = {"described": " †", "undeclared": " ‡", "contaminated": " ✕"}.get(entry.declaration.status, "")
    return [
        text_cell(entry.status),
        text_cell(entry.family),
        Cell(Markup(entry.frames), entry.frame_count or "", (entry.frame_count,)),
        text_cell(cut_middle(entry.declaration.title, 28) + flag),
        *(_speed_cell(entry, device) for device in devices),
    ]


def _speed_cell(entry: Entry, device: str) -> Cell:
    """Return the throughput on a device class; of an invalid one that it is invalid: the model's page says why."""
    own = [speed for speed in entry.speed if speed.device_class == device]
    speed = next((s for s in own if s.valid), None)
    if speed is None:
        return Cell(Markup("invalid") if own else Markup(NO_VALUE), "", ("invalid",) if own else (None,))
    text = Markup("{}<small>{}</small>").format(three_digits(speed.km2_per_second), _measured_by(speed))
    return Cell(text, speed.km2_per_second, (speed.km2_per_second,))


def _measured_by(speed: Speed) -> str:
    """Return by whom a speed was measured, and that it is of single tiles where it is."""
    by = "by maintainers" if speed.confirmed else speed.by  # in short: the column is as wide as others
    return by if speed.scenario == "offline" else f"single tiles, {by}"


def _filters(entry: Entry) -> tuple[tuple[str, str], ...]:
    words = " ".join(part for part in (entry.family, entry.card.authors, entry.slug) if part)
    return ("family", entry.family), ("frames", entry.frames), ("status", entry.status), ("words", words)


def metrics_of(division: Division) -> list[str]:
    """Return the metrics that entries of a division have, in the order of pages."""
    present = {m for entry in division.entries or division.reported for m in division.scores(entry).micro}
    known = [m for m in MEASURES if m in present]
    # By name at the end: a record may have a metric that this version does not know.
    return known + sorted(present - set(known))


def _bounds(found: Leader) -> tuple[float, float]:
    """Return the common scale of the drawn intervals: the differences and their 95 % intervals, and 0."""
    ends = [0.0, *(v for d in found.differences.values() for v in (d.value, *(d.interval or ())))]
    return min(ends), max(ends)
