"""Where records lie in a submission: ``results/<protocol>/<dataset>-<8 digits of the targets>-<device class>/``."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from worldstrat_bench.artefacts.draws import DRAWS
from worldstrat_bench.artefacts.identity import model_differences
from worldstrat_bench.artefacts.memorisation import Memorisation
from worldstrat_bench.artefacts.record import Record, load_record
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.artefacts.spectra import SPECTRA
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.artefacts.tiles import TILES
from worldstrat_bench.artefacts.uncertainty import UNCERTAINTY
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.submission.manifest import Manifest, load_manifest
from worldstrat_bench.submission.predictions_manifest import PredictionsManifest, load_predictions_manifest

RESULT_FILES: dict[str, int] = {
    Record.FILE: 1_000_000,
    TILES: 300_000,
    SPECTRA: 1_000_000,
    UNCERTAINTY: 1_000_000,
    DRAWS: 5_000_000,
    SpeedReport.FILE: 100_000,
    "speed-benchmark.json": 500_000,
    "timings.csv": 100_000,
    Verification.FILE: Verification.MAX_BYTES,
    Robustness.FILE: Robustness.MAX_BYTES,
    Memorisation.FILE: Memorisation.MAX_BYTES,
}
"""The files that a result may hold, with the largest size of each in bytes."""

MAINTAINERS_FILES: tuple[str, ...] = (Verification.FILE, Memorisation.FILE)
"""Files that only maintainers write."""

IMMUTABLE_FILES: tuple[str, ...] = (Record.FILE, TILES, SPECTRA, UNCERTAINTY, DRAWS)


def folder_name(text: str) -> str:
    """Return a name as part of a path: letters, digits, dot and dash, at most 60."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:60] or "unknown"


def result_folder(slug_folder: Path, record: Record) -> Path:
    """Return where the record of a submission belongs. Unofficial lists and inputs are part of the dataset's name."""
    dataset = record.dataset.release
    if record.dataset.list not in ("full", "test"):
        dataset = f"{dataset}-{record.dataset.list}"
    if record.dataset.inputs != "real":
        dataset = f"{dataset}-{record.dataset.inputs}"
    # Data sets of one release, or of none that is known, differ in their targets: each has a folder.
    name = f"{folder_name(dataset)}-{record.dataset.targets_sha256[:8]}-{folder_name(record.device.device_class)}"
    return slug_folder / "results" / folder_name(record.protocol.id) / name


def _refuse_other_model(record: Record, manifest: Manifest, run: Path) -> None:
    """Refuse a record of another distribution or entry point than the manifest names."""
    model, section = record.model, manifest.model
    # Other differences are for `submission check`, which names them all.
    if {"name", "distribution"} & {*model_differences(model, manifest.reference(model))}:
        raise InvalidArtefactError(
            f"the run is of {model.name} of {model.distribution}, "
            f"the submission of {section.entry_point} of {section.distribution}",
            where=run,
            remedy="give the folder of the model that was run, or evaluate this submission: "
            "worldstrat-bench evaluate FOLDER ...",
        )


def _refuse_other_predictions(record: Record, manifest: PredictionsManifest, slug_folder: Path, run: Path) -> None:
    """Refuse predictions that were not scored as those of this submission."""
    slug = manifest.submission.slug
    if (record.model.name, record.model.submission) != (slug, slug):
        raise InvalidArtefactError(
            f"the predictions were scored as {record.model.name}, not as those of the submission {slug}",
            where=run,
            remedy=f"worldstrat-bench score DIR --submission {slug_folder} --data DATA --out RUN",
        )


def add_run(run: Path, slug_folder: Path, verification: Verification | None = None) -> Path:
    """Copy the record of a run to its place in a submission; return the folder that was written.

    Parameters
    ----------
    verification : of the run by maintainers: it is copied as well, and its record may replace the one that it is of.

    Raises
    ------
    InvalidArtefactError
        if the folder is not a submission, the run has no valid record or is of another model than the submission's, or
        another record is in that place: records never change.
    """
    record = load_record(run)
    if record.predictions is None:
        _refuse_other_model(record, load_manifest(slug_folder), run)
    else:
        _refuse_other_predictions(record, load_predictions_manifest(slug_folder), slug_folder, run)
    folder = result_folder(slug_folder, record)
    _refuse_links_out(folder, slug_folder)
    existing = folder / Record.FILE
    former = load_record(existing).record_id if existing.exists() else record.record_id
    # Only the very record that was verified makes room; any other one in its place is a mistake.
    if verification is not None and former == verification.submitted_record_id != record.record_id:
        shutil.rmtree(folder)
    elif former != record.record_id:
        raise InvalidArtefactError(
            "another record is in that place, and records never change",
            where=existing,
            remedy=f"if it was submitted, submit a new version under its own slug; if not, remove {folder.name!r} "
            "there and add the run again",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in RESULT_FILES:
        source = run / name
        if source.is_file() and (name not in MAINTAINERS_FILES or verification is not None):
            if source.is_symlink():
                what, remedy = "a link in a run: what it leads to is not the run's", "put the file itself there"
                raise InvalidArtefactError(what, where=source, remedy=remedy)
            if source.resolve() == (folder / name).resolve():  # a result that was added before
                continue
            # Not written through a link that lies there.
            (folder / name).unlink(missing_ok=True)
            shutil.copyfile(source, folder / name)
    return folder


def _refuse_links_out(folder: Path, slug_folder: Path) -> None:
    """Raise InvalidArtefactError if links take the place of a record out of its submission."""
    if not folder.resolve().is_relative_to(slug_folder.resolve()):
        what, remedy = "a link leads out of the submission", "remove the link"
        raise InvalidArtefactError(what, where=folder, remedy=remedy)
