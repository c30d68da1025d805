"""The weights of a model: a set of files, of which the record holds the digest and a confined worker sees no more.

A file alone, an ONNX file with the files of its external data, or a folder. Links are followed: what counts is the
name by which a model opens a file, and the content that it finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from worldstrat_bench.digests import file_sha256, tree_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.onnx_data import external_data
from worldstrat_bench.plugins.tree import read_tree

MAX_FILES: Final = 2000
_REMEDY = "--weights PATH"


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
        if there are none, a link leads nowhere, external data lies outside of the file's folder, or the folder has
        more than :data:`MAX_FILES` files.
    """
    path = spelled(path)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise UsageError("there is no such weights file", where=path, remedy=_REMEDY)
    try:
        beside = external_data(path)
    except OSError as error:
        raise UsageError(f"the weights cannot be read: {error.strerror}", where=path, remedy=_REMEDY) from None
    files = {name: path.parent / name for name in (_inside(name, path) for name in beside)}
    for name, place in files.items():
        if not place.is_file():
            what = f"the tensors of {path.name} are in {name}, which is missing"
            raise UsageError(what, where=place, remedy=f"put it beside {path.name}, or save the model as one file")
    return Weights(path, dict(sorted({**files, path.name: path}.items())))


def weights_sha256(path: Path | None) -> str | None:
    """Return the digest of the weights at a path; None without weights. Raises as :func:`weights_at`."""
    return None if path is None else weights_at(path).sha256


def spelled(path: Path) -> Path:
    """Return an absolute path with its links as they are; resolved only where ``..`` may come after a link."""
    if ".." in path.parts:
        return path.resolve() if path.name == ".." else path.parent.resolve() / path.name
    return path.absolute()


def _inside(name: str, file: Path) -> str:
    """Return the normal form of a name in the folder of `file`."""
    inner = PurePosixPath(name)
    if not inner.name or inner.is_absolute() or ".." in inner.parts or "\0" in name or "\\" in name:
        what = f"it says that its tensors are in {name[:100]!r}, which is not a file in or below its folder"
        raise UsageError(what, where=file, remedy="save the model again with its data beside it")
    return str(inner)


def _folder(path: Path) -> Weights:
    tree = read_tree(path, MAX_FILES)
    if max(len(tree.files), len(tree.folders)) > MAX_FILES:
        what = f"more than {MAX_FILES} files or folders"
        raise UsageError(what, where=path, remedy="give the weights their own folder")
    if tree.broken:
        raise UsageError("a link among the weights leads nowhere", where=tree.broken[0], remedy="remove or correct it")
    return Weights(path, tree.files, tree.folders)
