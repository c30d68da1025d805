"""``table RUN...``: what goes from runs into a paper."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import console

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.bibtex import About
    from worldstrat_bench.results.table import Table

RunsArgument = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished runs on the same tiles.")]
MetricsOption = Annotated[
    str | None,
    typer.Option("--metrics", metavar="NAMES", help="Metrics separated by commas. [default: psnr,ssim,lpips]"),
]
StrataOption = Annotated[
    str | None,
    typer.Option("--strata", metavar="AXIS", help="Also print the strata of an axis: ipcc, smod, cloud, ..."),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="NAME",
        help="latex, markdown, csv or parquet. [default: by the suffix of --out, else markdown]",
    ),
]
IntervalsOption = Annotated[bool, typer.Option("--intervals", help="Print 95 % intervals behind the means.")]
LettersOption = Annotated[
    bool, typer.Option("--letters", help="Mark models without a significant difference by letters.")
]
BibOption = Annotated[
    Path | None, typer.Option("--bib", metavar="FILE", help="Write BibTeX of models, data and benchmark to FILE.")
]
MethodsOption = Annotated[bool, typer.Option("--methods", help="Print a paragraph on methods instead of a table.")]
FileOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the table to FILE (.md, .tex, .csv, .parquet), not to stdout."),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("table", short_help="Print runs as a table for a paper.")(table)


def table(
    runs: RunsArgument,
    *,
    metrics: MetricsOption = None,
    strata: StrataOption = None,
    list_name: console.ListOption = "auto",
    format_name: FormatOption = None,
    intervals: IntervalsOption = False,
    letters: LettersOption = False,
    bib: BibOption = None,
    methods: MethodsOption = False,
    out: FileOption = None,
) -> None:
    """Print runs as a table: the best in bold where it is told apart from every other model."""
    from worldstrat_bench.artefacts.bibtex import latex_text
    from worldstrat_bench.results.files import write_text
    from worldstrat_bench.results.formats import contradiction, format_of
    from worldstrat_bench.results.references import bibtex
    from worldstrat_bench.results.references import methods as paragraph
    from worldstrat_bench.results.table import make_table

    chosen = format_of(format_name, out, text=methods)
    made = make_table(runs, metrics, strata, list_name)
    if bib is not None:
        write_text(bib, bibtex(made.runs, _submissions(made), {column.metric for column in made.columns}))
    if methods:
        _give((latex_text(paragraph(made)) if chosen == "latex" else paragraph(made)) + "\n", out)
    elif chosen == "parquet" and out is not None:
        from worldstrat_bench.results.files import write_parquet

        write_parquet(out, made)
    else:
        _give(_text(made, chosen, intervals, letters), out)
    if not methods and (beside := contradiction(chosen, out)):
        console.say(console.stderr(), f"note: {beside}")


def _text(made: Table, format_name: str, intervals: bool, letters: bool) -> str:
    from worldstrat_bench.results import formats

    if format_name == "csv":
        return formats.spreadsheet_safe(formats.table_frame(made)).to_csv(index=False, lineterminator="\n")
    write = formats.latex if format_name == "latex" else formats.markdown
    return write(made, intervals=intervals, letters=letters)


def _give(text: str, out: Path | None) -> None:
    from worldstrat_bench.results.files import write_text

    if out is not None:
        write_text(out, text)
        return
    sys.stdout.write(console.printable(text))


def _submissions(made: Table) -> dict[str, About]:
    """Return what the submissions that hold the runs say of their models; a manifest with faults is skipped."""
    from worldstrat_bench.artefacts.bibtex import About
    from worldstrat_bench.errors import WorldstratBenchError
    from worldstrat_bench.submission.manifest import MANIFEST_NAME, load_manifest

    found = {}
    for run in made.runs:
        # results/<protocol>/<dataset>/ lie in the folder of the manifest.
        folder = next((p for p in list(run.result.folder.resolve().parents)[:3] if (p / MANIFEST_NAME).is_file()), None)
        if folder is None:
            continue
        try:
            about = load_manifest(folder).submission
        except WorldstratBenchError as error:
            console.print_error(error)
            continue
        found[run.name] = About(about.title, about.authors, about.paper, about.code)
    return found
