"""Files and folders as this user can reach them.

In an environment that several people share, ``pip install -e`` of one of them names a folder that is closed to the
others. Python's import passes over such a folder, while pathlib raises PermissionError for everything below it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MOST_LINKS: Final = 40
"""That the kernel follows, too."""


def is_folder(path: Path) -> bool:
    """Return whether there is a folder that this user can reach."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Return whether there is a file that this user can reach."""
    try:
        return path.is_file()
    except OSError:
        return False


def entries_of(folder: Path) -> tuple[Path, ...]:
    """Return what a folder holds, sorted; nothing if this user cannot list it."""
    try:
        return tuple(sorted(folder.iterdir()))
    except OSError:
        return ()


def is_of_a_process(path: Path) -> bool:
    """Return whether a path leads through ``/proc`` or ``/dev``, by itself or by a link on its way.

    ``/proc/self/cwd`` is the folder that the harness was started in: who writes that need not know where it is. So each
    step is looked at; to resolve the path would only tell where it ends.
    """
    ahead, here, links = [*reversed(path.absolute().parts[1:])], Path("/"), 0
    while ahead:
        here = here.parent if (part := ahead.pop()) == ".." else here / part
        if here.parts[1:2] in (("proc",), ("dev",)):
            return True
        target = _target(here)
        if target is not None and links < _MOST_LINKS:
            links += 1
            ahead += reversed(target.parts[1:] if target.is_absolute() else target.parts)
            here = Path("/") if target.is_absolute() else here.parent
    return False


def _target(path: Path) -> Path | None:
    """Return what a link says; None of anything else."""
    try:
        return path.readlink()
    except OSError:
        return None


def spelled(path: Path) -> Path:
    """Return an absolute path with its links as they are; resolved only where ``..`` may come after a link."""
    if ".." in path.parts:
        return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
    return path.absolute()
