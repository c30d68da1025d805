"""``merge RUN...``: complete shards become one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import console

RunsArgument = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="The shards, or the folder that they share.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("merge", short_help="Merge the shards of a run.")(merge)


def merge(
    runs: RunsArgument, data: console.DataOption, out: console.OutOption, json: console.JsonOption = False
) -> None:
    """Merge the shards of a run; the result is that of a run that was never cut."""
    from worldstrat_bench.cli.running import report
    from worldstrat_bench.run.merge import merge_runs

    report(merge_runs(runs, data, out), out, json)
