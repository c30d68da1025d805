"""Whether two files speak of the same model and the same targets, and what differs if they do not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.preprocessing import same_parameters

MODEL: Final = (
    "name",
    "distribution",
    "version",
    "entry_point",
    "wheel_sha256",
    "lock_sha256",
    "code_sha256",
    "editable",
    "weights_sha256",
    "parameters",
    "frames",
    "draws",
)
"""The fields of a reference that decide what a model predicts; the others say what its authors state of it."""

_MAY_BE_UNKNOWN: Final = frozenset({"entry_point", "wheel_sha256", "lock_sha256", "code_sha256", "editable"})
"""Fields of which null, or no entry, means "not known"; null weights are a statement: the model has none."""


def targets_sha256(targets: Iterable[tuple[str, str]]) -> str:
    """Return the digest by which boards are keyed: sha256 over "<tile> <sha256 of its target>" lines, by tile.

    Parameters
    ----------
    targets : (tile, sha256 of its decoded target) of every tile that has a target, in any order.
    """
    return hashlib.sha256("".join(f"{tile} {sha256}\n" for tile, sha256 in sorted(targets)).encode()).hexdigest()


def model_differences(a: ModelRef, b: ModelRef, *, partial: bool = False) -> tuple[str, ...]:
    """Return the names of the fields in which two references are not to one model with the same options.

    Parameters
    ----------
    partial : do not compare a digest of code or a target that only one of the two knows: a manifest has no digest of
        installed code, and what was installed has no digest of a wheel.
    """
    return tuple(name for name in MODEL if not _same(name, a, b, partial=partial))


def same_model(a: ModelRef, b: ModelRef, *, partial: bool = False) -> bool:
    """Return whether two references are to one model with the same options; see :func:`model_differences`."""
    return not model_differences(a, b, partial=partial)


def _same(name: str, a: ModelRef, b: ModelRef, *, partial: bool) -> bool:
    ours, theirs = getattr(a, name), getattr(b, name)
    # Unknown on one side only says that the two were recorded in different ways.
    if ours == theirs or (partial and name in _MAY_BE_UNKNOWN and not (ours and theirs)):
        return True
    if name == "distribution" and ours and theirs:
        return _normal(ours) == _normal(theirs)
    # One may hold a declared preprocessing in full and the other what its author wrote of it.
    return name == "parameters" and (same_parameters(ours, theirs) or same_parameters(theirs, ours))


def _normal(distribution: str) -> str:
    """Return the name of a distribution as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def short_value(value: object) -> str:
    """Return a value for a message: the first 12 digits of a digest, at most 60 characters of anything else."""
    text = "not given" if value is None else str(value)
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return text[:12]
    return text if len(text) <= 60 else f"{text[:57]}..."
