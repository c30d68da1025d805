"""The text of the protocol: its numbers are complete, and every citation and link leads to one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXT = ROOT / "docs" / "protocol.md"
FOLDERS = ("bench", "baselines", "tests", "tools", "docs")
SUFFIXES = {".py", ".toml", ".md", ".j2", ".json", ".js", ".css"}

HEADING = re.compile(r"^(#{2,3}) (\d+(?:\.\d+)?)\.? .* \{#([a-z0-9-]+)\}$", re.MULTILINE)
CITATION = re.compile(r"\bprotocol ((?:\d+(?:\.\d+)?)(?:(?:, | and | to )\d+(?:\.\d+)?)*)", re.IGNORECASE)
OTHER_FORM = re.compile(r"protocol\.md,? (?:section )?\d|protocol,? (?:section|sec\.|§) ?\d", re.IGNORECASE)
LINK = re.compile(r"\]\((?:docs/)?protocol\.md#([^)]+)\)")


def headings() -> dict[str, str]:
    """Anchors of the numbered headings, by number."""
    return {number: anchor for _, number, anchor in HEADING.findall(TEXT.read_text())}


def cited_numbers(text: str) -> Iterator[str]:
    """Every section number that a text cites."""
    for numbers in CITATION.findall(text):
        yield from re.findall(r"\d+(?:\.\d+)?", numbers)


def sources() -> list[Path]:
    """Every file of the project that may cite the protocol."""
    files = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*"))
    return [file for file in files if file.suffix in SUFFIXES and ".egg-info" not in str(file)]


def test_the_sections_are_numbered_without_a_gap() -> None:
    parts = {"1": 2, "2": 3, "3": 9, "4": 3, "5": 0}
    assert list(headings()) == [
        number for part, count in parts.items() for number in (part, *(f"{part}.{n + 1}" for n in range(count)))
    ]


def test_an_anchor_is_the_number() -> None:
    assert all(anchor == number.replace(".", "-") for number, anchor in headings().items())


def test_every_citation_names_a_section() -> None:
    known = headings()
    found = {file: list(cited_numbers(file.read_text())) for file in sources()}
    lost = {str(file.relative_to(ROOT)): n for file, numbers in found.items() for n in numbers if n not in known}
    assert not lost
    cited = {n for file, numbers in found.items() for n in numbers if file.suffix == ".py"}
    assert {"3.1", "3.2", "3.4", "3.6", "3.7"} <= cited  # the search finds what is there


def test_no_citation_has_another_form() -> None:
    assert not [file for file in sources() if OTHER_FORM.search(file.read_text())]


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_every_link_leads_to_a_section(page: Path) -> None:
    text = page.read_text()
    anchors = LINK.findall(text) + (re.findall(r"\]\(#([^)]+)\)", text) if page == TEXT else [])
    assert set(anchors) <= set(headings().values())


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("See protocol 3.4.", ["3.4"]),
        ("as protocol 3.6 and 3.7 define", ["3.6", "3.7"]),
        ("Protocol 3.1, 3.2 and 4: inputs", ["3.1", "3.2", "4"]),
        ("wsb-1 is a protocol of 3 rules", []),
    ],
)
def test_what_counts_as_a_citation(text: str, numbers: list[str]) -> None:
    assert list(cited_numbers(text)) == numbers


@pytest.mark.parametrize("name", ["PROTOCOL.md, section {}", "PROTOCOL.md {}", "Protocol, section {}", "protocol § {}"])
def test_other_forms_are_noticed(name: str) -> None:
    assert OTHER_FORM.search(name.format(3))
