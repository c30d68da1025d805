"""Pictures of tiles: made from a data set and stored predictions, or taken over from a built site."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from worldstrat_bench.api import RGB
from worldstrat_bench.artefacts.identity import targets_sha256
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.errors import DataError, InvalidArtefactError, UsageError
from worldstrat_bench.site import imaging
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.pictures import Panel, TilePictures
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.text import number, slugify

if TYPE_CHECKING:
    from worldstrat_bench.data.layout import Dataset
    from worldstrat_bench.data.target import TargetImage

ERROR_SIDE = 158
THUMB_SIDE = 120
INDEX = "data/pictures.json"
Pictures = dict[str, TilePictures]
Put = Callable[..., Panel]


@dataclass(frozen=True)
class Source:
    """Where pictures come from.

    Attributes
    ----------
    dataset : opened, or None for no pictures.
    predictions : record id to run folder.
    """

    dataset: Dataset | None
    predictions: Mapping[str, Path]


def open_source(data: Path | None, runs: Sequence[Path]) -> Source:
    """Open the data set and look at the runs.

    Raises
    ------
    UsageError
        if predictions are given without data, or a run has no predictions.
    DataError
        if `data` is no data set.
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
    return Source(open_dataset(data), found)


def collect(output: Output, analysis: Analysis, source: Source, built: Path | None) -> Pictures:
    """The pictures of a division; empty if the data set is not the one that its runs were scored on.

    Parameters
    ----------
    built : a site whose pictures are taken over instead.
    """
    if built is not None:
        return _taken_over(output, analysis, built)
    dataset = source.dataset
    if dataset is None or dataset.release not in analysis.division.release.split(", "):
        return {}
    targets = _targets(analysis, dataset)
    if targets is None:
        return {}
    pictures = {tile: _make(output, analysis, source, tile, target) for tile, target in targets.items()}
    output.put_json(analysis.division.prefix + INDEX, {tile: asdict(p) for tile, p in sorted(pictures.items())})
    return pictures


def _targets(analysis: Analysis, dataset: Dataset) -> dict[str, TargetImage] | None:
    """The targets of all tiles, if they are the ones that the division's boards are keyed by."""
    from worldstrat_bench.cache import default_cache
    from worldstrat_bench.data.target import read_target

    division, cache = analysis.division, default_cache()
    try:
        targets = {tile: read_target(dataset.tile(tile), division.protocol, cache) for tile in division.facts.tiles}
    except DataError:
        return None
    digest = targets_sha256((tile, target.sha256) for tile, target in targets.items() if target.usable)
    return targets if digest == division.targets_sha256 else None


def _make(output: Output, analysis: Analysis, source: Source, tile: str, target: TargetImage) -> TilePictures:
    folder = f"img/{slugify(tile)}"
    prefix = analysis.division.prefix
    stretch = imaging.stretch_of(target.image, target.valid)

    def put(name: str, data: bytes, title: str, note: str = "") -> Panel:
        output.put(f"{prefix}{folder}/{name}.webp", data)
        return Panel(f"{folder}/{name}.webp", title, note)

    large = put("target", imaging.webp(imaging.stretched(target.image, stretch)), "Target")
    predictions, errors = [], []
    for entry in _by_rank(analysis):
        run = source.predictions.get(entry.record.record_id)
        image = None if run is None else _prediction(run, tile, target)
        if image is None:
            continue
        predictions.append(put(f"p-{entry.slug}", imaging.webp(imaging.stretched(image, stretch)), entry.title))
        row = analysis.row_of[tile]
        shift = tuple(float(entry.table.numbers[name][row]) for name in ("shift_y", "shift_x"))
        moved = (0.0, 0.0) if np.isnan(shift).any() else (shift[0], shift[1])
        colours = imaging.error_map(image, target.image, target.valid, moved, ERROR_SIDE)
        psnr = number(float(entry.table.numbers["psnr"][row]), 2)
        errors.append(put(f"e-{entry.slug}", imaging.webp(colours), entry.title, f"{psnr} dB"))
    frame, revisits = _inputs(source, analysis, tile, stretch, put)
    return TilePictures(
        side=target.image.shape[-1], target=large, input=frame, predictions=tuple(predictions), errors=tuple(errors),
        revisits=revisits,
    )  # fmt: skip


def _inputs(
    source: Source, analysis: Analysis, tile: str, stretch: tuple[float, float], put: Put
) -> tuple[Panel | None, tuple[Panel, ...]]:
    """Frame 0 on its own grid, and the strip of all offered frames."""
    from worldstrat_bench.data.reading import read_inputs

    if source.dataset is None:
        return None, ()
    protocol = analysis.division.protocol
    inputs = read_inputs(source.dataset.tile(tile), protocol, protocol.inputs.frames)
    task = inputs.task
    panels = []
    for i, (image, clear, days) in enumerate(zip(task.images[0], task.clear[0], task.days[0], strict=True)):
        picture = imaging.hatched(imaging.stretched(image[list(RGB)], stretch), clear[0])
        cloudy = 100 * (1 - float(clear.mean()))
        note = f"{number(float(days), 0, signed=True)} days, {cloudy:.0f} % cloud"
        panels.append(put(f"r-{i}", imaging.webp(picture, THUMB_SIDE), f"Frame {i}, n = {inputs.revisits[i]}", note))
    first = imaging.stretched(task.images[0, 0, list(RGB)], stretch)
    return put("input", imaging.webp(first), "Input, frame 0"), tuple(panels)


def _by_rank(analysis: Analysis) -> list[Entry]:
    order = analysis.board(analysis.division.protocol.ranking.metrics[0]).order
    return sorted(analysis.division.entries, key=lambda e: (order.get(e.slug, len(order)), e.slug))


def _prediction(run: Path, tile: str, target: TargetImage) -> imaging.Image | None:
    """A stored prediction on the target's grid; None if there is none of this tile."""
    from worldstrat_bench.run.predictions import PredictionStore

    store = PredictionStore(run / "predictions")
    if "/" in tile or not store.has(tile):
        return None
    try:
        image = store.read(tile)
    except InvalidArtefactError:
        return None
    if image.shape != target.image.shape:
        import torch

        from worldstrat_bench.resampling import lanczos_resize

        image = lanczos_resize(torch.from_numpy(image), *target.image.shape[-2:]).numpy()
    clipped: imaging.Image = np.clip(image, 0, 1)
    return clipped


def _taken_over(output: Output, analysis: Analysis, built: Path) -> Pictures:
    prefix = analysis.division.prefix
    try:
        document = json.loads((built / prefix / INDEX).read_text(encoding="utf-8"))
    except OSError:
        return {}
    for path in sorted((built / prefix / "img").rglob("*.webp")):
        output.put(path.relative_to(built).as_posix(), path.read_bytes())
    output.put_json(prefix + INDEX, document)
    return {tile: _parsed(fields) for tile, fields in document.items() if tile in analysis.row_of}


def _parsed(fields: Mapping[str, object]) -> TilePictures:
    def panel(value: object) -> Panel | None:
        return Panel(str(value["path"]), str(value["title"]), str(value["note"])) if isinstance(value, dict) else None

    def panels(name: str) -> tuple[Panel, ...]:
        values = fields.get(name)
        return tuple(p for v in (values if isinstance(values, list) else []) if (p := panel(v)))

    side = fields.get("side")
    return TilePictures(
        side if isinstance(side, int) else 0, panel(fields.get("target")), panel(fields.get("input")),
        panels("predictions"), panels("errors"), panels("revisits"),
    )  # fmt: skip
