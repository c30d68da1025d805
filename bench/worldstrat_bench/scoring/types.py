"""Inputs and results of a scorer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from worldstrat_bench.data.target import TargetImage
    from worldstrat_bench.protocol import Protocol
    from worldstrat_bench.scoring.levels import Levels

Array: TypeAlias = Tensor | NDArray[Any]


@dataclass(frozen=True)
class Frame:
    """The low-resolution image that a prediction should agree with: frame 0 of the inputs.

    Attributes
    ----------
    rgb : (3, h, w) float32 reflectance, not clipped; None if only its mask is known.
    clear : (h, w) bool, True where there is no cloud.
    """

    rgb: Array | None
    clear: Array

    @classmethod
    def of(cls, images: NDArray[np.float32], clear: NDArray[np.bool_]) -> Frame:
        """Take frame 0 of inputs as a model gets them: (T, 12, h, w) and (T, 1, h, w)."""
        from worldstrat_bench.api import RGB

        return cls(images[0, list(RGB)], clear[0, 0])


@dataclass(frozen=True)
class TileScore:
    """The scores of one prediction.

    Attributes
    ----------
    metrics : by name as in ``measures``; None where the metric could not be computed.
    nulls : for each of these, why.
    shift_y, shift_x : where in the prediction the target is found, px; None if the protocol has no one shift.
    shift_at_edge : whether the integer optimum lies on the edge of the search.
    clipped : share of values that had to be clipped: for wsb, see ``scoring.levels.Levels``; else those outside [0, 1].
    detail : of the target, see ``metrics.detail``.
    levels : what was added to the prediction and to the reference bicubic; None if the protocol has no offset.
    curves : what optional metrics keep of the tile beside their columns, by name.
    """

    metrics: dict[str, float | None]
    nulls: dict[str, str] = field(default_factory=dict)
    shift_y: float | None = None
    shift_x: float | None = None
    shift_at_edge: bool | None = None
    clipped: float | None = None
    detail: float = 0.0
    levels: Levels | None = None
    curves: dict[str, tuple[float, ...]] = field(default_factory=dict)


class Prepared(Interface):
    """Everything about a tile that does not depend on a prediction.

    Attributes
    ----------
    detail : of the target.
    psnr_bicubic : dB, of the reference bicubic; None without a frame.
    lr_consistency_target : the target's own value of `lr_consistency`, shown beside the predictions'; None without
        enough clear pixels.
    """

    @property
    def detail(self) -> float: ...

    @property
    def psnr_bicubic(self) -> float | None: ...

    @property
    def lr_consistency_target(self) -> float | None: ...


class Scorer(Interface):
    """The metrics of one protocol on one device."""

    @property
    def protocol(self) -> Protocol: ...

    def prepare(self, target: TargetImage, frame: Frame | None) -> Prepared:
        """Compute what depends on the target and frame 0 alone.

        Raises
        ------
        DataError
            if the target has too few valid pixels, or values that are not reflectance (outside -0.01 to 1.5).
        """
        ...

    def score(self, prediction: Array, prepared: Prepared) -> TileScore:
        """Score a (3, H', W') prediction, reflectance; what is not on the target's grid is resampled to it.

        Raises
        ------
        ModelError
            if the prediction is not of that form, smaller than the native grid (frame 0's; a quarter of the target's
            without its image), has values that are not finite, or a median |value| above 10.
        """
        ...
