"""The table of a board: every entry of a division on a list or a stratum, with both ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from worldstrat_bench.artefacts.record import Summaries, Summary
from worldstrat_bench.measures import MEASURES, measure, optional_column, three_digits
from worldstrat_bench.protocol import Aggregation
from worldstrat_bench.site.charts import span
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.extras import Speed
from worldstrat_bench.site.tables import Cell, Column, Row, Table, link_cell, metric_column, text_cell, value_cell
from worldstrat_bench.site.text import NO_VALUE, number
from worldstrat_bench.stats.letters import shown
from worldstrat_bench.stats.ranking import Display, RankedBoard, drawn_interval

NOTHING = Summary(n=0)
_NO_RANK = Cell(Markup(NO_VALUE), 1e9, (None, None, None))


def board_table(
    division: Division,
    name: str,
    caption: str,
    boards: Mapping[str, RankedBoard],
    summaries: Callable[[Entry], Summaries],
    display: Display,
    *,
    order_by: str = "psnr",
    base: str = "",
    beside: Sequence[str] = ("ssim", "gain"),
    lists: bool = True,
    reported: bool = False,
) -> Table:
    """Rows are entries, best first by `order_by`.

    Parameters
    ----------
    boards : ranked metric to its ranks; used if `display` is "ranks".
    summaries : the scores of an entry on the tiles of the table.
    display : ranks, values with intervals, or values alone.
    base : path from the page to the division's folder.
    beside : metrics beside the ranked ones in the first group.
    lists : whether the other lists of the division get columns.
    reported : the rows are the self-reported runs of the division; otherwise the ranked ones.
    """
    ranked = [m for m in division.protocol.ranking.metrics if division.measured(m)]
    rules = division.protocol.aggregation
    beside = [m for m in beside if optional_column(m) is None or division.measured(m)]
    others = [m for m in metrics_of(division) if m not in (*division.protocol.ranking.metrics, *beside)]
    own_rows = division.reported if reported else division.entries
    bounds = {m: _bounds([summaries(e).get(m, NOTHING) for e in own_rows], rules) for m in ranked}
    entries = _ordered(own_rows, summaries, order_by)
    rows = []
    for entry in entries:
        own = summaries(entry)
        cells: list[Cell] = []
        for metric in ranked:
            cells += [_rank_cell(boards.get(metric), entry.slug)] if display == "ranks" else []
            cells.append(_metric_cell(metric, own))
            cells += [_interval_cell(metric, own, bounds[metric], rules)] if display != "values" else []
        cells += [_metric_cell(m, own) for m in beside]
        cells += [_metric_cell(m, own) for m in others]
        cells += _list_cells(division, entry, ranked) if lists else []
        cells += _entry_cells(entry)
        head = link_cell(entry.title, f"{base}m/{entry.slug}.html")
        rows.append(Row(head, tuple(cells), _filters(entry), f"r-{entry.slug}"))
    columns = _columns(division, ranked, beside, others, display, lists=lists)
    csv_columns = {c.key: _csv_names(c.key) for c in columns}
    return Table(name, caption, Column("model", "Model", "", numeric=False), columns, tuple(rows), csv_columns)


def _ordered(entries: Sequence[Entry], summaries: Callable[[Entry], Summaries], metric: str) -> list[Entry]:
    sign = -1 if measure(metric).direction == "higher" else 1

    def key(entry: Entry) -> tuple[bool, float, str]:
        mean = summaries(entry).get(metric, NOTHING).mean
        return mean is None, sign * (mean or 0.0), entry.slug

    return sorted(entries, key=key)


def _columns(
    division: Division,
    ranked: Sequence[str],
    beside: Sequence[str],
    others: Sequence[str],
    display: Display,
    *,
    lists: bool,
) -> tuple[Column, ...]:
    columns: list[Column] = []
    for metric in ranked:
        label = measure(metric).label
        if display == "ranks":
            text = (
                f"From the best to the worst place that the tests by {label} leave open, and letters: models that "
                "share one are not told apart"
            )
            columns.append(Column(f"rank_{metric}", f"{label} rank", text))
        columns.append(metric_column(metric, "main"))
        if display != "values":
            text = "Mean of one model with its 95 % interval, to a common scale; not for comparing two models"
            columns.append(Column(f"ci_{metric}", f"{label} 95 % interval", text, numeric=False))
    columns += [metric_column(m, "main", version=division.versions.get(m, "")) for m in beside]
    columns += [metric_column(m, "metrics", version=division.versions.get(m, "")) for m in others]
    if lists:
        for name in [n for n in division.lists if n != division.list_name]:
            columns += [
                metric_column(m, "lists", label=f"{measure(m).label} {name}", key=f"{m}_{name}") for m in ranked
            ]
        columns += [metric_column(m, "lists", label=f"{measure(m).label} macro", key=f"{m}_macro") for m in ranked]
    return (
        *columns,
        Column("status", "Status", "Verified: maintainers ran the whole list. Self-reported: "
               "the authors say so", "entry", numeric=False),
        Column("family", "Family", "As declared, else by the frames of a submission", "entry", numeric=False),
        Column("frames", "Frames", "Sentinel-2 revisits used at most; offered: no submission says how many", "entry"),
        Column("train", "Train list", "What the entry says it was trained on", "entry", numeric=False),
        Column("speed", "Speed", "Throughput on the device class named; compare equal classes only", "entry",
               "↑", "km²/s"),
    )  # fmt: skip


def _interval_cell(metric: str, own: Summaries, bounds: tuple[float, float], rules: Aggregation) -> Cell:
    summary = own.get(metric, NOTHING)
    interval = drawn_interval(summary, rules)
    if summary.mean is None or interval is None:
        return Cell(Markup(NO_VALUE), "", (None, None))
    drawn = span(summary.mean, *interval, bounds)
    text = ", ".join(number(end, measure(metric).decimals) for end in interval)
    return Cell(drawn + Markup("<small>{}</small>").format(text), summary.mean, interval)


def _rank_cell(board: RankedBoard | None, slug: str) -> Cell:
    row = board.order.get(slug) if board else None
    if board is None or row is None:
        return _NO_RANK
    standing = board.standings[row]
    interval = _interval_text(standing.rank_low, standing.rank_high)
    letters = shown(standing.letters)
    if not standing.counts:
        letters = "not counting"
    markup = Markup('{}<small class="lt">{}</small>').format(interval, letters)
    return Cell(markup, row, (standing.rank_low, standing.rank_high, " ".join(standing.letters)))


def _interval_text(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"


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


def _entry_cells(entry: Entry) -> list[Cell]:
    speed = next((s for s in entry.speed if s.valid), None)
    flag = {"described": " †", "undeclared": " ‡", "contaminated": " ✕"}.get(entry.declaration.status, "")
    text = (
        Markup("{}<small>{}</small>").format(three_digits(speed.km2_per_second), _measured_by(speed)) if speed else None
    )
    if speed is None and entry.speed:
        text = Markup('<span title="{}">invalid</span>').format(entry.speed[0].reason)
    return [
        text_cell(entry.status),
        text_cell(entry.family),
        Cell(Markup(entry.frames), entry.frame_count or "", (entry.frame_count,)),
        text_cell(_clip(entry.declaration.title) + flag),
        Cell(text or Markup(NO_VALUE), speed.km2_per_second if speed else "",
             (speed.km2_per_second if speed else None, speed.device_class if speed else "")),
    ]  # fmt: skip


def _measured_by(speed: Speed) -> str:
    """Return where a speed was measured, in which scenario and by whom."""
    what = "" if speed.scenario == "offline" else ", single tiles"
    return f"{speed.device_class}{what}, {speed.by}"


def _clip(text: str, limit: int = 28) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _filters(entry: Entry) -> tuple[tuple[str, str], ...]:
    return ("family", entry.family), ("frames", entry.frames), ("status", entry.status)


def _csv_names(key: str) -> tuple[str, ...]:
    if key.startswith("rank_"):
        return f"{key}_low", f"{key}_high", f"letters_{key.removeprefix('rank_')}"
    if key.startswith("ci_"):
        return f"{key.removeprefix('ci_')}_ci_low", f"{key.removeprefix('ci_')}_ci_high"
    if key == "speed":
        return "km2_per_second", "device_class"

    return (key,)


def metrics_of(division: Division) -> list[str]:
    """Return the metrics that entries of a division have, in the order of pages."""
    present = {m for entry in division.entries or division.reported for m in division.scores(entry).micro}
    known = [m for m in MEASURES if m in present]
    return known + sorted(present - set(known))


def _bounds(summaries: Sequence[Summary], rules: Aggregation) -> tuple[float, float]:
    ends = [v for s in summaries for v in (s.mean, *(drawn_interval(s, rules) or ())) if v is not None]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)
