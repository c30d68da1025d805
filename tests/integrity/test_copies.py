"""Copies and crowds: what counts on a board, and what is pointed out about entries that are nearly the same."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from submission_factory import MANIFEST, make_submission, rewrite_record, rewrite_tiles
from worldstrat_bench.stats.counting import Claim, counting_rows
from worldstrat_bench.submission.check import check


def claim(key: str, day: int, *authors: str, code: str | None = None, main: bool = False) -> Claim:
    return Claim(key, authors, code, f"2026-01-{day:02d}T00:00:00Z", main)


def test_rows_of_different_people_and_code_all_count() -> None:
    rows = [claim("a", 1, "Ada", code="1"), claim("b", 2, "Bob", code="2"), claim("c", 3), claim("d", 3)]
    assert counting_rows(rows) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("name", ["Ada Example", "ada example", "Аdа Ехаmple", "Ada  Exämple", "ada-example"])
def test_the_first_of_a_group_counts_however_its_name_is_written(name: str) -> None:
    rows = [claim("first", 1, "Ada Example"), *(claim(f"more{i}", 2 + i, name, "Bob") for i in range(20))]
    assert counting_rows(rows) == {"first"}
    assert counting_rows([claim("a", 1, "Ada", code="1"), claim("b", 2, "Bob", code="1")]) == {"a"}


def test_a_later_row_takes_no_count_from_earlier_ones_whomever_it_names() -> None:
    first = [claim("a", 1, "Ada"), claim("b", 2, "Bob")]
    for later in (
        claim("x", 3, "Ada", "Bob"),
        claim("x", 3, "Ada", "Bob", main=True),
        claim("x", 3, "Ada", "Cy", main=True),
    ):
        for order in itertools.permutations([*first, later]):
            assert counting_rows(order) == {"a", "b"}


def test_authors_name_their_main_entry() -> None:
    rows = [
        claim("old", 1, "Ada", "Bob"),
        claim("new", 2, "Bob", "Ada", main=True),
        claim("newer", 3, "Ada", "Bob", main=True),
    ]
    assert counting_rows(rows) == {"new"}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_submission(tmp_path_factory.mktemp("honest"), tiles=36, spread_db=0.6)


def copied(honest: Path, root: Path, *, author: str = "Eve") -> Path:
    """A submission that took everything from an honest one but its name."""
    folder = Path(shutil.copytree(honest.parent, root / "submissions"))
    copy = Path(shutil.copytree(folder / honest.name, folder / "copycat"))
    text = MANIFEST.replace('"my-sr"', '"copycat"').replace("Ada Example", author)
    (copy / "submission.toml").write_text(text, encoding="utf-8")
    rewrite_record(copy, lambda d: d["model"].update(name="copycat", distribution="copycat", submission="copycat"))
    return copy


def said(folder: Path, rule: str) -> list[str]:
    return [notice.what for notice in check([folder]).notices if notice.rule == rule]


def test_nearly_the_same_gains_and_the_same_code_are_pointed_out(honest: Path, tmp_path: Path) -> None:
    copy = copied(honest, tmp_path)
    for folder in (copy, copy.with_name(honest.name)):
        rewrite_record(folder, lambda d: d["model"].update(code_sha256="c" * 64))

    def noise(rows: list[list[str]]) -> None:
        sam = rows[0].index("sam")
        for row in rows[1:]:
            row[sam] = f"{float(row[sam]) + 1e-6:.7g}"

    rewrite_tiles(copy, noise)
    found = said(copy, "copies")
    assert any("correlation of 1.000000" in text for text in found)
    assert any("is also that of my-sr" in text for text in found)
    assert not any(fault.rule == "copies" for fault in check([copy]).errors)


def test_two_honest_models_are_not_called_copies(honest: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(honest.parent, tmp_path / "submissions")) / honest.name
    text = MANIFEST.replace('"my-sr"', '"other-sr"').replace("Ada Example", "Bob Example")
    other = make_submission(tmp_path, "other-sr", manifest=text, tiles=36, spread_db=0.6)
    assert [said(one, rule) for one in (folder, other) for rule in ("copies", "authors")] == [[], [], [], []]


def test_the_number_of_entries_of_an_author_is_said(honest: Path, tmp_path: Path) -> None:
    copy = copied(honest, tmp_path, author="ada example")
    assert said(copy, "authors") == [
        "its authors have 1 other submission (my-sr): one entry of the same authors moves ranks"
    ]
