"""The references that the package ships, one file a release and protocol: ``<release>-<protocol>.json``.

A maintainer makes them with ``worldstrat-bench data reference DIR``. Boards of a release without one are practice
boards: nothing but the real data can say which digests of targets are WorldStrat's.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from worldstrat_bench.artefacts.reference import Reference, References


@cache
def shipped_references() -> References:
    """Return the references of this package.

    Raises
    ------
    InvalidArtefactError
        if one of its files is not valid.
    """
    files = sorted(resources.files(__name__).iterdir(), key=lambda file: file.name)
    return References.of(
        Reference.parse(file.read_bytes(), where=file.name) for file in files if file.name.endswith(".json")
    )
