"""The rule for commit titles that pre-commit applies."""

from __future__ import annotations

import runpy

import pytest

from conftest import ROOT

fault = runpy.run_path(str(ROOT / "tools" / "commit_title.py"))["fault"]


@pytest.mark.parametrize(
    "title",
    ["docs: say how shards are merged", "run, cache: keep decoded inputs", "Merge branch 'x'", 'Revert "docs: x"'],
)
def test_titles_that_pass(title: str) -> None:
    assert fault(title) is None


@pytest.mark.parametrize(
    ("title", "word"),
    [
        ("Speed says what it does and how long it will take", "area: what"),
        ("docs:no space", "area: what"),
        ("docs: " + "x" * 67, "73 characters"),
        ("", "area: what"),
    ],
)
def test_titles_that_do_not(title: str, word: str) -> None:
    assert word in (fault(title) or "")
