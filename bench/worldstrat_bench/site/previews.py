"""Pictures of tiles: made from a data set and stored predictions, or taken over from those that were made before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worldstrat_bench.artefacts.identity import targets_sha256
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.pace import Pace, Say
from worldstrat_bench.printed import counted
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.licences import caption
from worldstrat_bench.site.pictures import TilePictures
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.stored import INDEX, Files, index_document, taken_over
from worldstrat_bench.site.studio import Studio

if TYPE_CHECKING:
    from worldstrat_bench.data.layout import Dataset
    from worldstrat_bench.data.target import TargetImage

Pictures = dict[str, TilePictures]

SAMPLES: Final = 6
"""Tiles by whose pictures the size of all is told."""


@dataclass(frozen=True)
class Source:
    """Source of pictures.

    Attributes
    ----------
    dataset : opened, or None for no pictures.
    predictions : record id to run folder.
    say : is told now and then how many tiles have their pictures.
    """

    dataset: Dataset | None
    predictions: Mapping[str, Path]
    say: Say = lambda _: None


def open_source(data: Path | None, runs: Sequence[Path], say: Say = lambda _: None) -> Source:
    """Open the data set and look at the runs.

    Raises
    ------
    UsageError
        if predictions are given without data, or a run has no predictions.
    DataError
        if `data` is not a data set.
    InvalidArtefactError
        if a run has no record.
    """
    if data is None:
        if runs:
            raise UsageError("predictions are shown beside the truth", where="--predictions", remedy="add --data DIR")
        return Source(None, {})
    from worldstrat_bench.data.layout import open_dataset

    found = {}
    for run in runs:
        if not (run / "predictions").is_dir():
            raise UsageError("the run has kept no predictions", where=run, remedy="evaluate it without --no-keep")
        found[load_record(run).record_id] = run
    return Source(open_dataset(data), found, say)


def collect(output: Output, analysis: Analysis, source: Source, stored: Files | None) -> Pictures:
    """Return the pictures of a division; empty if the data set is not the one that its runs were scored on.

    Parameters
    ----------
    stored : pictures that are taken over instead.
    """
    if stored is not None:
        return taken_over(output, analysis, stored)
    dataset = source.dataset
    # By the name first: the pixels tell for certain, but all targets have to be read for that.
    if dataset is None or dataset.release not in analysis.division.release.split(", "):
        return {}
    targets = _targets(analysis, dataset, Pace(source.say, "targets read"))
    if targets is None:
        return {}
    # Lossless crops of whole tiles are large: only the tiles that the gallery shows have them.
    featured = analysis.featured()
    studio = Studio(output, analysis, dataset, source.predictions)
    chosen = [t for t in targets if analysis.config.pictures == "all" or t in featured]
    pace, made = Pace(source.say, "tiles with pictures"), Pictures()
    for tile in _samples_first(chosen, featured):
        made[tile] = studio.make(tile, targets[tile], whole=tile in featured)
        if len(made) == min(SAMPLES, len(chosen)):
            source.say(_size_text(output, analysis.division.prefix, made, chosen, featured))
        pace(len(made), len(chosen))
    pictures = {tile: made[tile] for tile in chosen}
    drawn = sorted({layer.key for shown in pictures.values() for layer in shown.models})
    licence = caption(analysis.division.release.split(", "))
    output.put_json(analysis.division.prefix + INDEX, index_document(analysis, drawn, licence, pictures))
    return pictures


def _samples_first(chosen: Sequence[str], featured: Collection[str]) -> list[str]:
    """Return the tiles with `SAMPLES` in front: one of the gallery's and one other, and the rest from everywhere."""
    first = [next((tile for tile in chosen if (tile in featured) == kind), None) for kind in (True, False)]
    spread = chosen[:: max(1, len(chosen) // SAMPLES)]
    return list(dict.fromkeys(tile for tile in (*first, *spread, *chosen) if tile is not None))


def _size_text(output: Output, prefix: str, made: Pictures, chosen: Sequence[str], featured: Collection[str]) -> str:
    """Return how much memory and then disk all pictures will take, by those of the tiles that are made."""
    sizes: dict[bool, list[int]] = {}
    for tile, one in made.items():
        own = f"{prefix}{one.folder}/"
        size = sum(len(data) for path, data in output.files.items() if path.startswith(own))
        sizes.setdefault(tile in featured, []).append(size)
    means = {kind: sum(own) / len(own) for kind, own in sizes.items()}
    total = sum(means.get(tile in featured, max(means.values())) for tile in chosen)
    return f"pictures of {counted(len(chosen), 'tile')} will take about {max(1, round(total / 1e6))} MB"


def _targets(analysis: Analysis, dataset: Dataset, pace: Pace) -> dict[str, TargetImage] | None:
    """Return the targets of all tiles, if they are the ones that the division's boards are keyed by."""
    from worldstrat_bench.cache import default_cache
    from worldstrat_bench.data.target import read_target

    division, cache = analysis.division, default_cache()
    targets = {}
    try:
        for tile in division.facts.tiles:
            targets[tile] = read_target(dataset.tile(tile), division.protocol, cache)
            pace(len(targets), len(division.facts.tiles))
    except DataError:
        return None
    # Names of tiles are the same in every release and copy; only the pixels tell whether these are the scored ones.
    digest = targets_sha256((tile, target.sha256) for tile, target in targets.items() if target.usable)
    return targets if digest == division.targets_sha256 else None
