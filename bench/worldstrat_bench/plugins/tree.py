"""The files below a folder that count for a digest, by their relative names; links are followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOO_WIDE = tuple(map(Path, ("/", "/home", "/root", "/mnt", "/media", "/data", "/tmp", "/etc", "/var", "/srv", "/run")))
"""Folders that hold what belongs to several users or programs."""


@dataclass(frozen=True)
class Tree:
    """Files below a folder.

    Attributes
    ----------
    files : path by relative name, sorted.
    folders : the folder and those below it.
    broken : links that lead nowhere.
    """

    files: dict[str, Path]
    folders: tuple[Path, ...]
    broken: tuple[Path, ...]


def counts(name: str) -> bool:
    """Return whether a file of that relative name counts: it is not hidden, nor Python's cache of a module."""
    return not any(part.startswith(".") or part == "__pycache__" for part in name.split("/"))


def read_tree(root: Path, limit: int, *, within: Path | None = None) -> Tree:
    """Return the files below a folder that count; the walk ends once there are more than `limit` files or folders.

    Parameters
    ----------
    within : a resolved folder; links that lead out of it are passed over. None: all are followed.
    """
    files: dict[str, Path] = {}
    folders: list[Path] = []
    broken: list[Path] = []
    pending: list[tuple[Path, frozenset[Path]]] = [(root, frozenset())]
    while pending and max(len(files), len(folders)) <= limit:
        folder, above = pending.pop()
        # Compared with those above it only: two links to one folder are two places for a model that opens files by
        # name.
        if folder.resolve() in above:  # a link to a folder that holds it
            continue
        above |= {folder.resolve()}
        folders.append(folder)
        for entry in _entries(folder, root):
            if within is not None and entry.is_symlink() and not _leads_into(entry, within):
                continue
            if entry.is_dir():
                pending.append((entry, above))
            elif entry.is_file():
                files[entry.relative_to(root).as_posix()] = entry
            elif entry.is_symlink():
                broken.append(entry)
    return Tree(dict(sorted(files.items())), tuple(sorted(folders)), tuple(broken))


def _leads_into(link: Path, folder: Path) -> bool:
    try:
        return link.resolve().is_relative_to(folder)
    except (OSError, RuntimeError):  # a link to itself
        return False


def _entries(folder: Path, root: Path) -> Iterator[Path]:
    yield from (entry for entry in sorted(folder.iterdir()) if counts(entry.relative_to(root).as_posix()))


def holds_a_home(folder: Path) -> bool:
    """Return whether a folder is the home of a user, or so wide that it may hold one."""
    return folder in TOO_WIDE or folder.parent == Path("/home") or Path.home().resolve().is_relative_to(folder)
