"""Checks of a manifest that is not valid as a whole: an author learns of everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from worldstrat_bench.submission.check_manifest import (
    lock_faults,
    protocol_faults,
    slug_faults,
    training_faults,
    weights_faults,
)
from worldstrat_bench.submission.faults import CheckFinding
from worldstrat_bench.submission.manifest import Manifest, read_text
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.placeholders import placeholder_faults
from worldstrat_bench.toml_text import read_toml

_SAYS_NOTHING: dict[str, Any] = {
    "schema_version": 1,
    "protocols": ["wsb-1"],
    "submission": {"slug": "x", "title": "x", "authors": ["x"], "licence": "x", "description": "x"},
    "model": {"entry_point": "x", "distribution": "x", "version": "0", "frames": 1},
    "training": {
        "datasets": [],
        "train_split": "none",
        "selection_split": "none",
        "test_evaluations": 0,
        "uses_test": False,
    },
    "environment": {"python": "3.11", "lock": "x"},
}
"""The least that is a manifest: stands for the sections that are not valid."""


def partial_faults(folder: Path) -> Iterator[CheckFinding]:
    """Check what the valid sections say; what is wrong with the others is said already."""
    try:
        path, text = read_text(folder)
    except ManifestError:
        return
    manifest, valid = partial_manifest(text)
    if "submission" in valid:
        yield from slug_faults(manifest.submission.slug, text, folder)
    if "protocols" in valid:
        yield from protocol_faults(manifest.protocols, text, path)
    if {"environment", "model"} <= valid:
        yield from lock_faults(manifest, folder, text)
    if "weights" in valid:
        yield from weights_faults(manifest, folder, text)
    yield from placeholder_faults(manifest, text, path)
    if {"training", "weights"} <= valid:
        yield from training_faults(manifest, folder, text, ranked=False)


def partial_manifest(text: str) -> tuple[Manifest, frozenset[str]]:
    """Return the valid sections of a manifest and their names; what stands for the others says nothing.

    No section is valid where the text is not TOML.
    """
    try:
        given = read_toml(text)
    except ValueError:
        given = {}
    content, valid = dict(_SAYS_NOTHING), set[str]()
    for name, field in Manifest.model_fields.items():
        # A section that is missing is valid only where it need not be there.
        if not given or (name not in given and field.is_required()):
            continue
        tried = {**content, **({name: given[name]} if name in given else {})}
        try:
            Manifest.model_validate(tried)
        except (ValidationError, RecursionError):
            continue
        content = tried
        valid.add(name)
    return Manifest.model_validate(content), frozenset(valid)
