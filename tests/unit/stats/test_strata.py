"""Axes, strata and their labels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from factories import invented_facts, score_rows
from worldstrat_bench.artefacts.tiles import TileTable, format_tiles, parse_tiles
from worldstrat_bench.stats.strata import (
    AXES,
    members,
    sort_strata,
    strata_of,
    stratum_name,
    stratum_title,
)


def table_of(**columns: list[object]) -> TileTable:
    count = len(next(iter(columns.values())))
    rows = score_rows(invented_facts(count), "m")
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = value  # type: ignore[assignment]
    return parse_tiles(format_tiles(rows))


def labels(axis: str, **columns: list[object]) -> list[str]:
    table = table_of(**columns)
    order = [table.tiles.index(fact.tile) for fact in invented_facts(len(table))]
    return [strata_of(table)[axis][i] for i in order]


def test_every_axis_labels_every_row() -> None:
    table = table_of(days=[0] * 20)
    strata = strata_of(table)
    assert tuple(strata) == AXES
    assert all(len(own) == 20 and all(own) for own in strata.values())


def test_latitude_is_absolute_and_edges_belong_to_the_band_above() -> None:
    found = labels("latitude", lat=[0, -23.4999, 23.5, -35, 55, -90, None])
    assert found == ["0-23.5", "0-23.5", "23.5-35", "35-55", "55-90", "55-90", "unlocated"]


def test_cloud_and_age_edges() -> None:
    assert labels("cloud", cloud=[0, 0.049, 0.05, 0.2, 0.5, 1]) == ["0-5", "0-5", "5-20", "20-50", "50-100", "50-100"]
    days = [0, -2, 3, -7, 8, 30, -31]
    assert labels("age", days=days) == ["0-2", "0-2", "3-7", "3-7", "8-30", "8-30", "over 30"]  # type: ignore[arg-type]


def test_detail_is_cut_in_thirds_by_rank_with_ties_by_name() -> None:
    table = table_of(detail=[1.0] * 9)
    found = dict(zip(table.tiles, strata_of(table)["detail"], strict=True))
    assert [found[tile] for tile in sorted(found)] == ["low"] * 3 + ["medium"] * 3 + ["high"] * 3
    within = set(table.tiles[:3])
    found = dict(zip(table.tiles, strata_of(table, within)["detail"], strict=True))
    assert sorted(found[tile] for tile in within) == ["high", "low", "medium"]
    assert {found[tile] for tile in table.tiles if tile not in within} == {"unknown"}


def test_missing_labels_have_a_stratum_of_their_own() -> None:
    assert labels("ipcc", ipcc=[None, "Forest"]) == ["unlabelled", "Forest"]
    assert labels("continent", continent=[None, "Asia"]) == ["unlocated", "Asia"]


@pytest.mark.parametrize(
    ("axis", "stratum", "title"),
    [
        ("smod", "Water", "SMOD class: Water"),
        ("ipcc", "Water", "IPCC class: Water"),
        ("latitude", "23.5-35", "Latitude: 23.5–35°"),
        ("cloud", "5-20", "Cloud: 5–20 %"),
        ("age", "over 30", "Age: over 30 days"),
        ("ipcc", "unlabelled", "IPCC class: no label"),
        ("latitude", "unlocated", "Latitude: no coordinates"),
        ("cloud", "unknown", "Cloud: not known"),
    ],
)
def test_a_title_carries_its_axis(axis: str, stratum: str, title: str) -> None:
    assert stratum_title(axis, stratum) == title
    assert stratum_name(axis, stratum) in title


def test_strata_are_ordered_by_their_axis_and_none_comes_last() -> None:
    assert sort_strata("cloud", ["50-100", "unknown", "5-20", "0-5"]) == ("0-5", "5-20", "50-100", "unknown")
    assert sort_strata("smod", ["Suburban", "Urban centre", "Water"]) == ("Water", "Suburban", "Urban centre")
    assert sort_strata("detail", ["high", "low", "medium"]) == ("low", "medium", "high")
    assert sort_strata("ipcc", ["unlabelled", "Water", "Forest"]) == ("Forest", "Water", "unlabelled")


def test_members_hold_every_row_once() -> None:
    found = members(["b", "a", "b"])
    assert list(found) == ["a", "b"]
    assert np.concatenate(list(found.values())).tolist() == [1, 0, 2]
    assert math.isclose(sum(len(v) for v in found.values()), 3)
