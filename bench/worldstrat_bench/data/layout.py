"""Layout of a WorldStrat folder: releases v1.0 and v1.1, Kaggle's copy, and mini.

No pixel is read here. Names on disk decide nothing that the fixed split decides: for the tiles of the
package lists on a recognised release, labels come from :mod:`worldstrat_bench.data.split`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from worldstrat_bench.arguments import one_of, path_of
from worldstrat_bench.data import split as fixed
from worldstrat_bench.data import tables
from worldstrat_bench.data.continent import continent_of
from worldstrat_bench.data.tile import Revisit, Tile
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.typed import typed

MINI_FILE = "mini.toml"
"""Marks a folder written by ``data mini``."""

CORE_REVISITS = 8
"""Every copy has the revisits 1..8 of a tile; Kaggle's has no more."""

OWN_LISTS = ("test", "val", "train")
"""Lists that a folder's own split file defines."""

UNOFFICIAL: tuple[str, ...] = ("mini", "unrecognised")
"""Release of a folder that holds none of those that were published."""

_REVISIT = re.compile(r"-(\d{1,3})-(?:L2A_data|CLM)\.tiff$")


def list_named(name: str) -> str:
    """Return which list of a dataset a text means, ``auto`` among them; letter case does not matter.

    Raises
    ------
    UsageError
        for an unknown list.
    """
    return one_of(name, ("auto", *fixed.LISTS, *OWN_LISTS), "unknown list", "--list")


def open_dataset(root: Path | str) -> Dataset:
    """Open a folder in WorldStrat's layout, and read its two CSV files.

    >>> tile = open_dataset("WorldStrat").tile("Landcover-1298301")  # doctest: +SKIP
    >>> tile.target().image.shape, tile.inputs(frames=2).task.images.shape  # doctest: +SKIP
    ((3, 632, 632), (1, 2, 12, 158, 158))

    Raises
    ------
    DataError
        if the folder, its image folders or its tables are missing or not in WorldStrat's form.
    """
    root = path_of(root, "data")
    if not root.is_dir():
        raise DataError("there is no such folder", where=root, remedy=_GET)
    # Folders first: the most frequent mistake is to name the folder above, and that is told before any table is
    # missed.
    for folder in ("hr_dataset", "lr_dataset"):
        if not (root / folder).is_dir():
            inner = next((p for p in _folders(root) if (root / p / folder).is_dir()), None)
            remedy = f"did you mean --data {root / inner}?" if inner else _GET
            if not inner and folder == "hr_dataset" and (root / "lr_dataset").is_dir():
                what = "this copy has no high-resolution images (hr_dataset/): scores need them, and sizes of targets"
                raise DataError(what, where=root, remedy=_GET)
            raise DataError(f"the folder has no {folder}/ and is not in WorldStrat's layout", where=root, remedy=remedy)
    metadata_bytes, metadata_rows = tables.read_table(root / tables.METADATA_FILE)
    split_bytes, split_rows = tables.read_table(root / tables.SPLIT_FILE)
    md5 = {tables.METADATA_FILE: tables.md5(metadata_bytes), tables.SPLIT_FILE: tables.md5(split_bytes)}
    return Dataset(
        root,
        release_of(root, md5[tables.METADATA_FILE], md5[tables.SPLIT_FILE]),
        tables.parse_split(split_rows, root / tables.SPLIT_FILE),
        tables.parse_metadata(metadata_rows, root / tables.METADATA_FILE),
        md5,
    )


_GET = "worldstrat-bench data fetch gets WorldStrat, worldstrat-bench data mini DIR makes a small synthetic set"


@dataclass(frozen=True)
class Dataset:
    """An opened folder.

    Attributes
    ----------
    root : the folder.
    release : ``v1.0``, ``v1.1``, ``mini`` or ``unrecognised``.
    split_rows, metadata : its tables.
    md5 : of the two files, by name.
    """

    root: Path
    release: str
    split_rows: tuple[tables.SplitRow, ...]
    metadata: tables.Metadata
    md5: Mapping[str, str] = field(default_factory=dict)

    @property
    def official_release(self) -> bool:
        """True if the md5 of both tables are those of one release."""
        return self.release in {release.name for release in fixed.releases()}

    @typed
    def resolve_list(self, list_name: str) -> str:
        """Resolve ``auto``: ``full`` on a recognised release, else ``test``; other names stay.

        Raises
        ------
        UsageError
            for an unknown list.
        """
        named = list_named(list_name)
        auto = "full" if self.official_release else "test"
        return auto if named == "auto" else named

    @typed
    def names(self, list_name: str = "auto") -> tuple[str, ...]:
        """Return the names of a list's tiles, sorted, whether or not their files are there.

        Raises
        ------
        UsageError
            for an unknown list.
        DataError
            if the list has no tile in this folder's split file.
        """
        resolved = self.resolve_list(list_name)
        if resolved in fixed.LISTS:
            return fixed.list_tiles(resolved)
        # A tile that is listed twice is in every split that names it, as four test tiles of v1.0 are.
        names = {row.tile for row in self.split_rows if row.split == resolved}
        if not names:
            raise DataError(f"no tile has the split {resolved!r}", where=self.root / tables.SPLIT_FILE)
        return tuple(sorted(names))

    @typed
    def tiles(self, list_name: str = "auto", limit: int | None = None) -> tuple[Tile, ...]:
        """Return the tiles of a list, sorted by name, or the first `limit` of them.

        Raises
        ------
        UsageError
            for an unknown list.
        DataError
            if tiles are missing from the folder or the metadata; names the first few.
        """
        every = self.names(list_name)
        if limit is not None and limit < 1:
            raise UsageError(f"a limit of {limit} leaves no tile", where="limit", remedy="give 1 or more")
        # Cut before anything is looked for: a smoke test of three tiles needs these three only.
        names = every[:limit]
        missing = [name for name in names if name not in self.folder_set]
        if missing:
            raise DataError(
                f"{len(missing)} of {len(names)} tiles of the list {self.resolve_list(list_name)!r} are not here: "
                f"{_some(missing)}",
                where=self.root,
                remedy=self._remedy_for(missing),
            )
        # Of the whole list: a few tiles alone may have fewer revisits without the copy being partial.
        revisits = self.partial_revisits(every)
        return tuple(self.tile(name, revisits) for name in names)

    def whole_lists(self) -> tuple[str, ...]:
        """Return the lists of which every tile has its folders here, the largest first."""
        own = {row.split for row in self.split_rows}
        lists = {name: self.names(name) for name in (*fixed.LISTS, *OWN_LISTS) if name in fixed.LISTS or name in own}
        whole = [name for name, tiles in lists.items() if self.folder_set.issuperset(tiles)]
        return tuple(sorted(whole, key=lambda name: (-len(lists[name]), name)))

    def without_hr(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the tiles that have low-resolution images and no folder of high-resolution ones."""
        lr = _folders(self.root / "lr_dataset")
        return tuple(name for name in names if name in lr and not self.hr_folder(name).is_dir())

    def _remedy_for(self, missing: list[str]) -> str:
        """Say what a copy without these tiles can be used for."""
        if len(self.without_hr(missing)) == len(missing):
            return f"this copy lacks their high-resolution images: scores need them, and sizes of targets; {_GET}"
        whole = self.whole_lists()
        if whole:
            return f"this copy holds all of {', '.join(whole)}: give --list {whole[0]}, or get the rest with data fetch"
        return "worldstrat-bench data fetch gets them; worldstrat-bench data check DIR lists all faults"

    def partial_revisits(self, names: Iterable[str]) -> int | None:
        """Return N if none of these tiles has a file of a revisit above N, although the metadata names such revisits.

        A copy that was fetched with ``--frames N`` is like that. None for every other: what it lacks is a fault.
        """
        named = {name: [n for n in self.metadata.revisits.get(name, {}) if n <= CORE_REVISITS] for name in names}
        # Of the metadata: whether a copy lacks revisits on purpose can only be told from what it says it should have.
        most = max((max(numbers, default=0) for numbers in named.values()), default=0)
        here = 0
        for name in named:
            here = max(here, *(n for n in self._on_disk(name)), 0)
            if here >= most:
                return None  # nearly always after the first tile
        return here or None

    @cached_property
    def _partial(self) -> int | None:
        return self.partial_revisits(self.folders)

    def _on_disk(self, name: str) -> set[int]:
        """Return the numbers of the revisits of which a tile has a file."""
        suffixes = (file.removeprefix(name) for file in _files(self.root / "lr_dataset" / name / "L2A"))
        return {int(match[1]) for suffix in suffixes if (match := _REVISIT.fullmatch(suffix))}

    @typed
    def tile(self, name: str, revisits: int | None = None) -> Tile:
        """Return one tile by name, its files unchecked.

        Parameters
        ----------
        revisits : up to which number its revisits have to be here; None for what the copy as a whole holds.

        Raises
        ------
        DataError
            if the data set has no tile of the name, a revisit on disk is not in the metadata, or a row of the tile
            there makes no sense.
        """
        if not (name in self.metadata.revisits or name in fixed.official_facts() or name in self.folder_set):
            what = f"the data set has no tile {name[:60]!r}"
            raise DataError(what, where=self.root, remedy="`names()` lists its tiles")
        # Raised here and not when the table is read: a row that makes no sense spoils its tile, not the dataset.
        if name in self.metadata.problems:
            raise self.metadata.problems[name]
        folder = self.root / "lr_dataset" / name / "L2A"
        rows = self.metadata.revisits.get(name, {})
        core = min(CORE_REVISITS, revisits or self._partial or CORE_REVISITS)
        # A file of the core revisits that the metadata names and the disk lacks is a fault, not a shorter tile.
        numbers = sorted(self._on_disk(name) | {n for n in rows if n <= core})
        unknown = [n for n in numbers if n not in rows]
        if unknown:
            raise DataError(
                f"{name}: the metadata does not name revisit {unknown[0]}", where=self.root / tables.METADATA_FILE
            )
        hr = self.hr_folder(name) / f"{name}_ps.tiff"
        return Tile(self.facts(name), hr, tuple(_revisits(folder, name, rows, numbers)))

    def hr_folder(self, name: str) -> Path:
        """Return where a tile's high-resolution files are; Kaggle's copy has one level more."""
        kaggle = self.root / "hr_dataset" / "12bit" / name
        return kaggle if kaggle.is_dir() else self.root / "hr_dataset" / name

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The names that have both a high-resolution and a low-resolution folder, sorted.

        This leaves out the orphan of v1.0 (``testing on one Amnesty POI``), which is in no table either.
        """
        hr = self.root / "hr_dataset"
        both = (_folders(hr) | _folders(hr / "12bit")) & _folders(self.root / "lr_dataset")
        return tuple(sorted(both))

    @cached_property
    def folder_set(self) -> frozenset[str]:
        """:attr:`folders`, to look names up in."""
        return frozenset(self.folders)

    def facts(self, name: str) -> fixed.TileFacts:
        """Return a tile's facts: those of the package on a recognised release, else from the folder's tables."""
        lon, lat = self.metadata.places.get(name, (None, None))
        # The package's labels go before those of the folder's tables, which people resave with spreadsheets.
        official = fixed.official_facts().get(name) if self.official_release else None
        if official is not None:
            # What the package cannot know of a tile in no split, the folder may say.
            unknown = name in fixed.list_tiles("never-split")
            return replace(official, lon=lon, lat=lat, continent=continent_of(lon, lat)) if unknown else official
        rows = self._rows_by_tile.get(name, ())
        return fixed.TileFacts(
            name,
            fixed.group_of(name),
            fixed.ipcc_label(next((row.ipcc for row in rows if row.ipcc), None)),
            fixed.smod_label(next((row.smod for row in rows if row.smod), None)),
            next((row.source for row in rows if row.source), fixed.source_of(name)),
            continent_of(lon, lat),
            lon,
            lat,
            self._leak(name, {row.split for row in rows}),
        )

    def _leak(self, name: str, splits: set[str]) -> str:
        """Return why a test tile of a folder that the package does not know is not clean."""
        if "test" not in splits:
            return ""
        if len(splits) > 1:
            return "duplicate"
        return "sibling" if fixed.group_of(name) in self._seen_groups else ""

    @cached_property
    def _rows_by_tile(self) -> Mapping[str, list[tables.SplitRow]]:
        rows: dict[str, list[tables.SplitRow]] = {}
        for row in self.split_rows:
            rows.setdefault(row.tile, []).append(row)
        return rows

    @cached_property
    def _seen_groups(self) -> frozenset[str]:
        return frozenset(fixed.group_of(row.tile) for row in self.split_rows if row.split != "test")


def folders_of_targets(root: Path) -> tuple[Path, ...]:
    """Return what a model may not read of a data set: its folder, and where its targets are if links lead there."""
    hr = root / "hr_dataset"
    entries = (entry for folder in (hr, hr / "12bit") if folder.is_dir() for entry in folder.iterdir())
    return tuple(dict.fromkeys(place.resolve() for place in (root, hr, *filter(Path.is_symlink, entries))))


def release_of(root: Path, metadata_md5: str, split_md5: str) -> str:
    """Return the release that both tables are of; ``mini`` by its marker, ``unrecognised`` if they are of none."""
    if (root / MINI_FILE).is_file():
        return "mini"
    for release in fixed.releases():
        if (metadata_md5, split_md5) == (release.metadata_md5, release.split_md5):
            return release.name
    return "unrecognised"


def _revisits(
    folder: Path, name: str, rows: Mapping[int, tables.RevisitRow], numbers: Iterable[int]
) -> Iterable[Revisit]:
    for n in numbers:
        row = rows[n]
        data, clm = folder / f"{name}-{n}-L2A_data.tiff", folder / f"{name}-{n}-CLM.tiff"
        yield Revisit(n, data, clm, row.acquired, (row.acquired - row.hr_acquired).days)


def _folders(path: Path) -> frozenset[str]:
    if not path.is_dir():
        return frozenset()
    return frozenset(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files(path: Path) -> tuple[str, ...]:
    return tuple(entry.name for entry in path.iterdir()) if path.is_dir() else ()


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
