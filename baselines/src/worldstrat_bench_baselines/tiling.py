"""Running a network on windows of an image and putting the answers together: the one place where that is done.

All lengths are input pixels. A window's answer is trusted except for `margin` pixels along those of its sides that
lie inside of the image; where two windows are trusted they are blended by a linear ramp over their common part.
With a margin of at least the receptive field, a local network gives what it gives on the whole image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Network = Callable[[Tensor], Tensor]
"""(..., h, w) to (..., f h, f w) for some whole factor f, or for a fractional one if the products are whole."""


@dataclass(frozen=True)
class Tiling:
    """How to cut an image.

    Attributes
    ----------
    window : side of a window; 0 gives the network the whole image at once.
    overlap : least common length of neighbouring windows; at least twice the margin.
    margin : untrusted length along a side that is not a side of the image.
    fixed : whether the network takes no other size: a smaller image is then padded by reflection.
    multiple : sides are padded to a multiple of this, for networks that ask for it (no windows then).
    """

    window: int = 0
    overlap: int = 0
    margin: int = 0
    fixed: bool = False
    multiple: int = 1

    def __post_init__(self) -> None:
        if min(self.window, self.overlap, self.margin) < 0 or self.multiple < 1:
            raise ValueError("window, overlap and margin cannot be negative, and multiple is at least 1")
        if self.window and not (2 * self.margin <= self.overlap < self.window):
            raise ValueError(
                f"a window of {self.window} px wants an overlap of at least two margins of {self.margin} px "
                f"and smaller than itself, not {self.overlap} px"
            )

    def run(self, network: Network, image: Tensor) -> Tensor:
        """Return the network's answer for `image` (..., h, w): (..., H, W), H / h being the network's factor."""
        height, width = image.shape[-2:]
        if not self.window:
            padded = _reflect(image, -height % self.multiple, -width % self.multiple)
            answer = network(padded)
            return _crop(answer, padded, height, width)
        padded = _reflect(image, max(0, self.window - height), max(0, self.window - width)) if self.fixed else image
        return _crop(self._windows(network, padded), padded, height, width)

    def _windows(self, network: Network, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        total: Tensor | None = None
        weights: Tensor | None = None
        for top in starts(height, self.window, self.overlap):
            for left in starts(width, self.window, self.overlap):
                piece = image[..., top : top + self.window, left : left + self.window]
                answer = network(piece)
                factor = factor_of(answer, piece)
                rows = self._ramp(piece.shape[-2], answer.shape[-2], top > 0, top + self.window < height)
                columns = self._ramp(piece.shape[-1], answer.shape[-1], left > 0, left + self.window < width)
                weight = (rows[:, None] * columns[None, :]).to(answer.device)
                if total is None or weights is None:
                    shape = (_times(height, factor[0]), _times(width, factor[1]))
                    total = torch.zeros(*answer.shape[:-2], *shape, dtype=torch.float64, device=answer.device)
                    weights = torch.zeros(shape, dtype=torch.float64, device=answer.device)
                y, x = _times(top, factor[0]), _times(left, factor[1])
                total[..., y : y + answer.shape[-2], x : x + answer.shape[-1]] += answer * weight
                weights[y : y + answer.shape[-2], x : x + answer.shape[-1]] += weight
        if total is None or weights is None:
            raise ValueError("an empty image cannot be cut in windows")
        return (total / weights).to(image.dtype)

    def _ramp(self, size_in: int, size_out: int, before: bool, after: bool) -> Tensor:
        """Return (size_out,) float64 weights of a window along one axis; `before`, `after`: the image goes on there."""
        position = (torch.arange(size_out, dtype=torch.float64) + 0.5) * size_in / size_out
        length = max(self.overlap - 2 * self.margin, 1e-9)
        weight = torch.ones_like(position)
        for inside, distance in ((before, position), (after, size_in - position)):
            if inside:
                ramp = ((distance - self.margin) / length).clamp(0, 1)
                weight = weight * torch.where(distance > self.margin, ramp.clamp_min(1e-6), torch.zeros_like(ramp))
        return weight


def starts(size: int, window: int, overlap: int) -> tuple[int, ...]:
    """Return where windows begin along an axis of `size`: every window - overlap, the last one flush with the end."""
    if size <= window:
        return (0,)
    regular = range(0, size - window, window - overlap)
    return (*regular, size - window)


def factor_of(answer: Tensor, piece: Tensor) -> tuple[float, float]:
    """Return how much finer the answer is, rows and columns.

    Raises
    ------
    ValueError
        if the answer is smaller than what it answers to.
    """
    factor = (answer.shape[-2] / piece.shape[-2], answer.shape[-1] / piece.shape[-1])
    if min(factor) < 1:
        raise ValueError(f"the network answered {tuple(answer.shape[-2:])} px to {tuple(piece.shape[-2:])} px")
    return factor


def _times(length: int, factor: float) -> int:
    product = length * factor
    if abs(product - round(product)) > 1e-6:
        raise ValueError(f"a window at {length} px falls between the pixels of a grid {factor:g} times finer")
    return round(product)


def _reflect(image: Tensor, rows: int, columns: int) -> Tensor:
    """Grow (..., h, w) at the bottom and the right by reflection, by replication where it is too small for that."""
    if not rows and not columns:
        return image
    flat = image.reshape(-1, 1, *image.shape[-2:])
    mode = "reflect" if rows < image.shape[-2] and columns < image.shape[-1] else "replicate"
    flat = F.pad(flat, (0, columns, 0, rows), mode=mode)
    return flat.reshape(*image.shape[:-2], *flat.shape[-2:])


def _crop(answer: Tensor, padded: Tensor, height: int, width: int) -> Tensor:
    if padded.shape[-2:] == (height, width):
        return answer
    factor = factor_of(answer, padded)
    return answer[..., : round(height * factor[0]), : round(width * factor[1])]
