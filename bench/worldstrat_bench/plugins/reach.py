"""Files and folders as this user can reach them.

In an environment that several people share, ``pip install -e`` of one of them names a folder that is closed to the
others. Python's import passes over such a folder, while pathlib raises PermissionError for everything below it.
"""

from __future__ import annotations

import os
from pathlib import Path


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
    """Return whether a path is spelled through ``/proc`` or ``/dev``.

    ``/proc/self/cwd`` is the folder that the harness was started in: who writes that need not know where it is.
    """
    parts = Path(os.path.abspath(path)).parts  # noqa: PTH100 resolve() would follow the link
    return len(parts) > 1 and parts[1] in ("proc", "dev")
