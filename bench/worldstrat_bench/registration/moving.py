"""Applying a shift to a prediction: an exact copy by whole pixels, Lanczos by the rest."""

from __future__ import annotations

from torch import Tensor

from worldstrat_bench.filtering import correlate_columns, correlate_rows, crop_or_pad, lanczos_taps


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
