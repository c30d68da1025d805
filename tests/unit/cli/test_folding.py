"""Prose is folded on a narrow terminal, whichever verb prints it, and goes to a file as it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import worldstrat_bench.cli
from worldstrat_bench.cli.app import app
from worldstrat_bench.cli.console import folded, say, say_lines

WORDS = "a reason of many words that a reader has to understand, " * 5


@pytest.mark.parametrize("width", [40, 80])
def test_no_word_is_cut_and_no_markup_is_read(width: int) -> None:
    screen = Console(width=width, force_terminal=True, no_color=True)
    with screen.capture() as seen:
        say(screen, f"[bold]{WORDS}\x1b[2J")
        say_lines(screen, f"head\n  not used     runs/x: {WORDS}", 13)
    lines = seen.get().splitlines()
    assert max(map(len, lines)) <= width
    assert "\x1b" not in seen.get()
    text = " ".join(seen.get().split())
    assert text.startswith("[bold]a reason")
    assert text.count(WORDS.strip()) == 2
    assert all(line.startswith(" " * 15) for line in lines[lines.index("head") + 2 :])


def test_what_is_left_of_an_item_is_further_in_than_the_item() -> None:
    screen = Console(width=40, force_terminal=True)
    lines = folded(screen, f"2 faults:\n  {WORDS}\n  short", 4).splitlines()
    assert lines[0] == "2 faults:"
    assert lines[1].startswith("      a reason")
    assert all(line.startswith("        ") for line in lines[2:-1])
    assert lines[-1] == "      short"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plot", "run", "--out", "f.pdf"], "'--kind'. Kind of figure: forest"),
        (["evaluate", "bicubic", "--out", "run"], "'--data'. The dataset's folder"),
        (["submission", "add", "run"], "'SUBMISSION'. The submission's folder or slug"),
    ],
)
def test_what_is_missing_is_explained(words: list[str], told: str) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())


def test_a_file_gets_whole_lines() -> None:
    screen = Console(width=40, force_terminal=False)
    with screen.capture() as seen:
        say(screen, WORDS)
        say_lines(screen, f"  {WORDS}")
    assert seen.get().splitlines() == [WORDS, f"  {WORDS}"]


def test_verbs_print_prose_in_one_way() -> None:
    # `soft_wrap` without folding leaves the cut to the terminal, in the middle of a word.
    found = []
    for path in sorted(Path(worldstrat_bench.cli.__file__).parent.glob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        found += [path.stem for node in calls if any(word.arg == "soft_wrap" for word in node.keywords)]
    # The way itself with its errors, addresses of entry points, and the folder of a run, which are copied.
    assert sorted(found) == ["console"] * 4 + ["models"] * 2 + ["summary"]
