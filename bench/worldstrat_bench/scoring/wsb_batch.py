"""The wsb scorer on a GPU: tiles of one kind are scored together, and one copy brings all their numbers back.

A GPU's libraries choose a kernel, and with it the order of a sum, by the shapes they are given. So a batch always has
the same number of tiles: a short one is filled up with copies, whose numbers are dropped. No operation mixes tiles.
A tile's numbers then depend neither on which tiles share its batch nor on how many do, and a run that was resumed or
sharded has the record of the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from worldstrat_bench.registration import move_each, pick_shifts
from worldstrat_bench.registration.offset import OffsetTarget
from worldstrat_bench.registration.search import SearchTarget, Shifts
from worldstrat_bench.scoring.wsb_align import WsbRules, level, search_table, unbiased
from worldstrat_bench.scoring.wsb_ranked import Placed, SeenFrame, Truth, ranked
from worldstrat_bench.scoring.wsb_target import WsbPrepared

T = TypeVar("T")

BATCH = 8
"""Tiles a batch on a GPU: a launch serves as many. One float64 image of eight tiles of WorldStrat's size is 67 MB."""


@dataclass(frozen=True)
class Stack:
    """N tiles of one kind on the device: `truth` for the metrics, `search` and `offset_nir` as in ``WsbPrepared``."""

    truth: Truth
    search: SearchTarget
    offset_nir: OffsetTarget | None
    target: Tensor


@dataclass(frozen=True)
class Measured:
    """Results of a batch: `values` by name, (N,) each, the shifts, and P and S of every tile."""

    values: dict[str, Tensor]
    shifts: Shifts
    placed: Placed


def kind(shape: Sequence[int], prepared: WsbPrepared) -> Hashable:
    """Return what tiles need in common to be stacked: shapes, also the prediction's, and what is None or a number."""
    frame = prepared.frame
    seen = SeenFrame.of(frame)
    seen_form = None if seen is None else (tuple(seen.rgb.shape), tuple(seen.clear.shape))
    parts = (prepared.offset, prepared.offset_nir, prepared.search, prepared.ssim, prepared.target, prepared.valid)
    return (tuple(shape), prepared.height, prepared.width, seen_form, *map(_form, parts))


def stack_tiles(tiles: Sequence[WsbPrepared]) -> Stack:
    """Return the tiles, which are of one kind, with a leading axis."""
    target = torch.stack([tile.target for tile in tiles])
    frames = [SeenFrame.of(tile.frame) for tile in tiles]
    seen = None
    if frames[0] is not None:
        known = [frame for frame in frames if frame is not None]
        rgb, clear = (torch.stack(images) for images in ([f.rgb for f in known], [f.clear for f in known]))
        seen = SeenFrame(rgb, clear, frames[0].sensor)
    # Numbers that differ from tile to tile: made on the device by filling, since a copy would be waited for.
    white = torch.stack([target.new_full((1, 1, 1), tile.white) for tile in tiles])
    valid = None if tiles[0].valid is None else torch.stack([tile.valid for tile in tiles if tile.valid is not None])
    offset = _stacked([tile.offset for tile in tiles])
    # In one piece, as without a fourth band: a kernel may add in another order where rows lie apart.
    truth = Truth(target[:, :3].contiguous(), valid, offset, _stacked([tile.ssim for tile in tiles]), white, seen)
    return Stack(
        truth, _stacked([tile.search for tile in tiles]), _stacked([tile.offset_nir for tile in tiles]), target
    )


def upload(images: Sequence[Tensor], device: torch.device) -> Tensor:
    """Return (N, C, H, W) on the device, of N images that lie on the CPU or there already; nothing waits."""
    if images[0].device.type == device.type != "cpu":
        return torch.stack(list(images))
    pinned = device.type == "cuda"
    gathered = torch.empty((len(images), *images[0].shape), dtype=images[0].dtype, pin_memory=pinned)
    torch.stack(list(images), out=gathered)
    return gathered.to(device, non_blocking=True)


def measure(images: Tensor, stack: Stack, rules: WsbRules) -> Measured:
    """Align and score (N, 3, H, W) images on the grid, not clipped. Nothing waits.

    The same steps as ``wsb_align.align`` and the same functions; only the shift is found and applied on the device.
    """
    search, truth = rules.search, stack.truth
    levelled = level(images, truth.offset, rules)
    values = search_table(levelled.image, stack.search, rules)
    shifts = pick_shifts(values, tie=search.tie, fraction=search.fraction)
    # S and the raw prediction in one move: its weights follow from the shift alone.
    placed = move_all(torch.cat([levelled.image, images.clamp(0, 1)], dim=1), shifts, rules)
    result, bias = unbiased(placed[:, :3], truth.offset)
    found = Placed(levelled, result, bias, placed[:, 3:].clamp(0, 1))
    return Measured(ranked(found, truth, rules), shifts, found)


def near_infrared(band: Tensor, target: OffsetTarget, shifts: Shifts, rules: WsbRules) -> Tensor:
    """Return P of (N, 1, H, W) fourth bands, (N, 1, h, w): offset and bias their own, the shifts the others'."""
    return unbiased(move_all(level(band, target, rules).image, shifts, rules), target)[0]


def move_all(images: Tensor, shifts: Shifts, rules: WsbRules) -> Tensor:
    """Return T_d of (N, C, H, W) images over the window, each by its own shift."""
    search = rules.search
    return move_each(images, shifts, rules.border, radius=search.radius, fraction=search.fraction, lobes=search.lobes)


def in_batches(kinds: Sequence[Hashable], size: int, score: Callable[[list[int]], Sequence[T]]) -> list[T]:
    """Call `score` with the indices of `size` items of one kind at a time, filled up with the last; in their order."""
    groups: dict[Hashable, list[int]] = {}
    for index, own in enumerate(kinds):
        groups.setdefault(own, []).append(index)
    found: dict[int, T] = {}
    for members in groups.values():
        for start in range(0, len(members), size):
            part = members[start : start + size]
            filled = part + [part[-1]] * (size - len(part))
            # Not strict: the scores of the copies at the end are dropped here.
            found |= dict(zip(part, score(filled), strict=False))
    return [found[index] for index in range(len(kinds))]


def _form(part: Any) -> Hashable:
    """Return what has to be equal of two parts so that they can be stacked."""
    if isinstance(part, Tensor):
        return (tuple(part.shape), part.dtype)
    if is_dataclass(part):
        return tuple(_form(getattr(part, field.name)) for field in fields(part))
    return part  # type: ignore[no-any-return]


def _stacked(parts: Sequence[Any]) -> Any:
    """Parts of one form as one, their tensors with a leading axis."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.stack(list(parts))
    if is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in fields(first)]
        return replace(first, **{name: _stacked([getattr(part, name) for part in parts]) for name in names})
    return first
