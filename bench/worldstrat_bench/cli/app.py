"""The tree of verbs. Each module registers one verb and imports what it needs when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from worldstrat_bench import __version__
from worldstrat_bench.cli.console import flush_or_forget, set_debugging
from worldstrat_bench.cli.started_in import refuse_code


class _Verbs(TyperGroup):
    """Command group that exits quietly when stdout is closed early (``... | head``)."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Read the arguments, and print what --help and --version ask for."""
        with _quiet_when_stdout_closes():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run a verb."""
        with _quiet_when_stdout_closes(), _missing_words_explained():
            result = super().invoke(ctx)
            # A closed pipe often shows only when the buffer is written; here it is still ours to handle.
            sys.stdout.flush()
            return result


@contextmanager
def _quiet_when_stdout_closes() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        flush_or_forget()
        # The reader has seen enough; that is not a failure of the command.
        raise typer.Exit(0) from None


@contextmanager
def _missing_words_explained() -> Iterator[None]:
    """Say of an option or an argument that is missing what it is for: its help, where the user stands."""
    try:
        yield
    except typer.BadParameter as error:
        # By attributes, because each typer has its own click.
        if not error.message and (text := getattr(error.param, "help", None)):
            error.message = str(text)
        raise


app = typer.Typer(
    cls=_Verbs,
    help="A fixed, shift-aware benchmark of Sentinel-2 super-resolution on WorldStrat.",
    no_args_is_help=True,
    # `main` prints what was wrong; typer would print a traceback of its own instead.
    pretty_exceptions_enable=False,
    # As markup, "[default: 6]" in a help text would be taken for a style and not be shown.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"worldstrat-bench {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a verb."""
    set_debugging(debug)
    # A Python that is started with -c or -m looks for modules in the current folder, which may be a stranger's, torch
    # for libraries, matplotlib for settings.
    os.environ["PYTHONSAFEPATH"] = "1"
    refuse_code()


_VERBS = (
    "demo",
    "data",
    "models",
    "evaluate",
    "predict",
    "score",
    "merge",
    "compare",
    "table",
    "plot",
    "sensitivity",
    "speed",
    "verify",
    "submission",
    "site",
    "conformance",
    "doctor",
)
"""Modules of this package with a ``register(app)`` function each, in the order in which --help lists them."""


def _register() -> None:
    from importlib import import_module

    for verb in _VERBS:
        # All of them, so that --help lists every verb; each imports what it needs only when it runs.
        import_module(f"worldstrat_bench.cli.{verb}").register(app)


_register()
