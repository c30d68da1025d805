"""Strings from outside, numbers, file names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldstrat_bench.site.text import clean, csv_cell, cut_middle, instant, number, safe_url, slugify, stamp

ANY = st.text(st.characters(), max_size=300)


@given(ANY)
def test_clean_text_is_one_printable_line_of_limited_length(text: str) -> None:
    found = clean(text, 50)
    assert len(found) <= 50
    assert "\n" not in found
    assert all(unicodedata.category(c)[0] != "C" for c in found)


def test_clean_drops_what_changes_direction() -> None:
    assert clean("abc\u202egnp.exe\u2066x\u200b") == "abcgnp.exex"
    assert clean("x" * 10_000, 60) == "x" * 59 + "…"
    assert clean("  a\t b\n") == "a b"
    assert len(clean("a" + "\u0301" * 5000, 100)) < 10


@given(ANY, ANY)
def test_slugs_are_safe_and_differ_where_names_do(a: str, b: str) -> None:
    for text in (a, b):
        slug = slugify(text)
        assert slug
        assert len(slug) <= 60
        assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
        assert slug.strip(".") == slug
        assert slug[0] != "-"
    if a != b:
        assert slugify(a) != slugify(b)


def test_a_safe_name_is_kept() -> None:
    assert slugify("shift-and-add") == "shift-and-add"
    assert slugify("../../etc/passwd").startswith("etc-passwd-")
    assert slugify("a", salt="x") != slugify("a", salt="y")


@pytest.mark.parametrize("text", ["=cmd()", "+1+1", "+0", "@x", "-2+3", "\t=1", "|calc", "%0A"])
def test_csv_cells_are_not_formulas(text: str) -> None:
    assert csv_cell(text) == "'" + text.replace("\t", " ")


def test_csv_keeps_numbers_and_plain_text() -> None:
    assert csv_cell("-1.5e-3") == "-1.5e-3"
    assert csv_cell(-1.25) == "-1.25"
    assert csv_cell(None) == csv_cell(float("nan")) == ""
    assert csv_cell("plain = text") == "plain = text"


def test_numbers_have_a_real_minus_and_no_negative_zero() -> None:
    assert number(-0.5, 2) == "\u22120.50"
    assert number(-0.001, 2) == "0.00"
    assert number(0.5, 1, signed=True) == "+0.5"
    assert number(None, 2) == number(float("inf"), 2) == "–"


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "http:///x",
        "https://a b",
        "ftp://x.y",
        " https://x.y",
        "https://user:pw@x.y",
        "JAVASCRIPT:alert(1)",
        "https://[::1",
        "",
        None,
        "https://x.y/\n",
    ],
)
def test_only_plain_web_addresses_become_links(text: str | None) -> None:
    assert safe_url(text) is None


def test_a_web_address_is_kept() -> None:
    assert safe_url("https://example.org/a?b=c#d") == "https://example.org/a?b=c#d"


def test_a_time_that_is_none_is_the_epoch() -> None:
    assert stamp("2026-01-02T03:04:05+02:00") == "2026-01-02T01:04:05Z"
    assert stamp("<script>") == stamp("0001-01-01T00:00:00+23:59") == "1970-01-01T00:00:00Z"
    assert instant("2026-01-02").year == 2026


def test_names_that_are_too_long_keep_their_end() -> None:
    """Names of a family differ at their end: cut there, two of them were the same in every drawing on a phone."""
    names = ("Small network, multi-frame", "Small network, single frame")
    shown = [cut_middle(name, 18) for name in names]
    assert shown == ["Small net…ti-frame", "Small net…le frame"]
    assert all(len(name) <= 18 and "…" in name for name in shown)
    assert cut_middle("Bicubic", 18) == "Bicubic"
