"""``data fetch``: get what a list needs, show how it goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli.console import JsonOption, print_json, printable, stderr
from worldstrat_bench.printed import counted

if TYPE_CHECKING:
    from worldstrat_bench.data.fetch.settings import Event, FetchResult, Report


def add_fetch(data_app: typer.Typer) -> None:
    """Add the verb to the ``data`` group."""
    data_app.command("fetch")(fetch)


def fetch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The dataset's folder; created if missing.")],
    *,
    release: Annotated[
        str | None,
        typer.Option("--release", metavar="R", help="Release: v1.1 or v1.0. [default: the source's, or v1.1]"),
    ] = None,
    list_name: Annotated[
        str,
        typer.Option(
            "--list", metavar="NAME", help="List of tiles: full, clean, strict, never-split, test, train or val."
        ),
    ] = "auto",
    frames: Annotated[int, typer.Option("--frames", metavar="N", min=1, max=9999, help="Revisits per tile.")] = 8,
    source: Annotated[
        str | None,
        typer.Option(
            "--source", metavar="URL|PATH", help="A base URL, a folder of archives, a .zip, an unpacked copy."
        ),
    ] = None,
    connections: Annotated[
        int, typer.Option("--connections", metavar="N", min=1, max=16, help="Concurrent requests.")
    ] = 4,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="S", min=0.1, help="Retry after this many seconds without data.")
    ] = 30.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be fetched; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch the files of WorldStrat that a list needs. Run it again to continue.

    With --json the result is one document on stdout and every event a JSON line on stderr.
    """
    from dataclasses import asdict

    from worldstrat_bench.data.fetch.fetcher import fetch as fetch_dataset
    from worldstrat_bench.data.fetch.settings import RetryPolicy, Settings

    policy = RetryPolicy(silence_seconds=timeout, connect_seconds=min(timeout, RetryPolicy.connect_seconds))
    settings = Settings(
        root=folder,
        release=release,
        list_name=list_name,
        frames=frames,
        source=source,
        connections=connections,
        dry_run=dry_run,
        policy=policy,
    )
    with _reporter(as_json) as report:
        result = fetch_dataset(settings, report)
    if as_json:
        print_json(asdict(result))
    else:
        _print_result(result)


def _print_result(result: FetchResult) -> None:
    if not result.dry_run:
        typer.echo(
            f"{result.root}: list {result.list_name} of {result.release}, {counted(result.tiles, 'tile')}, complete"
        )
    if not result.official:
        typer.echo("The two CSV files match no release of WorldStrat: scores on this folder are not official, and the")
        typer.echo("source's own terms apply. Those of WorldStrat are:")
    typer.echo(result.licence)


@contextmanager
def _reporter(as_json: bool) -> Iterator[Report]:
    if as_json:
        yield _json_line
    elif stderr().is_terminal:
        with _bars() as report:
            yield report
    else:
        yield _plain_lines()


def _json_line(event: Event) -> None:
    import json
    from dataclasses import asdict

    # ASCII: a character that stderr lacks would be replaced, and the line would be JSON no longer.
    sys.stderr.write(json.dumps(asdict(event), ensure_ascii=True) + "\n")
    sys.stderr.flush()


def _plain_lines() -> Report:
    """Return a line for whatever happens, and one for every tenth of the bytes."""
    tenths = [0]

    def report(event: Event) -> None:
        if event.kind == "progress":
            tenth = 10 * event.bytes // max(1, event.bytes_total)
            # A fetch of hours would otherwise fill a log with lines that say the same.
            if tenth <= tenths[0]:
                return
            tenths[0] = tenth
            message = f"{10 * tenth} % ({event.members} of {counted(event.members_total, 'file')})"
        else:
            message = event.message
        print(printable(message), file=sys.stderr, flush=True)

    return report


@contextmanager
def _bars() -> Iterator[Report]:
    """Show a bar for the archive at hand and one for everything."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    text = TextColumn("{task.description}", markup=False)
    with Progress(
        text, BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=stderr()
    ) as progress:
        archive = progress.add_task("", total=None, visible=False)
        overall = progress.add_task("all", total=None, visible=False)

        def report(event: Event) -> None:
            if event.kind in ("file", "progress"):
                progress.update(
                    archive,
                    description=event.file,
                    completed=event.file_bytes,
                    total=event.file_bytes_total,
                    visible=True,
                )
                progress.update(overall, completed=event.bytes, total=event.bytes_total, visible=True)
            if event.kind != "progress" and event.message:
                progress.console.print(printable(event.message), markup=False, highlight=False)

        yield report
