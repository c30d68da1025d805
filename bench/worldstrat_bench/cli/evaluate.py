"""``evaluate MODEL``: predict and score, resume, record."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import console, groups, running

if TYPE_CHECKING:
    from worldstrat_bench.run.cluster.connect import ClusterOptions
    from worldstrat_bench.submission.matrix import Cell, Matrix

OptionalModelArgument = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="Name of an entry point, a wheel, a submission.toml or its folder."),
]
AllOption = Annotated[
    Path | None, typer.Option("--all", metavar="DIR", help="Evaluate every submission of a folder instead of MODEL.")
]
RobustnessOption = Annotated[
    bool, typer.Option("--robustness", help="Also evaluate with 1, 2, 4 and 8 frames and on synthetic inputs.")
]
KeepOption = Annotated[bool, typer.Option("--keep/--no-keep", help="Keep predictions after scoring.")]
KeepDrawsOption = Annotated[
    bool, typer.Option("--keep-draws", help="With --draws: keep predictions of draws after the first as well.")
]
ChangedOption = Annotated[
    str | None,
    typer.Option("--changed-since", metavar="REV", help="With --all: only submissions changed since this revision."),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate", short_help="Run a model on the test tiles and score it.")(groups.with_groups(evaluate))


def evaluate(
    data: console.DataOption,
    out: console.OutOption,
    model: OptionalModelArgument = None,
    every: AllOption = None,
    changed_since: ChangedOption = None,
    *,
    device: console.DeviceOption = "auto",
    tiles: groups.TilesGroup,
    loading: groups.ModelGroup,
    worker: groups.WorkerGroup,
    robustness: RobustnessOption = False,
    scoring: groups.ScoringGroup,
    caching: groups.CacheGroup,
    keep: KeepOption = True,
    keep_draws: KeepDrawsOption = False,
    machines: groups.MachinesGroup,
    json: console.JsonOption = False,
) -> None:
    """Run a model on the test tiles and score it; the same command continues a run that was interrupted."""
    options = groups.run_options(device, worker, scoring, caching, keep=keep, keep_draws=keep_draws)
    cluster = machines.chosen()
    # With --all each submission states what the other options would say of one model.
    if every is not None:
        from worldstrat_bench.submission.matrix import Matrix, find_submissions

        # Without the option the last is False, where the others are None.
        _only_with_one_model(model, *vars(loading).values(), tiles.limit, tiles.shard, tiles.draws, robustness or None)
        submissions = find_submissions(every, changed_since)
        protocols, lists = tuple(tiles.protocol.split(",")), tuple(tiles.list_name.split(","))
        _evaluate_all(Matrix(submissions, protocols, lists, data, out, options), cluster, json)
        return
    # Everything that can be wrong with the words is told before a cluster is joined.
    request = tiles.request(loading.request(_named(model, changed_since)), data, out)
    running.tell_undecided(str(model))
    with running.resumable(), running.shown() as display, running.engine(cluster, device, display) as engine:
        from worldstrat_bench.run.pipeline import evaluate_on

        record = evaluate_on(engine, request, options, display, robustness=robustness)
    running.report(record, request.folder, json)


def _named(model: str | None, changed_since: str | None) -> str:
    from worldstrat_bench.errors import UsageError

    if model is None or changed_since is not None:
        raise UsageError(
            "no model is named" if model is None else "--changed-since goes with --all",
            where="evaluate",
            remedy="worldstrat-bench evaluate MODEL, or --all DIR for every submission of a folder",
        )
    return model


def _only_with_one_model(*options: object) -> None:
    from worldstrat_bench.errors import UsageError

    if any(option is not None for option in options):
        raise UsageError(
            "--all takes models, frames, weights and parameters from the submissions",
            where="--all",
            remedy="leave out MODEL, --frames, --weights, --param, --python, --limit, --shard, --draws, --robustness",
        )


def _evaluate_all(matrix: Matrix, machines: ClusterOptions | None, json: bool) -> None:
    """Evaluate a matrix and end with a table of what ran, failed, and why.

    Raises
    ------
    WorldstratBenchError
        if a cell failed, of the class of its failure; the others are done.
    """
    from worldstrat_bench.submission.matrix import error_of

    device = matrix.options.device
    with running.resumable(), running.shown() as display, running.engine(machines, device, display) as engine:
        cells = matrix.evaluate(engine, display)
    if json:
        console.print_json([{**asdict(cell), "folder": str(cell.folder)} for cell in cells])
    else:
        _print(cells)
    failed = [cell for cell in cells if cell.state in ("failed", "failed tiles")]
    if failed:
        # One exit code for many failures: of several, one that needs no author of a model to fix it.
        raise error_of({cell.exit_code for cell in failed})(
            f"{len(failed)} of {len(cells)} evaluations failed",
            where=", ".join(dict.fromkeys(cell.name for cell in failed)),
            remedy="see the table; the same command tries them again and skips the others",
        )


def _print(cells: tuple[Cell, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("submission", "protocol", "list", "state", "why"):
        table.add_column(heading)
    for cell in cells:
        words = (cell.name, cell.protocol, cell.list_name, cell.state, cell.reason)
        table.add_row(*(Text(console.printable(word)) for word in words))
    console.stdout().print(table)
