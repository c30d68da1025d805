"""Files that wheels of strangers may not bring into an environment: those that lead out of it, or run outside of it.

The worker that runs a model may read what its environment points to, and the harness itself starts the interpreter of
the environment to ask for its version. So an installed file must neither add folders to the path (``.pth``, the
metadata of an editable install) nor take the place of a file of the environment itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import InvalidArtefactError

_LARGEST_METADATA = 1 << 20


def contents(home: Path) -> dict[str, str]:
    """Return every file and link of a new environment, by relative name, with its target or digest."""
    return {path.relative_to(home).as_posix(): _identity(path) for path in _files(home)}


def refuse_reaching_out(home: Path, made: Mapping[str, str]) -> None:
    """Refuse what was installed into an environment if it reaches out of it.

    Parameters
    ----------
    made : :func:`contents` of the environment before anything was installed.

    Raises
    ------
    InvalidArtefactError
        naming the file.
    """
    for name, identity in made.items():
        path = home / name
        if not os.path.lexists(path) or _identity(path) != identity:
            raise _refused(name, "takes the place of a file of the environment itself")
    for path in _files(home):
        name = path.relative_to(home).as_posix()
        if name in made:
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(home.resolve()):
            raise _refused(name, "is a link that leads out of the environment")
        if path.suffix.lower() == ".pth" and "site-packages" in path.parts:
            raise _refused(name, "adds folders to the path of Python, or runs code whenever it starts")
        if path.name == "direct_url.json" and _is_editable(path):
            raise _refused(name, "says that the package lies in a folder of this machine")


def _files(home: Path) -> list[Path]:
    """Return all files and links below a folder, in the order of their names; links are not followed."""
    found = []
    for folder, folders, files in os.walk(home):
        found += [Path(folder, name) for name in files]
        found += [Path(folder, name) for name in folders if Path(folder, name).is_symlink()]
    return sorted(found)


def _identity(path: Path) -> str:
    return f"link to {path.readlink()}" if path.is_symlink() else file_sha256(path)


def _is_editable(path: Path) -> bool:
    """Return whether the metadata of an installed package says that it is an editable install, or cannot be read."""
    try:
        if path.stat().st_size > _LARGEST_METADATA:
            return True
        stated = json.loads(path.read_bytes())
        return bool(stated.get("dir_info", {}).get("editable"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return True


def _refused(name: str, why: str) -> InvalidArtefactError:
    remedy = "wheels hold packages and their metadata alone: build it without"
    return InvalidArtefactError(f"an installed file {why}: {name[:120]!r}", where="environment.lock", remedy=remedy)
