"""Requirements of a wheel beside the manifest that nothing installs: its model would fail when it imports them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from worldstrat_bench.submission.check_code import WheelCode
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.harness_base import beside_the_harness
from worldstrat_bench.submission.lock import LockError, load_lock
from worldstrat_bench.submission.manifest import Manifest

_MOST_REQUIREMENTS = 500
_LONGEST = 400
"""Characters of a requirement: what parses it takes seconds for a long one."""


def requirement_notices(manifest: Manifest, folder: Path, wheels: Iterable[WheelCode]) -> Iterator[CheckFinding]:
    """Point out what a wheel requires and neither the lock nor, over the harness, the harness has.

    A notice alone: a package may do without what it requires.
    """
    lock = folder / manifest.environment.lock
    try:
        have = {item.name for item in load_lock(lock)}
    except LockError:
        return  # the check of the lock says what is wrong with it
    if manifest.environment.base == "harness":
        have |= beside_the_harness()
    have.add(canonicalize_name(manifest.model.distribution))
    for wheel in wheels:
        missing = [name for name in dict.fromkeys(_names(wheel.requires)) if name not in have]
        if missing:
            named = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            what = f"{wheel.path.name} requires {named}, which {lock.name} does not name: it is not installed"
            yield notice("lock", what, where=lock, remedy="lock it with its hashes, or take it out of the requirements")


def _names(requires: Iterable[str]) -> Iterator[str]:
    """Yield the canonical names of what some lines require here, without extras."""
    for line in islice(requires, _MOST_REQUIREMENTS):
        try:
            requirement = Requirement(line) if len(line) <= _LONGEST else None
            if requirement and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                yield canonicalize_name(requirement.name)
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            continue
