"""``plot RUN...``: figures for a paper."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import console

RunsArgument = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished runs on the same tiles.")]
KindOption = Annotated[
    str, typer.Option("--kind", metavar="KIND", help="Kind of figure: forest, strata, pairs, shift or spectrum.")
]
FileOption = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="Write the plot to FILE, which ends in .pdf, .png or .svg.")
]
MetricOption = Annotated[str, typer.Option("--metric", metavar="NAME", help="Metric of forest, strata and pairs.")]
StrataOption = Annotated[
    str, typer.Option("--strata", metavar="AXIS", help="Axis of --kind strata: ipcc, smod, cloud, ...")
]
CaptionOption = Annotated[
    Path | None,
    typer.Option(
        "--caption", metavar="FILE", help="Write the caption to FILE, as LaTeX if it ends in .tex; else it is printed."
    ),
]
ColumnsOption = Annotated[int, typer.Option("--columns", metavar="N", help="Width in columns of a page, 1 or 2.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("plot", short_help="Draw runs as a figure for a paper.")(plot)


def plot(
    runs: RunsArgument,
    *,
    kind: KindOption,
    out: FileOption,
    metric: MetricOption = "psnr",
    strata: StrataOption = "ipcc",
    list_name: console.ListOption = "auto",
    columns: ColumnsOption = 1,
    caption: CaptionOption = None,
) -> None:
    """Draw runs as a figure, and print its caption. Needs matplotlib."""
    from worldstrat_bench.artefacts.bibtex import latex_text
    from worldstrat_bench.results.draw import draw
    from worldstrat_bench.results.files import write_text

    text = draw(runs, kind, out, metric=metric, axis=strata, list_name=list_name, columns=columns)
    if caption is None:
        sys.stdout.write(console.printable(text) + "\n")
    else:
        write_text(caption, (latex_text(text) if caption.suffix.lower() == ".tex" else text) + "\n")
