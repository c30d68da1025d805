"""The two CSV files after another program has opened and saved them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from worldstrat_bench.data.tables import parse_metadata, parse_split, read_table
from worldstrat_bench.errors import DataError

METADATA = """,lowres_date,highres_date,n,cloud_cover,lon,lat
a 1,2020-01-02,2020-01-01,1,0.5,1.25,2.5
a 1,2020-01-07,2020-01-01,2,0.1,1.25,2.5
b,2020-03-02,2020-03-01,1,0.0,-3.5,40
"""
SPLIT = ",tile,IPCC Class,SMOD,source,joint_class,split\n0,a 1,Forest,Water,POI,x,test\n1,b,Other,Rural,POI,x,train\n"


def quoted(text: str) -> str:
    lines = ("".join(f'"{cell}",' for cell in line.split(",")) for line in text.splitlines())
    return "".join(line.removesuffix(",") + "\n" for line in lines)


def numbered(text: str, first: str) -> str:
    head, *rows = text.splitlines()
    return "\n".join([f",{first}{head}", *(f"{at},{row}" for at, row in enumerate(rows))]) + "\n"


CHANGES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "byte order mark": lambda text: "\ufeff" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "old Mac line ends after the header's": lambda text: text.rstrip("\n"),
    "semicolons": lambda text: text.replace(",", ";"),
    "semicolons, CRLF and a mark": lambda text: "\ufeff" + text.replace(",", ";").replace("\n", "\r\n"),
    "tabs": lambda text: text.replace(",", "\t"),
    "every cell quoted": quoted,
    "two empty lines at the end": lambda text: text + "\n\n",
    "empty rows at the end": lambda text: text + "," * text.partition("\n")[0].count(",") + "\n",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_revisits_are_read(change: str, tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_bytes(CHANGES[change](METADATA).encode())
    found = parse_metadata(read_table(path)[1], path)
    assert {tile: sorted(rows) for tile, rows in found.revisits.items()} == {"a 1": [1, 2], "b": [1]}
    assert list(found.places["b"]) == [-3.5, 40.0]
    assert dict(found.problems) == {}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_split_is_read(change: str, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(CHANGES[change](SPLIT).encode())
    rows = parse_split(read_table(path)[1], path)
    assert [(row.tile, row.ipcc, row.split) for row in rows] == [("a 1", "Forest", "test"), ("b", "Other", "train")]


@pytest.mark.parametrize("first", ["Unnamed: 0", ""])
def test_a_column_of_row_numbers_in_front(first: str, tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text(numbered(METADATA, first), encoding="utf-8")
    assert set(parse_metadata(read_table(path)[1], path).revisits) == {"a 1", "b"}


def test_decimal_commas_are_a_fault_of_the_row_or_read(tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_text(METADATA.replace(",", ";").replace("1.25", "1,25").replace(";1;", ";1,0;"), encoding="utf-8")
    found = parse_metadata(read_table(path)[1], path)
    assert sorted(found.revisits["a 1"]) == [1, 2]
    assert found.places["a 1"] == (1.25, 2.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (METADATA.encode("utf-16"), "UTF-8"),
        (b"\n\n \n", "empty"),
        (METADATA.replace("a 1,2020-01-02", "a 1,x,2020-01-02").encode(), "row 2 has 8 cells, the header has 7"),
        (METADATA.replace(",n,", ",number,").encode(), "no column 'n'"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        parse_metadata(read_table(path)[1], path)


def test_a_pipe_as_a_table_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metadata.csv")
    with pytest.raises(DataError, match="not a regular file"):
        read_table(tmp_path / "metadata.csv")
