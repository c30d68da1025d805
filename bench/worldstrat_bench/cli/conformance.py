"""``conformance``: pairs and numbers against which another implementation of the protocol is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import console

KitArgument = Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("conformance", short_help="Write the pairs that check another implementation.")(conformance)


def conformance(folder: KitArgument, json: console.JsonOption = False) -> None:
    """Write the conformance kit of wsb-1: 24 small pairs and every number that the protocol makes of them.

    The pairs are made from formulas. README.md in the folder says what each file holds.
    """
    from worldstrat_bench.scoring.kit.writing import write_kit

    index = write_kit(folder)
    if json:
        console.print_json({**index, "folder": str(folder)})
        return
    text = f"{folder}: {len(index['pairs'])} pairs of {index['protocol']['id']}; begin with README.md"
    console.stderr().print(console.printable(text), markup=False, highlight=False, soft_wrap=True)
