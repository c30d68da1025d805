"""Arrays of reflectance as WebP: one stretch a tile, error maps on one fixed scale, clouds hatched."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Bytes = NDArray[np.uint8]

QUALITY = (85, 75, 65, 50)
"""WebP qualities, the first of which that stays within :data:`MOST_BYTES` is taken."""
MOST_BYTES = 150_000

ERROR_MAX = 0.1
"""Reflectance error that is drawn as the brightest; the same for every model and tile."""

_INFERNO = ((0, 0, 4), (40, 11, 84), (101, 21, 110), (159, 42, 99), (212, 72, 66), (245, 125, 21), (250, 193, 39),
            (252, 255, 164))  # fmt: skip
"""Anchors of matplotlib's inferno (van der Walt and Smith, CC0): perceptually uniform, safe for colour-blind eyes."""


def stretch_of(target: Image, valid: NDArray[np.bool_]) -> tuple[float, float]:
    """The 2nd and 98th percentile of a target (3, H, W) over its valid pixels and all bands."""
    values = target[:, valid] if valid.any() else target.reshape(3, -1)
    low, high = np.percentile(values, [2, 98])
    return float(low), float(max(high, low + 1e-3))


def stretched(image: Image, stretch: tuple[float, float]) -> Bytes:
    """(3, H, W) reflectance as (H, W, 3) bytes on that stretch."""
    low, high = stretch
    scaled = np.clip((np.nan_to_num(image) - low) / (high - low), 0, 1)
    return np.ascontiguousarray((scaled * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))


def error_map(
    prediction: Image, target: Image, valid: NDArray[np.bool_], shift: tuple[float, float], side: int
) -> Bytes:
    """Root mean squared error over bands as (side, side, 3) colours.

    The prediction is moved by `shift` (y, x) rounded to whole pixels, its mean difference removed band by band.
    """
    moved = np.roll(prediction, (-round(shift[0]), -round(shift[1])), axis=(1, 2))
    difference = moved - target
    if valid.any():
        difference -= difference[:, valid].mean(axis=1)[:, None, None]
    error = np.sqrt((difference**2).mean(axis=0))
    error[~valid] = 0
    scaled = np.clip(_shrunk(error, side) / ERROR_MAX, 0, 1) * (len(_INFERNO) - 1)
    anchors = np.array(_INFERNO, dtype=np.float64)
    low = np.minimum(scaled.astype(int), len(_INFERNO) - 2)
    part = (scaled - low)[..., None]
    colours = anchors[low] * (1 - part) + anchors[low + 1] * part
    return np.ascontiguousarray((colours + 0.5).astype(np.uint8))


def hatched(image: Bytes, clear: NDArray[np.bool_]) -> Bytes:
    """(h, w, 3) with diagonal red lines where it is not clear."""
    rows, columns = np.indices(clear.shape)
    lines = ((rows + columns) % 8 < 2) & ~clear
    result = image.copy()
    result[lines] = (214, 69, 65)
    return result


def webp(image: Bytes, side: int | None = None) -> bytes:
    """Encoded at the best quality that is not too large; resized to `side` x `side` px if given."""
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image)
    if side is not None and picture.size != (side, side):
        picture = picture.resize((side, side), Pillow.Resampling.BILINEAR)
    data = b""
    for quality in QUALITY:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality, method=4)
        data = buffer.getvalue()
        if len(data) <= MOST_BYTES:
            break
    return data


def _shrunk(image: NDArray[np.floating], side: int) -> NDArray[np.float64]:
    """(H, W) brought to (side, side) by means over blocks, for any H and W."""
    rows = np.arange(image.shape[0]) * side // image.shape[0]
    columns = np.arange(image.shape[1]) * side // image.shape[1]
    sums = np.zeros((side, side))
    counts = np.zeros((side, side))
    np.add.at(sums, (rows[:, None], columns[None, :]), image)
    np.add.at(counts, (rows[:, None], columns[None, :]), 1)
    return sums / np.maximum(counts, 1)
