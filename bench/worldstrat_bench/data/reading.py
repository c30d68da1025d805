"""The revisits of a tile as a model gets them: best first, on their native grid (protocol 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.layout import Dataset
from worldstrat_bench.data.raster import read_cloud_mask, read_lr
from worldstrat_bench.data.task import Task
from worldstrat_bench.data.tile import Revisit, Tile
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Protocol


@dataclass(frozen=True)
class TileInputs:
    """Task of a model on one tile, with facts of the frames that the harness keeps to itself.

    Attributes
    ----------
    task : a batch of one; all that the model gets.
    revisits : the numbers of its frames in the folder.
    cloud : mean over all frames that are offered, 0..1, of the share of pixels that the cloud mask does not call clear.
    age : days of the first frame.
    """

    task: Task
    revisits: tuple[int, ...]
    cloud: float
    age: int


@dataclass(frozen=True)
class _Frame:
    """One revisit on its native grid.

    Attributes
    ----------
    image : (12, h, w) float32.
    clear : (h, w) bool, has data and no cloud.
    cloud : share of pixels that the cloud mask does not call clear.
    usable : share of pixels that have data.
    """

    revisit: Revisit
    image: NDArray[np.float32]
    clear: NDArray[np.bool_]
    cloud: float
    usable: float


def read_inputs(tile: Tile, protocol: Protocol, frames: int) -> TileInputs:
    """Read the first `frames` of the frames that the protocol offers, or all if there are fewer.

    All of them are decoded, because a frame without data is not offered. Frames whose share of pixels that are
    not clear is below the protocol's limit on native pixels come before the rest, then those nearer in time, then by
    number. Frames of another shape than the first are brought to its grid by Lanczos-8, their masks by nearest
    neighbour. A protocol with a fixed side brings all frames to it by the kernel of its target.

    Raises
    ------
    UsageError
        if `frames` is not within 1 and what the protocol offers.
    DataError
        if the tile has no revisit with data, or a file is missing, damaged or not what it should be. A missing cloud
        mask is one of these.
    """
    check_frames(frames, protocol)
    read = [_read_frame(revisit, protocol) for revisit in offered_revisits(tile, protocol)]
    if not read:
        raise DataError(f"{tile.name} has no revisit", where=tile.hr.name)
    # Whether a frame has data is in its pixels, so that all are decoded before any is chosen.
    offered = [frame for frame in read if frame.usable >= protocol.inputs.usable_share_min]
    if not offered:
        raise DataError(
            f"{tile.name} has no revisit with data on {protocol.inputs.usable_share_min:.0%} of its pixels",
            where=read[0].revisit.data.parent,
            remedy=f"leave the tile out, or get its files again; {len(read)} revisits hold no data",
        )
    order = frame_order(
        [1.0 - float(frame.clear.mean()) for frame in offered],
        [frame.revisit.days for frame in offered],
        [frame.revisit.n for frame in offered],
        protocol,
    )
    ordered = [offered[i] for i in order]
    images, clears = _stack(ordered[:frames], protocol)
    days = np.array([frame.revisit.days for frame in ordered[:frames]], dtype=np.int64)
    return TileInputs(
        Task.of(tile, protocol, images, clears, days),
        tuple(frame.revisit.n for frame in ordered[:frames]),
        float(np.mean([frame.cloud for frame in offered])),
        ordered[0].revisit.days,
    )


def refuse_few_revisits(dataset: Dataset, list_name: str, frames: int) -> int | None:
    """Return up to which revisit a copy holds the tiles of a list, None if it holds all.

    The best `frames` of a tile's revisits are other ones than those of a copy that has fewer, so that such a copy gives
    no more frames than it has.

    Raises
    ------
    UsageError
        if the copy is partial and holds fewer revisits than `frames`.
    DataError
        if the list has no tile in this folder's split file.
    """
    revisits = dataset.partial_revisits(dataset.names(list_name))
    if revisits is not None and frames > revisits:
        raise UsageError(
            f"this copy has revisits 1 to {revisits} of a tile, which are not enough for {counted(frames, 'frame')}",
            where=dataset.root,
            remedy=f"--frames {revisits}, or get the others: worldstrat-bench data fetch {dataset.root} --frames 8",
        )
    return revisits


def check_frames(frames: int, protocol: Protocol) -> None:
    """Raise UsageError unless the protocol offers that many frames."""
    if not 1 <= frames <= protocol.inputs.frames:
        raise UsageError(
            f"cannot give a model {counted(frames, 'frame')}", where="--frames", remedy=f"1 to {protocol.inputs.frames}"
        )


def offered_revisits(tile: Tile, protocol: Protocol) -> list[Revisit]:
    """Return the revisits that a protocol offers, by number."""
    return [revisit for revisit in tile.revisits if revisit.n <= protocol.inputs.frames]


def frame_order(shares: Sequence[float], days: Sequence[int], numbers: Sequence[int], protocol: Protocol) -> list[int]:
    """Return positions of frames, best first: few pixels that are not clear before more, then by time and number.

    Parameters
    ----------
    shares : of pixels that are not clear, 0 to 1; those without data are not.
    """
    # Two classes and not the share itself: of the frames that are clear enough, the nearest in time shows the same
    # land, and a single-frame model gets only one.
    keys = zip((share >= protocol.inputs.cloudy_from for share in shares), map(abs, days), numbers, strict=True)
    return [i for _, i in sorted((key, i) for i, key in enumerate(keys))]


def has_data(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where a revisit as ``raster.read_lr`` returns it, (12, h, w), has data: (h, w)."""
    data: NDArray[np.bool_] = (image != 0).any(axis=0)
    return data


def _stack(frames: list[_Frame], protocol: Protocol) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    side = protocol.inputs.side
    shape = frames[0].image.shape[1:] if side is None else (side, side)
    images = [_image_on(shape, frame.image, protocol) for frame in frames]
    clears = [_clear_on(shape, frame.clear) for frame in frames]
    return np.stack(images), np.stack(clears)[:, None]


def _read_frame(revisit: Revisit, protocol: Protocol) -> _Frame:
    clear = read_cloud_mask(revisit.cloud_mask) < protocol.inputs.clear_below
    # The mask was read first: it is the smaller file, and a missing one is told before megabytes are decoded.
    image = read_lr(revisit.data)
    if image.shape[1:] != clear.shape:
        sizes = " and ".join(f"{h} x {w}" for h, w in (image.shape[1:], clear.shape))
        raise DataError(f"{revisit.data.name} and its cloud mask differ in size: {sizes} px", where=revisit.cloud_mask)
    # A pixel without data may be clear in the mask: it must not count as seen.
    data = has_data(image)
    return _Frame(revisit, image, clear & data, 1.0 - float(clear.mean()), float(data.mean()))


def _image_on(shape: tuple[int, ...], image: NDArray[np.float32], protocol: Protocol) -> NDArray[np.float32]:
    if image.shape[1:] == shape:
        return image
    import torch

    from worldstrat_bench.resampling import lanczos_resize

    tensor = torch.from_numpy(image)
    if protocol.inputs.side is None:
        # In float64, and rounded once: processors differ by far less than a step of float32 then, so that the digest of
        # the inputs, and with it a model's seed, stays the same.
        resized = lanczos_resize(tensor.double(), shape[0], shape[1])
    else:
        from worldstrat_bench.data.target import resize_antialiased

        resized = resize_antialiased(tensor.double(), shape[0], protocol.target.kernel)
    array: NDArray[np.float32] = resized.to(torch.float32).numpy()
    return array


def _clear_on(shape: tuple[int, ...], clear: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask on another grid by nearest neighbour, as the search does (protocol 3.4)."""
    if clear.shape == shape:
        return clear
    import torch

    from worldstrat_bench.resampling import nearest

    found: NDArray[np.bool_] = nearest(torch.from_numpy(clear), shape[0], shape[1]).numpy()
    return found
