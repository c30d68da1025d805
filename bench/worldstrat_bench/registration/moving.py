"""Applying a shift to a prediction: an exact copy by whole pixels, Lanczos by the rest."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from worldstrat_bench.filtering import (
    banded,
    correlate_columns,
    correlate_rows,
    correlate_stack,
    crop_or_pad,
    lanczos_taps,
)
from worldstrat_bench.registration.search import Shifts


def move(image: Tensor, y: float, x: float, border: int, lobes: int = 8) -> Tensor:
    """Read an image at y + dy, x + dx over its inside.

    Parameters
    ----------
    image : (..., H, W) floating point.
    y, x : the shift in px.
    border : px left out on every side of the result.
    lobes : of the Lanczos kernel, 2 * lobes + 1 taps summing to 1; an axis without a fraction is copied exactly.

    Returns
    -------
    (..., H - 2 border, W - 2 border). Beyond its edge the image is continued by its edge pixels.
    """
    # Whole pixels are copied, so that only a fraction costs sharpness.
    whole_y, whole_x = round(y), round(x)
    reach = max(abs(whole_y), abs(whole_x)) + lobes
    margin = min(0, border - reach)
    padded = crop_or_pad(image, margin, mode="replicate")
    height, width = image.shape[-2] - 2 * border, image.shape[-1] - 2 * border
    top, left = border - margin + whole_y, border - margin + whole_x
    part_y, part_x = y - whole_y, x - whole_x
    spare_y, spare_x = (lobes if part_y else 0), (lobes if part_x else 0)
    out = padded[..., top - spare_y : top + height + spare_y, left - spare_x : left + width + spare_x]
    if part_y:
        out = correlate_rows(out, lanczos_taps(part_y, lobes))
    if part_x:
        out = correlate_columns(out, lanczos_taps(part_x, lobes))
    return out


def move_each(image: Tensor, shifts: Shifts, border: int, *, radius: int, fraction: int, lobes: int = 8) -> Tensor:
    """Run :func:`move` by one shift an image; no shift is looked at, so that nothing waits for the device.

    Parameters
    ----------
    image : (N, C, H, W) floating point.
    shifts : of the N images: at most `radius` px, in steps of 1 / `fraction` px.

    Returns
    -------
    (N, C, H - 2 border, W - 2 border).
    """
    count, bands = image.shape[:2]
    margin = min(0, border - radius - lobes)
    padded = crop_or_pad(image, margin, mode="replicate")
    first = border - margin - lobes
    indices, weights = [], []
    for shift, size in zip((shifts.y, shifts.x), image.shape[-2:], strict=True):
        whole = shift.round()
        reach = torch.arange(first, first + size - 2 * border + 2 * lobes, device=image.device)
        indices.append(whole.long()[:, None] + reach)
        # Shifts are multiples of 1 / fraction, so that one small table holds every kernel.
        part = ((shift - whole) * fraction).round().long() + fraction
        weights.append(_tap_table(lobes, fraction, image.dtype, image.device).index_select(0, part))
    pair = torch.arange(count, device=image.device)[:, None, None, None]
    band = torch.arange(bands, device=image.device)[None, :, None, None]
    rows, columns = indices[0][:, None, :, None], indices[1][:, None, None, :]
    return correlate_stack(padded[pair, band, rows, columns], *weights)


@lru_cache(maxsize=4)
def _tap_table(lobes: int, fraction: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return (2 fraction + 1, BLOCK, BLOCK + 2 lobes) weights of the fractions -1 to 1; those of 0 copy exactly."""
    steps = range(-fraction, fraction + 1)
    cpu = torch.device("cpu")
    taps = [banded(lanczos_taps(step / fraction, lobes), dtype, cpu) for step in steps]
    return torch.stack(taps).to(device, non_blocking=True)
