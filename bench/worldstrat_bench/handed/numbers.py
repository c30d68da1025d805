"""Content of a file that was handed in: its numbers, their limits, and the error for one that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from numpy.typing import NDArray

from worldstrat_bench.worker.validate import MAX_SIDE

MAX_BYTES: Final = 512 << 20
"""Size limit of a file, and of the array in it: an image of 4,096 px in eight bands of four bytes."""

ONE_IMAGE: Final = "hand in one image of one tile a file"


class UnusableFileError(Exception):
    """A file that cannot be taken as a prediction; the message says why, after the file's name."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass(frozen=True)
class Numbers:
    """Content of a file, in its own order and unit.

    Attributes
    ----------
    image : (C, H, W) numbers.
    scaled : whether the file had its own scale or offset, which `image` has applied.
    expected_error : (1 or C, H, W) numbers in the unit of `image`; None if the file has none.
    """

    image: NDArray[Any]
    scaled: bool = False
    expected_error: NDArray[Any] | None = None


def check_size(height: int, width: int, least: tuple[int, int] = (1, 1)) -> None:
    """Raise UnusableFileError unless a prediction may have that many px."""
    if height < least[0] or width < least[1]:
        sizes = f"{height} x {width} px, the inputs are {least[0]} x {least[1]}"
        raise UnusableFileError(f"is smaller than the inputs: {sizes}", "predict at the native size at least")
    if max(height, width) > MAX_SIDE:
        raise UnusableFileError(f"is {height} x {width} px, at most {MAX_SIDE} are read", "predict at the target size")


def check_numbers(kind: str) -> None:
    """Raise UnusableFileError unless numbers of that kind ("f4" is "f") are real ones."""
    if kind not in "iuf":
        raise UnusableFileError("holds something other than real numbers", "store float32 reflectance")
