"""The folder in which a command is started: it may be a stranger's, a clone of a repository for instance."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from worldstrat_bench.errors import UsageError

_PLAIN: Final = Version("3.10.9")
_LIBRARY: Final = "lib*.so*"
_OF_LOADER: Final = ("glibc-hwcaps", "tls", "haswell", "xeon_phi", "avx512_1", "x86_64", "aarch64", "atomics")
"""Folders below each of its own in which the loader of glibc looks for builds of a library for this processor."""
_DEEPEST: Final = 5
"""Such folders lie in each other at most so deep."""


def refuse_code() -> None:
    """Refuse to start where a library, or settings of an old matplotlib, could be taken from the folder and run.

    NVIDIA's libcusparseLt, which comes with torch for CUDA, has an empty folder on its search path. The loader takes
    it for the current one, and looks there for libcuda.so.1 and others before it looks in the system. Matplotlib before
    3.10.9, which an optional metric imports, evaluates a line of a matplotlibrc.

    Raises
    ------
    UsageError
        naming the first such file.
    """
    settings = Path("matplotlibrc")
    if settings.is_file() and (have := _matplotlib()) is not None and have < _PLAIN:
        what = f"matplotlib {have} would run code of the settings in the current folder"
        raise UsageError(what, where=settings, remedy=f"pip install 'matplotlib>={_PLAIN}', or start in another folder")
    found = next(_libraries(Path()), None) if sys.platform == "linux" else None
    if found is not None:
        what = "the current folder holds a library, which torch could load in place of the system's"
        raise UsageError(what, where=found, remedy="start the command in another folder")


def _matplotlib() -> Version | None:
    """Return the version of matplotlib; None if it is not installed."""
    try:
        return Version(version("matplotlib"))
    except (PackageNotFoundError, InvalidVersion):
        return None


def _libraries(here: Path) -> Iterator[Path]:
    """Yield the libraries that the loader would find; links are followed, as it follows them."""
    with contextlib.suppress(OSError):  # a folder that cannot be read: the loader finds nothing there, either
        yield from sorted(here.glob(_LIBRARY))
    for name in _OF_LOADER:
        for folder, below, files in os.walk(here / name, followlinks=True):
            inner = Path(folder).relative_to(here)
            if len(inner.parts) >= _DEEPEST:
                below.clear()
            yield from (inner / file for file in sorted(fnmatch.filter(files, _LIBRARY)))
