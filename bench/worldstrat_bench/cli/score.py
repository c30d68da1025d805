"""``score``: stored predictions measured again without the model, or predictions that were made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import console, groups, running

if TYPE_CHECKING:
    from worldstrat_bench.handed.intake import HandInRequest

RunArgument = Annotated[
    Path,
    typer.Argument(metavar="DIR", help="A run with predictions, or a folder or zip of predictions made elsewhere."),
]
OtherOutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Output folder of the scores. [default: the run itself]")
]
OtherProtocolOption = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        metavar="ID",
        help="Scoring protocol; needs --out unless it is the run's. [default: the run's, or wsb-1]",
    ),
]


@dataclass(frozen=True)
class HandedInGroup:
    """Options for predictions that were made elsewhere; none of them goes with a run."""

    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="DIR holds predictions made elsewhere, by this model.")
    ] = None
    submission: Annotated[
        Path | None,
        typer.Option("--submission", metavar="DIR", help="Submission of these predictions; names the model."),
    ] = None
    bands: Annotated[
        str | None, typer.Option("--bands", metavar="B,..", help="Bands of each file, in order. [default: R,G,B]")
    ] = None
    scale: Annotated[
        float | None, typer.Option("--scale", metavar="X", help="Reflectance is (number + offset) / X, such as 10000.")
    ] = None
    offset: Annotated[
        float | None, typer.Option("--offset", metavar="X", help="Added before dividing by --scale, such as -1000.")
    ] = None
    ids: Annotated[
        Path | None,
        typer.Option("--ids", metavar="FILE", help="FILE that `data export --anonymous` wrote."),
    ] = None
    list_name: Annotated[
        str | None, typer.Option("--list", metavar="NAME", help="Tiles that have a prediction. [default: auto]")
    ] = None
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Smoke test on N tiles; never ranked.")
    ] = None

    def request(self, files: Path, data: Path, out: Path | None, protocol: str | None) -> HandInRequest:
        """Return the request to score predictions made elsewhere.

        Raises
        ------
        UsageError
            if --out or the model's name is missing, or an option is invalid.
        """
        from worldstrat_bench.errors import UsageError
        from worldstrat_bench.handed.intake import HandInRequest
        from worldstrat_bench.handed.stated import Stated
        from worldstrat_bench.protocol import DEFAULT_PROTOCOL

        if out is None:
            raise UsageError("predictions need a run directory for their scores", where="--out", remedy="--out RUN")
        stated = Stated.parse(self.bands or "R,G,B", self.scale, self.offset or 0.0)
        name, train_split, slug = self.name or "", None, None
        if self.submission is not None:
            from worldstrat_bench.submission.predictions_manifest import load_predictions_manifest

            manifest = load_predictions_manifest(self.submission)
            slug, train_split = manifest.submission.slug, manifest.training.train_split
            name = slug
        return HandInRequest(
            files,
            name,
            data,
            out,
            stated,
            protocol or DEFAULT_PROTOCOL,
            self.list_name or "auto",
            self.limit,
            self.ids,
            train_split,
            slug,
        )

    @property
    def given(self) -> tuple[str, ...]:
        """The options that were given."""
        options = {"list_name": "--list"}
        names = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        return tuple(options.get(name, f"--{name}") for name in names)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score", short_help="Score predictions that are stored, or were made elsewhere.")(
        groups.with_groups(score)
    )


def score(
    run: RunArgument,
    data: console.DataOption,
    out: OtherOutOption = None,
    protocol: OtherProtocolOption = None,
    *,
    handed_in: HandedInGroup,
    device: console.DeviceOption = "auto",
    shard: groups.ShardOption = None,
    scoring: groups.ScoringGroup,
    caching: groups.CacheGroup,
    machines: groups.MachinesGroup,
    json: console.JsonOption = False,
) -> None:
    """Score stored predictions, under another protocol if you like; the model is not needed.

    With --name, DIR is a folder of predictions made elsewhere: one GeoTIFF, NPZ, NPY, PNG or safetensors file per tile.
    """
    options = groups.run_options(device, scoring, caching)
    cluster = machines.chosen()
    elsewhere = _made_elsewhere(run, handed_in, shard)
    with running.resumable(), running.shown() as display, running.engine(cluster, device, display) as engine:
        if elsewhere:
            from worldstrat_bench.handed.intake import score_handed_in

            asked = handed_in.request(run, data, out, protocol)
            record, folder = score_handed_in(asked, options, display, engine), asked.out
        else:
            from worldstrat_bench.run.request import ScoreRequest

            request = ScoreRequest(run, data, out, protocol, groups.parse_shard(shard))
            record, folder = engine.score(request, options, display), request.folder
    running.report(record, folder, json)


def _made_elsewhere(folder: Path, handed_in: HandedInGroup, shard: str | None) -> bool:
    """Return what the folder is: predictions made elsewhere if they are named and it does not hold a run.

    Raises
    ------
    UsageError
        if the options do not go with what the folder is.
    """
    from worldstrat_bench.errors import InvalidArtefactError, UsageError

    # A run has a journal; the user's own files never do. So the folder itself says which of the two commands is
    # meant.
    is_run, given = (folder / "run.sqlite").exists(), handed_in.given
    if is_run and given:
        remedy = "leave them out to score the run again, or give the folder of the predictions"
        raise UsageError(
            f"this is a run: {', '.join(given)} go with predictions made elsewhere", where=folder, remedy=remedy
        )
    if handed_in.name is None and handed_in.submission is None:
        holds_files = folder.is_dir() or folder.suffix.lower() == ".zip"
        remedy = "--name NAME says that it holds predictions made elsewhere, and by which model"
        if given:
            raise UsageError(f"{', '.join(given)} needs the name of a model", where=folder, remedy=remedy)
        if holds_files and not is_run:
            raise InvalidArtefactError("this is not a run: it has no journal", where=folder, remedy=remedy)
        return False
    if handed_in.name is not None and handed_in.submission is not None:
        raise UsageError("a submission names its model itself", where="--name", remedy="leave out --name")
    if shard is not None:
        raise UsageError("predictions made elsewhere are scored whole", where="--shard", remedy="leave it out")
    return True
