"""``verify RUN --predictions``: files that were handed in are scored again, all of them, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from worldstrat_bench.artefacts.record import HandedIn, Record
from worldstrat_bench.artefacts.result import Result, load_result, read_result
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.printed import counted
from worldstrat_bench.submission.check_record import recomputed_faults
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.manifest import MANIFEST_NAME
from worldstrat_bench.submission.predictions_manifest import load_predictions_manifest
from worldstrat_bench.submission.verify_columns import compare_tables

_REMEDY = "the record does not hold: score the files again and submit what that writes"


def verify_files(run: Path, data: Path, predictions: Path, *, device: str = "auto") -> tuple[CheckFinding, ...]:
    """Return everything that speaks against the record of predictions that were handed in.

    Parameters
    ----------
    run : a run directory, or a result folder of a submission.
    predictions : the folder of the files, or the zip archive that a submission names.

    Raises
    ------
    UsageError
        if the record is of a model that was run.
    InvalidArtefactError
        if there is no readable record, or the files are not one prediction for every tile.
    """
    result = read_result(run)
    handed_in = result.record.predictions
    if handed_in is None:
        remedy = "run it again: worldstrat-bench verify RUN --data DIR --model MODEL"
        raise UsageError("the record is of a model, not of predictions", where="--predictions", remedy=remedy)
    faults = (*recomputed_faults(result), *_archive_faults(run, predictions))
    if any(fault.severity == "error" for fault in faults):
        return faults
    with TemporaryDirectory(prefix="worldstrat-verify-") as scratch:
        again = _scored(result.record, handed_in, data, predictions, Path(scratch) / "run", device)
    return (*faults, *_differences(result, again, run))


def _archive_faults(run: Path, predictions: Path) -> Iterator[CheckFinding]:
    """Check that the archive is the one that the submission around the record names."""
    folder = next((parent for parent in run.resolve().parents if (parent / MANIFEST_NAME).is_file()), None)
    if folder is None:
        return
    stated = load_predictions_manifest(folder).predictions
    if predictions.is_dir():
        what = "a folder was given: whether it is what the archive of the submission holds is not known"
        yield notice("archive", what, where=predictions)
    elif predictions.stat().st_size != stated.bytes or file_sha256(predictions) != stated.sha256:
        what = "the archive has another size or sha256 than the manifest says"
        yield CheckFinding(
            "archive", what, where=predictions, remedy=f"get {stated.url} again, or correct the manifest"
        )


def _scored(record: Record, handed_in: HandedIn, data: Path, predictions: Path, out: Path, device: str) -> Result:
    """Return what the files score now, with what was said of them then."""
    from worldstrat_bench.handed.intake import HandInRequest, score_handed_in
    from worldstrat_bench.handed.stated import Stated
    from worldstrat_bench.run.request import RunOptions

    request = HandInRequest(
        predictions,
        record.model.name,
        data,
        out,
        Stated(tuple(handed_in.bands.split(",")), handed_in.scale, handed_in.offset),
        record.protocol.id,
        record.dataset.list,
        record.dataset.limit,
        train_split=record.model.train_split,
        submission=record.model.submission,
    )
    # Nothing that was kept is used: a verification rests on the files of the dataset.
    score_handed_in(request, RunOptions(device=device, cache=False, download=False))
    return load_result(out)


def _differences(stated: Result, again: Result, run: Path) -> Iterator[CheckFinding]:
    before, now = stated.record, again.record
    if before.predictions != now.predictions:
        yield CheckFinding("again", "these are not the files that the record was made of", where=run, remedy=_REMEDY)
    if before.dataset.targets_sha256 != now.dataset.targets_sha256:
        what = "the targets of this dataset are not those of the record"
        yield CheckFinding("targets", what, where=run, remedy="verify with the dataset of the run")
        return
    if stated.table.tiles != again.table.tiles:
        yield CheckFinding("again", "the tiles are not those of the record", where=run, remedy=_REMEDY)
        return
    # As a model is compared that was run again, but of a table that has to hold every tile.
    for name, check in compare_tables(stated.table, again.table).items():
        if name in now.nulls:
            yield notice("again", f"{name} cannot be computed here: {now.nulls[name]}", where=run)
        elif name not in again.table.columns:
            what = f"tiles.csv has {name}, which scoring the files does not give"
            yield CheckFinding("again", what, where=run, remedy=_REMEDY)
        elif check.contradicted:
            what = f"{name} differs from tiles.csv on {counted(check.contradicted, 'tile')}, {check.tile!r} for one"
            yield CheckFinding("again", what, where=run, remedy=_REMEDY)
