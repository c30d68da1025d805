"""Arrays of reflectance as WebP: one stretch a tile, error maps on one fixed scale, clouds hatched, lossless crops."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Image = NDArray[np.float32]
Bytes = NDArray[np.uint8]

QUALITY = (85, 75, 65, 50)
"""WebP qualities, the first of which that stays within :data:`MOST_BYTES` is taken."""
MOST_BYTES = 75_000
"""Size limit of one picture that a page shows at once: three of them, the input and the page stay within 400 kB."""

ERROR_MAX = 0.1
"""Reflectance error that is drawn as the brightest; the same for every model and tile."""

INFERNO = (
    (0, 0, 4),
    (40, 11, 84),
    (101, 21, 110),
    (159, 42, 99),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)
"""Anchors of matplotlib's inferno (van der Walt and Smith, CC0): perceptually uniform, safe for colour-blind eyes."""


def stretch_of(target: Image, valid: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 2nd and 98th percentile of a target (3, H, W) over its valid pixels and all bands."""
    values = target[:, valid] if valid.any() else target.reshape(3, -1)
    # Percentiles of the target, over all bands at once: a roof that glints must not darken the land, and colours stay
    # those of the land.
    low, high = np.percentile(values, [2, 98])
    # A flat tile has no width to stretch, and the width is divided by.
    return float(low), float(max(high, low + 1e-3))


def stretched(image: Image, stretch: tuple[float, float]) -> Bytes:
    """Return (3, H, W) reflectance as (H, W, 3) bytes on that stretch."""
    low, high = stretch
    scaled = np.clip((np.nan_to_num(image) - low) / (high - low), 0, 1)
    # Half a step more, since the cast to bytes rounds down.
    return np.ascontiguousarray((scaled * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))


def registered(image: Image, target: Image, valid: NDArray[np.bool_], shift: tuple[float, float]) -> Image:
    """Return a prediction as it is scored: read at `shift` (y, x) px, its mean difference per band removed, clipped.

    Parameters
    ----------
    image, target : (3, H, W) reflectance.
    valid : (H, W), the pixels over which the mean difference is taken.
    """
    import torch

    from worldstrat_bench.registration.moving import move

    moved: Image = move(torch.from_numpy(np.ascontiguousarray(image)), *shift, border=0).numpy()
    if valid.any():
        moved = moved + (target - moved)[:, valid].mean(axis=1, dtype=np.float64)[:, None, None].astype(np.float32)
    return np.clip(moved, 0, 1)


def on_grid(image: Image, side: int, shift: tuple[float, float]) -> Image:
    """Return an input on the target's grid by its nearest pixels.

    Parameters
    ----------
    image : (C, h, w) on its own grid.
    shift : (y, x) in target px by which it is read to lie on the target.
    """
    rows, columns = (
        np.clip(np.floor((np.arange(side) + 0.5 + by) * count / side), 0, count - 1).astype(np.intp)
        for by, count in zip(shift, image.shape[1:], strict=True)
    )
    found: Image = image[:, rows[:, None], columns[None, :]]
    return found


def error_of(scored: Image, target: Image, valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the RMS error over bands, (H, W) reflectance, of a prediction as it is scored; 0 without data."""
    error: NDArray[np.float32] = np.sqrt(((scored - target) ** 2).mean(axis=0))
    error[~valid] = 0
    return error


def error_map(error: NDArray[np.float32], side: int) -> Bytes:
    """Return an error of (H, W) reflectance as (side, side, 3) colours on the fixed scale."""
    scaled = np.clip(shrunk(error, side) / ERROR_MAX, 0, 1) * (len(INFERNO) - 1)
    anchors = np.array(INFERNO, dtype=np.float64)
    low = np.minimum(scaled.astype(int), len(INFERNO) - 2)
    part = (scaled - low)[..., None]
    colours = anchors[low] * (1 - part) + anchors[low + 1] * part
    return np.ascontiguousarray((colours + 0.5).astype(np.uint8))


def own_stretch(image: Image, valid: NDArray[np.bool_], stretch: tuple[float, float]) -> tuple[float, float]:
    """Return the slope and intercept from `stretch`, drawn 0 to 1, to the stretch of the image itself."""
    low, high = stretch_of(image, valid)
    return round((stretch[1] - stretch[0]) / (high - low), 4), round((stretch[0] - low) / (high - low), 4)


def detail_of(errors: list[NDArray[np.float32]], target: Image) -> tuple[int, int]:
    """Return (x, y) of the middle of the 32 px block that is worth a look.

    It is the one in which the errors of the models differ most; of one model the one with the greatest error; without
    a model the one in which the target varies most.
    """
    # Where the models differ most, not where they err most: there all fail alike, and a reader could not tell them
    # apart.
    if len(errors) > 1:
        interest = np.std(errors, axis=0)
    else:
        interest = errors[0] if errors else np.abs(np.gradient(target.mean(axis=0))).sum(axis=0)
    side = target.shape[-1]
    blocks = shrunk(interest, max(1, side // 32))
    y, x = np.unravel_index(int(blocks.argmax()), blocks.shape)
    scale = side / blocks.shape[0]
    return int((x + 0.5) * scale), int((y + 0.5) * scale)


def hatched(image: Bytes, clear: NDArray[np.bool_]) -> Bytes:
    """Return (h, w, 3) with diagonal red lines where it is not clear."""
    rows, columns = np.indices(clear.shape)
    # Lines and not a tint: what lies below stays visible, and readers of any colour vision see them.
    lines = ((rows + columns) % 8 < 2) & ~clear
    result = image.copy()
    result[lines] = (214, 69, 65)
    return result


def webp(image: Bytes, side: int | None = None) -> bytes:
    """Encode at the best quality that is not too large; resized to `side` x `side` px if given.

    Where the lowest quality is too large, the picture is halved: a page must stay small on any image.
    """
    from PIL import Image as Pillow

    picture = Pillow.fromarray(image)
    if side is not None and picture.size != (side, side):
        picture = picture.resize((side, side), Pillow.Resampling.BILINEAR)
    while True:
        for quality in QUALITY:
            data = _encoded(picture, quality=quality, method=4)
            if len(data) <= MOST_BYTES:
                return data
        picture = picture.reduce(2)


def lossless(image: Bytes) -> bytes:
    """Encode so that every byte comes back."""
    from PIL import Image as Pillow

    # Without loss, quality says how long the encoder searches.
    return _encoded(Pillow.fromarray(image), lossless=True, quality=40, method=2)


def small(image: Bytes) -> bytes:
    """Encode without loss where that is not too large, as the few pixels of an input are."""
    data = lossless(image)
    return data if len(data) <= MOST_BYTES else webp(image)


def crop_script(key: str, x: int, y: int, image: Bytes) -> str:
    """Return a lossless crop as a script that hands it to the viewer.

    A page opened as a file may load scripts of its site and read back pictures given as text, but not picture files:
    a profile needs the values.
    """
    data = base64.b64encode(lossless(image)).decode("ascii")
    return f'wsbCrop("{key}",{x},{y},"{data}");\n'


def _encoded(picture: Picture, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", **options)
    return buffer.getvalue()


def shrunk(image: NDArray[np.floating], side: int) -> NDArray[np.float64]:
    """Return (H, W) brought to (side, side) by means over blocks, for any H and W."""
    rows = np.arange(image.shape[0]) * side // image.shape[0]
    columns = np.arange(image.shape[1]) * side // image.shape[1]
    sums = np.zeros((side, side))
    counts = np.zeros((side, side))
    np.add.at(sums, (rows[:, None], columns[None, :]), image)
    np.add.at(counts, (rows[:, None], columns[None, :]), 1)
    return sums / np.maximum(counts, 1)
