"""Tiles that no author has: none of them may be published."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from worldstrat_bench.data.layout import Dataset
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.printed import counted

MINI: Final = "mini"
"""Release of what the generator makes: of such tiles anyone can make more."""


def refuse_known_tiles(private: Dataset, public: Dataset) -> None:
    """Refuse unseen tiles that lie in the known dataset as well, in whatever list and under whatever name.

    A model would remember them like the others, and known minus unseen would be 0 whatever it has seen.

    Raises
    ------
    UsageError
        naming the first of them.
    """
    by_size: dict[int, list[Path]] = {}
    for path in _images(public):
        by_size.setdefault(path.stat().st_size, []).append(path)
    # Only files of one size can be the same, so that of a whole dataset hardly a file is read.
    digest = cache(file_sha256)
    pairs = ((mine, theirs) for mine in _images(private) for theirs in by_size.get(mine.stat().st_size, ()))
    found = {mine: theirs for mine, theirs in pairs if digest(mine) == digest(theirs)}
    if found:
        # The name of an unseen tile is told to no log.
        what = f"{counted(len(found), 'unseen tile')} {_is(len(found))} in {public.root} as well"
        raise UsageError(
            f"{what}, as {next(iter(found.values())).parent.name} for one",
            where="--unseen",
            remedy="give tiles that are in no published list, or remove these",
        )


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _images(dataset: Dataset) -> list[Path]:
    """Return the high-resolution images of a dataset by name, whatever list they are on."""
    paths = (dataset.hr_folder(name) / f"{name}_ps.tiff" for name in dataset.folders)
    return [path for path in paths if path.is_file()]
