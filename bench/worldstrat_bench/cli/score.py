"""``score RUN``: stored predictions measured again, without the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import console, running

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory with predictions.")]
OtherOutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the scores go. [default: the run itself]")
]
OtherProtocolOption = Annotated[
    str | None, typer.Option("--protocol", metavar="ID", help="Another protocol, with --out. [default: the run's own]")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score")(score)


def score(
    run: RunArgument,
    data: console.DataOption,
    out: OtherOutOption = None,
    protocol: OtherProtocolOption = None,
    device: console.DeviceOption = "auto",
    shard: running.ShardOption = None,
    lpips_weights: running.LpipsOption = None,
    download: running.DownloadOption = True,
    cache: running.CacheOption = True,
    json: console.JsonOption = False,
) -> None:
    """Score stored predictions, under another protocol if you like; the model is not needed."""
    options = running.run_options(device=device, cache=cache, lpips_weights=lpips_weights, download=download)
    with running.resumable(), running.shown() as display:
        from worldstrat_bench.run.request import ScoreRequest
        from worldstrat_bench.run.rescore import score_run

        request = ScoreRequest(run, data, out, protocol, running.parse_shard(shard))
        record = score_run(request, options, display)
    running.report(record, request.folder, json)
