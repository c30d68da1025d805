"""``verify RUN``: does the record hold?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli.console import DeviceOption, JsonOption, print_json
from worldstrat_bench.cli.groups import IsolationOption, LoadingGroup, with_groups

if TYPE_CHECKING:
    from worldstrat_bench.run.model import ModelRequest

_EXIT_INVALID = 5


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run, or a result folder of a submission.")],
    *,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="The dataset of the run.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Entry point, wheel or submission; with --data.")
    ] = None,
    tiles: Annotated[int, typer.Option("-k", "--tiles", metavar="K", min=1, max=1000, help="Tiles to run again.")] = 10,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="PATH", help="Files that were handed in, or their zip; with --data."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Random seed for choosing the tiles.")] = 0,
    loading: LoadingGroup,
    device: DeviceOption = "auto",
    isolation: IsolationOption = "auto",
    maintainer: Annotated[
        str | None, typer.Option("--maintainer", metavar="NAME", help="Write verification.json in this name.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute a record, run random tiles again, and say whether it holds."""
    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.submission import verify as verifying
    from worldstrat_bench.submission.faults import CheckReport, as_text

    if predictions is not None:
        _verify_files(run, data, predictions, model=model, maintainer=maintainer, device=device, as_json=as_json)
        return
    if (data is None) != (model is None):
        raise UsageError("--data and --model come together", remedy="give both, or neither to recompute only")
    request = verifying.VerifyRequest(
        run=run, data=data, model=_model(model, run, loading), tiles=tiles, seed=seed, device=device,
        isolation=isolation,
    )  # fmt: skip
    report = verifying.verify(request, lambda line: typer.echo(line, err=True))
    if maintainer is not None:
        typer.echo(f"wrote {verifying.write_verification(report, request, maintainer)}", err=True)
    if as_json:
        print_json(
            {
                "record_id": report.record.record_id,
                "passed": report.passed,
                "faults": [fault.what for fault in report.faults],
                "tiles": [check.model_dump(mode="json") for check in report.tiles],
            }
        )
    else:
        again = f"{len(report.tiles)} tiles run again" if data else "no tile run again: that needs --data and --model"
        typer.echo(as_text(CheckReport((str(run),), report.faults)) + again)
    if not report.passed:
        raise typer.Exit(_EXIT_INVALID)


def _verify_files(
    run: Path, data: Path | None, predictions: Path, *, model: str | None, maintainer: str | None, device: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Score files that were handed in once more, and say whether the record holds."""
    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.submission.faults import CheckReport, as_text
    from worldstrat_bench.submission.faults import as_json as as_document
    from worldstrat_bench.submission.verify_files import verify_files

    if data is None or model is not None or maintainer is not None:
        what = "--predictions goes with --data, and with neither --model nor --maintainer"
        remedy = "no model of such a record can be run, and no rank of it may be cited"
        raise UsageError(what, where="--predictions", remedy=remedy)
    report = CheckReport((str(run),), verify_files(run, data, predictions, device=device))
    if as_json:
        print_json(as_document(report))
    else:
        typer.echo(as_text(report), nl=False)
    if not report.ok:
        raise typer.Exit(_EXIT_INVALID)


def _model(model: str | None, run: Path, loading: LoadingGroup) -> ModelRequest | None:
    """Return the model as the run had it: frames and parameters are the record's unless they are given."""
    if model is None:
        return None
    from dataclasses import replace

    from worldstrat_bench.artefacts.record import load_record
    from worldstrat_bench.cli.running import is_submission

    if is_submission(model):
        return loading.loaded(model, None)
    recorded = load_record(run).model
    request = loading.loaded(model, recorded.frames)
    return request if loading.param else replace(request, parameters=dict(recorded.parameters))


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify", short_help="Say whether a record holds.")(with_groups(verify))
