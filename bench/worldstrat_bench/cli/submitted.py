"""A submission as a model to run: its manifest is read here and handed down as values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worldstrat_bench.run.model import ModelRequest, Parameter


def submitted_model(
    path: Path, frames: int | None, weights: Path | None, parameters: dict[str, Parameter], python: Path | None
) -> ModelRequest:
    """The model of a ``submission.toml`` or the folder that holds one, its weights fetched and its environment built.

    Raises
    ------
    UsageError
        if an option would change what the submission declares.
    InvalidArtefactError, DataError, InfrastructureError
        if the manifest is not valid, its weights cannot be had, or its environment cannot be built.
    """
    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.submission.prepare import prepare

    if parameters or frames is not None or weights is not None:
        raise UsageError(
            "a submission states its frames, parameters and weights itself",
            where="--frames, --param, --weights",
            remedy="change submission.toml, or give the entry point's name instead of the submission",
        )
    prepared = prepare(path, environment=python is None)
    manifest = prepared.manifest
    return ModelRequest(
        name=prepared.model,
        frames=manifest.model.frames,
        weights=prepared.weights,
        parameters=dict(manifest.model.parameters),
        python=python or prepared.python,
        train_split=manifest.training.train_split,
        submission=manifest.submission.slug,
        wheel_sha256=manifest.model.wheel_sha256 if python is None else None,
    )
