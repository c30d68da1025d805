"""``submission``: start, check, add a run to, and compare submissions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli.console import JsonOption, print_json, say_lines, stdout

_EXIT_INVALID = 5
_MAX_REPORT_BYTES = 1 << 20

submission_app = typer.Typer(help="Create, check, add and compare submissions.", no_args_is_help=True)

PathsArgument = Annotated[
    list[Path], typer.Argument(metavar="SUBMISSION...", help="Submissions by folder or slug, folders of them, wheels.")
]
BaseOption = Annotated[str | None, typer.Option("--base", metavar="REV", help="Git revision to compare with.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Dataset whose imagery is searched for in wheels.")
]
OfficialOption = Annotated[bool, typer.Option("--official", help="Fail if a record is not ranked.")]
MaintainerOption = Annotated[
    bool, typer.Option("--maintainer", help="Allow changes to several submissions and verifications.")
]
AuthorOption = Annotated[
    str | None, typer.Option("--author", metavar="LOGIN", help="Login of the pull request's author on the forge.")
]
ChangedOption = Annotated[
    Path | None, typer.Option("--changed", metavar="FILE", help="JSON list of the changed files from the forge.")
]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print Markdown for the comment on a pull request.")]
GithubOption = Annotated[bool, typer.Option("--github", help="Print annotations for GitHub.")]


@submission_app.command("check", short_help="Check manifests, records, locks and wheels.")
def check_command(
    paths: PathsArgument,
    *,
    base: BaseOption = None,
    official: OfficialOption = False,
    maintainer: MaintainerOption = False,
    author: AuthorOption = None,
    changed: ChangedOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
    as_markdown: MarkdownOption = False,
    as_github: GithubOption = False,
) -> None:
    """Check submissions: manifest, records, locks, wheels and, with --base, what a pull request changes."""
    from worldstrat_bench.submission import faults
    from worldstrat_bench.submission.check import Options, check

    report = check(paths, Options(base, official, maintainer, data, author=author, changed=changed))
    if as_json:
        print_json(faults.as_json(report))
    elif as_markdown:
        typer.echo(faults.as_markdown(report))
    elif as_github:
        typer.echo(faults.as_github(report), nl=False)
    else:
        say_lines(stdout(), faults.as_text(report))
    if not report.ok:
        raise typer.Exit(_EXIT_INVALID)


@submission_app.command("report", short_help="Show the report of an earlier check.")
def report_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Output of `submission check --json`.")],
    as_markdown: MarkdownOption = False,
    as_github: GithubOption = False,
) -> None:
    """Show the report of an earlier check; the file may come from a stranger."""
    from worldstrat_bench.errors import InvalidArtefactError
    from worldstrat_bench.submission import faults

    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_REPORT_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArtefactError(f"the report cannot be read: {error}", where=file) from None
    report = faults.from_json(text, where=file)
    shown = faults.as_markdown if as_markdown else faults.as_github if as_github else faults.as_text
    if as_markdown or as_github:
        typer.echo(shown(report), nl=as_markdown)
    else:
        say_lines(stdout(), shown(report))


@submission_app.command("new", short_help="Write a working model package with its manifest.")
def new_command(
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="a-z, 0-9 and -: the name of the submission.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="New folder. [default: ./SLUG]")] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", help="Network in a file: write only the manifest that runs it."),
    ] = None,
    authors: Annotated[
        list[str] | None,
        typer.Option("--author", metavar="NAME", help="Author as pages show it; repeat it for several."),
    ] = None,
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="Description of the model in a sentence or two.")
    ] = "",
) -> None:
    """Write a complete working model package with its manifest; with --weights the manifest of a file alone."""
    from worldstrat_bench.submission.next_steps import next_steps
    from worldstrat_bench.submission.scaffold import write_scaffold
    from worldstrat_bench.submission.scaffold_file import write_file_scaffold

    folder, names = out if out is not None else Path(slug), authors or ()
    if weights is None:
        written = write_scaffold(slug, folder, names, description)
    else:
        written = write_file_scaffold(slug, folder, weights, names, description)
    for path in written:
        typer.echo(str(path))
    # On stderr: what a script reads is the list of files.
    typer.echo(next_steps(slug, folder, weights), nl=False, err=True)


@submission_app.command("add")
def add_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    folder: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="The submission's folder or slug.")],
    maintainer: Annotated[bool, typer.Option("--maintainer", help="RUN verifies a record and replaces it.")] = False,
) -> None:
    """Copy the record of a run to its place in a submission."""
    from worldstrat_bench.submission.folders import named_submission

    place = named_submission(folder)
    if maintainer:
        from worldstrat_bench.submission.verify_write import add_verified

        typer.echo(str(add_verified(run, place)))
        return
    from worldstrat_bench.artefacts.record import load_record
    from worldstrat_bench.stats.eligibility import of_run
    from worldstrat_bench.submission.results import add_run

    added = add_run(run, place)
    typer.echo(str(added))
    for why in of_run(load_record(added)):
        typer.echo(f"it has no rank: {why.text}", err=True)


@submission_app.command("compare", short_help="Show the effect of a submission on the boards.")
def compare_command(
    folder: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="The submission's folder or slug.")],
    *,
    base: BaseOption = None,
    board: Annotated[
        str | None,
        typer.Option(
            "--board", metavar="PLACE", help="Site or checkout with the other records: an https address or a folder."
        ),
    ] = None,
    submissions: Annotated[
        Path, typer.Option("--submissions", metavar="DIR", help="Folder in which a slug is looked for.")
    ] = Path("submissions"),
) -> None:
    """Show the effect of a submission on the boards, as Markdown; with --board without a checkout of them."""
    from worldstrat_bench.submission.compare import compare_markdown
    from worldstrat_bench.submission.folders import named_submission

    place = named_submission(folder, submissions).resolve()
    typer.echo(compare_markdown(place.name, place.parent, base, board=board), nl=False)


@submission_app.command("schema", short_help="Write the JSON Schemas.")
def schema_command(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Output folder of the schemas.")] = Path(
        "docs/schemas"
    ),
) -> None:
    """Write the JSON Schemas of submission.toml, record.json and verification.json."""
    from worldstrat_bench.submission.schema import write_schemas

    for path in write_schemas(out):
        typer.echo(str(path))


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.add_typer(submission_app, name="submission")
