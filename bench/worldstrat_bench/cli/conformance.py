"""``conformance``: pairs and numbers against which another implementation of the protocol is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import console

KitArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="A new or empty folder; with --check, the kit.", show_default=False)
]
CheckOption = Annotated[
    Path | None,
    typer.Option(
        "--check",
        metavar="RESULTS",
        help="Compare the expected.npz and expected.json of this folder, one folder per pair, with the kit in DIR.",
        show_default=False,
    ),
]
_EXIT_INVALID = 5


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("conformance", short_help="Write the pairs that check another implementation.")(conformance)


def conformance(folder: KitArgument, check: CheckOption = None, json: console.JsonOption = False) -> None:
    """Write the conformance kit of wsb-1: 24 small pairs and every number that the protocol makes of them.

    The pairs are made from formulas. README.md in the folder says what each file holds. With --check, results of
    another implementation are compared with a kit that is already there: the exit code is 5 if any number differs.
    """
    if check is not None:
        _check(folder, check, json)
        return
    from worldstrat_bench.scoring.kit.writing import write_kit

    index = write_kit(folder)
    if json:
        console.print_json({**index, "folder": str(folder)})
        return
    _say(f"{folder}: {len(index['pairs'])} pairs of {index['protocol']['id']}; begin with README.md")


def _check(kit: Path, results: Path, json: bool) -> None:
    """Print what differs, first of all what is computed first, and exit with 5 if anything does."""
    from worldstrat_bench.scoring.kit.comparing import check_results

    found = check_results(kit, results)
    wrong = sum(bool(pair) for pair in found.values())
    if json:
        pairs = [
            {"folder": folder, "differences": [vars(difference) for difference in pair]}
            for folder, pair in found.items()
        ]
        console.print_json({"kit": str(kit), "results": str(results), "agrees": not wrong, "pairs": pairs})
    else:
        for folder, pair in found.items():
            if pair:
                others = ", ".join(difference.field for difference in pair[1:])
                _say(f"{folder}: {pair[0].field} {pair[0].what}" + (f"; then {others}" if others else ""))
        _say(f"{len(found) - wrong} of {len(found)} pairs agree")
    if wrong:
        raise typer.Exit(_EXIT_INVALID)


def _say(text: str) -> None:
    console.say(console.stderr(), text)
