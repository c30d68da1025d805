"""``score RUN``: stored predictions measured again, without the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import clusters, console, running

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory with predictions.")]
OtherOutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the scores go. [default: the run itself]")
]
OtherProtocolOption = Annotated[
    str | None, typer.Option("--protocol", metavar="ID", help="Another protocol, with --out. [default: the run's own]")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score", short_help="Score stored predictions; the model is not needed.")(score)


def score(
    run: RunArgument,
    data: console.DataOption,
    out: OtherOutOption = None,
    protocol: OtherProtocolOption = None,
    device: console.DeviceOption = "auto",
    shard: running.ShardOption = None,
    lpips_weights: running.LpipsOption = None,
    download: running.DownloadOption = True,
    metrics: running.MetricsOption = "",
    cache: running.CacheOption = True,
    cache_gib: running.CacheGibOption = None,
    scheduler: clusters.SchedulerOption = None,
    workers: clusters.WorkersOption = None,
    task_tiles: clusters.TaskTilesOption = None,
    dashboard: clusters.DashboardOption = False,
    tls_ca: clusters.CaOption = None,
    tls_cert: clusters.CertOption = None,
    tls_key: clusters.KeyOption = None,
    json: console.JsonOption = False,
) -> None:
    """Score stored predictions, under another protocol if you like; the model is not needed."""
    options = running.run_options(
        device=device,
        cache=cache,
        cache_gib=cache_gib,
        lpips_weights=lpips_weights,
        download=download,
        metrics=metrics,
    )
    machines = clusters.cluster_options(scheduler, workers, task_tiles, dashboard, tls_ca, tls_cert, tls_key)
    with running.resumable(), running.shown() as display, clusters.engine(machines, device, display) as engine:
        from worldstrat_bench.run.request import ScoreRequest

        request = ScoreRequest(run, data, out, protocol, running.parse_shard(shard))
        record = engine.score(request, options, display)
    running.report(record, request.folder, json)
