"""``submission.toml`` of predictions that were made elsewhere: where their archive is, and what was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from worldstrat_bench.submission.about import About, Corrections, Line, Section, Sha256, Url
from worldstrat_bench.submission.manifest import MANIFEST_NAME, Training, hands_in_predictions, read_text
from worldstrat_bench.submission.manifest_faults import ManifestError, validated


class PredictionsSection(Section):
    """Predictions that were made elsewhere: one public archive."""

    url: Annotated[Url, Field(description="https:// address of an archive with one file a tile")]
    sha256: Annotated[Sha256, Field(description="of the archive: 64 lower-case hexadecimal digits")]
    bytes: Annotated[int, Field(ge=1, le=200 * 1024**3, description="size of the archive")]
    licence: Annotated[Line, Field(description="SPDX expression of the predictions, such as CC-BY-4.0")]


class PredictionsManifest(Section):
    """One submission of predictions that were made elsewhere: there is no model to run."""

    schema_version: Literal[1]
    protocols: Annotated[tuple[Line, ...], Field(min_length=1, max_length=10, strict=False)]
    submission: About
    predictions: PredictionsSection
    training: Training
    correction: Corrections = ()

    @property
    def weights(self) -> None:
        """Nothing: what made the predictions is not submitted."""
        return


def load_predictions_manifest(path: Path) -> PredictionsManifest:
    """Read a ``submission.toml`` that hands in predictions, or the one in a folder.

    Raises
    ------
    ManifestError
        naming the key, its line and the remedy; also if it is of a model.
    """
    file, text = read_text(path)
    found = predictions_manifest_errors(text, where=file)
    if isinstance(found, PredictionsManifest):
        return found
    if not hands_in_predictions(text):
        remedy = "worldstrat-bench evaluate SUBMISSION runs it; a [predictions] section would hand in predictions"
        raise ManifestError("this submission is of a model", where=file, remedy=remedy)
    raise found[0]


def predictions_manifest_errors(
    text: str, *, where: object = MANIFEST_NAME
) -> PredictionsManifest | tuple[ManifestError, ...]:
    """Return the manifest of predictions, or everything that is wrong with its text (at least one error)."""
    return validated(text, PredictionsManifest, where)
