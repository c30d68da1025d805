"""Any string in a table, a drawing, a badge or a feed leaves well-formed markup and no element of its own."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from worldstrat_bench.site import board_charts, charts, model_charts
from worldstrat_bench.site.html_check import bad_schemes, is_external, read_page
from worldstrat_bench.site.leader import Difference
from worldstrat_bench.site.tables import Column, Row, Table, legend, link_cell, render, rows_to_csv, text_cell
from worldstrat_bench.site.text import clean, safe_url

PIECES = st.sampled_from(
    [
        "<script>",
        "</td>",
        '"',
        "'",
        "&",
        "&lt;",
        "{{x}}",
        "{% y %}",
        "=",
        "\u202e",
        "\x00",
        "]]>",
        "<!--",
        "a",
        " ",
        "\n",
    ]
)
HOSTILE = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=12).map("".join))
PAGE = '<!doctype html>\n<html lang="en"><head><title>t</title></head><body><main><h1>h</h1>{}</main></body></html>'


def table_of(text: str) -> Table:
    column = Column("c", text, text, numeric=False)
    row = Row(link_cell(text, "m/x.html"), (text_cell(text),), (("family", text),), "r-x")
    return Table("board", text, Column("model", text, "", numeric=False), (column,), (row,))


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_a_table_holds_any_string(text: str) -> None:
    table = table_of(clean(text))
    page = read_page(PAGE.format(Markup("{}{}").format(render(table), legend(table))))
    assert page.faults == []
    assert page.links == ["m/x.html"]
    assert page.loads == []


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_a_csv_holds_any_string_and_no_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(rows_to_csv(["a"], [[text]]))))
    assert len(rows) == 2
    assert not any(cell.startswith(("=", "+", "@", "|", "\t", "\r")) for cell in rows[1])


@settings(max_examples=200, deadline=None)
@given(HOSTILE)
def test_drawings_and_badges_hold_any_string(text: str) -> None:
    shown = clean(text)
    point = board_charts.Point(shown, 1.0, 30.0, "m/x.html")
    drawings = (
        charts.badge(shown, shown),
        board_charts.speed_chart([point], shown, shown, shown, up=True, front=[0]),
        board_charts.difference_chart(
            [board_charts.Row(shown, "m/x.html", Difference(-0.1, (-0.2, 0.0), (-0.3, 0.1), False))],
            shown,
            shown,
            2,
            up=True,
        ),
        model_charts.gain_rows(
            [model_charts.GainRow(shown, "s/x.html", 3, Difference(0.1, None, None, False))], 1.0, shown
        ),
        model_charts.gain_curve([model_charts.CurveLine(shown, [1.0, -1.0], "ln-a")], shown),
        charts.forest([charts.ForestRow(shown, 3, 1.0, 0.5, 1.5, "s/x.html")], shown, shown, 2, 0.0),
        charts.strip([(shown, 1.0)], shown, "dB"),
    )
    for drawing in drawings:
        # A chart is two drawings, of which a page shows one: they need an element around them.
        whole = ElementTree.fromstring(f"<figure>{drawing}</figure>")
        tags = {element.tag.rsplit("}", 1)[-1] for element in whole.iter()}
        assert tags <= {"figure", "svg", "title", "rect", "g", "text", "path", "circle", "a"}


@settings(max_examples=300, deadline=None)
@given(st.one_of(HOSTILE, HOSTILE.map(lambda t: f"https://{t}"), HOSTILE.map(lambda t: f"javascript:{t}")))
def test_an_address_is_a_web_address_or_none(text: str) -> None:
    url = safe_url(text)
    assert url is None or (is_external(url) and bad_schemes([url]) == [] and " " not in url)
