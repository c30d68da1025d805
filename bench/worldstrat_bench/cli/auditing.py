"""The ``--audit`` part of ``models check``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import console

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.memorisation import GainDifference
    from worldstrat_bench.artefacts.record import ModelRef, Record
    from worldstrat_bench.artefacts.result import Result
    from worldstrat_bench.audit import AuditReport
    from worldstrat_bench.audit.gains import Difference
    from worldstrat_bench.pace import Say
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.worker.types import ModelSpec

CONTROLS = ("bicubic", "shift-and-add")
"""The reference models that go through the same probes, if they are installed."""


@dataclass(frozen=True)
class AuditGroup:
    """Options for an audit, and for the record that it is for."""

    audit: Annotated[bool, typer.Option("--audit", help="Probe for memorisation as well; needs --data.")] = False
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The dataset whose tiles the model may have seen.")
    ] = None
    unseen: Annotated[
        Path | None,
        typer.Option(
            "--unseen", metavar="DIR", help="Real tiles in WorldStrat's layout that no author has; with --audit."
        ),
    ] = None
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            metavar="RUN",
            help="Write memorisation.json beside the record of this run or result; with --unseen and --maintainer.",
        ),
    ] = None
    maintainer: Annotated[
        str | None,
        typer.Option("--maintainer", metavar="NAME", help="Maintainer whose name memorisation.json bears."),
    ] = None

    def check(self) -> None:
        """Refuse options that do not go together, before minutes of work.

        Raises
        ------
        UsageError
            for an audit without a dataset, if one of --record, --unseen and --maintainer is missing, or if unseen tiles
            are in the dataset as well.
        DataError
            for a folder that is not a dataset.
        """
        from worldstrat_bench.audit.private import refuse_known_tiles
        from worldstrat_bench.data.layout import open_dataset
        from worldstrat_bench.errors import UsageError

        if not self.audit:
            if self.record or self.maintainer:
                raise UsageError("memorisation.json is written by an audit", where="--record", remedy="add --audit")
            return
        if self.data is None:
            raise UsageError(
                "an audit needs a dataset", where="--audit", remedy="--data DIR; `data mini DIR` makes a small one"
            )
        if (self.record or self.maintainer) and not (self.record and self.maintainer and self.unseen):
            what = "memorisation.json takes a record, unseen tiles and the name of a maintainer"
            raise UsageError(what, where="--record", remedy="--record RUN --unseen DIR --maintainer NAME")
        dataset = open_dataset(self.data)
        if self.unseen is not None:
            refuse_known_tiles(open_dataset(self.unseen), dataset)

    def reference(self, asked: ModelRequest) -> tuple[Record, ModelRef] | None:
        """Return the record that the audit is for, and the model of this machine with its digests; None without one.

        Raises
        ------
        InvalidArtefactError
            if the record is not valid, or not of this model.
        """
        import tempfile

        from worldstrat_bench.artefacts.record import load_record
        from worldstrat_bench.errors import InvalidArtefactError
        from worldstrat_bench.plugins.wheel import SCRATCH
        from worldstrat_bench.run.model import choose_model
        from worldstrat_bench.submission.verify_model import model_faults

        if self.record is None:
            return None
        record = load_record(self.record)
        with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
            model, _ = choose_model(asked, Path(scratch))
        if faults := model_faults(record, model):
            raise InvalidArtefactError(faults[0].what, where="--record", remedy="audit the model of the record")
        return record, model


def audit_model(
    spec: ModelSpec,
    frames: int,
    audit: AuditGroup,
    reference: tuple[Record, ModelRef] | None,
    device: str,
    isolation: str,
    *,
    json: bool,
) -> tuple[bool, list[dict[str, object]]]:
    """Audit a model and print what the probes found; return whether nothing refuses it, and the findings as values.

    Parameters
    ----------
    reference : record beside which known minus unseen is written, and its model; None: it is not written.

    Raises
    ------
    UsageError
        if known minus unseen is to be written and was not measured.
    InvalidArtefactError
        if it is to be written beside a record that says otherwise of the known tiles.
    """
    from worldstrat_bench.audit import AuditRequest, run_audit
    from worldstrat_bench.audit.audit import report_lines
    from worldstrat_bench.errors import ModelError
    from worldstrat_bench.pace import Alive
    from worldstrat_bench.plugins.discovery import find_model
    from worldstrat_bench.protocol import DEFAULT_PROTOCOL
    from worldstrat_bench.worker.types import ModelSpec

    assert audit.data is not None
    record = reference[0] if reference else None
    # What honest models do on the same tiles tells a limit that is too tight from a model that cheats.
    controls = {}
    for name in CONTROLS:
        try:
            controls[name] = ModelSpec(find_model(name).target)
        except ModelError:
            typer.echo(f"without the control {name}: it is not installed", err=True)
    request = AuditRequest(
        spec,
        audit.data,
        frames=frames,
        controls=controls,
        device=device,
        isolation=isolation,
        unseen=audit.unseen,
        # The page says that the known tiles are of the record's list.
        protocol=DEFAULT_PROTOCOL if record is None else record.protocol.id,
        list_name="auto" if record is None else record.dataset.list,
        run_seed=0 if record is None else record.seed,
    )
    with Alive(lambda line: typer.echo(line, err=True), "reading tiles") as say:
        if audit.record is not None:
            _refuse_other_data(audit.record, audit.data, say)
        report = run_audit(request, say)
    if not json:
        screen = console.stdout()
        for line in report_lines(report):
            console.say_lines(screen, line)
    if reference is not None:
        typer.echo(f"wrote {_write(report, *reference, audit)}", err=True)
    return report.passed, _findings(report)


def _refuse_other_data(run: Path, data: Path, say: Say) -> None:
    """Refuse a data set that is not the record's, before minutes of work.

    Raises
    ------
    InvalidArtefactError
        if its targets, its revisits or its tiles are others.
    """
    from worldstrat_bench.artefacts.result import load_result
    from worldstrat_bench.data.layout import open_dataset
    from worldstrat_bench.errors import InvalidArtefactError
    from worldstrat_bench.pace import Pace
    from worldstrat_bench.protocol import load_protocol
    from worldstrat_bench.submission.verify_targets import target_faults

    result = load_result(run)
    protocol = load_protocol(result.record.protocol.id)
    if faults := target_faults(result, open_dataset(data), protocol, Pace(say, "decoded")):
        raise InvalidArtefactError(faults[0].what, where="--data", remedy="give the data set of the record")


def _refuse_other_scores(found: Mapping[str, float], result: Result) -> None:
    """Refuse a model whose known tiles score otherwise in an audit than in its record: it tells one from the other.

    Of several draws a record holds the mean, and an audit asks for one: these are not compared.

    Raises
    ------
    InvalidArtefactError
        naming one of the tiles.
    """
    from worldstrat_bench.errors import InvalidArtefactError
    from worldstrat_bench.printed import counted
    from worldstrat_bench.submission.verify_columns import tolerance_of

    if result.record.model.draws > 1:
        return
    table, absolute = result.table, tolerance_of("psnr")[0]
    recorded = dict(zip(table.tiles, table.numbers["psnr"].tolist(), strict=True))
    # A tile without a value in the record is NaN there, which is within no distance of a number.
    other = [tile for tile, psnr in found.items() if tile in recorded and not abs(recorded[tile] - psnr) <= absolute]
    if other:
        tile = other[0]
        stated = "none" if math.isnan(recorded[tile]) else f"{recorded[tile]:.3f} dB"
        raise InvalidArtefactError(
            f"in the audit {counted(len(other), 'known tile')} of {len(found)} scored otherwise than in the record: "
            f"{tile} has a PSNR of {found[tile]:.3f} dB, and {stated} there",
            where=str(result.folder),
            remedy="verify the record again; a model may tell an audit from a run",
        )


def _findings(report: AuditReport) -> list[dict[str, object]]:
    """Return what the probes found, and known minus unseen, as values."""
    probes: list[dict[str, object]] = [
        {"probe": r.probe, "value": r.value, "limit": r.limit, "verdict": r.verdict, "message": r.message}
        for r in report.results
    ]
    differences: list[dict[str, object]] = [
        {"probe": "known-minus-unseen", "model": name, "unseen_is_real": report.real, **asdict(difference)}
        for name, difference in report.differences.items()
    ]
    return [*probes, *differences]


def _write(report: AuditReport, record: Record, model: ModelRef, audit: AuditGroup) -> Path:
    """Write ``memorisation.json`` beside a record; return its path.

    Raises
    ------
    UsageError
        if there is nothing to write: the model gave no prediction, or no reference model is installed.
    InvalidArtefactError
        if the known tiles score otherwise than in the record.
    """
    from datetime import UTC, datetime

    from worldstrat_bench import __version__
    from worldstrat_bench.artefacts.memorisation import Memorisation
    from worldstrat_bench.artefacts.result import load_result
    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.plugins.discovery import BASELINES_REMEDY
    from worldstrat_bench.run.environment import probe_harness

    found = {name: _difference(difference) for name, difference in report.differences.items()}
    own = found.pop("model", None)
    if own is None or not found or report.unseen_sha256 is None:
        what = "known minus unseen was not measured of the model and of a reference model beside it"
        remedy = f"see the probe `unseen` above; {BASELINES_REMEDY}"
        raise UsageError(what, where="--record", remedy=remedy)
    assert audit.record is not None
    _refuse_other_scores(report.psnr, load_result(audit.record))
    path = audit.record / Memorisation.FILE
    Memorisation(
        record_id=record.record_id,
        package_sha256=model.wheel_sha256 or model.code_sha256,
        weights_sha256=model.weights_sha256,
        measured_by=audit.maintainer or "",
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        harness_version=__version__,
        harness_commit=probe_harness().commit,
        isolation=report.isolation,
        unseen_sha256=report.unseen_sha256,
        unseen_is_real=report.real,
        model=own,
        references=found,
    ).save(path)
    return path


def _difference(found: Difference) -> GainDifference:
    from worldstrat_bench.artefacts.memorisation import GainDifference

    return GainDifference(known=found.known, unseen=found.unseen, value=found.value, low=found.low, high=found.high)
