"""``data reference DIR``: what the real data give, computed once by a maintainer and shipped with the package."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from worldstrat_bench import __version__
from worldstrat_bench.artefacts.reference import Reference, ReferenceTile
from worldstrat_bench.artefacts.tiles import format_value
from worldstrat_bench.data.inputs import read_tile
from worldstrat_bench.data.layout import Dataset, open_dataset
from worldstrat_bench.data.target import read_target
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import DataError
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.run.notes import protocol_ref
from worldstrat_bench.run.score import FrameFacts
from worldstrat_bench.scoring import make_scorer
from worldstrat_bench.scoring.types import Frame, Scorer

REFERENCE_LISTS = ("full", "never-split")
"""Together they hold every tile of every fixed list."""

Progress = Callable[[int, int], None]


def make_reference(data: Path, protocol: str, progress: Progress = lambda done, total: None) -> Reference:
    """Compute the reference of a release from its files, never from a cache.

    Parameters
    ----------
    progress : called with the number of tiles that are done and of all.

    Raises
    ------
    DataError
        if the folder is not a release as published, or a tile of a fixed list is missing or damaged.
    UsageError
        if there is no such protocol.
    """
    dataset, rules = open_dataset(data), load_protocol(protocol)
    if not dataset.official_release:
        raise DataError(
            "this is not a release of WorldStrat, by the md5 of its two CSV files",
            where=dataset.root,
            remedy="a reference is made on the data as published: worldstrat-bench data fetch",
        )
    tiles = [tile for name in REFERENCE_LISTS for tile in dataset.tiles(name)]
    return reference_of_tiles(dataset, tiles, rules, progress)


def reference_of_tiles(
    dataset: Dataset, tiles: Sequence[Tile], protocol: Protocol, progress: Progress = lambda done, total: None
) -> Reference:
    """Return the reference of some tiles; see :func:`make_reference`."""
    scorer = make_scorer(protocol)
    rows = {}
    for done, tile in enumerate(sorted(tiles, key=lambda tile: tile.name), start=1):
        rows[tile.name] = _row(tile, protocol, scorer)
        progress(done, len(tiles))
    return Reference(release=dataset.release, protocol=protocol_ref(protocol), harness_version=__version__, tiles=rows)


def _row(tile: Tile, protocol: Protocol, scorer: Scorer) -> ReferenceTile:
    facts = FrameFacts.of(read_tile(tile, protocol=protocol, frames=1, cache=None))
    target, known = read_target(tile, protocol), tile.facts
    prepared = scorer.prepare(target, Frame(facts.rgb, facts.clear)) if target.usable else None
    return ReferenceTile(
        group=known.group,
        ipcc=known.ipcc,
        smod=known.smod,
        source=known.source,
        continent=known.continent,
        lon=_printed(known.lon),
        lat=_printed(known.lat),
        target_sha256=target.sha256 if prepared else None,
        cloud=float(format_value(facts.cloud)),
        days=facts.days,
        detail=_printed(prepared.detail) if prepared else None,
        psnr_bicubic=_printed(prepared.psnr_bicubic) if prepared else None,
    )


def _printed(value: float | None) -> float | None:
    """Return a number as ``tiles.csv`` holds it: null if it is not finite."""
    return float(format_value(value)) if value is not None and math.isfinite(value) else None
