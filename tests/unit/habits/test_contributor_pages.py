"""The pages for those who add something name files and names that are there, and examples that work."""

from __future__ import annotations

import re

import pytest

from conftest import ROOT
from worldstrat_bench.measures import Measure, OptionalMetric

PACKAGE = ROOT / "bench" / "worldstrat_bench"
SECTIONS = {"docs/optional-metrics.md": "## Adding a metric", "docs/adapters.md": "## Write an adapter"}


def section(page: str) -> str:
    """Return a section of a page, without what follows it."""
    text = (ROOT / page).read_text(encoding="utf-8").partition(f"\n{SECTIONS[page]}\n")[2]
    assert text
    return text.partition("\n## ")[0]


@pytest.mark.parametrize("page", SECTIONS)
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    named = set(re.findall(r"`([\w/.]+\.(?:py|md)|[\w/]+/)`", section(page)))
    assert len(named) >= 5
    places = (ROOT, PACKAGE, ROOT / "baselines" / "tests")
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_the_tables_of_a_new_format_have_the_names_that_the_page_gives() -> None:
    text = section("docs/adapters.md")
    pairs = re.findall(r"`([\w/]+\.py`) \(((?:`\w+`(?:, )?)+)\)", text)
    assert len(pairs) >= 2
    for file, names in pairs:
        source = (PACKAGE / file.strip("`")).read_text(encoding="utf-8")
        assert [name for name in re.findall(r"\w+", names) if not re.search(rf"^{name}\b", source, re.MULTILINE)] == []


def test_the_entry_of_the_example_is_an_entry() -> None:
    (example,) = re.findall(
        r"```python\n(OptionalMetric\(.*?\n\))\n```", section("docs/optional-metrics.md"), re.DOTALL
    )
    made = eval(example, {"OptionalMetric": OptionalMetric, "Measure": Measure})  # noqa: S307  # of this repository
    assert made.names == ("red_mae",)
    assert made.home.startswith("worldstrat_bench.metrics.")
