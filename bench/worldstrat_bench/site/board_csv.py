"""The CSV and JSON of a board: every entry with keys that join the files, nothing cut."""

from __future__ import annotations

from collections.abc import Sequence

from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.site.board_table import Rows, metrics_of, ordered
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.tables import CsvValue, rows_to_csv
from worldstrat_bench.site.text import clean, stamp
from worldstrat_bench.stats.ranking import RankedBoard

KEYS = ("slug", "record_id")
"""Columns that every CSV file with entries begins with."""


def board_csv(division: Division, rows: Rows) -> str:
    """Return a table of a board as CSV, best first; the columns depend on the division only."""
    ranked, metrics = division.protocol.ranking.metrics, metrics_of(division)
    header: list[str] = [*KEYS, "model", "status", "counts", "created", "tiles", "failed"]
    for metric in ranked:
        header += [f"rank_{metric}_low", f"rank_{metric}_high", f"letters_{metric}"]
        header += [f"{metric}_to_first{end}" for end in ("", "_ci_low", "_ci_high", "_verdict_low", "_verdict_high")]
    for metric in metrics:
        header += [metric, f"{metric}_ci_low", f"{metric}_ci_high"]
    if rows.lists:
        header += [f"{m}_{name}" for name in division.lists if name != division.list_name for m in ranked]
        header += [f"{metric}_macro" for metric in ranked]
    header += ["family", "frames", "train_split", "km2_per_second", "device_class", "speed_scenario", "speed_by"]
    return rows_to_csv(header, [_row(division, rows, entry, ranked, metrics) for entry in ordered(rows)])


def _row(division: Division, rows: Rows, entry: Entry, ranked: Sequence[str], metrics: Sequence[str]) -> list[CsvValue]:
    scores, own = division.scores(entry, rows.list_name or None), rows.summaries(entry)
    tiles = max((summary.n for summary in own.values()), default=0)
    cells: list[CsvValue] = [
        entry.slug,
        entry.record.record_id,
        entry.title,
        entry.status,
        int(division.counts(entry)),
        stamp(entry.record.created),
        tiles,
        scores.failed,
    ]
    for metric in ranked:
        cells += _ranks(rows.boards.get(metric) if rows.display == "ranks" else None, entry.slug)
        found = rows.leaders[metric].differences.get(entry.slug) if metric in rows.leaders else None
        cells += [found.value if found else None]
        cells += [*((found.interval if found else None) or (None, None))]
        cells += [*((found.wide if found else None) or (None, None))]
    for metric in metrics:
        summary = own.get(metric, Summary(n=0))
        cells += [summary.mean, summary.ci_low, summary.ci_high]
    if rows.lists:
        for name in division.lists:
            if name != division.list_name:
                cells += [division.scores(entry, name).micro.get(m, Summary(n=0)).mean for m in ranked]
        cells += [scores.macro.get(metric) for metric in ranked]
    speed = next((s for s in entry.speed if s.valid), None)
    cells += [entry.family, entry.frame_count, clean(entry.declaration.title, 190)]
    cells += [speed.km2_per_second, speed.device_class, speed.scenario, speed.by] if speed else [None] * 4
    return cells


def _ranks(board: RankedBoard | None, slug: str) -> list[CsvValue]:
    row = board.order.get(slug) if board else None
    if board is None or row is None:
        return [None, None, None]
    standing = board.standings[row]
    return [standing.rank_low, standing.rank_high, " ".join(standing.letters)]
