"""Environments over the harness (``base = "harness"``): a lock adds to what the harness has and replaces none of it.

Such an environment sees the harness's packages behind its own. What it has itself comes first, so that another torch,
or a module that calls itself PIL, would run in place of the harness's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.machinery import all_suffixes
from importlib.metadata import PackageNotFoundError, distributions, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.submission.lock import Locked, LockError

_ALWAYS = frozenset({"numpy", "safetensors", "torch", "worldstrat-bench", "worldstrat-bench-baselines"})
_REMEDY = 'take it out (uv pip compile --no-emit-package NAME), or state environment.base = "locked"'


def provided() -> frozenset[str]:
    """Return the canonical names of what every harness has: itself and its requirements, without extras."""
    try:
        stated = requires("worldstrat-bench") or []
    except PackageNotFoundError:
        stated = []
    needed = (Requirement(line) for line in stated)
    return _ALWAYS | {canonicalize_name(r.name) for r in needed if r.marker is None or "extra" not in str(r.marker)}


def beside_the_harness() -> frozenset[str]:
    """Return the canonical names of what a model over the harness can import: the harness's own environment."""
    return provided() | _installed().keys()


def refuse_replaced(locked: Sequence[Locked], installed: Mapping[str, str] | None = None) -> None:
    """Refuse a lock that names another version of what the harness has.

    Parameters
    ----------
    installed : canonical name to version; None: what is installed beside the harness.

    Raises
    ------
    LockError
        with the line of the first.
    """
    have = _installed() if installed is None else installed
    for item in locked:
        if item.name in have and item.pin.lstrip("=") != have[item.name]:
            what = f"{item.name} comes from the harness, in version {have[item.name]}; the lock has {item.pin}"
            raise LockError(what, where="environment.lock", remedy=_REMEDY, line=item.line)


def refuse_provided(wheels: Iterable[str]) -> None:
    """Refuse wheels beside the manifest that are packages of the harness: it keeps its own.

    Parameters
    ----------
    wheels : canonical names.

    Raises
    ------
    InvalidArtefactError
        naming the first.
    """
    have = provided()
    for name in wheels:
        if name in have:
            what = f"{name} comes from the harness, and lies beside the manifest as a wheel"
            raise InvalidArtefactError(what, where="submission.toml", remedy="remove the wheel")


def refuse_shadowed(packages: Path, harness: Sequence[Path], own: Collection[str]) -> None:
    """Refuse an environment that holds a module which the harness has as well.

    Parameters
    ----------
    packages : site-packages of the environment.
    harness : folders of the harness's packages.
    own : canonical names of what the lock and the submission install: a model that is also installed beside the harness
        is one model.

    Raises
    ------
    InvalidArtefactError
        naming the module.
    """
    owners = packages_distributions()
    for folder in harness:
        for name in _doubles(packages, folder):
            by = {canonicalize_name(owner) for owner in owners.get(name.split(".")[0], ())}
            if not by or not by <= set(own):
                what = f"the environment brings a module {name!r}, which the harness has as well"
                raise InvalidArtefactError(what, where="environment.lock", remedy=_REMEDY)


def _installed() -> dict[str, str]:
    return {canonicalize_name(d.metadata["Name"]): d.version for d in distributions() if d.metadata["Name"]}


def _doubles(ours: Path, theirs: Path, prefix: str = "") -> Iterator[str]:
    """Modules in both folders; namespace packages may share a folder and are looked into."""
    have = {module: path for path in theirs.iterdir() if (module := _module(path))}
    for path in sorted(ours.iterdir()):
        module = _module(path)
        other = have.get(module) if module else None
        if other is None or module == "_virtualenv":  # uv puts that one into every environment
            continue
        if path.is_dir() and other.is_dir() and not _regular(path) and not _regular(other):
            yield from _doubles(path, other, f"{prefix}{module}.")
        else:
            yield f"{prefix}{module}"


def _regular(folder: Path) -> bool:
    return any((folder / f"__init__{suffix}").exists() for suffix in all_suffixes())


def _module(path: Path) -> str:
    """Return the name that an entry of site-packages is imported by; "" for what cannot be imported."""
    if path.is_dir():
        return path.name if "." not in path.name and path.name != "__pycache__" else ""
    return path.name.split(".")[0] if path.name.endswith(tuple(all_suffixes())) else ""
