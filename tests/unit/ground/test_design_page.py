"""The walk through the code on the design page names what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "bench" / "worldstrat_bench"
WALK = (ROOT / "docs" / "design.md").read_text("utf-8").partition("## Follow one tile")[2].partition("\n## ")[0]
NAMED = re.findall(r"`([\w/]+\.py)`: `([\w.]+)`", WALK)


def names_of(path: Path) -> set[str]:
    """Functions, classes and methods that a module defines, methods as ``Class.method``."""
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return names


def test_the_walk_has_its_steps() -> None:
    assert len(NAMED) >= 12


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_what_a_step_names_is_in_that_file(path: str, name: str) -> None:
    assert name in names_of(PACKAGE / path)
