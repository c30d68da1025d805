"""``sensitivity RUN...``: does the order of models depend on choices of the protocol?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worldstrat_bench.cli import console, running

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.sensitivity import Sensitivity
    from worldstrat_bench.stats.sensitivity import Findings

RunsArgument = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="Two or more finished runs on the same tiles, with predictions.")
]
VariantsOption = Annotated[
    Path | None,
    typer.Option("--variants", metavar="FILE", help="Choices to vary, as TOML. [default: those of the package]"),
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", metavar="N", min=1, help="Tiles at once. [default: the number of cores]")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("sensitivity", short_help="Score runs under other choices of the protocol.")(sensitivity)


def sensitivity(
    runs: RunsArgument,
    *,
    data: console.DataOption,
    out: console.OutOption,
    list_name: console.ListOption = "auto",
    variants: VariantsOption = None,
    threads: ThreadsOption = None,
    json: console.JsonOption = False,
) -> None:
    """Score stored predictions under other defensible choices of the protocol, and say what moves the order of models.

    The same command continues a study that was interrupted.
    """
    from worldstrat_bench.sensitivity.choices import load_choices
    from worldstrat_bench.sensitivity.study import run_study
    from worldstrat_bench.stats.sensitivity import findings

    choices = load_choices(variants)
    with running.resumable(), running.shown() as display:
        study = run_study(runs, data, out, list_name=list_name, choices=choices, threads=threads, tell=display)
    found = findings(study)
    if json:
        console.print_json(_document(study, found))
        return
    _print(study, found)
    typer.echo(f"the study: {out / study.FILE}")


def _document(study: Sensitivity, found: Findings) -> dict[str, Any]:
    from dataclasses import asdict

    return {"study": study.model_dump(mode="json"), "findings": asdict(found)}


def _print(study: Sensitivity, found: Findings) -> None:
    from worldstrat_bench.stats.sensitivity import swap_sentence

    out = console.stdout()

    def say(text: str) -> None:
        console.say(out, text)

    say(
        f"{found.computed} of {found.variants} variants give means, {found.tested} verdicts; they score the same "
        "predictions, so a share of them is not a probability"
    )
    columns = ("", "place", "best", "worst")
    places = [(p.model, str(p.usual), str(p.best), str(p.worst)) for p in found.places]
    out.print(_table("Place of each model, and over all variants", columns, places))
    pairs = [
        (f"{p.first} before {p.second}", _percent(p.ahead), _percent(p.beats), _percent(p.beaten)) for p in found.pairs
    ]
    out.print(_table("Variants in which the first", ("", "is ahead", "beats", "is beaten"), pairs))
    titles = {choice.key: choice.title for choice in study.choices}
    moved = [
        (
            f"{titles[m.option[0]]}: {m.option[1]}",
            "-" if m.alone is None else str(m.alone),
            f"{m.joined:.2f}",
        )
        for m in found.moved
    ]
    out.print(_table("Pairs of models that a choice puts in another order", ("", "alone", "with others"), moved))
    for swap in found.swaps:
        say(f"- {swap_sentence(swap, titles)}")
    if not found.swaps:
        say("no two models change places under any variant")


def _percent(share: float) -> str:
    # NaN where no variant has a verdict.
    return "-" if share != share else f"{100 * share:.0f} %"


def _table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in columns:
        table.add_column(heading, justify="right" if heading else "left")
    for row in rows:
        table.add_row(*(Text(console.printable(cell)) for cell in row))
    return table
