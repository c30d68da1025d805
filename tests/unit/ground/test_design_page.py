"""The walks through the code on the design page name what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "bench" / "worldstrat_bench"
SECTIONS = (ROOT / "docs" / "design.md").read_text("utf-8").split("\n## ")
WALKS = {text.split()[2]: text for text in SECTIONS if text.startswith("Follow one ")}
STEP = re.compile(r"`([\w/]+\.py)`: (`[\w.]+`(?:, `[\w.]+`)*)")


def named_in(walk: str) -> list[tuple[str, str]]:
    """Return every function that a walk names, each with its file; a file may stand before several."""
    return [(path, name.strip("`")) for path, names in STEP.findall(walk) for name in names.split(", ")]


NAMED = sorted({step for walk in WALKS.values() for step in named_in(walk)})


def names_of(path: Path) -> set[str]:
    """Functions, classes and methods that a module defines, methods as ``Class.method``."""
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return names


@pytest.mark.parametrize("what", ["tile", "model", "manifest", "record"])
def test_a_walk_has_its_steps(what: str) -> None:
    assert len(named_in(WALKS[what])) >= 12


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_what_a_step_names_is_in_that_file(path: str, name: str) -> None:
    assert name in names_of(PACKAGE / path)
