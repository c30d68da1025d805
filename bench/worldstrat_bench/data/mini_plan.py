"""Which tiles mini has: names, classes, places and peculiarities. Standard library only."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta

_CLASSES = (
    # The first eight are one of each; of 36, two classes have the ten tiles that a macro mean asks for.
    "Settlement",
    "Agriculture",
    "Forest",
    "Water",
    "Grassland",
    "Wetland",
    "Other",
    "",
    "Settlement",
    "Agriculture",
    "Settlement",
    "Agriculture",
    "Forest",
    "Settlement",
    "Agriculture",
    "Other",
    "Settlement",
    "Agriculture",
    "Grassland",
    "Settlement",
    "Agriculture",
    "Forest",
    "Settlement",
    "Agriculture",
    "Water",
    "Settlement",
    "Agriculture",
    "Wetland",
    "Forest",
    "Settlement",
    "Agriculture",
    "Other",
    "Settlement",
    "Agriculture",
    "Grassland",
    "Forest",
)
_SMOD = {"Settlement": ("30", "21", "13", "23", "22"), "Agriculture": ("12", "11"), "Water": ("10",)}
_SOURCES = ("Landcover", "UNHCR", "Landcover", "Amnesty", "Landcover", "UNHCR", "Landcover", "ASMSpotter")
_PLACES = (
    (2.30, 48.70),
    (36.80, -1.30),
    (77.20, 28.60),
    (-58.40, -34.60),
    (-99.10, 41.20),
    (151.10, -33.90),
    (12.50, 9.10),
    (105.80, 21.00),
    (24.90, 60.20),
    (-70.60, -15.80),
    (44.40, 33.30),
    (-122.30, 45.50),
    (30.50, 50.40),
    (18.40, -33.90),
    (139.70, 35.70),
    (174.80, -41.30),
    (-3.70, 40.40),
    (37.90, 15.60),
)
_COUNTRIES = (
    "FRA",
    "KEN",
    "IND",
    "ARG",
    "USA",
    "AUS",
    "NGA",
    "VNM",
    "FIN",
    "PER",
    "IRQ",
    "USA",
    "UKR",
    "ZAF",
    "JPN",
    "NZL",
    "ESP",
    "ERI",
)
_SUB_TILES = ((1, 1), (1, 2), (2, 1), (2, 2))


@dataclass(frozen=True)
class PlannedTile:
    """One tile of mini before it has pixels.

    Attributes
    ----------
    number : its place in the plan; together with the seed it decides its pixels.
    wider : columns minus rows of a revisit.
    cloudiness : share of cloudy revisits.
    bars, zeros : black bars on two sides; pixels that are 0 in one band only.
    odd_frame : number of a revisit of another shape than the others, or 0.
    """

    number: int
    name: str
    split: str
    ipcc: str
    smod: str
    source: str
    variant: int
    lon: float
    lat: float
    located: bool
    taken: date
    wider: int
    cloudiness: float
    bars: bool
    zeros: bool
    odd_frame: int


def plan_tiles(test_tiles: int, train_tiles: int, seed: int) -> tuple[PlannedTile, ...]:
    """Return the tiles of a mini dataset, test tiles first; sub-tiles of one order come in groups of four."""
    splits = ["test"] * test_tiles + ["train"] * train_tiles + ["val"] * ((train_tiles + 1) // 2)
    seen: dict[str, int] = {}
    return tuple(_plan(number, split, seed, seen) for number, split in enumerate(splits))


def _plan(number: int, split: str, seed: int, seen: dict[str, int]) -> PlannedTile:
    rng = random.Random(f"{seed}/{number}")
    ipcc = _CLASSES[number % len(_CLASSES)]
    source = _SOURCES[number % len(_SOURCES)]
    count = seen[source] = seen.get(source, -1) + 1
    variant = seen[f"/{ipcc}"] = seen.get(f"/{ipcc}", -1) + 1
    lon, lat = _PLACES[number % len(_PLACES)]
    codes = _SMOD.get(ipcc, ("11",))
    return PlannedTile(
        number=number,
        name=_name(source, count, split, _COUNTRIES[number % len(_COUNTRIES)]),
        split=split,
        ipcc=ipcc,
        smod=codes[variant % len(codes)],
        source=source,
        variant=variant,
        lon=lon + rng.uniform(-0.4, 0.4),
        lat=lat + rng.uniform(-0.4, 0.4),
        # As in WorldStrat, whose sub-tiles have no coordinates.
        located=source in ("Landcover", "UNHCR"),
        taken=date(2020, 1, 1) + timedelta(days=rng.randrange(365)),
        wider=(0, 1, -1)[number % 3],
        cloudiness=(0.2, 0.5, 0.1, 0.3, 0.8)[number % 5],
        bars=number == 1,
        zeros=number == 2,
        odd_frame=3 if number == 4 else 0,
    )


def _name(source: str, count: int, split: str, country: str) -> str:
    """Return a name in upstream's form with a number that upstream does not use."""
    if source == "Landcover":
        return f"Landcover-{9_500_000 + count}"
    if source == "UNHCR":
        return f"UNHCR-{country}s{950_000 + count}"
    order, (row, column) = 950 + count // 4, _SUB_TILES[count % 4]
    # No order is in two splits: mini has no leak.
    order += {"test": 0, "train": 20, "val": 40}[split]
    return f"{'Amnesty POI' if source == 'Amnesty' else source}-{order}-{row}-{column}"
