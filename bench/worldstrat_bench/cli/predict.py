"""``predict MODEL``: only the predictions, to be scored later or elsewhere."""

from __future__ import annotations

from pathlib import Path

import typer

from worldstrat_bench.cli import console, groups, running
from worldstrat_bench.printed import counted


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("predict", short_help="Run a model and store its predictions.")(groups.with_groups(predict))


def predict(
    model: running.ModelArgument,
    data: console.DataOption,
    out: console.OutOption,
    *,
    tiles: groups.TilesGroup,
    loading: groups.ModelGroup,
    worker: groups.WorkerGroup,
    caching: groups.CacheGroup,
    device: console.DeviceOption = "auto",
    json: console.JsonOption = False,
) -> None:
    """Run a model on the test tiles and store its predictions; `score RUN` makes the scores."""
    options = groups.run_options(device, worker, caching)
    request = tiles.request(loading.request(model), data, out)
    running.tell_undecided(model)
    with running.resumable(), running.shown() as display:
        from worldstrat_bench.run.pipeline import predict_run

        outcomes = predict_run(request, options, display)
    if json:
        console.print_json({"run": str(request.folder), "outcomes": outcomes})
    else:
        words = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        typer.echo(f"predicted {counted(sum(outcomes.values()), 'tile')}: {words}")
        typer.echo(f"run: {request.folder}")
        typer.echo(f"next: {console.command('score', request.folder, '--data', data)}")
    _refuse_failures(outcomes, request.folder)


def _refuse_failures(outcomes: dict[str, int], run: Path) -> None:
    """Raise for tiles that failed. What is done is kept either way.

    Raises
    ------
    InfrastructureError
        if the machine failed some: exit code 6.
    ModelError
        if only the model did: exit code 3.
    """
    from worldstrat_bench.errors import InfrastructureError, ModelError

    machine = outcomes.get("infra_error", 0)
    if machine:
        remedy = "give the same command again: only such tiles are tried again"
        raise InfrastructureError(f"{machine} tiles failed by an infrastructure error", where=run, remedy=remedy)
    failed = sum(count for outcome, count in outcomes.items() if outcome != "ok")
    if failed:
        remedy = "lists with such tiles will have no rank; fix the model and predict into a new --out"
        raise ModelError(f"{counted(failed, 'tile')} failed", where=running.log_of(run), remedy=remedy)
