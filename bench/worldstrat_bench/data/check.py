"""``data check``: everything that is wrong with a dataset, found before a run meets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data import raster
from worldstrat_bench.data import split as fixed
from worldstrat_bench.data.layout import CORE_REVISITS, OWN_LISTS, Dataset
from worldstrat_bench.data.loading import read_ahead
from worldstrat_bench.data.reading import has_data, offered_revisits
from worldstrat_bench.data.target import check_hr_side, is_usable, valid_of
from worldstrat_bench.data.tile import Revisit, Tile
from worldstrat_bench.errors import DataError
from worldstrat_bench.printed import plain_number, share_text
from worldstrat_bench.protocol import Protocol, load_protocol

HR_MAX = 40_000
"""Digital numbers above this are not reflectance times 10,000; WorldStrat reaches 20,877."""

_THREADS = 4


@dataclass(frozen=True)
class DatasetProblem:
    """One thing that is wrong: the file relative to the dataset, and what is wrong with it."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


@dataclass(frozen=True)
class ListState:
    """Completeness of a list in the folder; `complete` also needs every checked tile to be without fault."""

    name: str
    tiles: int
    present: int
    complete: bool


@dataclass(frozen=True)
class CheckReport:
    """Result of a check.

    Attributes
    ----------
    root, release, official_release : of the dataset.
    list_name : the list whose files were checked; `checked` its number of tiles.
    deep : whether every pixel was decoded.
    faults : sorted by tile.
    lists : the state of every list that the folder has a tile of.
    notes : what a run can live with: what files say of their own numbers, pixels and frames without data, and
        differences from the fixed split.
    licence : licences and attribution.
    revisits : the copy has the revisits 1 to this of the list's tiles; None if it has all.
    """

    root: Path
    release: str
    official_release: bool
    list_name: str
    checked: int
    deep: bool
    faults: tuple[DatasetProblem, ...]
    lists: tuple[ListState, ...]
    notes: tuple[str, ...]
    licence: str
    revisits: int | None = None


def check_dataset(
    dataset: Dataset,
    list_name: str = "auto",
    *,
    deep: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Check every file of a list that a run under the default protocol would read.

    Parameters
    ----------
    deep : decode every pixel; else headers, cloud masks and the end of every file, which finds truncation. Files that
        say something of their own numbers (a no-data value, a mask, a scale) are decoded in any case.
    progress : called with the number of tiles done and of all tiles.

    Raises
    ------
    UsageError
        for an unknown list.
    DataError
        if the folder's split file has no tile of the list.
    """
    resolved = dataset.resolve_list(list_name)
    names = dataset.names(resolved)
    revisits = dataset.partial_revisits(names)
    faults: list[DatasetProblem] = []
    faulty: set[str] = set()
    notes: list[DatasetProblem] = []
    protocol = load_protocol()
    pairs = read_ahead(names, lambda name: _examine_tile(dataset, name, protocol, deep, revisits), _THREADS)
    for done, (name, (found, said)) in enumerate(pairs, start=1):
        faults.extend(found)
        notes.extend(said)
        if found:
            faulty.add(name)
        if progress is not None:
            progress(done, len(names))
    return CheckReport(
        dataset.root,
        dataset.release,
        dataset.official_release,
        resolved,
        len(names),
        deep,
        tuple(faults),
        tuple(_list_states(dataset, faulty)),
        (*_of_the_copy(dataset, resolved, names, revisits), *map(str, notes), *_notes(dataset)),
        licence_of(dataset),
        revisits,
    )


def licence_of(dataset: Dataset) -> str:
    """Return licences and attribution of the dataset's imagery."""
    if dataset.release == "mini":
        return "Synthetic data (CC0): no imagery of any satellite."
    if dataset.official_release:
        return fixed.licence_text()
    return "Not a release of WorldStrat: the folder's own terms apply. WorldStrat's:\n" + fixed.licence_text()


def _of_the_copy(dataset: Dataset, list_name: str, names: tuple[str, ...], revisits: int | None) -> Iterator[str]:
    """Yield what a copy that is not whole can be used for."""
    if revisits is not None:
        yield (
            f"this copy has revisits 1..{revisits} of {CORE_REVISITS}: evaluate with --frames {revisits} or fewer; "
            "such runs are not official and compare with runs on such a copy only"
        )
    if blind := dataset.without_hr(names):
        yield f"this copy lacks the high-resolution images of {len(blind)} of {len(names)} tiles: none can be scored"
    whole = dataset.whole_lists()
    if whole and list_name not in whole:
        yield f"this copy holds all tiles of {', '.join(whole)}: give --list {whole[0]}"


def _examine_tile(
    dataset: Dataset, name: str, protocol: Protocol, deep: bool, revisits: int | None
) -> tuple[list[DatasetProblem], list[DatasetProblem]]:
    """Return the faults of a tile's files, and notes of what a run can live with."""
    if name not in dataset.folder_set:
        folders = {"hr_dataset": dataset.hr_folder(name), "lr_dataset": dataset.root / "lr_dataset" / name}
        absent = " and ".join(label for label, folder in folders.items() if not folder.is_dir())
        return [DatasetProblem(name, f"the tile is missing from {absent}")], []
    try:
        tile = dataset.tile(name, revisits)
    except DataError as error:
        return [_fault(error, dataset.root)], []
    faults: list[DatasetProblem] = []
    notes: list[DatasetProblem] = []
    if not tile.revisits:
        faults.append(DatasetProblem(f"lr_dataset/{name}/L2A", "the tile has no revisit"))
    shares: list[float] = []
    # Every file of a tile is looked at, also after a fault: one round shows all.
    for path, check in _checks(tile, protocol, deep, shares):
        try:
            notes.extend(DatasetProblem(_relative(path, dataset.root), what) for what in check())
        except DataError as error:
            faults.append(_fault(error, dataset.root))
    offered, least = offered_revisits(tile, protocol), protocol.inputs.usable_share_min
    # Only if every frame on offer was decoded: one that was not may be the one with data.
    if offered and len(shares) == len(offered) and max(shares) < least:
        faults.append(DatasetProblem(f"lr_dataset/{name}/L2A", f"no revisit has data on {least:.0%} of its pixels"))
    return faults, notes


def _checks(
    tile: Tile, protocol: Protocol, deep: bool, shares: list[float]
) -> Iterator[tuple[Path, Callable[[], list[str]]]]:
    """Yield every file with its check, which returns notes or raises; revisits on offer add to `shares`."""
    yield tile.hr, partial(_check_hr, tile.hr, protocol, deep)
    offered = offered_revisits(tile, protocol)
    for revisit in tile.revisits:
        counted = shares if revisit in offered else []
        yield revisit.data, partial(_check_lr, revisit.data, protocol, deep, counted)
        yield revisit.cloud_mask, partial(_check_mask, revisit)


def _check_hr(path: Path, protocol: Protocol, deep: bool) -> list[str]:
    header, traits = raster.read_traits(path)
    raster.check_hr_header(header, path)
    unusual = str(traits)
    # The last row shows a file that was cut short; decoding all of a release takes an hour.
    if not deep and not unusual:
        raster.read_end(path)
        check_hr_side(header.height, path, protocol)
        return []
    image = raster.read_hr(path)
    high = float(image.max())
    if high == 0:
        raise DataError("has no data: every pixel is 0, masked or declared to have none", where=path)
    if high > HR_MAX:
        raise DataError(f"has values up to {plain_number(high, 6)}, which are not reflectance x 10,000", where=path)
    check_hr_side(header.height, path, protocol)
    no_data: NDArray[np.bool_] = (image == 0).all(axis=0)
    absent = f"{share_text(float(no_data.mean()))} of its pixels have no data"
    if not is_usable(valid_of(no_data, protocol.target), protocol.target):
        least = f"less than {protocol.target.valid_share_min:.0%} of the window that {protocol.id} scores"
        raise DataError(f"has data on {least}: the tile has no target and leaves every list; {absent}", where=path)
    parts = [*([unusual] if unusual else []), *([absent] if unusual or no_data.any() else [])]
    return ["; ".join(parts)] if parts else []


def _check_lr(path: Path, protocol: Protocol, deep: bool, shares: list[float]) -> list[str]:
    header, traits = raster.read_traits(path)
    raster.check_lr_header(header, path, scaled=traits.scaled)
    unusual = str(traits)
    if not deep and not unusual:
        raster.check_reflectance(raster.read_end(path).astype(np.float32), path)
        return []
    usable = float(has_data(raster.read_lr(path)).mean())
    shares.append(usable)
    parts = [unusual] if unusual else []
    if usable < 1 or unusual:
        parts.append(f"{share_text(1 - usable)} of its pixels have no data and count as not clear")
    if usable < protocol.inputs.usable_share_min:
        parts.append("the frame is not offered to a model")
    return ["; ".join(parts)] if parts else []


def _check_mask(revisit: Revisit) -> list[str]:
    _, traits = raster.read_traits(revisit.cloud_mask)
    mask = raster.read_cloud_mask(revisit.cloud_mask)
    notes = [f"{traits}; pixels without data count as not clear"] if str(traits) else []
    if not revisit.data.is_file():
        return notes
    try:
        shape = raster.read_header(revisit.data).shape
    except DataError:
        return notes  # that file has its own line
    if shape != mask.shape:
        raise DataError(
            f"is {mask.shape[0]} x {mask.shape[1]} px, its revisit {shape[0]} x {shape[1]}", where=revisit.cloud_mask
        )
    return notes


def _fault(error: DataError, root: Path) -> DatasetProblem:
    where = Path(error.where or root)
    return DatasetProblem(_relative(where, root), error.what.removeprefix(f"{where.name} "))


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _list_states(dataset: Dataset, faulty: set[str]) -> Iterator[ListState]:
    own = {row.split for row in dataset.split_rows}
    for name in (*fixed.LISTS, *OWN_LISTS):
        if name in OWN_LISTS and name not in own:
            continue
        names = dataset.names(name)
        present = sum(tile in dataset.folder_set for tile in names)
        if present or name in OWN_LISTS or dataset.official_release:
            yield ListState(name, len(names), present, present == len(names) and not faulty & set(names))


def _notes(dataset: Dataset) -> Iterator[str]:
    """Yield how the folder's tables differ from WorldStrat's; nothing for sets that share no tile with it."""
    test = {row.tile for row in dataset.split_rows if row.split == "test"}
    official = set(fixed.list_tiles("full"))
    if not test & official:
        return
    facts = fixed.official_facts()
    labels = {row.tile: fixed.ipcc_label(row.ipcc) for row in dataset.split_rows if row.tile in official}
    differences = {
        "of the fixed test tiles are not test tiles here": official - test,
        "of the test tiles here are not in the fixed split": test - official,
        "of the fixed test tiles have another IPCC class here": {
            tile for tile, label in labels.items() if label != facts[tile].ipcc
        },
    }
    for what, tiles in differences.items():
        if tiles:
            some = ", ".join(sorted(tiles)[:3]) + (", ..." if len(tiles) > 3 else "")
            yield f"{len(tiles)} {what}: {some}"
    if not dataset.official_release:
        for file, md5 in dataset.md5.items():
            names = [release.name for release in fixed.releases() if md5 in (release.metadata_md5, release.split_md5)]
            yield f"{file} is {f'that of {names[0]}' if names else 'of no release'} (md5 {md5})"
        yield "the two CSV files are not those of one release, so no run on this folder is official"
