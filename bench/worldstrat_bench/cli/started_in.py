"""The folder in which a command is started: it may be a stranger's, a clone of a repository for instance."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from worldstrat_bench.errors import UsageError

_LIBRARY: Final = "lib*.so*"
_OF_LOADER: Final = ("glibc-hwcaps", "tls", "haswell", "avx512_1", "x86_64", "aarch64")
"""Folders below each of its own in which the loader of glibc looks for builds of a library for this processor."""


def refuse_libraries() -> None:
    """Refuse to start where the loader could take a library from the current folder, and run it in this process.

    NVIDIA's libcusparseLt, which comes with torch for CUDA, has an empty folder on its search path. The loader takes
    it for the current one, and looks there for libcuda.so.1 and others before it looks in the system.

    Raises
    ------
    UsageError
        naming the first such file.
    """
    if sys.platform != "linux":
        return
    found = next(_libraries(Path()), None)
    if found is not None:
        what = "the current folder holds a library, which torch could load in place of the system's"
        raise UsageError(what, where=found, remedy="start the command in another folder")


def _libraries(here: Path) -> Iterator[Path]:
    try:
        yield from sorted(here.glob(_LIBRARY))
        for name in _OF_LOADER:
            yield from (here / name).rglob(_LIBRARY)
    except OSError:
        return  # a folder that cannot be read: the loader finds nothing there, either
