"""A submission as a model to run: its manifest is read here and handed down as values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worldstrat_bench.run.model import ModelRequest, Parameter
    from worldstrat_bench.submission.manifest import Manifest


def submitted_model(
    path: Path, frames: int | None, weights: Path | None, parameters: dict[str, Parameter], python: Path | None
) -> ModelRequest:
    """The model of a ``submission.toml`` or the folder that holds one.

    Raises
    ------
    UsageError
        if an option would change what the submission declares, or its weights are not here.
    InvalidArtefactError
        if the manifest is not valid or the weights are not those it names.
    """
    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.submission.manifest import load_manifest

    folder = path if path.is_dir() else path.parent
    manifest = load_manifest(path)
    if parameters or (frames is not None and frames != manifest.model.frames):
        raise UsageError(
            "a submission states its frames and parameters itself",
            where="--frames, --param",
            remedy="change submission.toml, or give the entry point's name instead of the submission",
        )
    return ModelRequest(
        name=manifest.model.entry_point,
        frames=manifest.model.frames,
        weights=_weights(manifest, folder, weights),
        parameters=dict(manifest.model.parameters),
        python=python,
        train_split=manifest.training.train_split,
        submission=manifest.submission.slug,
    )


def _weights(manifest: Manifest, folder: Path, given: Path | None) -> Path | None:
    """The weights file, made sure to be the one that the manifest names."""
    from worldstrat_bench.errors import InvalidArtefactError, UsageError
    from worldstrat_bench.run.identity import file_sha256

    declared = manifest.weights
    if declared is None:
        if given is not None:
            raise UsageError("the submission declares no weights", where="--weights", remedy="leave it out")
        return None
    file = given or (folder / declared.path if declared.path else None)
    if file is None:
        raise UsageError(
            f"the weights of the submission are at {declared.url}",
            where=folder,
            remedy="fetch them, then: --weights FILE",
        )
    if not file.is_file():
        raise UsageError("there is no such weights file", where=file, remedy="--weights FILE")
    if file_sha256(file) != declared.sha256:
        raise InvalidArtefactError(
            "the weights are not those that submission.toml names",
            where=file,
            remedy="fetch them again, or mend sha256",
        )
    return file
