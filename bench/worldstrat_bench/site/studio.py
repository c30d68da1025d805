"""The pictures of one tile: target, input and models on one stretch, error maps, revisits, lossless crops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.api import NIR, RGB
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.site import imaging
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.pictures import CELL, CLOSE, Layer, Panel, TilePictures
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.text import number

if TYPE_CHECKING:
    from worldstrat_bench.data.layout import Dataset
    from worldstrat_bench.data.target import TargetImage

ERROR_SIDE = 158
THUMB_SIDE = 120
Stretch = tuple[float, float]


@dataclass(frozen=True)
class Studio:
    """Makes the pictures of a division's tiles.

    Attributes
    ----------
    output : where the files go.
    dataset : where inputs and targets are read from.
    predictions : record id to run folder.
    """

    output: Output
    analysis: Analysis
    dataset: Dataset
    predictions: Mapping[str, Path]

    def make(self, tile: str, target: TargetImage, *, whole: bool) -> TilePictures:
        """Make all pictures of a tile.

        Parameters
        ----------
        whole : lossless crops of the whole tile; else of its detail only.
        """
        shot = _Shot.of(self, tile, target)
        models, errors, found = [], [], []
        images = {"target": target.image}
        # By rank, so that the first two pictures of a page are those of the best models.
        for entry in self.analysis.by_rank():
            run = self.predictions.get(entry.record.record_id)
            image = None if run is None else _prediction(run, tile, target)
            if image is None:
                continue
            row = self.analysis.row_of[tile]
            psnr = f"{number(float(entry.table.numbers['psnr'][row]), 2)} dB"
            # Shown as it was scored: without the shift and the offset, an error map would show these and not the
            # model.
            scored = imaging.registered(image, target.image, shot.window, _shift(entry, row))
            images[entry.slug] = scored
            models.append(shot.layer("p", entry.slug, scored, entry.title, psnr))
            shot.put(f"d-{entry.slug}.webp", imaging.webp(imaging.stretched(image, shot.stretch)))
            found.append(imaging.error_of(scored, target.image, target.valid))
            colours = imaging.webp(imaging.error_map(found[-1], ERROR_SIDE))
            errors.append(Panel(shot.put(f"e-{entry.slug}.webp", colours), entry.title, psnr))
        detail = imaging.detail_of(found, target.image)
        side = target.image.shape[-1]
        cells = cells_of(side) if whole else (cell_around(detail, side),)
        for key, image in images.items():
            shot.put_crops(key, image, cells)
        frame, revisits, first = self._inputs(shot)
        shift = self._median_shift(tile)
        # By nearest pixels: an interpolated input would look like a model's answer.
        images["input"] = imaging.on_grid(first, side, shift)
        x, y = cell_around(detail, side, CLOSE)
        for key, image in images.items():
            shot.put(
                f"k-{key}.webp", imaging.small(imaging.stretched(image[:, y : y + CLOSE, x : x + CLOSE], shot.stretch))
            )
        self._put_infrared(shot)
        return TilePictures(
            folder=shot.folder,
            side=side,
            pixel=target.pixel,
            range=shot.stretch,
            target=shot.layer("p", "target", target.image, "Target"),
            input=frame,
            shift=shift,
            models=tuple(models),
            errors=tuple(errors),
            revisits=revisits,
            cells=cells,
            detail=detail,
            close=tuple(images),
            infrared=True,
        )

    def _median_shift(self, tile: str) -> tuple[float, float]:
        """Return (y, x) px, the input's own offset: what most models, given the same inputs, are moved by."""
        row = self.analysis.row_of[tile]
        shifts = np.array([_shift(entry, row) for entry in self.analysis.division.entries])
        # The median: one model that moves its image must not move the input of all others.
        y, x = np.median(shifts, axis=0)
        return round(float(y), 2), round(float(x), 2)

    def _inputs(self, shot: _Shot) -> tuple[Layer, tuple[Panel, ...], imaging.Image]:
        """Return frame 0 on its own grid, the strip of all offered frames, and frame 0 as reflectance, (3, h, w)."""
        from worldstrat_bench.data.reading import read_inputs

        protocol = self.analysis.division.protocol
        inputs = read_inputs(self.dataset.tile(shot.tile), protocol, protocol.inputs.frames)
        task = inputs.task
        panels = []
        for i, (image, clear, days) in enumerate(zip(task.images[0], task.clear[0], task.days[0], strict=True)):
            picture = imaging.hatched(imaging.stretched(image[list(RGB)], shot.stretch), clear[0])
            cloudy = 100 * (1 - float(clear.mean()))
            note = f"{number(float(days), 0, signed=True)} days, {cloudy:.0f} % cloud"
            title = f"Input {i + 1} of {len(inputs.revisits)} (revisit {inputs.revisits[i]})"
            panels.append(Panel(shot.put(f"r-{i}.webp", imaging.webp(picture, THUMB_SIDE)), title, note))
        first = task.images[0, 0]
        colours = imaging.stretched(first[list(RGB)], shot.stretch)
        path = shot.put("input.webp", imaging.small(colours))
        everywhere = np.ones(first.shape[1:], dtype=bool)
        own = imaging.own_stretch(first[list(RGB)], everywhere, shot.stretch)
        grey = first[[NIR] * 3]
        shot.put("n-input.webp", imaging.small(imaging.stretched(grey, imaging.stretch_of(grey, everywhere))))
        return (
            Layer(path, "Input", f"{first.shape[-1]} x {first.shape[-2]} px", "input", own),
            tuple(panels),
            first[list(RGB)],
        )

    def _put_infrared(self, shot: _Shot) -> None:
        """Draw the target's near infrared on its own stretch."""
        import torch

        from worldstrat_bench.data.raster import REFLECTANCE_SCALE, read_hr
        from worldstrat_bench.data.target import resize_antialiased

        hr = read_hr(self.dataset.tile(shot.tile).hr)
        band = torch.from_numpy(hr[3:4].astype(np.float64) / REFLECTANCE_SCALE).clamp(0, 1)
        kernel = self.analysis.division.protocol.target.kernel
        grey = resize_antialiased(band, shot.target.image.shape[-1], kernel).float().numpy()[[0] * 3]
        colours = imaging.stretched(grey, imaging.stretch_of(grey, shot.target.valid))
        shot.put("n-target.webp", imaging.webp(colours))


@dataclass(frozen=True)
class _Shot:
    """Properties that all pictures of one tile share.

    Attributes
    ----------
    folder : of its files, from the division's folder.
    stretch : reflectance drawn black and white.
    window : (H, W), the pixels that are scored.
    """

    output: Output
    prefix: str
    tile: str
    target: TargetImage
    folder: str
    stretch: Stretch
    window: NDArray[np.bool_]

    @classmethod
    def of(cls, studio: Studio, tile: str, target: TargetImage) -> _Shot:
        """Prepare a tile."""
        division = studio.analysis.division
        border = division.protocol.target.border
        # The offset is removed over the window that is scored, and shown over the whole tile.
        window = np.zeros_like(target.valid)
        inside = slice(border, target.valid.shape[0] - border)
        window[inside, inside] = target.valid[inside, inside]
        stretch = imaging.stretch_of(target.image, target.valid)
        return cls(
            studio.output, division.prefix, tile, target, f"img/{studio.analysis.tile_names[tile]}", stretch, window
        )

    def put(self, name: str, data: bytes | str) -> str:
        """Write a file; return its path from the division's folder."""
        self.output.put(f"{self.prefix}{self.folder}/{name}", data)
        return f"{self.folder}/{name}"

    def layer(self, kind: str, key: str, image: imaging.Image, title: str, note: str = "") -> Layer:
        """Write the overview of a picture on the target's grid."""
        path = self.put(f"{kind}-{key}.webp", imaging.webp(imaging.stretched(image, self.stretch)))
        return Layer(path, title, note, key, imaging.own_stretch(image, self.target.valid, self.stretch))

    def put_crops(self, key: str, image: imaging.Image, cells: tuple[tuple[int, int], ...]) -> None:
        """Write the lossless crops of a picture on the target's grid."""
        colours = imaging.stretched(image, self.stretch)
        for x, y in cells:
            crop = np.ascontiguousarray(colours[y : y + CELL, x : x + CELL])
            self.put(f"c-{key}-{x}-{y}.js", imaging.crop_script(key, x, y, crop))


def cells_of(side: int) -> tuple[tuple[int, int], ...]:
    """Return (x, y) of the crops that cover a square of `side` px."""
    starts = range(0, side, CELL)
    return tuple((x, y) for y in starts for x in starts)


def cell_around(place: tuple[int, int], side: int, size: int = CELL) -> tuple[int, int]:
    """Return (x, y) of the crop of `size` px around a place, inside the square."""
    x, y = (min(max(0, at - size // 2), max(0, side - size)) for at in place)
    return x, y


def _shift(entry: Entry, row: int) -> tuple[float, float]:
    """Return (y, x) px by which a model's prediction was moved; 0 where it has no score."""
    y, x = (float(entry.table.numbers[name][row]) for name in ("shift_y", "shift_x"))
    return (0.0, 0.0) if np.isnan(y + x) else (y, x)


def _prediction(run: Path, tile: str, target: TargetImage) -> imaging.Image | None:
    """Return a stored prediction on the target's grid; None if there is none of this tile."""
    from worldstrat_bench.run.predictions import PredictionStore

    store = PredictionStore(run / "predictions")
    # Names of tiles come from a record: one with a slash would lead out of the folder.
    if "/" in tile or not store.has(tile):
        return None
    try:
        image = store.read(tile).image[:3]
    except InvalidArtefactError:
        return None
    if image.shape != target.image.shape:
        import torch

        from worldstrat_bench.resampling import lanczos_resize

        # As scoring brings it to the grid of the target.
        image = lanczos_resize(torch.from_numpy(image), *target.image.shape[-2:]).numpy()
    clipped: imaging.Image = np.clip(np.nan_to_num(image), 0, 1)
    return clipped
