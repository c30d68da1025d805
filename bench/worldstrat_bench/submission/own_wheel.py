"""The wheel of a submission's model: which one it is, and whether it is what an environment holds."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from worldstrat_bench.archives import DAMAGED
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plugins.code import code_sha256, other_module, wheel_code_sha256
from worldstrat_bench.plugins.interpreter import import_paths, inspect_interpreter
from worldstrat_bench.submission.lock import Locked
from worldstrat_bench.submission.manifest import Manifest

LOCKED_TWICE = "lock this very wheel, by its hash alone, or leave the model out of the lock"


def beside(manifest: Manifest, folder: Path) -> Path | None:
    """Return the model's wheel beside the manifest; None without one, or with several."""
    name = canonicalize_name(manifest.model.distribution)
    own = [path for path in sorted(folder.glob("*.whl")) if canonicalize_name(path.name.partition("-")[0]) == name]
    return own[0] if len(own) == 1 else None


def model_wheel(manifest: Manifest, folder: Path) -> str | None:
    """Return the digest of the model's wheel: as stated, or of the one beside the manifest."""
    if manifest.model.wheel_sha256 is not None:
        return manifest.model.wheel_sha256
    own = beside(manifest, folder)
    return None if own is None else file_sha256(own)


def other_in_lock(manifest: Manifest, folder: Path, locked: Sequence[Locked]) -> Locked | None:
    """Return what a lock holds in place of the wheel that the manifest names or that lies beside it; None if nothing.

    The lock would be installed, and the record would name the wheel: one that readers can look at, and that never ran.
    """
    name, wheel = canonicalize_name(manifest.model.distribution), model_wheel(manifest, folder)
    others = (item for item in locked if item.name == name and item.hashes != (wheel,))
    return None if wheel is None else next(others, None)


def refuse_other_module(manifest: Manifest, python: Path) -> None:
    """Look for a module of another wheel that is imported in place of the model's own.

    Raises
    ------
    InvalidArtefactError
        if there is one: what is recorded is not what would run.
    """
    model = manifest.model
    other = other_module(model.distribution, model.entry_point, import_paths(inspect_interpreter(python)))
    if other is not None:
        what = f"another wheel of the lock has a module that is imported in place of {model.distribution}'s: {other}"
        raise InvalidArtefactError(what, where=python, remedy="take that wheel out of the lock, or rename its module")


def refuse_replaced_code(manifest: Manifest, folder: Path, python: Path) -> None:
    """Compare the code of the model in its environment with that of the wheel beside the manifest.

    Raises
    ------
    InvalidArtefactError
        if they differ: a wheel of the lock has put files in the place of the model's.
    """
    wheel = beside(manifest, folder)
    if wheel is None:
        return
    try:
        with zipfile.ZipFile(wheel) as archive:
            submitted = wheel_code_sha256(archive)
    except DAMAGED:
        submitted = None
    if (
        submitted is None
        or code_sha256(manifest.model.distribution, import_paths(inspect_interpreter(python))) != submitted
    ):
        what = (
            "the environment holds other code of the model than its wheel: another wheel has put files in their place"
        )
        raise InvalidArtefactError(what, where=wheel, remedy="take the wheel with the same files out of the lock")
