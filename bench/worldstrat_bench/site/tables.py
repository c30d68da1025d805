"""The one kind of table that the pages have: columns in groups, cells that are text, sort key and CSV value at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup, escape

from worldstrat_bench.measures import measure
from worldstrat_bench.site.text import NO_VALUE, clean, csv_cell, number

CsvValue = str | float | int | None
Group = Literal["main", "metrics", "lists", "entry"]
GROUPS: dict[Group, str] = {"main": "Quality", "metrics": "More metrics", "lists": "Other lists", "entry": "Entry"}


FEW = 5
"""Rows of a board that a phone shows at first; the style sheet names the number, too."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    key : in permalinks and CSV headers.
    label, arrow, unit : the heading.
    explanation : one line for the legend below the table.
    group : shown and hidden together.
    numeric : aligned on the decimal point.
    method : way to where the method explains it, "" for none: on the headings of few columns, as each is a stop of the
        keyboard.
    """

    key: str
    label: str
    explanation: str
    group: Group = "main"
    arrow: str = ""
    unit: str = ""
    numeric: bool = True
    method: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell: safe markup, what it sorts by if that is not its text, and what the CSV says."""

    markup: Markup
    sort: float | str | None = None
    values: tuple[CsvValue, ...] = ()


@dataclass(frozen=True)
class Row:
    """One row: the heading cell, the others in the order of the columns, and what filters look at."""

    head: Cell
    cells: tuple[Cell, ...]
    filters: tuple[tuple[str, str], ...] = ()
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its caption. `order_by` is the key of the column by which the rows are sorted, best first."""

    name: str
    caption: str
    head: Column
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    order_by: str = ""

    @property
    def groups(self) -> tuple[tuple[str, str], ...]:
        """Groups that the table has, with their titles."""
        present = {column.group for column in self.columns}
        return tuple((key, title) for key, title in GROUPS.items() if key in present)

    def choices(self, key: str) -> tuple[str, ...]:
        """Return the values that a filter can take."""
        return tuple(sorted({value for row in self.rows for name, value in row.filters if name == key and value}))


def filled(table: Table) -> Table:
    """Return the table without columns that no row fills: cells whose values are all None or empty."""
    kept = [
        i
        for i in range(len(table.columns))
        if any(value not in (None, "") for row in table.rows for value in row.cells[i].values)
    ]
    rows = tuple(replace(row, cells=tuple(row.cells[i] for i in kept)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows)


def metric_column(name: str, group: Group, *, label: str = "", key: str = "", version: str = "") -> Column:
    """Return the column of a metric; of an optional one with its version."""
    m = measure(name)
    explanation = f"{m.explanation}, version {clean(version, 80)}" if version else m.explanation
    return Column(key or m.name, label or m.label, explanation, group, m.arrow, m.unit)


def value_cell(value: float | None, decimals: int) -> Cell:
    """Return a number."""
    return Cell(Markup(number(value, decimals)), None if value is not None else "", (value,))


def text_cell(text: str, sort: float | str | None = None) -> Cell:
    """Return a text from outside: escaped, and isolated so that its direction stays its own."""
    return Cell(Markup("<bdi>{}</bdi>").format(text) if text else Markup(NO_VALUE), sort, (text,))


def link_cell(text: str, href: str) -> Cell:
    """Return a text from outside that links to a page of the site."""
    return Cell(Markup('<a href="{}"><bdi>{}</bdi></a>').format(href, text), text.casefold(), (text,))


def render(table: Table, *, sortable: bool = True, empty: str = "No entry.") -> Markup:
    """Return the table as HTML, in its own box that scrolls sideways and can be reached by keyboard."""
    if not table.rows:
        return Markup('<p class="empty">{}</p>').format(empty)
    kind = f' class="sortable{" models" if table.order_by else ""}"' if sortable else ""
    parts = [
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(table.caption)}">',
        f'<table id="{escape(table.name)}"{kind}><caption>{escape(table.caption)}</caption><thead><tr>',
        _heading(table.head, first=True),
    ]
    parts += [_heading(column, sorted_by=column.key == table.order_by) for column in table.columns]
    parts.append("</tr></thead><tbody>")
    classes = [_css(c) for c in table.columns]
    for row in table.rows:
        data = "".join(f' data-{key}="{escape(value)}"' for key, value in row.filters)
        anchor = f' id="{escape(row.anchor)}"' if row.anchor else ""
        cells = "".join(
            f'<td class="{css}"{_sort(cell)}>{cell.markup}</td>' for css, cell in zip(classes, row.cells, strict=True)
        )
        parts.append(f'<tr{anchor}{data}><th scope="row"{_sort(row.head)}>{row.head.markup}</th>{cells}</tr>')
    parts.append("</tbody></table></div>")
    if sortable and table.order_by and len(table.rows) > FEW:
        # Here and not in the script: a button that comes later would move what is below it.
        parts.append(f'<button type="button" class="all">Show all {len(table.rows)} models</button>')
    return Markup("".join(parts))  # cells are Markup, everything else was escaped above


def legend(table: Table) -> Markup:
    """Return what the columns mean, one line each."""
    items = [
        Markup("<div><dt>{}{}</dt><dd>{}.{}</dd></div>").format(
            c.label, f" {c.arrow}" if c.arrow else "", c.explanation, _direction(c.arrow)
        )
        for c in table.columns
        if c.explanation
    ]
    return Markup('<details class="legend"><summary>What the columns mean</summary><dl>{}</dl></details>').format(
        Markup("").join(items)
    )


def rows_to_csv(header: Sequence[str], rows: Iterable[Sequence[CsvValue]]) -> str:
    """Write plain rows as CSV, every cell safe for spreadsheets."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in header])
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def _heading(column: Column, *, first: bool = False, sorted_by: bool = False) -> str:
    css = "" if first else f' class="{_css(column)}"'
    # Not parted: a narrow column would put the arrow on a line of its own.
    arrow = f"\N{NO-BREAK SPACE}{column.arrow}" if column.arrow else ""
    unit = f" <small>{escape(column.unit)}</small>" if column.unit else ""
    about = f"How {escape(column.label)} is computed"
    how = f'<a class="how" href="{escape(column.method)}" aria-label="{about}">?</a>' if column.method else ""
    best_first = "ascending" if column.arrow == "↓" else "descending"
    order = f' aria-sort="{best_first}"' if sorted_by else ""
    return (
        f'<th scope="col"{css} data-key="{escape(column.key)}"{order} title="{escape(column.explanation)}">'
        f"{escape(column.label)}{arrow}{unit}{how}</th>"
    )


def _css(column: Column) -> str:
    return f"g-{column.group}{' n' if column.numeric else ''}{' ci' if column.key.startswith('ci_') else ''}"


def _sort(cell: Cell) -> str:
    return "" if cell.sort is None else f' data-v="{escape(cell.sort)}"'


def _direction(arrow: str) -> str:
    return {"↑": " Higher is better.", "↓": " Lower is better."}.get(arrow, "")
