"""Whatever an archive says, files go only where the tile's name says; spans cover what is needed and little more."""

from __future__ import annotations

import zipfile
from itertools import pairwise
from pathlib import Path, PurePosixPath

from hypothesis import given, settings
from hypothesis import strategies as st

from worldstrat_bench.data.fetch.hostile import classify
from worldstrat_bench.data.fetch.wanted import WantedFiles
from worldstrat_bench.data.fetch.zips import ZipMember, join
from worldstrat_bench.errors import DataError

TILES = ("Landcover-1", "Amnesty POI-10-1-2")
WANTED = WantedFiles("test", frozenset(TILES), 8, {tile: frozenset({1, 2}) for tile in TILES})
PARTS = st.sampled_from(
    ["hr_dataset", "lr_dataset", "12bit", "L2A", "L1C", "..", ".", "", "/", "\\", "C:", "\x00", *TILES]
    + [f"{tile}{end}" for tile in TILES for end in ("_ps.tiff", "_pan.tiff", "-1-CLM.tiff", "-9-CLM.tiff")]
    + [f"{tile}-{n}-L2A_data.tiff" for tile in TILES for n in ("1", "8", "08", "0", "99999", "-1", "1-1")]
)


@given(st.lists(PARTS, max_size=8), st.sampled_from(["/", "\\", "//"]))
@settings(max_examples=500, deadline=None)
def test_a_member_lands_in_the_folder_or_nowhere(parts: list[str], separator: str) -> None:
    name = separator.join(parts)
    try:
        member = classify(name, WANTED, "archive")
    except DataError:
        return
    if member is not None:
        path = PurePosixPath(member.path)
        assert path.parts[0] in ("hr_dataset", "lr_dataset")
        assert path.parts[1] in TILES
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert Path("/root/x").joinpath(*path.parts).resolve().is_relative_to("/root/x")


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_no_text_is_a_wanted_member_by_accident(name: str) -> None:
    assert classify(name, WANTED, "archive") is None


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(40, 3_000_000)), min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_spans_cover_every_member_once_and_waste_little(layout: list[tuple[int, int]]) -> None:
    """`layout` is a gap that is not needed and a member, again and again."""
    members, position = [], 0
    for index, (gap, length) in enumerate(layout):
        start = position + gap
        position = start + length
        members.append(ZipMember(f"m{index}", zipfile.ZipInfo(f"m{index}"), start, position))
    spans = join(members)
    assert [member for span in spans for member in span.members] == members
    assert all(before.end <= after.start for before, after in pairwise(spans))
    needed = sum(member.end - member.start for member in members)
    assert sum(span.end - span.start for span in spans) <= 1.03 * needed
    assert all(span.end - span.start <= 8 << 20 for span in spans if len(span.members) > 1)
