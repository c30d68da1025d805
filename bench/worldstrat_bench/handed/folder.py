"""A folder of predictions: which file is of which tile, and everything that is wrong with the folder."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.handed.files import KINDS, Kind

MOST_FILES: Final = 50_000
_BESIDE: Final = (".*", "readme*", "licen[cs]e*", "manifest.json", "thumbs.db", "desktop.ini")
"""Names that may lie beside predictions and are ignored; in lower case."""

_MOST_LINES: Final = 1000
_FORMATS: Final = "GeoTIFF, NPZ, NPY, PNG and safetensors files are read"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, with the file or the tile that it is wrong with."""

    name: str
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Found:
    """The files of a folder, by tile, and what is wrong with others."""

    files: Mapping[str, Path]
    faults: tuple[Fault, ...]


def kind_of_file(path: Path) -> Kind | None:
    """Return what a file is by the end of its name; None if it is read as nothing."""
    return KINDS.get(path.suffix.lower())


def find_files(folder: Path, tiles: Sequence[str], *, known: frozenset[str], ids: Mapping[str, str]) -> Found:
    """Match the files of a folder with tiles; nothing is opened.

    Parameters
    ----------
    tiles : those that need a prediction.
    known : tiles whose files are left alone: of the same list, beyond a limit.
    ids : id of an anonymous export to its tile.

    Raises
    ------
    UsageError
        if there is no such folder, or it cannot be read.
    """
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=folder, remedy="give the folder of the predictions")
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UsageError(f"the folder cannot be read: {error.strerror}", where=folder) from None
    if len(entries) > MOST_FILES:
        raise UsageError(f"the folder holds more than {MOST_FILES:,} files", where=folder, remedy="one file a tile")
    wanted = frozenset(tiles)
    letters = {name.casefold(): name for name in wanted}
    files: dict[str, Path] = {}
    faults: list[Fault] = []
    refused: set[str] = set()
    for path in entries:
        if any(fnmatch.fnmatchcase(path.name.lower(), pattern) for pattern in _BESIDE):
            continue
        tile = ids.get(path.stem, path.stem)
        fault = _fault_of(path, tile, wanted | known)
        if fault is not None:
            faults.append(fault)
            refused.add(letters.get(tile.casefold(), tile))
        elif tile in files:
            faults.append(Fault(path.name, f"is a second file of the tile {tile}", f"keep it or {files[tile].name}"))
        elif tile in wanted:
            files[tile] = path
    # A tile whose file is refused has one fault, not two.
    faults += [_missing(tile) for tile in tiles if tile not in files and tile not in refused]
    return Found(files, tuple(faults))


def _missing(tile: str) -> Fault:
    return Fault(tile, "has no prediction", "every tile of the list needs one; a tile is never left out")


def _fault_of(path: Path, tile: str, listed: frozenset[str]) -> Fault | None:
    if path.is_symlink():
        return Fault(path.name, "is a link", "put the file itself there")
    if path.is_dir():
        return Fault(path.name, "is a folder", "put one file a tile into the folder itself")
    if kind_of_file(path) is None:
        return Fault(path.name, "is a type of file that is not read", _FORMATS)
    if tile in listed:
        return None
    near = next((name for name in listed if name.casefold() == tile.casefold()), None)
    remedy = f"did you mean {near}?" if near else "name files by tile, or give --ids; remove what is not on the list"
    return Fault(path.name, "belongs to no tile of the list", remedy)


def refuse(folder: Path, faults: Sequence[Fault]) -> None:
    """Raise InvalidArtefactError with every fault, if there is one.

    One fault is told as one sentence with its remedy; several as a list.
    """
    if not faults:
        return
    if len(faults) == 1:
        (only,) = faults
        raise InvalidArtefactError(f"{only.name} {only.what}", where=folder, remedy=only.remedy or None)
    remedies = sorted({fault.remedy for fault in faults if fault.remedy})
    raise InvalidArtefactError(
        "\n".join([f"{len(faults)} faults in the predictions:", *_lines(faults)]),
        where=folder,
        remedy="; ".join(remedies[:4]) or None,
    )


def _lines(faults: Sequence[Fault]) -> Iterator[str]:
    for fault in faults[:_MOST_LINES]:
        yield f"  {fault.name} {fault.what}"
    if len(faults) > _MOST_LINES:
        yield f"  and {len(faults) - _MOST_LINES} more"
