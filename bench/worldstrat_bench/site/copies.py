"""A board as text to copy into a paper: the same tables as ``worldstrat-bench table`` makes."""

from __future__ import annotations

from pathlib import Path

from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.results.formats import latex, markdown, spreadsheet_safe, table_frame
from worldstrat_bench.results.load import Named
from worldstrat_bench.results.table import table_of
from worldstrat_bench.site.divisions import Division

MOST = 20
"""Rows of a table to copy, best first: a longer one fits no paper, and the downloads have all."""


def copies(division: Division, list_name: str, slugs: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the format and the text of a list's table; empty without a row.

    Parameters
    ----------
    slugs : ranked entries, best first.
    """
    entries = [division.by_slug[slug] for slug in slugs[:MOST]]
    runs = tuple(Named(e.title, Result(Path(e.source), e.record, e.table, "", None)) for e in entries)
    # Tables are keyed by the names of runs, and two of one name would share their ranks.
    if not runs or len({run.name for run in runs}) < len(runs):
        return []
    made = table_of(runs, list_name, ranked=True)
    csv = spreadsheet_safe(table_frame(made)).to_csv(index=False, lineterminator="\n")
    return [("LaTeX", latex(made, letters=True)), ("Markdown", markdown(made, letters=True)), ("CSV", csv)]
