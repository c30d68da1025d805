"""Finding the test imagery inside a wheel: small thumbnails of every tile against every image and array in it.

A thumbnail is the mean over bands on an 16 x 16 grid, less its mean, over its standard deviation: brightness,
contrast, size, band order and file format do not matter. Two match if their correlation is at least
:data:`MATCH`. This finds careless or lazy embedding; whoever encrypts imagery is for the audit to find.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.archives import open_zip
from worldstrat_bench.errors import WorldstratBenchError
from worldstrat_bench.submission.faults import CheckFinding
from worldstrat_bench.submission.wheel import IMAGES, MAX_MEMBER_BYTES, WheelFile, open_wheel, read_member
from worldstrat_bench.worker.validate import LONGEST_HEADER, header_bytes

SIDE = 16
MATCH = 0.97
MAX_IMAGES = 20_000
_MAX_PIXELS = 64 * 10**6
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "JPEG2000", "BMP", "GIF")
_TEXTURE = 1e-6

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fingerprints:
    """Thumbnails of tiles: (n, 256) unit vectors, each with the name of its tile."""

    names: tuple[str, ...]
    vectors: Floats

    def match(self, thumbnail: Floats) -> str | None:
        """Return the tile that a thumbnail shows, in any of the eight orientations."""
        if not len(self.names):
            return None
        square = thumbnail.reshape(SIDE, SIDE)
        # All eight at once: training code turns and flips its images.
        turned = [np.rot90(flipped, k) for flipped in (square, square.T) for k in range(4)]
        scores = self.vectors @ np.stack([view.reshape(-1) for view in turned], axis=1)
        # One match is enough for a person to look; which of several tiles it shows best is named.
        best = int(scores.max(axis=1).argmax())
        return self.names[best] if scores[best].max() >= MATCH else None


def thumbnail_of(image: Floats) -> Floats | None:
    """Map (H, W) to a unit vector of 256; None without texture or under 16 px."""
    height, width = image.shape
    if min(height, width) < SIDE:
        return None
    rows = np.linspace(0, height, SIDE + 1).astype(int)
    columns = np.linspace(0, width, SIDE + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(image, rows[:-1], axis=0), columns[:-1], axis=1)
    small = sums / np.outer(np.diff(rows), np.diff(columns))
    centred = small - small.mean()
    norm = float(np.linalg.norm(centred))
    if not np.isfinite(norm) or norm <= _TEXTURE * max(1.0, float(np.abs(small).max())):
        return None
    vector: Floats = (centred / norm).reshape(-1)
    return vector


def dataset_fingerprints(data: Path) -> Fingerprints:
    """Return the thumbnails of the high-resolution image and of the first revisit of every tile of the folder's list.

    Raises
    ------
    DataError
        if the folder is not a dataset.
    """
    from worldstrat_bench.data.layout import open_dataset
    from worldstrat_bench.data.raster import read_hr, read_lr

    names: list[str] = []
    vectors: list[Floats] = []
    for tile in open_dataset(data).tiles("auto"):
        images: list[NDArray[Any]] = []
        try:
            images.append(read_hr(tile.hr)[:3])
            images.append(read_lr(tile.revisits[0].data)[1:4])
        except (WorldstratBenchError, IndexError):
            pass  # a fault of the data is `data check`'s to report; what is there is compared
        for image in images:
            thumbnail = thumbnail_of(image.astype(np.float64).mean(axis=0))
            if thumbnail is not None:
                names.append(tile.name)
                vectors.append(thumbnail)
    return Fingerprints(tuple(names), np.array(vectors).reshape(len(names), SIDE * SIDE))


def imagery_faults(path: Path, known: Fingerprints) -> Iterator[CheckFinding]:
    """Test imagery among the images and arrays of a wheel."""
    wheel = open_wheel(path)
    if not isinstance(wheel, WheelFile):
        return
    looked = 0
    with open_zip(path) as archive:
        for member in wheel.members:
            if PurePosixPath(member.filename).suffix.lower() not in IMAGES or member.file_size > MAX_MEMBER_BYTES:
                continue
            for image in images_in(read_member(archive, member), member.filename):
                looked += 1
                thumbnail = thumbnail_of(image)
                tile = None if thumbnail is None else known.match(thumbnail)
                if tile is not None:
                    what = f"{member.filename[:80]!r} shows the test tile {tile!r}"
                    yield CheckFinding("wheel-imagery", what, where=path, remedy="no imagery of WorldStrat in a model")
                    return
                if looked > MAX_IMAGES:
                    return


def images_in(content: bytes, name: str) -> Iterator[Floats]:
    """Yield every (H, W) float64 image that a file holds; none if it cannot be read. Nothing is unpickled."""
    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".npy":
            yield from _planes(_npy(content))
        elif suffix == ".npz":
            with open_zip(io.BytesIO(content)) as inner:
                for member in inner.infolist():
                    if member.file_size <= MAX_MEMBER_BYTES:
                        yield from _planes(_npy(read_member(inner, member)))
        elif suffix == ".safetensors":
            from safetensors.numpy import load

            if header_bytes(content) > LONGEST_HEADER:
                return
            for array in load(content).values():
                yield from _planes(array)
        else:
            yield from _picture(content)
    except Exception:  # noqa: BLE001  # a decoder may raise anything on hostile bytes; unreadable is not imagery
        return


def _npy(content: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def _picture(content: bytes) -> Iterator[Floats]:
    from PIL import Image

    # By name: of the formats that it knows one is a program (PostScript), which it would have Ghostscript run.
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        if picture.width * picture.height <= _MAX_PIXELS:
            yield from _planes(np.asarray(picture.convert("RGB")))


def _planes(array: NDArray[Any]) -> Iterator[Floats]:
    """Yield the images in an array: (H, W), (C, H, W) or (H, W, C) with up to 13 bands, (N, ...) of those."""
    if array.dtype.kind not in "uif" or array.ndim < 2 or array.ndim > 5:
        return
    if array.ndim == 2:
        if array.shape[1] in (SIDE * SIDE, 32 * 32, 64 * 64):  # rows of flattened thumbnails
            side = int(array.shape[1] ** 0.5)
            for row in array[:MAX_IMAGES]:
                yield row.reshape(side, side).astype(np.float64)
            return
        yield array.astype(np.float64)
    elif array.ndim == 3 and array.shape[2] <= 13 < min(array.shape[:2]):
        yield array.astype(np.float64).mean(axis=2)
    elif array.ndim == 3 and array.shape[0] <= 13:
        yield array.astype(np.float64).mean(axis=0)
    else:
        for part in array[:MAX_IMAGES]:
            yield from _planes(part)
