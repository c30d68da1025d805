"""The wheel of a submission's model: which one it is, and whether it is what an environment holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from worldstrat_bench.archives import DAMAGED, open_zip
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plugins.code import HARNESS, code_sha256, other_module, wheel_code_sha256
from worldstrat_bench.plugins.discovery import BASELINES, find_model
from worldstrat_bench.plugins.interpreter import import_paths, inspect_interpreter
from worldstrat_bench.submission.lock import Locked, installed_sha256, load_lock
from worldstrat_bench.submission.manifest import Manifest

TAKEN_NAME = 'give the distribution a name of its own; the models of the harness come with base = "harness"'
LOCKED_TWICE = "lock this very wheel, by its hash alone, or leave the model out of the lock"


def beside(manifest: Manifest, folder: Path) -> Path | None:
    """Return the model's wheel beside the manifest; None without one, or with several."""
    name = canonicalize_name(manifest.model.distribution)
    own = [path for path in _wheels(folder) if canonicalize_name(path.name.partition("-")[0]) == name]
    return own[0] if len(own) == 1 else None


def _wheels(folder: Path) -> list[Path]:
    """Return the wheels beside the manifest; a device by such a name would be read without end."""
    return sorted(path for path in folder.glob("*.whl") if path.is_file())


def model_wheel(manifest: Manifest, folder: Path) -> str | None:
    """Return the digest of the model's wheel: as stated, or of the one beside the manifest."""
    if manifest.model.wheel_sha256 is not None:
        return manifest.model.wheel_sha256
    own = beside(manifest, folder)
    return None if own is None else file_sha256(own)


def lock_of(manifest: Manifest, folder: Path) -> str | None:
    """Return the digest of what the environment of a submission is built from; None if nothing is installed.

    Raises
    ------
    LockError
        if the lock cannot be read.
    """
    locked, wheels = load_lock(folder / manifest.environment.lock), _wheels(folder)
    stated = [manifest.model.wheel_sha256] if manifest.model.wheel_sha256 is not None else map(file_sha256, wheels)
    digests = list(stated)
    return installed_sha256(locked, digests) if locked or digests else None


def other_in_lock(manifest: Manifest, folder: Path, locked: Sequence[Locked]) -> Locked | None:
    """Return what a lock holds in place of the wheel that the manifest names or that lies beside it; None if nothing.

    The lock would be installed, and the record would name the wheel: one that readers can look at, and that never ran.
    """
    name, wheel = canonicalize_name(manifest.model.distribution), model_wheel(manifest, folder)
    others = (item for item in locked if item.name == name and item.hashes != (wheel,))
    return None if wheel is None else next(others, None)


def taken_name(manifest: Manifest, folder: Path, locked: Sequence[Locked]) -> str | None:
    """Return the distribution of this repository whose name a wheel of a submission has; None if no wheel has one.

    Its models would run under the names of the reference models, and count as adapters that run others' networks.
    """
    wheels = [path.name.partition("-")[0] for path in sorted(folder.glob("*.whl"))]
    stated = [manifest.model.distribution] if manifest.model.wheel else []
    names = (*stated, *wheels, *(item.name for item in locked))
    return next((name for name in names if canonicalize_name(name) in (HARNESS, BASELINES)), None)


def refuse_other_code(manifest: Manifest, folder: Path, python: Path) -> None:
    """Find the model in its environment, and refuse one whose code is not that of its distribution and of its wheel.

    Raises
    ------
    ModelError
        if there is no such model, or its announcement is broken.
    InvalidArtefactError
        if another distribution announces it, has modules that are imported in place of the model's, or has put files in
        their place: what is recorded is not what would run.
    """
    model = manifest.model
    entry = find_model(model.entry_point, python)
    if canonicalize_name(entry.distribution) != canonicalize_name(model.distribution):
        what = f"the environment has the model of {entry.distribution}, the manifest says {model.distribution}"
        raise InvalidArtefactError(what, where=python, remedy="take the other one out of the lock")
    if other := other_module(entry.metadata, entry.target, import_paths(inspect_interpreter(python))):
        what = f"another wheel of the lock has a module that is imported in place of {model.distribution}'s: {other}"
        raise InvalidArtefactError(what, where=python, remedy="take that wheel out of the lock, or rename its module")
    wheel = beside(manifest, folder)
    if wheel is not None and ((code := _code_of(wheel)) is None or code_sha256(entry.metadata) != code):
        what = "the environment holds other code of the model than its wheel: another wheel has put files in its place"
        raise InvalidArtefactError(what, where=wheel, remedy="take the wheel with the same files out of the lock")


def _code_of(wheel: Path) -> str | None:
    """Return the digest of the code of a wheel; None for one that cannot be read, or holds no code."""
    try:
        with open_zip(wheel) as archive:
            return wheel_code_sha256(archive)
    except DAMAGED:
        return None
