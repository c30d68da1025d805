"""Checks of a submission of predictions: its manifest, and that its records are of predictions that were handed in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.submission.check_manifest import protocol_faults, slug_faults, training_faults
from worldstrat_bench.submission.check_others import name_faults
from worldstrat_bench.submission.faults import CheckFinding, notice, relative
from worldstrat_bench.submission.locate import line_of
from worldstrat_bench.submission.manifest import MANIFEST_NAME, hands_in_predictions, read_text
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.placeholders import placeholder_faults
from worldstrat_bench.submission.predictions_manifest import PredictionsManifest, predictions_manifest_errors
from worldstrat_bench.submission.siblings import Siblings


def predictions_faults(folder: Path, results: Sequence[Result], siblings: Siblings) -> tuple[CheckFinding, ...] | None:
    """Return everything that is wrong with a submission of predictions; None for another kind of folder.

    Parameters
    ----------
    results : the readable records of the submission.
    siblings : with which titles and authors are compared.
    """
    try:
        path, text = read_text(folder)
    except ManifestError:
        return None
    if not hands_in_predictions(text):
        return None
    found = predictions_manifest_errors(text, where=path)
    if not isinstance(found, PredictionsManifest):
        return tuple(CheckFinding("manifest", e.what, where=path, line=e.line, remedy=e.remedy or "") for e in found)
    named = name_faults(found, text, folder, siblings)
    return (*_content_faults(found, text, folder, results), *named, *_record_faults(found, folder, results))


def _remade(folder: Path) -> str:
    """Return the commands that make a record of the submitted predictions."""
    place = relative(folder)
    scored = f"worldstrat-bench score DIR --submission {place} --data DATA --out RUN"
    return f"{scored}, then worldstrat-bench submission add RUN {place}"


def _content_faults(
    manifest: PredictionsManifest, text: str, folder: Path, results: Sequence[Result]
) -> Iterator[CheckFinding]:
    yield from slug_faults(manifest.submission.slug, text, folder)
    yield from protocol_faults(manifest.protocols, text, folder / MANIFEST_NAME)
    yield from placeholder_faults(manifest, text, folder / MANIFEST_NAME)
    ranked = any(result.record.dataset.official for result in results)
    yield from training_faults(manifest, folder, text, ranked=ranked)
    for wheel in sorted(path for path in folder.glob("*.whl") if path.is_file() and not path.is_symlink()):
        remedy = "remove it, or submit the model instead of its predictions"
        yield CheckFinding("files", "a submission of predictions holds no code", where=wheel, remedy=remedy)
    line = line_of(text, ("predictions", "url"))
    what = "the archive is not fetched here: verify RUN --predictions FILE compares its digest and its scores"
    yield notice("predictions", what, where=folder / MANIFEST_NAME, line=line)
    if not results:
        remedy = _remade(folder)
        yield notice("records", "there is no record yet", where=folder, remedy=remedy)


def _record_faults(manifest: PredictionsManifest, folder: Path, results: Sequence[Result]) -> Iterator[CheckFinding]:
    """Check that every record is of predictions, and of this submission."""
    slug = manifest.submission.slug
    remedy = _remade(folder)
    stated = {"name": slug, "submission": slug, "train_split": manifest.training.train_split}
    for result in results:
        record, where = result.record, result.record_file
        if record.predictions is None:
            what = "the record is of a model that was run, and the manifest hands in predictions"
            yield CheckFinding("record-manifest", what, where=where, remedy=remedy)
            continue
        if record.protocol.id not in manifest.protocols:
            what = f"protocol {record.protocol.id!r} is not among the manifest's protocols"
            yield CheckFinding("record-manifest", what, where=where, remedy="add it to protocols in submission.toml")
        for key, said in stated.items():
            if (made := getattr(record.model, key)) != said:
                what = f"the record was made with model.{key} = {made or 'not given'}, the manifest says {said}"
                yield CheckFinding("record-manifest", what, where=where, remedy=remedy)
