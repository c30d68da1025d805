"""The offset that is taken off a prediction before anything else: robust, per band (protocol 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worldstrat_bench import filtering
from worldstrat_bench.protocol import OffsetFirst
from worldstrat_bench.registration.offset_host import Plane, count_outside, median, settled
from worldstrat_bench.sums import pixel_sum


@dataclass(frozen=True)
class Pixels:
    """Some pixels of a target's window.

    Attributes
    ----------
    mask : (..., h, w) bool, which they are; None: all.
    count : (..., 1) float64, how many.
    total : (..., C) float64, sum of the target over them.
    """

    mask: Tensor | None
    count: Tensor
    total: Tensor

    @classmethod
    def of(cls, image: Tensor, mask: Tensor | None) -> Pixels:
        """Take those pixels of a (..., C, h, w) target that `mask` names."""
        if mask is None:
            count = image.new_full((*image.shape[:-3], 1), image.shape[-2] * image.shape[-1], dtype=torch.float64)
        else:
            count = mask.sum(dim=(-2, -1)).double()[..., None]
        return cls(mask, count, total_of(image, mask))


@dataclass(frozen=True)
class OffsetTarget:
    """The part of the offset, and of the bias left after the shift, that depends on the target alone.

    Attributes
    ----------
    image : (..., C, h, w) float32 reflectance, the window.
    valid : the pixels with data, over which the remaining bias is taken.
    clear : those of them that the shift is searched on, over which the offset is taken.
    stride : of the rows and columns that the offset starts from, px.
    sampled : (..., C, h', w') float64, the image there.
    """

    image: Tensor
    valid: Pixels
    clear: Pixels
    stride: int
    sampled: Tensor


def first_stride(mask: Tensor | None, rule: OffsetFirst) -> int:
    """Return the rule's stride, or 1 where none of the pixels that it samples of (..., h, w) counts."""
    stride = rule.stride
    if mask is not None and not bool(mask[..., ::stride, ::stride].flatten(-2).any(dim=-1).all()):
        return 1
    return stride


def prepare_offset(image: Tensor, valid: Tensor | None, mask: Tensor | None, stride: int) -> OffsetTarget:
    """Compute the statistics of a target's window.

    Parameters
    ----------
    image : (..., C, h, w) float32.
    valid : (..., h, w) bool, pixels with data; None if all have. At least one has.
    mask : (..., h, w) bool, those of them that the search compares; None if all do. At least one does.
    stride : see :func:`first_stride`, which would wait for a mask on a GPU.
    """
    everything = Pixels.of(image, valid)
    # Mostly they are the same tensor, whose sums are then taken once.
    clear = everything if mask is valid else Pixels.of(image, mask)
    return OffsetTarget(image, everything, clear, stride, image[..., ::stride, ::stride].double())


def total_of(image: Tensor, mask: Tensor | None) -> Tensor:
    """Return the sum over the pixels of a (..., h, w) mask of (..., C, h, w), (..., C) float64."""
    kept = image if mask is None else torch.where(mask[..., None, :, :], image, 0)
    return pixel_sum(kept)


def first_offset(prediction: Tensor, target: OffsetTarget) -> Tensor:
    """Return where the offset starts: the median of target - prediction over the sampled pixels.

    Parameters
    ----------
    prediction : (..., C, h, w) float32, the same window of the prediction, unfiltered and not clipped.

    Returns
    -------
    (..., C) float64, reflectance.
    """
    step = target.stride
    values = target.sampled - prediction[..., ::step, ::step].double()
    mask = target.clear.mask
    return _median(values.flatten(-2), None if mask is None else mask[..., None, ::step, ::step].flatten(-2))


def without_absurd(image: Tensor, first: Tensor, rule: OffsetFirst) -> Tensor:
    """Return the image with each value clipped to [0, 1] that the first offset leaves where no reflectance is.

    Beyond the limits is judged after the offset, so that a prediction that is off as a whole loses nothing; the value
    itself is clipped as it came, so that it ends where saving the prediction as an image would have left it.

    Parameters
    ----------
    image : (..., C, H, W) float32, the whole prediction or a part of it; returned as it is if all its values are
        possible and asking costs nothing.
    first : (..., C) float64, see :func:`first_offset`.
    """
    if not filtering.on_gpu(image):
        least, most = image.amin(dim=(-2, -1)).double(), image.amax(dim=(-2, -1)).double()
        if bool(((least >= rule.absurd_below - first) & (most <= rule.absurd_above - first)).all()):
            return image
    shown = first[..., None, None]
    absurd = (image < rule.absurd_below - shown) | (image > rule.absurd_above - shown)
    return torch.where(absurd, image.clamp(0, 1), image)


def robust_offset(prediction: Tensor, target: OffsetTarget, first: Tensor, rule: OffsetFirst) -> Tensor:
    """Return what is added to every band so that it agrees with the target wherever neither is saturated.

    Only the pixels of `target.clear` count. It starts as `first`. Then, until it changes by less than `rule.tolerance`
    and at most `rule.iterations` times, it is the mean of target - prediction where 0 < prediction + offset < 1; if
    that is nowhere it stays.

    On a GPU the number of steps is fixed and a band that is done stays as it is, so that nothing waits for the device.

    Parameters
    ----------
    prediction : (..., C, h, w) float32, the same window of the prediction, see :func:`without_absurd`.
    first : (..., C) float64, see :func:`first_offset`.

    Returns
    -------
    (..., C) float64, reflectance.
    """
    total = total_of(prediction, target.clear.mask)
    if not filtering.on_gpu(prediction):
        surplus = target.clear.total - total
        return _by_plane(
            lambda seen, image, mask, start, count, sums: settled(Plane(seen, image, mask, count, sums), start, rule),
            (prediction, target.image, target.clear.mask),
            (first, target.clear.count, surplus),
        )
    offset = first
    active = torch.ones_like(offset, dtype=torch.bool)
    for _ in range(rule.iterations):
        found = _mean_inside(prediction, target, offset)
        moved = torch.where(active, found, offset)
        active = active & ((moved - offset).abs() >= rule.tolerance)
        offset = moved
    return offset


def _by_plane(
    call: Callable[..., float], images: tuple[Tensor, Tensor, Tensor | None], numbers: Sequence[Tensor]
) -> Tensor:
    """Return what the call makes of each band, (..., C) float64.

    Parameters
    ----------
    images : (..., C, h, w), (..., C, h, w) and a (..., h, w) mask or None.
    numbers : (..., C) or (..., 1) each, which the call gets after its three images.
    """
    shape = images[0].shape[:-2]
    size = images[0].shape[-2:]
    first, second = (image.expand(*shape, *size).reshape(-1, *size).numpy() for image in images[:2])
    mask = None if images[2] is None else images[2][..., None, :, :].expand(*shape, *size).reshape(-1, *size).numpy()
    rows = zip(*(number.expand(shape).flatten().tolist() for number in numbers), strict=True)
    found = [call(first[i], second[i], None if mask is None else mask[i], *row) for i, row in enumerate(rows)]
    return torch.tensor(found, dtype=torch.float64).view(shape)


def _median(values: Tensor, valid: Tensor | None) -> Tensor:
    """Return the median along the last axis of (..., n) values, the mean of the middle two if they are even in number.

    Parameters
    ----------
    valid : (..., n) bool, which values count, at least one; None: all.
    """
    if not filtering.on_gpu(values):
        rows = values.flatten(0, -2).numpy()
        kept = None if valid is None else valid.expand(values.shape).flatten(0, -2).numpy()
        found = [median(row if kept is None else row[kept[i]]) for i, row in enumerate(rows)]
        return torch.tensor(found, dtype=torch.float64).view(values.shape[:-1])
    size = values.shape[-1]
    if valid is None:
        ordered = values.sort(dim=-1).values
        return (ordered[..., (size - 1) // 2] + ordered[..., size // 2]) / 2
    ordered = torch.where(valid, values, torch.inf).sort(dim=-1).values
    count = valid.sum(dim=-1, keepdim=True).expand(*ordered.shape[:-1], 1)
    lower, upper = (ordered.gather(-1, index.clamp_min(0))[..., 0] for index in ((count - 1) // 2, count // 2))
    return (lower + upper) / 2


def _mean_inside(prediction: Tensor, target: OffsetTarget, offset: Tensor) -> Tensor:
    """Return the mean of target - prediction over the pixels that the offset leaves inside (0, 1), (..., C)."""
    shown = offset[..., None, None]
    inside = (prediction > -shown) & (prediction < 1 - shown)
    if target.clear.mask is not None:
        inside = inside & target.clear.mask[..., None, :, :]
    count = inside.sum(dim=(-2, -1)).double()
    seen = (pixel_sum(torch.where(inside, image, 0)) for image in (target.image, prediction))
    mean = torch.sub(*seen) / count.clamp_min(1)
    return torch.where(count > 0, mean, offset)


def remaining_bias(moved: Tensor, target: OffsetTarget) -> Tensor:
    """Return the mean of target - moved prediction over valid pixels: both (..., C, h, w), to (..., C) float64."""
    valid = target.valid
    return (valid.total - total_of(moved, valid.mask)) / valid.count


def clipped_share(prediction: Tensor, target: OffsetTarget, offset: Tensor) -> Tensor:
    """Share of the valid values that the offset leaves outside [0, 1] where the target lies strictly inside.

    Parameters
    ----------
    prediction : (..., C, h, w) as it came, absurd values included.
    offset : (..., C) float64, what :func:`robust_offset` returned.

    Returns
    -------
    (...) float64, 0 to 1.
    """
    values = target.valid.count[..., 0] * prediction.shape[-3]
    if not filtering.on_gpu(prediction):
        outside = _by_plane(count_outside, (prediction, target.image, target.valid.mask), (offset,))
        return outside.sum(dim=-1) / values
    shown = offset[..., None, None]
    outside = (prediction < -shown) | (prediction > 1 - shown)
    outside = outside & (target.image > 0) & (target.image < 1)
    if target.valid.mask is not None:
        outside = outside & target.valid.mask[..., None, :, :]
    return outside.sum(dim=(-3, -2, -1)).double() / values
