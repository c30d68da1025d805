"""``verify RUN``: does the record hold?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli.console import DeviceOption, JsonOption, print_json, say_lines, stdout
from worldstrat_bench.cli.groups import IsolationOption, LoadingGroup, with_groups
from worldstrat_bench.printed import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from worldstrat_bench.artefacts.speed import SpeedReport
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.submission.verify import TimeAgain, VerifyReport, VerifyRequest

_EXIT_INVALID = 5

DataOption = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="The dataset of the run.")]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="Entry point, wheel or submission; with --data.")
]
TilesOption = Annotated[
    int | None,
    typer.Option("-k", "--tiles", metavar="K", min=1, max=1000, help="Run K drawn tiles, not the list. [default: 10]"),
]
FullOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run the whole list and write it to this new folder.")
]
PredictionsOption = Annotated[
    Path | None,
    typer.Option("--predictions", metavar="PATH", help="Files that were handed in, or their zip; with --data."),
]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, help="Random seed for drawing the tiles. [default: at random]"),
]
MaintainerOption = Annotated[
    str | None,
    typer.Option("--maintainer", metavar="NAME", help="Maintainer's name for verification.json; needs --out or -k."),
]
CommitOption = Annotated[
    str | None,
    typer.Option(
        "--commit", metavar="SHA", help="Commit that holds the submission. [default: the checkout's, if clean]"
    ),
]
WeightsOption = Annotated[
    Path | None,
    typer.Option("--lpips-weights", metavar="FILE", help="AlexNet weights for LPIPS. [default: torchvision's cache]"),
]
OtherModelOption = Annotated[
    bool, typer.Option("--other-model", help="Run the model and compare even if it is not the record's.")
]
TileSecondsOption = Annotated[
    float,
    typer.Option("--tile-seconds", metavar="S", min=0.1, max=86_400, help="Time limit per tile, if the run had more."),
]
MemoryOption = Annotated[
    float | None,
    typer.Option(
        "--memory-gib", metavar="G", min=0.1, help="Memory limit, if the run had more. [default: half of the machine's]"
    ),
]
DownloadOption = Annotated[
    bool, typer.Option("--download/--no-download", help="Download the LPIPS weights if they are missing.")
]


def verify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run, or a result folder of a submission.")],
    *,
    data: DataOption = None,
    model: ModelOption = None,
    tiles: TilesOption = None,
    out: FullOption = None,
    predictions: PredictionsOption = None,
    seed: SeedOption = None,
    loading: LoadingGroup,
    device: DeviceOption = "auto",
    isolation: IsolationOption = "auto",
    tile_seconds: TileSecondsOption = 60.0,
    memory_gib: MemoryOption = None,
    lpips_weights: WeightsOption = None,
    download: DownloadOption = False,
    maintainer: MaintainerOption = None,
    commit: CommitOption = None,
    other_model: OtherModelOption = False,
    as_json: JsonOption = False,
) -> None:
    """Recompute a record, run its model again, and report whether it holds.

    With --data and --model some tiles are run again, drawn at random; with --out the whole list, whose numbers replace
    the submitted ones. A model that is not the record's is not run. Exits with code 5 if something contradicts the
    record.
    """
    from worldstrat_bench.cli import running
    from worldstrat_bench.submission import verify as verifying
    from worldstrat_bench.worker.types import Limits

    if predictions is not None:
        _verify_files(run, data, predictions, model=model, maintainer=maintainer, device=device, as_json=as_json)
        return
    _refuse_a_chosen_draw(maintainer, seed, tiles, out)
    request = verifying.VerifyRequest(
        run=run,
        data=data,
        model=_model(model, run, loading),
        tiles=tiles,
        out=out,
        seed=seed,
        device=device,
        isolation=isolation,
        lpips_weights=lpips_weights,
        download=download,
        limits=Limits(tile_seconds=tile_seconds, memory_bytes=None if memory_gib is None else int(memory_gib * 2**30)),
        other_model=other_model,
    )
    with running.resumable(), running.shown() as display:
        report = verifying.verify(request, display.say, display, _timer(request, display.say))
    # Nothing that ended before a tile was run can be vouched for: the reasons are the answer.
    if maintainer is not None and not (report.model is None and report.faults):
        _say(f"wrote {_write(report, request, maintainer, commit, model)}")
    if as_json:
        print_json(_document(report))
    else:
        say_lines(stdout(), _text(report, request))
    if not (report.agrees and report.passed):
        raise typer.Exit(_EXIT_INVALID)


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _refuse_a_chosen_draw(maintainer: str | None, seed: int | None, tiles: int | None, out: Path | None) -> None:
    from worldstrat_bench.errors import UsageError

    if maintainer is None:
        return
    if seed is not None:
        what = "a maintainer's tiles are drawn at random: with a known seed a forger could spare them"
        raise UsageError(what, where="--seed, --maintainer", remedy="leave out --seed")
    if out is None and tiles is None:
        what = "a verification is a run of the whole list, whose numbers replace the submitted ones"
        remedy = "name a folder for it: --out DIR; -k K vouches for a sample, which ranks nothing"
        raise UsageError(what, where="--maintainer", remedy=remedy)


def _write(report: VerifyReport, request: VerifyRequest, name: str, commit: str | None, model: str | None) -> Path:
    from worldstrat_bench.run.environment import probe_harness
    from worldstrat_bench.submission.git import commit_of
    from worldstrat_bench.submission.verify_write import write_verification

    held = commit
    if held is None and model is not None and Path(model).exists():
        held = commit_of(Path(model))
    return write_verification(
        report, request, name, commit=held, harness_commit=probe_harness().commit, environment=os.environ
    )


def _timer(request: VerifyRequest, say: Callable[[str], None]) -> TimeAgain | None:
    """Return what times the model beside a full run, as `speed` does."""
    model = request.model
    if model is None or not request.full:
        return None

    def time_again(run: Path) -> SpeedReport:
        from worldstrat_bench.artefacts.record import load_record
        from worldstrat_bench.speed.command import SpeedOptions, run_speed

        options = SpeedOptions(
            model,
            request.device,
            run=run,
            data=request.data,
            protocol=load_record(run).protocol.id,
            isolation=request.isolation,
        )
        return run_speed(options, say)

    return time_again


def _document(report: VerifyReport) -> dict[str, object]:
    return {
        "record_id": report.record.record_id,
        "computed_record_id": None if report.computed is None else report.computed.record_id,
        "passed": report.passed,
        "agrees": report.agrees,
        "faults": [fault.what for fault in report.faults],
        "draw": None if report.draw is None else report.draw.model_dump(mode="json"),
        "tiles": [check.model_dump(mode="json") for check in report.tiles],
        "columns": {name: check.model_dump(mode="json") for name, check in report.columns.items()},
        "speed": None if report.speed is None else report.speed.model_dump(mode="json"),
    }


def _text(report: VerifyReport, request: VerifyRequest) -> str:
    """Return the findings, and in a line what was run and what that means."""
    from worldstrat_bench.submission.faults import CheckReport, as_text
    from worldstrat_bench.submission.verify_columns import agreement

    lines = [as_text(CheckReport((request.run.resolve().name,), report.faults), "verify")]
    if report.model is None:
        return "".join([*lines, _not_run(report), "\n"])
    if report.computed is None:
        lines.append(f"{len(report.tiles)} of {counted(report.record.dataset.tiles, 'tile')} run again\n")
        if report.draw is not None:
            lines.append(f"drawn with {report.draw.source} randomness, seed {report.draw.seed}\n")
    else:
        lines.append(f"the whole list was run again, {counted(report.compared, 'tile')}: {request.out}\n")
        if report.passed and not report.agrees:
            lines.append("the submitted numbers do not hold; those of this run replace them\n")
        if not report.passed:
            lines.append("this run itself does not repeat, so that its numbers vouch for nothing\n")
    if report.agrees:
        lines.append(f"{agreement(report.columns, report.compared)}\n")
    return "".join(lines)


def _not_run(report: VerifyReport) -> str:
    """Say that no model ran, and what to do where the digests alone kept it from running."""
    if not report.faults:
        return "no tile was run again: that needs --data and --model"
    if all(fault.rule == "model" for fault in report.faults):
        return "no tile was run again: the model is not the record's; --other-model runs it all the same"
    return "no tile was run again"


def _verify_files(
    run: Path,
    data: Path | None,
    predictions: Path,
    *,
    model: str | None,
    maintainer: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Score files that were handed in once more, and say whether the record holds."""
    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.submission.faults import CheckReport, as_text
    from worldstrat_bench.submission.faults import as_json as as_document
    from worldstrat_bench.submission.verify_files import verify_files

    if data is None or model is not None or maintainer is not None:
        what = "--predictions goes with --data, and with neither --model nor --maintainer"
        remedy = "no model of such a record can be run, and no rank of it may be cited"
        raise UsageError(what, where="--predictions", remedy=remedy)
    report = CheckReport((run.resolve().name,), verify_files(run, data, predictions, device=device))
    if as_json:
        print_json(as_document(report))
    else:
        say_lines(stdout(), as_text(report, "verify"))
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
    request = replace(loading.loaded(model, recorded.frames), draws=recorded.draws)
    return request if loading.param else replace(request, parameters=dict(recorded.parameters))


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("verify", short_help="Verify a record.")(with_groups(verify))
