"""Every command and option that a page names is there, and so is every file of the repository."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from conftest import ROOT
from worldstrat_bench.cli.app import app

PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
OURS = re.compile(r"(?<![\w/.-])worldstrat-bench (.*)")
TREE = re.compile(r"(?<![\w/.-])(?:bench|baselines|docs|tests|reports|tools|\.github)/[\w./-]+\.\w+")


def lines_of(text: str) -> Iterator[str]:
    """The command lines of the page's blocks, continued ones joined."""
    for block in re.findall(r"^```(?:console|bash|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.replace("\\\n", " ").splitlines()


def commands_of(text: str) -> Iterator[list[str]]:
    """The words after each ``worldstrat-bench`` of the page's blocks, up to the end of the command."""
    for line in lines_of(text):
        for command in re.split(r"[;|&>]|\$\(", line.removeprefix("$ ")):
            if (found := OURS.search(command)) is not None:
                yield shlex.split(found[1], comments=True)


def fault_of(words: list[str]) -> str:
    """Return what there is not; empty if all is there."""
    command = typer.main.get_command(app)
    words = list(words)
    while isinstance(command, TyperGroup):
        if not words or words[0].startswith("-"):
            return ""
        if words[0] not in command.commands:
            return f"no such command: {words[0]}"
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h"}
    wrong = [word for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]
    return f"no such option of {command.name}: {', '.join(wrong)}" if wrong else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_is_there(page: Path) -> None:
    faults = [(words, fault) for words in commands_of(page.read_text(encoding="utf-8")) if (fault := fault_of(words))]
    assert not faults


@pytest.mark.parametrize("name", ["maintainers.md", "releasing.md"])
def test_every_file_of_a_checklist_is_there(name: str) -> None:
    """But for those that its own commands make."""
    made = ("references/v1.1-wsb-1.json", "protocols/wsb-2.toml", "snapshots/2026-11.json")
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = [found for found in TREE.findall(text) if not found.endswith(made)]
    assert named
    assert [found for found in named if not (ROOT / found).exists()] == []


def test_the_check_sees_what_is_not_there() -> None:
    text = "```console\n$ worldstrat-bench evaluate x --nonsense --data d && worldstrat-bench site bild s\n```\n"
    assert [fault_of(words) for words in commands_of(text)] == [
        "no such option of evaluate: --nonsense",
        "no such command: bild",
    ]
    assert sum(1 for page in PAGES for _ in commands_of(page.read_text(encoding="utf-8"))) > 50
