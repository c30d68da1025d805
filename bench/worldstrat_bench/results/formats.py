"""A table of runs as LaTeX, Markdown, CSV, Parquet or a data frame: the same numbers in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, cast, get_args

from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.bibtex import latex_text
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted
from worldstrat_bench.results.table import Cell, Column, Table
from worldstrat_bench.stats.letters import shown
from worldstrat_bench.stats.names import without_codes
from worldstrat_bench.stats.strata import axis, stratum_name

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["latex", "markdown", "csv", "parquet"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)

_SUFFIXES: Final[dict[str, Format]] = {
    ".tex": "latex",
    ".md": "markdown",
    ".markdown": "markdown",
    ".csv": "csv",
    ".parquet": "parquet",
    ".txt": "markdown",
    "": "markdown",
}
"""Endings of files, and the format that each promises."""

_DASH = "–"


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def format_of(asked: str | None, out: Path | None, *, text: bool = False) -> Format:
    """Return the format of a table: the one asked for, else what the name of its file says, else Markdown.

    Parameters
    ----------
    text : whether prose is written in place of a table: it has no columns, and its file may be called anything.

    Raises
    ------
    UsageError
        for an unknown format or suffix, or a binary format without a file.
    """
    suffix = "" if out is None else out.suffix.lower()
    if asked is None:
        if suffix not in _SUFFIXES and not text:
            remedy = f"end it in {', '.join(filter(None, _SUFFIXES))}, or add --format NAME: {', '.join(FORMATS)}"
            raise UsageError("the file's name tells no format", where=out, remedy=remedy)
        return _SUFFIXES.get(suffix, "markdown")
    chosen = cast("Format", one_of(asked, FORMATS, "unknown format", "--format"))
    if chosen == "parquet" and out is None and not text:
        raise UsageError("Parquet is binary and needs a file", where="--format", remedy="add --out FILE.parquet")
    return chosen


def contradiction(chosen: Format, out: Path | None) -> str:
    """Return what to say of a file whose name says another format than it holds; "" if it does not."""
    said = "" if out is None or not out.suffix else _SUFFIXES.get(out.suffix.lower(), "")
    return f"{out} holds {chosen}, as --format says, and its name says {said}" if said and said != chosen else ""


def spreadsheet_safe(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose texts no spreadsheet takes for a formula: such a text starts with an apostrophe."""
    changed = {}
    for name in frame.columns:
        values = list(frame[name])
        if any(isinstance(value, str) for value in values):
            changed[name] = [f"'{v}" if isinstance(v, str) and v.startswith(_FORMULA) else v for v in values]
    return frame.assign(**changed)


def table_frame(table: Table) -> pd.DataFrame:
    """Return one row per run and column, with the numbers as records store them.

    Columns: `run`, `record_id`, `list`, `metric`, `axis` and `stratum` ("all" for the whole list), `n`, `mean`,
    `ci_low`, `ci_high` (NaN for null), `best` (beats every other run), `letters` (of its ties).
    """
    import pandas as pd

    rows = []
    for run, cells in zip(table.runs, table.cells, strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            low, high = cell.interval or (math.nan, math.nan)
            rows.append(
                {
                    "run": run.name,
                    "record_id": run.result.record.record_id,
                    "list": table.list_name,
                    "metric": column.metric,
                    "axis": column.axis or "all",
                    "stratum": column.stratum or "all",
                    "n": cell.n,
                    "mean": math.nan if cell.mean is None else cell.mean,
                    "ci_low": low,
                    "ci_high": high,
                    "best": cell.best,
                    "letters": shown(cell.letters),
                }
            )
    return pd.DataFrame(rows)


def caption(table: Table, letters: bool, numbers: Sequence[int] | None = None) -> str:
    """Return what a table is of, what bold means, which runs tie, and what else has to be known, in sentences.

    Parameters
    ----------
    numbers : of the columns that the caption is for; None: all.
    """
    data, rules = table.runs[0].result.record.dataset, table.protocol
    own = range(len(table.columns)) if numbers is None else numbers
    columns = [table.columns[i] for i in own]
    tiles = f"{counted(table.tiles, 'tile')} of the list {table.list_name} of {_data_name(data.release)}"
    needed = f"paired test at p ≤ {rules.ranking.level:.2g}{_margins(table, columns)}"
    parts = [f"Means over {tiles}, protocol {rules.id}"]
    printed = [cells[i] for cells in table.cells for i in own]
    # A mark that the table does not bear is not explained.
    bold = any(cell.best for cell in printed)
    if bold:
        parts.append(f"The best is bold where it differs from every other model ({needed})")
    if letters and any(cell.letters for cell in printed):
        parts += [text for column in columns if (text := _tie_text(column))]
        parts.append(f"Models that share a letter are not told apart{'' if bold else f' ({needed})'}")
    # A sentence that begins with a model keeps the model's own letters.
    names = tuple(run.name for run in table.runs)
    parts += [note if note.startswith(names) else note[:1].upper() + note[1:] for note in table.notes]
    return ". ".join(parts) + "."


def _data_name(release: str) -> str:
    return f"WorldStrat {release}" if release.startswith("v") else f"the data set {release}"


def _margins(table: Table, columns: Sequence[Column]) -> str:
    shown_metrics = {column.metric for column in columns}
    margins = {k: v for k, v in table.protocol.ranking.margin.items() if k in shown_metrics}
    return "".join(f", {measure(k).label} by at least {v:g} {measure(k).unit}".rstrip() for k, v in margins.items())


def _tie_text(column: Column) -> str:
    """Return the sets of at least two runs that are not told apart; "" without any."""
    sets = [f"{letter} = {', '.join(names)}" for letter, names in column.ties.items() if len(names) > 1]
    where = f" on {stratum_name(column.axis, column.stratum)}" if column.stratum else ""
    return f"{measure(column.metric).label}{where}: {'; '.join(sets)}" if sets else ""


def value_text(cell: Cell, metric: str, intervals: bool) -> str:
    """Return "31.25", or "31.25 [30.90, 31.61]", or a dash, with the decimals of pages."""
    d = measure(metric).decimals
    if cell.mean is None:
        return _DASH
    text = f"{cell.mean:.{d}f}"
    if intervals and cell.interval is not None:
        text += f" [{cell.interval[0]:.{d}f}, {cell.interval[1]:.{d}f}]"
    return text


def _blocks(table: Table) -> list[tuple[str, list[int]]]:
    """Return tables that fit a page: all metrics together, or with strata each metric for itself."""
    numbers = range(len(table.columns))
    # With strata a table of all metrics would be wider than any page.
    if not any(column.axis for column in table.columns):
        return [("", list(numbers))]
    return [(metric, list(own)) for metric, own in groupby(numbers, key=lambda i: table.columns[i].metric)]


def _headings(table: Table, numbers: Sequence[int], arrow: Callable[[str], str]) -> list[str]:
    """Return what stands over the columns: metrics with unit and direction, or strata with their number of tiles."""
    found = []
    for column in (table.columns[i] for i in numbers):
        about = measure(column.metric)
        unit = f" ({about.unit})" if about.unit else ""
        name = stratum_name(column.axis, column.stratum) if column.stratum else "All"
        strata = any(table.columns[i].axis for i in numbers)
        found.append(f"{name} ({column.tiles})" if strata else f"{about.label}{unit} {arrow(about.arrow)}".rstrip())
    return found


def _title(table: Table, metric: str) -> str:
    """Return what a block is of: "" for all metrics, "PSNR (dB) ↑ by IPCC class" with strata."""
    if not metric:
        return ""
    about = measure(metric)
    by = next(column.axis for column in table.columns if column.axis)
    unit = f" ({about.unit})" if about.unit else ""
    return f"{about.label}{unit} {about.arrow}".rstrip() + f" by {axis(by).title}"


def markdown(table: Table, *, intervals: bool = False, letters: bool = False) -> str:
    """Return the table as Markdown, its caption below."""
    lines: list[str] = []
    for metric, numbers in _blocks(table):
        if metric:
            lines += [f"**{_escaped(_title(table, metric))}**", ""]
        headings = _headings(table, numbers, str)
        lines.append(f"| Model | {' | '.join(_escaped(heading) for heading in headings)} |")
        lines.append("|---|" + "---:|" * len(numbers))
        for run, cells in zip(table.runs, table.cells, strict=True):
            texts = [_markdown_cell(cells[i], table.columns[i].metric, intervals, letters) for i in numbers]
            lines.append(f"| {_escaped(run.name)} | {' | '.join(texts)} |")
        lines.append("")
    return "\n".join([*lines, _escaped(caption(table, letters)), ""])


def _markdown_cell(cell: Cell, metric: str, intervals: bool, letters: bool) -> str:
    text = value_text(cell, metric, intervals)
    text = f"**{text}**" if cell.best else text
    return f"{text} {shown(cell.letters)}" if letters and cell.letters else text


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is; a name comes from whoever made the run."""
    # A line break in a name would end the row.
    plain = without_codes("".join(c if c.isprintable() else " " for c in text))
    text = "".join(f"\\{c}" if c in "\\`*_[]<>|&" else c for c in plain)
    # Forges make links and mentions of these, whatever stands before them.
    return text.replace("@", "@\u200b").replace("://", ":\u200b//").replace("www.", "www\u200b.")


def latex(table: Table, *, intervals: bool = False, letters: bool = False) -> str:
    """Return one ``table`` environment for each block, with the rules of the package booktabs."""
    found = ["% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}"]
    for metric, numbers in _blocks(table):
        label = "-".join(part for part in ("tab:scores", table.list_name, metric) if part)
        title = _title(table, metric)
        about = f"{title}. {caption(table, letters, numbers)}" if title else caption(table, letters)
        headings = [latex_text(text) for text in _headings(table, numbers, str)]
        found += [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{latex_text(about)}}}",
            rf"  \label{{{label}}}",
            rf"  \begin{{tabular}}{{l{'r' * len(numbers)}}}",
            r"    \toprule",
            rf"    Model & {' & '.join(headings)} \\",
            r"    \midrule",
        ]
        for run, cells in zip(table.runs, table.cells, strict=True):
            texts = [_latex_cell(cells[i], table.columns[i].metric, intervals, letters) for i in numbers]
            found.append(rf"    {latex_text(run.name)} & {' & '.join(texts)} \\")
        found += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join([*found, ""])


def _latex_cell(cell: Cell, metric: str, intervals: bool, letters: bool) -> str:
    # A minus of text is a hyphen; an opening bracket after \\ would be read as its argument, within a row it is not.
    text = latex_text(value_text(cell, metric, intervals)).replace("-", "$-$") if cell.mean is not None else "--"
    text = rf"\textbf{{{text}}}" if cell.best else text
    return rf"{text}\textsuperscript{{{latex_text(shown(cell.letters))}}}" if letters and cell.letters else text
