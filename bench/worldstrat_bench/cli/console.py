"""Shared by all verbs: options, errors as a user reads them, prose that folds, and JSON."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from worldstrat_bench.errors import WorldstratBenchError

DataOption = Annotated[Path, typer.Option("--data", metavar="DIR", help="The dataset's folder.")]
ProtocolOption = Annotated[str, typer.Option("--protocol", metavar="ID", help="Scoring protocol.")]
ListOption = Annotated[
    str, typer.Option("--list", metavar="NAME", help="List of tiles: auto, test, full, clean, strict or never-split.")
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Smoke test on N tiles; never ranked.")
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="D", help="Device: auto, cpu, cuda or cuda:N.")]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Output folder of the result.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, all else on stderr.")]

_DEBUG = "WORLDSTRAT_BENCH_DEBUG"
_COMMAND = re.compile(r"\b(worldstrat-bench [a-z]|pip (install|compile) )")
_WORKFLOW_COMMAND = re.compile(r"(?m)##(?=\[)|^\s*:(?=:)")
"""Beginnings of commands to a workflow's runner: ``##[`` anywhere, ``::`` where a line begins."""
_HIDDEN = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_FILE_WIDTH = 200
"""Columns of a table that goes to a file or a pipe: nothing of it is cut there."""


def set_debugging(on: bool) -> None:
    """Show tracebacks from here on, in child processes too."""
    if on:
        os.environ[_DEBUG] = "1"


def debugging() -> bool:
    """Return whether the user asked for tracebacks."""
    return bool(os.environ.get(_DEBUG))


def print_error(error: WorldstratBenchError) -> None:
    """Print what was wrong, where, and what to do, each on its own line, on stderr."""
    console = stderr()
    console.print("error:", style="bold red", end=" ")
    what = folded(console, printable(_without_traceback(error.what)), len("error: "))
    # Not broken by rich, which breaks every long line: a command is copied from the screen.
    console.print(what, markup=False, highlight=False, soft_wrap=True)
    for label, text in (("where", error.where), ("fix", error.remedy)):
        if text:
            line = folded(console, f"{label}: {printable(text)}", 4)
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _without_traceback(what: str) -> str:
    """Report a bad argument of a model's ``load`` without the traceback, which the log and --debug have."""
    # A wrong --param is the user's to correct; any other failure of load() needs its traceback.
    says = re.match(r"the model cannot be loaded: (TypeError|ValueError): ", what)
    return what.partition("\nTraceback (most recent call last)")[0] if says else what


def printable(text: str) -> str:
    """Return text without control characters: a hostile string must steer neither a terminal nor a workflow's log."""
    shown = "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
    return _WORKFLOW_COMMAND.sub(r"\g<0> ", shown)


def command(*words: object) -> str:
    """Return a command of this program as a shell takes it, so that it can be copied."""
    import shlex

    return shlex.join(["worldstrat-bench", *(str(word) for word in words)])


def folded(console: Console, text: str, indent: int) -> str:
    """Return prose folded between words at a terminal's width, lines but the first indented; elsewhere as it is.

    A line that holds a command stays whole: it is copied from the screen.

    Parameters
    ----------
    indent : columns of the lines after the first, and at most before the first.
    """
    if not console.is_terminal:
        return text
    import textwrap

    width = max(console.width - indent, 20)
    lines = []
    for line in text.splitlines():
        # An item of a list is further in, and so is what is left of it.
        inner = line[: len(line) - len(line.lstrip())]
        further = f"{inner}  " if inner else ""
        folded_line = textwrap.wrap(
            line, width, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
        )
        lines += [line] if _COMMAND.search(line) else folded_line or [""]
    return f"\n{' ' * indent}".join(lines)


def say(screen: Console, text: str, indent: int = 2) -> None:
    """Print prose, which may hold words of strangers: folded on a terminal, without markup; see :func:`folded`."""
    screen.print(folded(screen, printable(text), indent), markup=False, highlight=False, soft_wrap=True)


def say_lines(screen: Console, text: str, indent: int = 2) -> None:
    """Print lines of prose; what follows the first of a folded one is `indent` columns further in than the line."""
    for line in text.splitlines():
        words = line.lstrip()
        lead = line[: len(line) - len(words)]
        screen.print(
            lead + folded(screen, printable(words), len(lead) + indent), markup=False, highlight=False, soft_wrap=True
        )


def stderr() -> Console:
    """Return a console on stderr; colours only on a terminal, none if NO_COLOR is set."""
    from rich.console import Console

    # Words of a model must not become signs: :white_check_mark: stays as it is.
    return Console(stderr=True, emoji=False)


def stdout() -> Console:
    """Return a console on stdout; colours only on a terminal, none if NO_COLOR is set."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would exit with 1

    # Rich takes 80 columns for a pipe and cuts cells to fit; what a file holds must be whole.
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Output(width=_FILE_WIDTH if wide else None, emoji=False)


def flush_or_forget() -> bool:
    """Write out what stdout still holds; False if its reader has left (``... | head``), for whom nothing is kept."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Without this Python flushes at exit, fails again, and prints a message of its own.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is left in buffers goes there when the process ends
        os.close(nowhere)
        return False
    return True


def print_json(document: Any) -> None:
    """Write the one JSON document of ``--json``; as ASCII where stdout cannot take every character."""
    from worldstrat_bench.cli.streams import writes_unicode

    ascii_only = not writes_unicode()
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=ascii_only, allow_nan=False)
    # Outside of strings JSON is ASCII: what is not shown in them, or turns the line round, is written as its code.
    sys.stdout.write(_HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
