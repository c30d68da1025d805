"""Pictures of tiles: made from a data set and stored predictions, or taken over from those that were made before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from worldstrat_bench.artefacts.identity import targets_sha256
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.pace import Pace, Say
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
    if dataset is None or dataset.release not in analysis.division.release.split(", "):
        return {}
    targets = _targets(analysis, dataset, Pace(source.say, "targets read"))
    if targets is None:
        return {}
    # Lossless crops of whole tiles are large: only the tiles that the gallery shows have them.
    featured = analysis.featured()
    studio = Studio(output, analysis, dataset, source.predictions)
    chosen = [t for t in targets if analysis.config.pictures == "all" or t in featured]
    pace, pictures = Pace(source.say, "tiles with pictures"), Pictures()
    for tile in chosen:
        pictures[tile] = studio.make(tile, targets[tile], whole=tile in featured)
        pace(len(pictures), len(chosen))
    drawn = sorted({layer.key for shown in pictures.values() for layer in shown.models})
    licence = caption(analysis.division.release.split(", "))
    output.put_json(analysis.division.prefix + INDEX, index_document(analysis, drawn, licence, pictures))
    return pictures


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
