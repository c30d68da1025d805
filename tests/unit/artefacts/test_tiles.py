"""tiles.csv: what is written is what is read, and what is wrong is named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from worldstrat_bench.artefacts.tiles import COLUMNS, Value, format_tiles, format_value, parse_tiles
from worldstrat_bench.errors import InvalidArtefactError

ROW: dict[str, Value] = {"tile": "Amnesty POI-10-1-2", "group": "Amnesty POI-10", "outcome": "ok", "psnr": 31.234567891}


def test_rows_are_sorted_by_name_and_extra_metrics_follow_the_fixed_columns() -> None:
    text = format_tiles([{**ROW, "tile": "b", "stlpips": 0.25}, {**ROW, "tile": "a", "psnr_nir": 30.0}])
    lines = text.splitlines()
    assert lines[0].split(",") == [*COLUMNS, "psnr_nir", "stlpips"]
    assert [line.split(",")[0] for line in lines[1:]] == ["a", "b"]


def test_round_trip_keeps_what_is_written() -> None:
    table = parse_tiles(format_tiles([{**ROW, "shift_at_edge": True, "lon": -0.5}]))
    assert table.tiles == (ROW["tile"],)
    assert table.numbers["psnr"][0] == 31.23457, "%.7g, so that an aggregate is computed from what is written"
    assert table.flags["shift_at_edge"] == (True,)
    assert math.isnan(table.numbers["ssim"][0])
    assert table.texts["continent"] == (None,)
    assert table.text("continent") == ("",)
    assert format_tiles([{name: _cell(table, name, 0) for name in COLUMNS}]) == format_tiles(
        [{**ROW, "shift_at_edge": True, "lon": -0.5}]
    )


def _cell(table: object, name: str, row: int) -> str | float | bool | None:
    from worldstrat_bench.artefacts.tiles import TileTable

    assert isinstance(table, TileTable)
    if name == "tile":
        return table.tiles[row]
    if name in table.texts:
        return table.texts[name][row]
    if name in table.flags:
        return table.flags[name][row]
    return float(table.numbers[name][row])


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (float("nan"), ""),
        (True, "true"),
        (np.False_, "false"),
        (np.float32(0.1), "0.1"),
        (8, "8"),
        (1e-10, "1e-10"),
        ("a b", "a b"),
    ],
)
def test_cells(value: str | float | bool | None, cell: str) -> None:
    assert format_value(value) == cell


def _broken(old: str, new: str) -> str:
    text = format_tiles([{**ROW, "tile": "a"}, {**ROW, "tile": "b"}])
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "header"),
        (_broken("tile,group", "tile,grp"), "header"),
        (_broken("31.23457", "31.2x"), "line 2, column psnr"),
        (_broken("31.23457", "inf"), "not finite"),
        *(
            (_broken("31.23457", spelt), "a number to some programs only")
            for spelt in ("3_1.2", " 31.2", "31.2 ", "+31.2", '"31.2\n"', "\u0663\u0661", "0." + "3" * 99)
        ),
        (_broken("\nb,", "\na,"), "sorted by name"),
        (_broken(",ok,", ",fine,"), "unknown outcome"),
        (_broken("\nb,", "\nb,,"), "line 3 has"),
        (_broken("shift_at_edge\n", "shift_at_edge,psnr\n").replace(",\n", ",,\n"), "named twice"),
    ],
)
def test_faults_are_named(text: str, names: str) -> None:
    with pytest.raises(InvalidArtefactError, match=names):
        parse_tiles(text)


def test_a_flag_is_true_or_false() -> None:
    text = format_tiles([{**ROW, "shift_at_edge": True}]).replace("true", "yes")
    with pytest.raises(InvalidArtefactError, match="shift_at_edge"):
        parse_tiles(text)


def test_a_table_that_is_not_text() -> None:
    with pytest.raises(InvalidArtefactError, match="not UTF-8"):
        parse_tiles(b"\xff\xfe")


def test_take_and_index_of() -> None:
    table = parse_tiles(format_tiles([{**ROW, "tile": t, "psnr": p} for t, p in (("a", 1), ("b", 2), ("c", 3))]))
    part = table.take(table.index_of(["c", "a", "zzz"]))
    assert part.tiles == ("a", "c")
    assert part.numbers["psnr"].tolist() == [1, 3]
    assert len(part) == 2
    assert part.ok.tolist() == [True, True]
