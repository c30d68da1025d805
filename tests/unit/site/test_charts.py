"""Figures: scales, ticks, the Pareto front, histograms, the map."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldstrat_bench.site import board_charts, charts, model_charts, worldmap
from worldstrat_bench.site.html_check import read_page
from worldstrat_bench.site.leader import Difference
from worldstrat_bench.site.svg import Scale, fmt, nice_ticks, tick_label
from worldstrat_bench.site.text import cut_middle

FINITE = st.floats(-1e6, 1e6)


@given(FINITE, FINITE)
def test_ticks_cover_the_range_in_round_steps(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 14
    assert ticks == sorted(ticks)
    if high - low > 1e-6:
        slack = 1e-6 * (ticks[1] - ticks[0])
        assert ticks[0] <= low + slack
        assert ticks[-1] >= high - slack


def test_tick_labels_have_the_decimals_of_the_step() -> None:
    assert [tick_label(t, [0, 0.25]) for t in (-0.25, 0)] == ["\u22120.2", "0.0"]
    assert tick_label(5, [0, 5]) == "5"
    assert nice_ticks(math.nan, 1) == [0.0, 1.0]


def test_numbers_in_drawings_are_short() -> None:
    assert [fmt(v) for v in (1.0, 1.239, -0.001, 100.5)] == ["1", "1.24", "0", "100.5"]


def test_scales() -> None:
    assert Scale(0, 10, 100, 200)(5) == 150
    assert Scale(1, 100, 0, 2, log=True)(10) == pytest.approx(1)
    assert Scale(3, 3, 0, 10)(3) == 0


def test_the_pareto_front() -> None:
    points = [
        board_charts.Point(str(i), x, y, "#")
        for i, (x, y) in enumerate([(1, 30), (10, 29), (5, 28), (100, 20), (10, 25)])
    ]
    assert board_charts.pareto(points, y_higher=True) == [0, 1, 3]
    assert board_charts.pareto(points, y_higher=False) == [3]
    assert board_charts.pareto([], y_higher=True) == []


def heights(markup: str) -> list[float]:
    root = ElementTree.fromstring(markup)
    return [float(e.attrib["height"]) for e in root.iter() if e.tag.endswith("rect")]


def test_a_histogram_counts_both_ends() -> None:
    drawn = heights(str(charts.histogram([0, 0.5, 1, 1.5, 2, 2], [0, 1, 2], "l", "x")))
    assert drawn[1] == pytest.approx(2 * drawn[0])


def test_the_shift_map_counts_in_squares_and_clips_to_the_search() -> None:
    root = ElementTree.fromstring(str(charts.shift_map([(0.2, -0.3), (0, 0), (99, 0)], 8, "l")))
    classes = [e.attrib["class"] for e in root.iter() if e.tag.endswith("rect")]
    assert classes == ["ax", "q6", "q5"]


def test_marks_lie_where_their_coordinates_are() -> None:
    marks = [worldmap.Mark(0, 0, 1, "origin", "a.html"), worldmap.Mark(-180, 84, 6, "corner", "b.html")]
    root = ElementTree.fromstring(str(worldmap.world_map(marks, "l", ("0", "1"))))
    places = [(e.attrib["cx"], e.attrib["cy"]) for e in root.iter() if e.tag.endswith("circle")]
    assert places[0] == ("360", "176")
    x, y = map(float, places[1])
    # Equal Earth: the pole is a line of 0.59 of the equator's length.
    assert 130 < x < 160
    assert 0 < y < 10
    assert [round(v) for v in worldmap.place(180, 0)] == [720, 176]


def test_equal_areas_on_the_globe_are_equal_on_the_map() -> None:
    def strip(low: float, high: float) -> float:
        steps = [low + (high - low) * i / 400 for i in range(401)]
        points = [worldmap.place(10, lat) for lat in steps]
        middle = worldmap.WIDTH / 2
        return sum((a[0] + b[0] - 2 * middle) / 2 * (a[1] - b[1]) for a, b in pairwise(points))

    for low, high in ((0, 20), (30, 50), (60, 85)):
        sphere = math.sin(math.radians(high)) - math.sin(math.radians(low))
        assert strip(low, high) / sphere == pytest.approx(strip(0, 10) / math.sin(math.radians(10)), rel=1e-3)


def test_a_staircase_holds_each_quality_down_to_the_speed_of_its_model() -> None:
    assert board_charts.staircase([(10, 5), (20, 8)], 0) == "M0 5H10V8H20"
    assert board_charts.staircase([], 0) == ""


def test_names_keep_clear_of_dots_and_of_each_other() -> None:
    dots = [(100.0, 100.0), (102.0, 101.0), (500.0, 100.0)]
    places = board_charts.name_places(dots, [60, 60, 60], dots, (584, 256))
    assert all(place is not None for place in places)
    assert len({(place[0], place[1], place[2]) for place in places if place}) == 3
    assert board_charts.name_places([(30.0, 10.0)], [900], [(30.0, 10.0)], (584, 256)) == [None]


def test_land_is_where_land_is() -> None:
    """Berlin, Nairobi and Canberra on land, the Pacific not: the outlines are read the right way round."""
    rings = worldmap.land_rings()

    def inside(lon: float, lat: float) -> bool:
        hits = 0
        for ring in rings:
            for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
                if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
                    hits += 1
        return hits % 2 == 1

    assert inside(13.4, 52.5)
    assert inside(36.8, -1.3)
    assert inside(149.1, -35.3)
    assert not inside(-150, 0)


def test_shades_run_over_all_classes() -> None:
    assert [worldmap.shade(v, 0, 6) for v in (-1, 0, 1.5, 5.9, 99)] == [1, 1, 2, 6, 6]
    assert worldmap.shade(3, 1, 1) == 3


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<p><div></div></p>", "<div> inside <p>"),
        ("<b>", "closes <b>"),
        ("<i>x</i>", "not an element that pages use"),
        ("<a id='a'></a><a id='a'></a>", "used twice"),
        ("<p style='x'></p>", "content policy"),
        ("<script>1</script>", "a script inside"),
        ("<img src='//x'>", "from elsewhere"),
        ("<p class='a' class='b'></p>", "two"),
        ("<!-- x -->", "comment"),
        ("<p/>", "closes itself"),
    ],
)
def test_the_reader_of_pages_finds_faults(body: str, fault: str) -> None:
    page = f"<!doctype html>\n<html lang='en'><title>t</title><main><h1>h</h1>{body}</main></html>"
    assert any(fault in text for text in read_page(page).faults)
    assert read_page(page.replace(body, "")).faults == []


@given(st.lists(st.tuples(st.text(min_size=1, max_size=40), st.floats(20, 700)), min_size=1, max_size=100))
def test_a_strip_names_the_best_model_and_no_two_names_touch(spots: list[tuple[str, float]]) -> None:
    found = charts.strip_names(spots, 720.0)
    best = max(spots, key=lambda spot: spot[1])[1]
    assert found[0][0] in {cut_middle(name, 24) for name, x in spots if x == best}
    boxes = []
    for name, x, anchor in found:
        width = 6.8 * len(name)
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        assert left >= 0
        assert left + width <= 720
        boxes.append((left, left + width))
    assert all(a[1] < b[0] for a, b in pairwise(sorted(boxes)))


def test_a_gain_below_the_mean_is_not_drawn_as_a_loss() -> None:
    """The number beside a bar is the gain itself; the axis and its zero line are named."""
    row = model_charts.GainRow("Wetland", "s/x.html", 2, Difference(-1.85, None, None, False))
    drawn = str(model_charts.gain_rows([row], 3.58, "Gain by IPCC class"))
    assert ">+1.73<" in drawn
    assert "1.85" not in drawn
    for words in ("at its mean gain", "← less", "more →", "gain, dB"):
        assert words in drawn


def sides(markup: str, css: str) -> list[tuple[float, float]]:
    """Return the left and right ends of horizontal lines."""
    found = re.findall(rf'class="{css}" d="M([\d.-]+) ([\d.]+)L([\d.-]+) \2"', markup)
    return [(min(float(a), float(b)), max(float(a), float(b))) for a, _, b in found]


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("wide", [None, (-9.0, 4.0)])
def test_an_axis_holds_every_interval_that_is_drawn(up: bool, wide: tuple[float, float] | None) -> None:
    """A small stratum has 95 % intervals without the wider ones: they ran through the names of the models."""
    found = Difference(-0.4, (-6.0, 3.0), wide, False)
    rows = [board_charts.Row("first", "#", Difference(0.0, None, None, False)), board_charts.Row("b", "#", found)]
    differences = str(board_charts.difference_chart(rows, "d", "dB", 2, up=up))
    gains = str(model_charts.gain_rows([model_charts.GainRow("Wetland", "#", 2, found)], 3.5, "Gain"))
    # Of the drawing for wide screens and of that for phones: names end before the plane, numbers begin beyond it.
    planes = {differences: ((186, 488), (122, 286)), gains: ((190, 470), (122, 246))}
    for markup, widths in planes.items():
        for drawing, (left, right) in zip(markup.split("<svg")[1:], widths, strict=True):
            lines = sides(drawing, "iv") + sides(drawing, "wk")
            assert lines
            assert all(left - 0.01 <= low < high <= right + 0.01 for low, high in lines)


def test_a_line_that_is_cut_in_a_cell_ends_in_an_arrow() -> None:
    bounds = (-1.0, 0.0)
    inside = str(charts.span(-0.5, (-0.6, -0.4), (-0.9, -0.1), bounds))
    left = str(charts.span(-0.5, (-0.6, -0.4), (-9.0, -0.1), bounds))
    both = str(charts.span(-0.5, (-0.6, -0.4), (-9.0, 4.0), bounds))
    arrows = ("M4 3 1 6l3 3", "M60 3l3 3-3 3")
    assert [[arrow in drawn for arrow in arrows] for drawn in (inside, left, both)] == [
        [False, False],
        [True, False],
        [True, True],
    ]


@pytest.mark.parametrize("low", [0.0, 0.01, 31.0, -2.0, 1e6])
@pytest.mark.parametrize("apart", [0.0, 1e-13, 3e-12, 5e-11, 1e-10, 4e-10, 1e-9, 1e-8])
def test_values_that_hardly_differ_have_ticks(low: float, apart: float) -> None:
    """A result that was another's but for the last digit of a tile kept the other's board from being drawn."""
    ticks = nice_ticks(low, low + apart)
    assert ticks[0] <= low < low + apart <= ticks[-1] or apart < 1e-9
    assert len(set(ticks)) == len(ticks) >= 2
    assert tick_label(ticks[0], ticks)
