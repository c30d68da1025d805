"""``data``: make, get and check a dataset."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from worldstrat_bench.cli import fetch
from worldstrat_bench.cli.console import (
    DataOption,
    JsonOption,
    ListOption,
    ProtocolOption,
    command,
    print_json,
    say,
    stderr,
    stdout,
)
from worldstrat_bench.printed import counted

if TYPE_CHECKING:
    from worldstrat_bench.data.check import CheckReport
    from worldstrat_bench.handed.manifest import Format

_EXIT_DATA = 4


def register(app: typer.Typer) -> None:
    """Add the verb ``data`` with its own verbs."""
    data = typer.Typer(help="Make, fetch and check a dataset.", no_args_is_help=True, rich_markup_mode=None)
    data.command("mini")(mini)
    fetch.add_fetch(data)
    data.command("check", short_help="List the faults of a dataset.")(check)
    data.command("export", short_help="Export a model's inputs for any program.")(export)
    data.command("reference", short_help="For maintainers: write the reference of a release.")(reference)
    app.add_typer(data, name="data")


def mini(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Random seed; the same seed gives the same bytes.")
    ] = 0,
    size: Annotated[
        int, typer.Option("--size", metavar="PX", min=160, max=4096, help="Side of a tile in px; WorldStrat's is 1054.")
    ] = 320,
    test_tiles: Annotated[
        int, typer.Option("--test-tiles", metavar="N", min=1, max=2000, help="Number of test tiles.")
    ] = 36,
    train_tiles: Annotated[
        int, typer.Option("--train-tiles", metavar="N", min=0, max=2000, help="Number of train tiles.")
    ] = 4,
) -> None:
    """Write a small synthetic dataset in WorldStrat's layout."""
    from worldstrat_bench.data.mini import mini_bytes, write_mini

    needed = max(1, mini_bytes(test_tiles, train_tiles, size) >> 20)
    stderr().print(f"a dataset of about {needed} MiB", highlight=False)
    with _progress("tiles") as report:
        write_mini(folder, test_tiles=test_tiles, train_tiles=train_tiles, size=size, seed=seed, progress=report)
    val_tiles = (train_tiles + 1) // 2
    text = f"{folder}: {test_tiles} test, {train_tiles} train and {val_tiles} val tiles of {size} px, seed {seed}"
    say(stderr(), text)


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The dataset's folder.", show_default=False)],
    list_name: ListOption = "auto",
    deep: Annotated[bool, typer.Option("--deep", help="Decode every pixel; slower.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the faults of a dataset: damaged, missing and malformed files, incomplete lists.

    Exits with code 4 if there is a fault.
    """
    from worldstrat_bench.data.check import check_dataset
    from worldstrat_bench.data.layout import open_dataset

    dataset = open_dataset(folder)
    with _progress("tiles checked") as report:
        result = check_dataset(dataset, list_name, deep=deep, progress=report)
    if as_json:
        print_json(_document(result))
    else:
        _print_report(result)
    if result.faults:
        raise typer.Exit(_EXIT_DATA)


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    data: DataOption,
    list_name: ListOption = "auto",
    frames: Annotated[
        int,
        typer.Option("--frames", metavar="N", min=1, max=8, help="Maximum number of revisits per tile, best first."),
    ] = 8,
    format_name: Annotated[
        str, typer.Option("--format", metavar="F", help="Format of the files: geotiff or npz.")
    ] = "geotiff",
    anonymous: Annotated[
        Path | None,
        typer.Option("--anonymous", metavar="FILE", help="Replace tile names and drop places; FILE keeps the names."),
    ] = None,
    protocol: ProtocolOption = "wsb-1",
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N tiles.")] = None,
) -> None:
    """Export exactly the inputs of a model, one folder or file per tile; never the high-resolution image.

    `score` takes the predictions that any program makes of it.
    """
    from worldstrat_bench.handed.export import ExportRequest, export_inputs

    chosen = cast("Format", format_name)  # the request checks the word itself
    with _progress("tiles written") as report:
        request = ExportRequest(folder, data, list_name, frames, chosen, protocol, limit, anonymous)
        export_inputs(request, report)
    typer.echo(f"{folder}: manifest.json says what is in it")
    # Predictions of these tiles are scored on the same ones: what chose them here is said again there.
    same = {"--list": request.list_name, "--protocol": request.protocol, "--limit": limit, "--ids": anonymous}
    usual = {"--list": "auto", "--protocol": "wsb-1"}
    more = [str(word) for option, value in same.items() if value != usual.get(option) for word in (option, value)]
    typer.echo(f"next: {command('score', 'PREDICTIONS', '--data', data, '--name', 'NAME', '--out', 'RUN', *more)}")


def reference(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A release as published.", show_default=False)],
    protocol: ProtocolOption = "wsb-1",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Output file. [default: ./RELEASE-PROTOCOL.json]")
    ] = None,
) -> None:
    """Write the reference of a release: digests and facts of its tiles, against which official records are held.

    Run once per release and protocol by a maintainer, on the real data; the package ships the file.
    """
    from worldstrat_bench.run.reference import make_reference

    with _progress("tiles") as report:
        found = make_reference(folder, protocol, report)
    path = out or Path(f"{found.release}-{found.protocol.id}.json")
    found.save(path)
    without = sum(tile.target_sha256 is None for tile in found.tiles.values())
    tiles = f"{counted(len(found.tiles), 'tile')} of {found.release} under {found.protocol.id}"
    text = f"{path}: {tiles}, {without} without target"
    say(stderr(), text)


def _print_report(report: CheckReport) -> None:
    from rich.table import Table

    console = stdout()

    def line(text: str) -> None:
        say(console, text)

    line(f"{report.root}: {_release(report)}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("list")
    table.add_column("tiles", justify="right")
    table.add_column("here", justify="right")
    table.add_column("")
    for state in report.lists:
        word = "complete" if state.complete else "incomplete" if state.present < state.tiles else "has faults"
        table.add_row(state.name, str(state.tiles), str(state.present), word)
    console.print(table)
    for note in report.notes:
        line(f"note: {note}")
    for fault in report.faults:
        line(f"fault: {fault}")
    how = (
        "every pixel decoded"
        if report.deep
        else "headers, cloud masks and ends of files read; --deep decodes every pixel"
    )
    found = counted(len(report.faults), "fault") if report.faults else "no fault"
    line(f"list {report.list_name}: {counted(report.checked, 'tile')} checked, {found} ({how})")
    line(report.licence)


def _release(report: CheckReport) -> str:
    if report.official_release:
        return f"WorldStrat {report.release}, both CSV files as published"
    if report.release == "mini":
        return "a synthetic dataset of data mini"
    return "WorldStrat's layout, but no release of it (by the md5 of its two CSV files)"


def _document(report: CheckReport) -> dict[str, object]:
    return {
        "root": str(report.root),
        "release": report.release,
        "official_release": report.official_release,
        "list": report.list_name,
        "tiles": report.checked,
        "deep": report.deep,
        "faults": [{"file": fault.file, "what": fault.what} for fault in report.faults],
        "lists": {s.name: {"tiles": s.tiles, "present": s.present, "complete": s.complete} for s in report.lists},
        "revisits": report.revisits,
        "notes": list(report.notes),
        "licence": report.licence,
    }


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal; elsewhere a line now and then, if the work takes long."""
    # A log would hold every state of the bar.
    if not sys.stderr.isatty():
        from worldstrat_bench.pace import Pace

        yield Pace(lambda text: typer.echo(text, err=True), what)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
