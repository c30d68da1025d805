"""The task of a model, some frames of a tile and the size of the image that it is to make of them; and its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.raster import read_header
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.protocol import Protocol

InputSource = Literal["real", "synthetic"]
"""Source of frames: the dataset's revisits, or a sensor model applied to the high-resolution image."""

BANDS = 12


# Without ==: of arrays it gives an array, so that the comparison which a dataclass writes would fail.
@dataclass(frozen=True, eq=False)
class Task:
    """The question of one call of a model, for a batch of B tiles; B is 1 except where throughput is measured.

    The host's form of :class:`worldstrat_bench.api.LowRes` and :class:`worldstrat_bench.api.Target`. Tasks are
    compared by identity.

    Attributes
    ----------
    images : (B, T, 12, h, w) float32 reflectance, best frame first, not clipped; 0 in all bands without data.
    clear : (B, T, 1, h, w) bool, True where there are data and no cloud.
    days : (B, T) int64, acquisition minus the date of the high-resolution image.
    height, width : px of the image that is asked for.
    name : of the tile, for the host's messages; it is never sent to a model, which must not know its tile.

    Raises
    ------
    ValueError
        if an array has another shape or another type.
    """

    images: NDArray[np.float32]
    clear: NDArray[np.bool_]
    days: NDArray[np.int64]
    height: int
    width: int
    name: str = ""
    _known_sha256: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        if self.images.ndim != 5:
            raise ValueError(f"images are (B, T, {BANDS}, h, w), not {self.images.shape}")
        batch, frames, _, h, w = self.images.shape
        _check("images", self.images, (batch, frames, BANDS, h, w), np.float32)
        _check("clear", self.clear, (batch, frames, 1, h, w), np.bool_)
        _check("days", self.days, (batch, frames), np.int64)

    @classmethod
    def of(
        cls,
        tile: Tile,
        protocol: Protocol,
        images: NDArray[np.float32],
        clear: NDArray[np.bool_],
        days: NDArray[np.int64],
    ) -> Self:
        """Return what a model is asked about a tile: its frames, and an image of the size of its target.

        Parameters
        ----------
        images, clear, days : (T, 12, h, w), (T, 1, h, w) and (T,) as a reader made them; they are not copied.

        Raises
        ------
        DataError
            if the size of the high-resolution file cannot be read.
        """
        side = protocol.target.size(read_header(tile.hr).height)
        return cls.single(images, clear, days, side, side, tile.name)

    @classmethod
    def single(
        cls,
        images: NDArray[np.float32],
        clear: NDArray[np.bool_],
        days: NDArray[np.int64],
        height: int,
        width: int,
        name: str = "",
    ) -> Self:
        """Return the task of one tile from (T, 12, h, w), (T, 1, h, w) and (T,), which are not copied."""
        return cls(images[None], clear[None], days[None], height, width, name)

    @classmethod
    def together(cls, tasks: Sequence[Task]) -> Self:
        """Return several tasks as one batch; all have the same shape and ask for the same size."""
        images, clear, days = (
            np.concatenate([getattr(task, name) for task in tasks]) for name in ("images", "clear", "days")
        )
        return cls(images, clear, days, tasks[0].height, tasks[0].width)

    @property
    def batch(self) -> int:
        """Number of tiles."""
        return len(self.images)

    @property
    def frames(self) -> int:
        """Number of frames of each tile."""
        return int(self.images.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the low-resolution grid."""
        return int(self.images.shape[3]), int(self.images.shape[4])

    @property
    def sha256(self) -> str:
        """sha256 of images, clear and days as a model gets them: little-endian float32, bool and int64."""
        return self._known_sha256 or inputs_sha256(self.images, self.clear, self.days)

    def with_known_sha256(self, sha256: str) -> Self:
        """Return the same task with its digest, which then need not be computed.

        The digest is left out of ``dataclasses.replace``: a task with changed images never keeps the old one.
        """
        same = type(self)(self.images, self.clear, self.days, self.height, self.width, self.name)
        object.__setattr__(same, "_known_sha256", sha256)
        return same

    def seed(self, run_seed: int, draw: int = 1) -> int:
        """Return the seed that a model gets with this task, 0..2^63 - 1; the same wherever and in whatever order.

        Parameters
        ----------
        draw : of a stochastic model, from 1; every draw has another seed.

        It follows from the run's seed and the digest of the inputs. A seed made of the tile's name would tell the
        model which tile it is: run seeds and names are public.
        """
        # The first draw adds nothing: a model that is asked once keeps the seed that it had before there were draws.
        further = f"\ndraw {draw}" if draw > 1 else ""
        digest = hashlib.sha256(f"{run_seed}\n{self.sha256}{further}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    def tile(self, k: int) -> Task:
        """Return tile `k` of the batch as its own task."""
        part = slice(k, k + 1)
        return Task(self.images[part], self.clear[part], self.days[part], self.height, self.width)


@dataclass(frozen=True, eq=False)
class Answer:
    """Answer of a model to a task of one tile: the host's form of :class:`worldstrat_bench.api.Prediction`.

    Attributes
    ----------
    image : (3, H, W) float32 reflectance R, G, B, or (4, H, W) with the near infrared.
    expected_error : (1, H, W) or one for each band, float32, the standard deviation that the model expects of its
        error, reflectance, not negative; None if it does not say.
    """

    image: NDArray[np.float32]
    expected_error: NDArray[np.float32] | None = None

    @property
    def has_nir(self) -> bool:
        """True if the fourth band is there."""
        return len(self.image) > 3


def inputs_sha256(images: NDArray[np.float32], clear: NDArray[np.bool_], days: NDArray[np.int64]) -> str:
    """Return the sha256 of inputs as a model gets them: float32, bool and int64, little-endian.

    Parameters
    ----------
    images, clear, days : (B, T, 12, h, w) reflectance, (B, T, 1, h, w) and (B, T).
    """
    digest = hashlib.sha256()
    for array, kind in ((images, "<f4"), (clear, "?"), (days, "<i8")):
        digest.update(np.ascontiguousarray(array, dtype=kind).data)
    return digest.hexdigest()


def _check(name: str, array: NDArray[Any], shape: tuple[int, ...], kind: type[np.generic]) -> None:
    if array.shape != shape or array.dtype != kind:
        raise ValueError(f"{name}: {array.dtype} {array.shape}, not {np.dtype(kind)} {shape}")
