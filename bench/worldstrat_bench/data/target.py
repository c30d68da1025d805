"""The image that a prediction is compared with, made once from the high-resolution file (protocol 3.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.raster import REFLECTANCE_SCALE, files_of, read_hr
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.digests import code_sha256
from worldstrat_bench.errors import DataError
from worldstrat_bench.protocol import Protocol, TargetGrid

if TYPE_CHECKING:
    from torch import Tensor

Resize: TypeAlias = "Callable[[Tensor, int], Tensor]"
"""How a (C, S, S) image becomes one of (C, side, side)."""

_SOURCES = ("data/target.py", "data/raster.py", "data/traits.py")
"""The code that makes what is kept: its digest is a part of every key."""


class ArrayCache(Interface):
    """A store of named arrays under a key; what was put may be gone again at any time."""

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of that key, or None."""
        ...

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays under a key."""
        ...

    def accepts(self, size: int) -> bool:
        """Return whether an entry of that many bytes would be kept."""
        ...


HR_PIXEL_M = 1.5
"""Metres that a pixel of the high-resolution image spans."""
PIXEL_M = 2.5
"""The same of the target's grid, as its rule aims at; rounding the side moves it by up to 1 %."""
HASH_STEPS = 1e4
HASH_OFFSET = 0.3183


@dataclass(frozen=True)
class TargetImage:
    """The target of one tile.

    Attributes
    ----------
    image : (3, H, W) float32 reflectance R, G, B in [0, 1]; the near infrared may follow, see :func:`with_nir`.
    valid : (H, W) bool, False where the high-resolution image has no data.
    sha256 : of R, G, B in steps of 1e-4 and of `valid`; boards are keyed by it.
    usable : whether enough of the window, the image less the protocol's border, is valid.
    pixel : metres that a pixel spans; what the grid's rule aims at where the side of the HR image is not known.
    """

    image: NDArray[np.float32]
    valid: NDArray[np.bool_]
    sha256: str
    usable: bool
    pixel: float = PIXEL_M


def read_target(tile: Tile, protocol: Protocol, cache: ArrayCache | None = None) -> TargetImage:
    """Read a tile's high-resolution file and make its target.

    Raises
    ------
    DataError
        if the file is missing, damaged, not (4, S, S) uint16, or of a side that the protocol does not take.
    """
    if cache is None:
        return make_target(_checked_hr(tile, protocol), protocol)
    key = _cache_key(tile.hr, protocol)
    stored = cache.get(key)
    if stored is not None and set(stored) == {"image", "valid", "pixel"}:
        # The digest keys boards and stands in records: it is of the pixels, never what an entry claims.
        return target_of(stored["image"], stored["valid"], protocol, float(stored["pixel"]))
    target = make_target(_checked_hr(tile, protocol), protocol)
    if _cache_key(tile.hr, protocol) == key:  # else it changed during the read
        cache.put(key, {"image": target.image, "valid": target.valid, "pixel": np.array(target.pixel)})
    return target


def with_nir(target: TargetImage, tile: Tile, protocol: Protocol, cache: ArrayCache | None = None) -> TargetImage:
    """Return a tile's target with the near infrared as its fourth band, made as the others are; its digest stays.

    Raises
    ------
    DataError
        see :func:`read_target`.
    """
    key = "" if cache is None else _cache_key(tile.hr, protocol, "nir")
    stored = None if cache is None else cache.get(key)
    if stored is not None and set(stored) == {"nir"} and stored["nir"].shape[1:] == target.valid.shape:
        nir: NDArray[np.float32] = stored["nir"]
    else:
        nir = _on_grid(_checked_hr(tile, protocol)[3:], protocol)
        if cache is not None and _cache_key(tile.hr, protocol, "nir") == key:  # else it changed during the read
            cache.put(key, {"nir": nir})
    return replace(target, image=np.concatenate([target.image, nir]))


def target_bytes(side: int) -> int:
    """Return about the size in the cache of a target of `side` x `side` px."""
    # Three bands of float32 and a byte of the mask for each pixel, and the head of the entry.
    return 13 * side * side + 1024


def make_target(
    hr: NDArray[np.uint16] | NDArray[np.float64], protocol: Protocol, resize: Resize | None = None
) -> TargetImage:
    """Return the target of a pan-sharpened tile, (4, S, S) reflectance times 10,000.

    R, G, B are divided by 10,000, clipped to [0, 1] if the protocol says so, resampled by torch in float64 on the CPU
    and clipped. A pixel is valid if the same resampling of the mask of pixels that
    are 0 in all four bands does not exceed the protocol's limit.

    Parameters
    ----------
    resize : another way to bring (C, S, S) to (C, side, side); None: the protocol's kernel.
    """
    image = _on_grid(hr[:3], protocol, resize)
    valid = valid_of((hr == 0).all(axis=0), protocol.target, resize)
    return target_of(image, valid, protocol, HR_PIXEL_M * hr.shape[1] / image.shape[1])


def _on_grid(
    hr: NDArray[np.uint16] | NDArray[np.float64], protocol: Protocol, resize: Resize | None = None
) -> NDArray[np.float32]:
    """Return bands of a high-resolution image, (C, S, S) reflectance times 10,000, on the target's grid, in [0, 1]."""
    import torch

    # In float64 on the CPU: the target is the truth of a board, and float32 differs between processors and GPUs.
    bands = torch.from_numpy(hr.astype(np.float64) / REFLECTANCE_SCALE)
    if protocol.target.clip_before:
        bands = bands.clamp(0, 1)
    side = protocol.target.size(hr.shape[1])
    image = (resize or _by_kernel(protocol.target))(bands, side).clamp(0, 1)
    found: NDArray[np.float32] = image.to(torch.float32).numpy()
    return found


def valid_of(no_data: NDArray[np.bool_], grid: TargetGrid, resize: Resize | None = None) -> NDArray[np.bool_]:
    """Return where a target is valid, (H, W), from where its high-resolution image has no data, (S, S)."""
    import torch

    side = grid.size(no_data.shape[0])
    if not no_data.any():
        return np.ones((side, side), dtype=bool)
    share = (resize or _by_kernel(grid))(torch.from_numpy(no_data.astype(np.float64))[None], side)[0]
    valid: NDArray[np.bool_] = (share <= grid.no_data_above).numpy()
    return valid


def resize_antialiased(image: Tensor, side: int, kernel: str) -> Tensor:
    """Resample (C, h, w) to (C, side, side) by torch's antialiased filter, pixel-area convention.

    Parameters
    ----------
    kernel : ``bicubic-antialiased`` or ``bilinear-antialiased``.
    """
    from torch.nn.functional import interpolate

    mode = kernel.removesuffix("-antialiased")
    resized: Tensor = interpolate(image[None], size=(side, side), mode=mode, align_corners=False, antialias=True)
    return resized[0]


def _by_kernel(grid: TargetGrid) -> Resize:
    return partial(resize_antialiased, kernel=grid.kernel)


def _checked_hr(tile: Tile, protocol: Protocol) -> NDArray[np.uint16] | NDArray[np.float64]:
    hr = read_hr(tile.hr)
    check_hr_side(hr.shape[1], tile.hr, protocol)
    return hr


def check_hr_side(side: int, path: Path, protocol: Protocol) -> None:
    """Raise DataError unless the protocol takes a high-resolution image of that side, px."""
    grid = protocol.target
    if side < grid.hr_side_min:
        raise DataError(f"{path.name} is {side} px wide, {protocol.id} needs {grid.hr_side_min}", where=path)
    if grid.hr_side is not None and side != grid.hr_side:
        raise DataError(
            f"{path.name} is {side} px wide, {protocol.id} takes {grid.hr_side} px only",
            where=path,
            remedy="use --protocol wsb-1",
        )


def target_of(
    image: NDArray[np.float32], valid: NDArray[np.bool_], protocol: Protocol, pixel: float = PIXEL_M
) -> TargetImage:
    """Return the target of (C, H, W) float32 reflectance on the grid; for `valid` and `pixel` see `TargetImage`."""
    return TargetImage(image, valid, _digest(image, valid), is_usable(valid, protocol.target), pixel)


def _digest(image: NDArray[np.float32], valid: NDArray[np.bool_]) -> str:
    """Return a digest that is the same on every processor.

    The resampling may differ in the last bits between instruction sets, and one float32 that flips would split a
    board. Steps of 1e-4 absorb that; their edges lie at odd places, since averages of integers fall on halves.
    """
    scaled = image.astype(np.float64)
    scaled *= HASH_STEPS
    scaled += HASH_OFFSET
    steps = np.ascontiguousarray(np.floor(scaled, out=scaled).astype("<u2"))
    digest = hashlib.sha256(steps.data)
    digest.update(np.packbits(valid, axis=None).tobytes())
    return digest.hexdigest()


def is_usable(valid: NDArray[np.bool_], grid: TargetGrid) -> bool:
    """Return whether enough of the window of a target's mask, (H, W) True where there is data, is valid."""
    window = valid[grid.border : valid.shape[0] - grid.border, grid.border : valid.shape[1] - grid.border]
    return window.size > 0 and float(window.mean()) >= grid.valid_share_min


def _cache_key(path: Path, protocol: Protocol, what: str = "target") -> str:
    digest = hashlib.sha256()
    try:
        for part in files_of(path):
            if part.exists() and not part.is_file():
                raise DataError(f"{part.name} is not a file", where=path)
            with part.open("rb") as file:
                digest.update(f"{part.suffix} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror}", where=path) from None
    digest.update(protocol.target.model_dump_json().encode())
    digest.update(code_sha256(_SOURCES, ("torch",)).encode())
    return f"{what}-{digest.hexdigest()}"
