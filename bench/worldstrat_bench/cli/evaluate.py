"""``evaluate MODEL``: predict and score, resume, record."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import clusters, console, running

if TYPE_CHECKING:
    from worldstrat_bench.run.cluster.connect import ClusterOptions
    from worldstrat_bench.submission.matrix import Cell, Matrix

OptionalModelArgument = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="Name of an entry point, a wheel, a submission.toml or its folder."),
]
AllOption = Annotated[
    Path | None, typer.Option("--all", metavar="DIR", help="Instead of MODEL: every submission of a folder.")
]
RobustnessOption = Annotated[
    bool, typer.Option("--robustness", help="Then also with 1, 2, 4 and 8 frames and on synthetic inputs.")
]
ChangedOption = Annotated[
    str | None, typer.Option("--changed-since", metavar="REV", help="With --all: only submissions changed since.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate", short_help="Run a model on the test tiles and score it.")(evaluate)


def evaluate(
    data: console.DataOption,
    out: console.OutOption,
    model: OptionalModelArgument = None,
    every: AllOption = None,
    changed_since: ChangedOption = None,
    protocol: console.ProtocolOption = "wsb-1",
    list_name: console.ListOption = "auto",
    limit: console.LimitOption = None,
    device: console.DeviceOption = "auto",
    frames: running.FramesOption = None,
    weights: running.WeightsOption = None,
    param: running.ParamOption = None,
    python: running.PythonOption = None,
    isolation: running.IsolationOption = "auto",
    seed: running.SeedOption = 0,
    shard: running.ShardOption = None,
    lr: running.LrOption = "real",
    robustness: RobustnessOption = False,
    lpips_weights: running.LpipsOption = None,
    download: running.DownloadOption = True,
    metrics: running.MetricsOption = "",
    cache: running.CacheOption = True,
    cache_gib: running.CacheGibOption = None,
    keep: running.KeepOption = True,
    tile_seconds: running.SecondsOption = 60.0,
    memory_gib: running.MemoryOption = None,
    max_failures: running.FailuresOption = 5,
    scheduler: clusters.SchedulerOption = None,
    workers: clusters.WorkersOption = None,
    task_tiles: clusters.TaskTilesOption = None,
    dashboard: clusters.DashboardOption = False,
    tls_ca: clusters.CaOption = None,
    tls_cert: clusters.CertOption = None,
    tls_key: clusters.KeyOption = None,
    json: console.JsonOption = False,
) -> None:
    """Run a model on the test tiles and score it; the same command continues a run that was interrupted."""
    options = running.run_options(
        device=device, isolation=isolation, tile_seconds=tile_seconds, memory_gib=memory_gib,
        max_failures=max_failures, keep=keep, cache=cache, cache_gib=cache_gib, lpips_weights=lpips_weights,
        download=download, metrics=metrics,
    )  # fmt: skip
    machines = clusters.cluster_options(scheduler, workers, task_tiles, dashboard, tls_ca, tls_cert, tls_key)
    if every is not None:
        from worldstrat_bench.submission.matrix import Matrix, find_submissions

        _only_with_one_model(model, frames, weights, param, python, limit, shard, robustness or None)
        submissions = find_submissions(every, changed_since)
        protocols, lists = tuple(protocol.split(",")), tuple(list_name.split(","))
        _evaluate_all(Matrix(submissions, protocols, lists, data, out, options), machines, json)
        return
    request = running.run_request(
        running.model_request(_named(model, changed_since), frames, weights, param, python),
        data=data, out=out, protocol=protocol, list_name=list_name, limit=limit, shard=shard, seed=seed, lr=lr,
    )  # fmt: skip
    with running.resumable(), running.shown() as display, clusters.engine(machines, device, display) as engine:
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
            remedy="leave out MODEL, --frames, --weights, --param, --python, --limit, --shard, --robustness",
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
    with running.resumable(), running.shown() as display, clusters.engine(machines, device, display) as engine:
        cells = matrix.evaluate(engine, display)
    if json:
        console.print_json([{**asdict(cell), "folder": str(cell.folder)} for cell in cells])
    else:
        _print(cells)
    failed = [cell for cell in cells if cell.state in ("failed", "failed tiles")]
    if failed:
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
