"""The packages that a model runs with: what it requires, and what every model runs on. Metadata is read, no code runs.

An environment holds much that a model never imports, and its list says things of its owner. Records are published, so
that they name what counts and no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from worldstrat_bench.plugins.discovery import named_after
from worldstrat_bench.plugins.reach import entries_of

ALWAYS = ("numpy", "safetensors", "torch")
"""Packages that the worker itself imports, whatever the model says that it requires."""
HARNESS = "worldstrat-bench"
"""Stated by its version, commit and digest; what it requires does not concern the model."""

_MOST_EXTRAS = 50


def relevant_packages(
    paths: Sequence[Path], roots: Sequence[str | None], locked: Sequence[Path] = ()
) -> dict[str, str]:
    """Return name and version of the packages that models of some distributions run with, as far as they are there.

    Parameters
    ----------
    paths : folders in which packages are installed, in the order of the interpreter's path.
    roots : distributions, or modules that are named like them; their extras count where they are installed.
    locked : folders of what a lock brought, all of which counts: torch itself imports some packages where they are
        there, and no requirement says so.
    """
    installed = _installed(paths)
    wanted = [canonicalize_name(name) for name in roots if name]
    first = frozenset(wanted)
    # Of a lock by the names of the folders of metadata, which the build compared with what was locked: what metadata
    # says of itself may be more than can be read.
    folders = (entry for site in locked for entry in entries_of(site) if entry.name.lower().endswith(".dist-info"))
    found = {named_after(folder): folder.stem.partition("-")[2][:100] for folder in folders}
    waiting = [*wanted, *found, *ALWAYS]
    seen = set[str]()
    while waiting:
        name = waiting.pop()
        distribution = installed.get(name)
        if distribution is None or name in seen:
            continue
        seen.add(name)
        found.setdefault(name, str(distribution.version)[:100])
        # The harness requires torch and much else for its own work, which must not be listed as the model's.
        if name != HARNESS:
            waiting += _required(distribution, extras=name in first)
    return dict(sorted(found.items()))


def _installed(paths: Sequence[Path]) -> Mapping[str, Distribution]:
    """Return the distributions by name; the first on the path is the one that is imported."""
    found: dict[str, Distribution] = {}
    for distribution in distributions(path=[str(path) for path in paths]):
        try:
            # Damaged metadata has no name, which the types do not say.
            name: object = distribution.metadata["Name"]
        except (KeyError, UnicodeDecodeError, OSError):
            continue
        if isinstance(name, str) and len(name) <= 100:
            found.setdefault(canonicalize_name(name), distribution)
    return found


def _required(distribution: Distribution, *, extras: bool) -> Iterator[str]:
    """Yield what a distribution requires here, with `extras` also what each of its extras does."""
    # Every requirement is held against each of them.
    offered = (distribution.metadata.get_all("Provides-Extra") or [])[:_MOST_EXTRAS] if extras else []
    for line in distribution.requires or ():
        try:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *offered)):
                yield canonicalize_name(requirement.name)
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            continue
