"""What a model is given of a tile: its revisits, best first, on their native grid (protocol 3.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.layout import Revisit, Tile
from worldstrat_bench.data.raster import read_cloud_mask, read_lr
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.protocol import Protocol


@dataclass(frozen=True)
class Inputs:
    """The revisits of one tile as arrays, best frame first.

    Attributes
    ----------
    images : (T, 12, h, w) float32 reflectance, not clipped.
    clear : (T, 1, h, w) bool, True where there is no cloud.
    days : (T,) int64, acquisition minus the date of the high-resolution image.
    revisits : the numbers of the frames in the folder.
    cloud : mean over all frames that the protocol offers, 0..1, of the share of pixels that are not clear.
    age : days of the first frame.
    known_sha256 : :func:`inputs_sha256` if it is known already, else "".
    """

    images: NDArray[np.float32]
    clear: NDArray[np.bool_]
    days: NDArray[np.int64]
    revisits: tuple[int, ...]
    cloud: float
    age: int
    known_sha256: str = ""

    @property
    def sha256(self) -> str:
        """See :func:`inputs_sha256`."""
        return self.known_sha256 or inputs_sha256(self.images, self.clear, self.days)


def inputs_sha256(images: NDArray[np.float32], clear: NDArray[np.bool_], days: NDArray[np.int64]) -> str:
    """sha256 of inputs as a model gets them: (T, 12, h, w) float32, (T, 1, h, w) bool, (T,) int64, little-endian."""
    digest = hashlib.sha256()
    for array, kind in ((images, "<f4"), (clear, "?"), (days, "<i8")):
        digest.update(np.ascontiguousarray(array, dtype=kind).data)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Mask:
    revisit: Revisit
    clear: NDArray[np.bool_]

    @property
    def share(self) -> float:
        return 1.0 - float(self.clear.mean())


def read_inputs(tile: Tile, protocol: Protocol, frames: int) -> Inputs:
    """Read the first `frames` of the frames that the protocol offers, or all if there are fewer.

    Frames with a cloud share below the protocol's limit on native pixels come before the rest, then those
    nearer in time, then by number. Frames of another shape than the first are brought to its grid by
    Lanczos-8, their masks by nearest neighbour. A protocol with a fixed side brings all frames to it by the
    kernel of its target.

    Raises
    ------
    UsageError
        if `frames` is not within 1 and what the protocol offers.
    DataError
        if the tile has no revisit, or a file is missing, damaged or not what it should be. A missing cloud
        mask is one of these.
    """
    check_frames(frames, protocol)
    offered = offered_revisits(tile, protocol)
    if not offered:
        raise DataError(f"{tile.name} has no revisit", where=tile.hr.name)
    masks = [_Mask(r, read_cloud_mask(r.cloud_mask) < protocol.inputs.clear_below) for r in offered]
    shares = [mask.share for mask in masks]
    order = frame_order(shares, [r.days for r in offered], [r.n for r in offered], protocol)
    ordered = [masks[i] for i in order]
    first = ordered[0]
    images, clears = _stack(ordered[:frames], protocol)
    return Inputs(
        images,
        clears,
        np.array([mask.revisit.days for mask in ordered[:frames]], dtype=np.int64),
        tuple(mask.revisit.n for mask in ordered[:frames]),
        float(np.mean(shares)),
        first.revisit.days,
    )


def check_frames(frames: int, protocol: Protocol) -> None:
    """Raise UsageError unless the protocol offers that many frames."""
    if not 1 <= frames <= protocol.inputs.frames:
        raise UsageError(
            f"cannot give a model {frames} frames", where="--frames", remedy=f"1 to {protocol.inputs.frames}"
        )


def offered_revisits(tile: Tile, protocol: Protocol) -> list[Revisit]:
    """The revisits that a protocol offers, by number."""
    return [revisit for revisit in tile.revisits if revisit.n <= protocol.inputs.frames]


def frame_order(shares: Sequence[float], days: Sequence[int], numbers: Sequence[int], protocol: Protocol) -> list[int]:
    """Positions of frames, best first: little cloud before more, then nearer in time, then the number."""
    keys = zip((share >= protocol.inputs.cloudy_from for share in shares), map(abs, days), numbers, strict=True)
    return [i for _, i in sorted((key, i) for i, key in enumerate(keys))]


def _stack(masks: list[_Mask], protocol: Protocol) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    native = [_read_frame(mask) for mask in masks]
    side = protocol.inputs.side
    shape = native[0].shape[1:] if side is None else (side, side)
    images = [_image_on(shape, image, protocol) for image in native]
    clears = [_clear_on(shape, mask.clear) for mask in masks]
    return np.stack(images), np.stack(clears)[:, None]


def _read_frame(mask: _Mask) -> NDArray[np.float32]:
    image = read_lr(mask.revisit.data)
    if image.shape[1:] != mask.clear.shape:
        sizes = " and ".join(f"{h} x {w}" for h, w in (image.shape[1:], mask.clear.shape))
        raise DataError(
            f"{mask.revisit.data.name} and its cloud mask differ in size: {sizes} px", where=mask.revisit.cloud_mask
        )
    return image


def _image_on(shape: tuple[int, ...], image: NDArray[np.float32], protocol: Protocol) -> NDArray[np.float32]:
    if image.shape[1:] == shape:
        return image
    import torch

    from worldstrat_bench.resampling import lanczos_resize

    tensor = torch.from_numpy(image)
    if protocol.inputs.side is None:
        resized = lanczos_resize(tensor.double(), shape[0], shape[1])
    else:
        from worldstrat_bench.data.target import resize_antialiased

        resized = resize_antialiased(tensor.double(), shape[0], protocol.target.kernel)
    array: NDArray[np.float32] = resized.to(torch.float32).numpy()
    return array


def _clear_on(shape: tuple[int, ...], clear: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Nearest neighbour by pixel centres (torch's nearest-exact)."""
    if clear.shape == shape:
        return clear
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * (old / new)).astype(np.intp), old - 1)
        for new, old in zip(shape, clear.shape, strict=True)
    )
    return clear[np.ix_(rows, columns)]
