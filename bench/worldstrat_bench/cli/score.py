"""``score RUN``: stored predictions measured again, without the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import console, groups, running

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory with predictions.")]
OtherOutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where the scores go. [default: the run itself]")
]
OtherProtocolOption = Annotated[
    str | None, typer.Option("--protocol", metavar="ID", help="Another protocol, with --out. [default: the run's own]")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score", short_help="Score stored predictions; the model is not needed.")(groups.with_groups(score))


def score(
    run: RunArgument,
    data: console.DataOption,
    out: OtherOutOption = None,
    protocol: OtherProtocolOption = None,
    *,
    device: console.DeviceOption = "auto",
    shard: groups.ShardOption = None,
    scoring: groups.ScoringGroup,
    caching: groups.CacheGroup,
    machines: groups.MachinesGroup,
    json: console.JsonOption = False,
) -> None:
    """Score stored predictions, under another protocol if you like; the model is not needed."""
    options = groups.run_options(device, scoring, caching)
    cluster = machines.chosen()
    with running.resumable(), running.shown() as display, running.engine(cluster, device, display) as engine:
        from worldstrat_bench.run.request import ScoreRequest

        request = ScoreRequest(run, data, out, protocol, groups.parse_shard(shard))
        record = engine.score(request, options, display)
    running.report(record, request.folder, json)
