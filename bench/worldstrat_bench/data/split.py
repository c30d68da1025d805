"""The fixed test split of WorldStrat: which tiles, with which labels, and why some are not clean.

The facts are package data and therefore the same on every machine, whatever the folder on disk says.
Standard library only.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from worldstrat_bench.arguments import one_of
from worldstrat_bench.toml_text import read_toml

LISTS: tuple[str, ...] = ("full", "clean", "strict", "never-split")
"""The lists that the package fixes. ``clean`` ranks a board; ``full`` contains ``clean`` contains ``strict``."""

IPCC_CLASSES: tuple[str, ...] = ("Agriculture", "Forest", "Grassland", "Other", "Settlement", "Water", "Wetland")
"""The seven land-use classes of the IPCC as WorldStrat spells them."""

UNLABELLED = "unlabelled"
"""The label of a tile that has none."""

SMOD_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "10": "Water",
        "11": "Very low density rural",
        "12": "Low density rural",
        "13": "Rural cluster",
        "21": "Suburban",
        "22": "Semi-dense urban cluster",
        "23": "Dense urban cluster",
        "30": "Urban centre",
    }
)
"""Names of the codes of the GHS settlement model (GHS-SMOD R2019A, level 2)."""

_SUB_TILE = re.compile(r"^(?P<order>(?:ASMSpotter|Amnesty POI)-\d+)-\d+-\d+$")
_SOURCES = ("ASMSpotter", "Amnesty", "Landcover", "UNHCR")


@dataclass(frozen=True)
class TileFacts:
    """Facts of a tile beside its pixels.

    Attributes
    ----------
    tile, group : its name, and that of the order it was cut from (its own name if it was not cut).
    ipcc, smod, source, continent : its strata; ``unlabelled`` and ``unlocated`` where nothing is known.
    lon, lat : degrees, or None.
    leak : ``duplicate`` (also in train or val), ``sibling`` (of the same order as a tile of those),
        ``same-acquisition`` (of the same SPOT scene); empty if none is known.
    """

    tile: str
    group: str
    ipcc: str
    smod: str
    source: str
    continent: str
    lon: float | None
    lat: float | None
    leak: str


@dataclass(frozen=True)
class ReleaseFiles:
    """The published md5 of the small files of one release, by file name."""

    name: str
    metadata_md5: str
    split_md5: str


def group_of(tile: str) -> str:
    """Return the parent order of a sub-tile (``Amnesty POI-10-1-2`` -> ``Amnesty POI-10``), else the tile itself."""
    match = _SUB_TILE.match(tile)
    return match["order"] if match else tile


def source_of(tile: str) -> str:
    """Return where a tile's location came from, by the first word of its name; ``unlabelled`` if unknown."""
    return next((source for source in _SOURCES if tile.startswith(source)), UNLABELLED)


def ipcc_label(text: str | None) -> str:
    """Return the IPCC class of a cell of a split file; ``unlabelled`` for an empty one."""
    return (text or "").strip() or UNLABELLED


def smod_label(text: str | None) -> str:
    """Return the name of a settlement class given as its code (``11``, ``11.0``) or already as a name."""
    stripped = (text or "").strip()
    return SMOD_CLASSES.get(stripped.removesuffix(".0"), stripped or UNLABELLED)


@cache
def official_facts() -> Mapping[str, TileFacts]:
    """Return the 394 test tiles and the 38 tiles that are in no split, by name.

    The split files say nothing about the latter: their labels are ``unlabelled`` and ``unlocated``.
    """
    # Read-only: every caller gets the same mapping.
    return MappingProxyType({row["tile"]: _facts(row) for row in _rows()})


def list_tiles(name: str) -> tuple[str, ...]:
    """Return the tiles of one of :data:`LISTS`, sorted.

    Raises
    ------
    UsageError
        for any other name.
    """
    if name == "never-split":
        return tuple(sorted(row["tile"] for row in _rows() if row["split"] == "none"))
    # Siblings are cut from one image order, often with common edges; the same acquisition shares light and air only.
    excluded = {"full": (), "clean": ("duplicate", "sibling"), "strict": ("duplicate", "sibling", "same-acquisition")}
    name = one_of(name, LISTS, "unknown list", "--list")
    test = (row for row in _rows() if row["split"] == "test")
    return tuple(sorted(row["tile"] for row in test if row["leak"] not in excluded[name]))


def list_sha256(tiles: Iterable[str]) -> str:
    """Return the sha256 of the sorted names, one a line, the last line ended too."""
    return hashlib.sha256("".join(f"{tile}\n" for tile in sorted(tiles)).encode()).hexdigest()


def sublists(name: str, tiles: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the lists that a run over list `name` with these `tiles` yields.

    ``full`` yields full, clean and strict, ``clean`` yields clean and strict; any other list yields itself.
    """
    ran = frozenset(tiles)
    contained = {"full": ("clean", "strict"), "clean": ("strict",)}.get(name, ())
    return {name: ran} | {inner: ran & frozenset(list_tiles(inner)) for inner in contained}


@cache
def releases() -> tuple[ReleaseFiles, ...]:
    """Return the releases of WorldStrat with the md5 of their two small files."""
    document = read_toml(_text("releases.toml"))
    return tuple(
        ReleaseFiles(name, entry["metadata.csv"]["md5"], entry["stratified_train_val_test_split.csv"]["md5"])
        for name, entry in document["releases"].items()
    )


@cache
def release_names() -> tuple[str, ...]:
    """Return the names of WorldStrat's releases: what a record on official data may state."""
    return tuple(release.name for release in releases())


@cache
def licence_text() -> str:
    """Return licences and attribution of WorldStrat, a few lines."""
    return str(read_toml(_text("releases.toml"))["licence"]["text"]).strip()


def _text(file: str) -> str:
    return resources.files("worldstrat_bench.data.facts").joinpath(file).read_text(encoding="utf-8")


@cache
def _rows() -> tuple[dict[str, str], ...]:
    lines = [line for line in _text("official_tiles.csv").splitlines() if not line.startswith("#")]
    return tuple(csv.DictReader(lines))


def _facts(row: Mapping[str, str]) -> TileFacts:
    return TileFacts(
        row["tile"],
        group_of(row["tile"]),
        row["ipcc"] or UNLABELLED,
        row["smod"] or UNLABELLED,
        row["source"],
        row["continent"],
        float(row["lon"]) if row["lon"] else None,
        float(row["lat"]) if row["lat"] else None,
        row["leak"],
    )
