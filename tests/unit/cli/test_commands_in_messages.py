"""The commands that messages of the package print are commands, with the arguments that they need."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.core import TyperGroup

from conftest import ROOT
from worldstrat_bench.cli.app import app
from worldstrat_bench.cli.console import folded

pytestmark = pytest.mark.not_quick  # a second or more for most of these

PACKAGE = ROOT / "bench" / "worldstrat_bench"
OURS = re.compile(r"worldstrat-bench ((?:[a-z][a-z-]* ?)+[^`,;:()<}]*)")
PROSE = {"and", "as", "has", "maintainers"}  # what follows the package's name in sentences
BARE = re.compile(r"(?<!worldstrat-bench )\bsubmission add\b(?: [A-Z]+)*(?=$|[.;,])")


def remedies(path: Path) -> Iterator[str]:
    """The texts of a module that hold a command, but docstrings; what an f-string fills in is X."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value


def fault_of(text: str) -> str:
    """Return what is wrong with a command of a message; empty if it can be given."""
    command = typer.main.get_command(app)
    words = text.split()
    while isinstance(command, TyperGroup):
        if not words or words[0] == "X":
            return ""
        if words[0] not in command.commands:
            return f"no such command: {text}"
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    wrong = [word for word in words if word.startswith("--") and word not in {*known, "--help"}]
    if wrong:
        return f"no such option: {text}"
    needed = sum(p.param_type_name == "argument" and p.required for p in command.params)
    given = [word for word in words if not word.startswith("-") and (word.isupper() or word == "...")]
    # Words of a sentence may follow a command: only one with placeholders has to be whole.
    return f"{needed} arguments are needed: {text}" if given and len(given) < needed and "..." not in given else ""


def test_every_command_of_a_message_can_be_given() -> None:
    texts = [text for path in sorted(PACKAGE.rglob("*.py")) for text in remedies(path)]
    commands = [found.strip() for text in texts for found in OURS.findall(text)]
    commands = [command for command in commands if command.split()[0] not in PROSE]
    assert len(commands) > 30
    assert [fault for command in commands if (fault := fault_of(command))] == []
    assert [text for text in texts if BARE.search(text)] == []


def test_the_check_sees_a_missing_argument_and_a_command_that_is_not_there() -> None:
    assert fault_of("submission add RUN") == "2 arguments are needed: submission add RUN"
    assert not fault_of("submission add RUN X")
    assert fault_of("submission bild X")
    assert fault_of("evaluate X --nonsense")
    assert BARE.search("evaluate it, then submission add RUN")


@pytest.mark.parametrize("width", [40, 80])
def test_prose_is_folded_on_a_terminal_alone(width: int) -> None:
    text = "a network is fed with reflectance, " * 6 + "/a/very/long/path" * 8
    lines = folded(Console(width=width, force_terminal=True), text, 5).split("\n")
    assert all(line.startswith("     ") for line in lines[1:])
    assert all(len(line) <= width for line in lines[1:-1])
    assert len(lines[0]) + 5 <= width
    assert " ".join(" ".join(lines).split()) == text
    assert folded(Console(width=width, force_terminal=False), text, 5) == text
    command = "start with: worldstrat-bench submission new SLUG " + "--out folder " * 9
    assert folded(Console(width=width, force_terminal=True), command, 5) == command
