"""The tree of verbs. Each module registers one verb and imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from worldstrat_bench import __version__
from worldstrat_bench.cli.console import set_debugging

app = typer.Typer(
    help="A fixed, shift-aware benchmark of Sentinel-2 super-resolution on WorldStrat.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
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
    """A fixed, shift-aware benchmark of Sentinel-2 super-resolution on WorldStrat."""
    set_debugging(debug)


_VERBS = (
    "demo",
    "data",
    "models",
    "evaluate",
    "predict",
    "score",
    "merge",
    "compare",
    "speed",
    "verify",
    "submission",
    "site",
    "doctor",
)
"""Modules of this package with a ``register(app)`` function each, in the order in which --help lists them."""


def _register() -> None:
    from importlib import import_module
    from importlib.util import find_spec

    for verb in _VERBS:
        module = f"worldstrat_bench.cli.{verb}"
        if find_spec(module):
            import_module(module).register(app)


_register()
