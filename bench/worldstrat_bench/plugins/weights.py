"""The weights of a model: a set of files, of which the record holds the digest and a confined worker sees no more.

A file alone, an ONNX file with the files of its external data, or a folder. Links are followed within the folder, and
to the blobs of a cache of Hugging Face: what counts is the name by which a model opens a file, and the content that it
finds. A link to any other place is refused, since weights come from strangers and their worker reads what they lead to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from worldstrat_bench.digests import file_sha256, tree_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.onnx_data import external_data
from worldstrat_bench.plugins.reach import spelled
from worldstrat_bench.plugins.tree import counts, holds_a_home, read_tree

MAX_FILES: Final = 2000
_REMEDY = "--weights PATH"
_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_BY_HASH = re.compile(r"[0-9a-f]{64}")
"""Name of a file in the store of downloaded weights, where those of other submissions lie beside it."""


@dataclass(frozen=True)
class Weights:
    """The files of a model's weights.

    Attributes
    ----------
    path : what the model's ``load`` is given, absolute; links in it stay as they are spelled.
    files : absolute path by relative name, sorted. Hidden files and `__pycache__` are not among those of a folder.
    folders : the folders whose entries a model may list: `path` and those below it if it is one; () for a file.
    """

    path: Path
    files: dict[str, Path]
    folders: tuple[Path, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the content of a file alone; else over the names and contents of all files."""
        if not self.folders and len(self.files) == 1:
            return file_sha256(self.path)
        return tree_sha256(self.files)


def weights_at(path: Path) -> Weights:
    """Return the set of files that a path to weights means.

    Raises
    ------
    UsageError
        if there are none, a link leads nowhere or out of the folder, external data is hidden or lies outside of the
        file's folder, or the folder has more than :data:`MAX_FILES` files.
    """
    path = spelled(path)
    if path.exists():
        _check_link(path, path.parent)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise UsageError("there is no such weights file", where=path, remedy=_REMEDY)
    try:
        refuse_pointer(path)
        beside = external_data(path)
    except OSError as error:
        raise UsageError(f"the weights cannot be read: {error.strerror}", where=path, remedy=_REMEDY) from None
    files = {name: path.parent / name for name in (_inside(name, path) for name in beside)}
    for name, place in files.items():
        if not place.is_file():
            what = f"the tensors of {path.name} are in {name}, which is missing"
            raise UsageError(what, where=place, remedy=f"put it beside {path.name}, or save the model as one file")
        _check_link(place, path.parent)
        refuse_pointer(place)
    return Weights(path, dict(sorted({**files, path.name: path}.items())))


def refuse_pointer(file: Path) -> None:
    """Refuse a file that a clone without Git LFS has in place of the weights.

    Raises
    ------
    UsageError
        with the command that fetches the file itself.
    """
    with file.open("rb") as stream:
        begin = stream.read(len(_POINTER))
    if begin == _POINTER:
        remedy = "fetch it with `git lfs pull` in its repository, or download it by itself"
        raise UsageError("this is a pointer of Git LFS, not the weights", where=file, remedy=remedy)


def weights_sha256(path: Path | None) -> str | None:
    """Return the digest of the weights at a path; None without weights. Raises as :func:`weights_at`."""
    return None if path is None else weights_at(path).sha256


def _inside(name: str, file: Path) -> str:
    """Return the normal form of a name in the folder of `file`."""
    inner = PurePosixPath(name)
    remedy = "save the model again with its data beside it, in a folder that holds nothing else"
    if not inner.name or inner.is_absolute() or ".." in inner.parts or "\0" in name or "\\" in name:
        what = f"it says that its tensors are in {name[:100]!r}, which is not a file in or below its folder"
        raise UsageError(what, where=file, remedy=remedy)
    if not counts(str(inner)):
        what = f"it says that its tensors are in {name[:100]!r}, which is hidden"
        raise UsageError(what, where=file, remedy=remedy)
    # External data is found by name in the file's folder: in a shared folder these would be files of others.
    if _BY_HASH.fullmatch(file.name) or holds_a_home(file.parent.resolve()):
        what = f"it says that its tensors are in {name[:100]!r}, in a folder that holds files of others"
        raise UsageError(what, where=file, remedy="put the model and its data into a folder of their own")
    return str(inner)


def _folder(path: Path) -> Weights:
    tree = read_tree(path, MAX_FILES)
    if max(len(tree.files), len(tree.folders)) > MAX_FILES:
        what = f"more than {MAX_FILES} files or folders"
        raise UsageError(what, where=path, remedy="give the weights their own folder")
    if tree.broken:
        raise UsageError("a link among the weights leads nowhere", where=tree.broken[0], remedy="remove or correct it")
    for place in (*tree.files.values(), *tree.folders[1:]):
        _check_link(place, path)
    for place in tree.files.values():
        refuse_pointer(place)
    return Weights(path, tree.files, tree.folders)


def _check_link(place: Path, folder: Path) -> None:
    """Refuse a file or folder below `folder` that a link takes out of it, or to what is hidden in it."""
    target, inside = place.resolve(), folder.resolve()
    if target.is_relative_to(inside):
        if counts(target.relative_to(inside).as_posix()):
            return
    elif any(target.is_relative_to(blobs) for blobs in _blobs(inside)):
        return
    what = f"a link among the weights leads out of their folder, or to what is hidden there: to {target}"
    remedy = (
        "a model may read what its weights lead to: if it is meant, put the file itself there, or give its own path"
    )
    raise UsageError(what, where=place, remedy=remedy)


def _blobs(folder: Path) -> tuple[Path, ...]:
    """Return where a cache of Hugging Face keeps the content of a snapshot: ``blobs`` beside ``snapshots``."""
    above = (folder, *folder.parents)
    return tuple(place.parent / "blobs" for place in above if place.name == "snapshots")
