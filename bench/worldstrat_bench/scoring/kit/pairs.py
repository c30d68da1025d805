"""The 24 pairs of the conformance kit: what goes in, made from formulas and seeds, each stressing one rule of wsb-1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.protocol import TargetGrid, load_protocol
from worldstrat_bench.scoring.kit.land import Floats, Land

PROTOCOL = "wsb-1"
FRAME_MOVE = (1.7, -0.9)
"""How far frame 0 lies off the target, px of the target: the two sensors never agree."""


@dataclass(frozen=True)
class Inputs:
    """Content of one pair.

    Attributes
    ----------
    hr : (4, S, S) uint16, R, G, B, near infrared, reflectance x 10,000; None if `target` is given.
    target, valid : (3 or 4, H, W) float32 reflectance and (H, W) bool in place of `hr`.
    prediction : (3 or 4, h, w) float32 reflectance.
    frame, clear : frame 0, (3, h, w) float32 reflectance and (h, w) bool; None: there is no frame.
    """

    prediction: NDArray[np.float32]
    hr: NDArray[np.uint16] | None = None
    target: NDArray[np.float32] | None = None
    valid: NDArray[np.bool_] | None = None
    frame: NDArray[np.float32] | None = None
    clear: NDArray[np.bool_] | None = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return those arrays that are there, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Pair:
    """One pair of the kit: its number from 1, a short name, the section that it stresses, how, and its inputs."""

    number: int
    name: str
    rule: str
    stresses: str
    inputs: Inputs

    @property
    def folder(self) -> str:
        """Its folder in the kit."""
        return f"{self.number:02d}-{self.name}"


@dataclass
class _Scene:
    """A pair in the making: land, seen by the two sensors and guessed by a model."""

    rng: np.random.Generator
    side: int
    grid: TargetGrid

    def __post_init__(self) -> None:
        self.land = Land.of(self.rng)

    @property
    def size(self) -> tuple[int, int]:
        """Of the target, px."""
        side = self.grid.size(self.side)
        return side, side

    @property
    def coarse(self) -> tuple[int, int]:
        """Of frame 0, px: about a quarter of the target, and not square."""
        return self.size[0] // 4, self.size[1] // 4 + 1

    def hr(self, land: Floats | None = None) -> NDArray[np.uint16]:
        """Return the high-resolution file; 0 never happens by itself."""
        image = self.land.seen((self.side, self.side), self.size) if land is None else land
        return np.clip(np.rint(image * 1e4), 1, 65_535).astype(np.uint16)

    def guess(
        self, move: tuple[float, float] = (0.0, 0.0), *, size: tuple[int, int] | None = None, noise: float = 0.01
    ) -> Floats:
        """Return a prediction of R, G, B that is `move` px off: softer than the target, with uniform noise."""
        shape = size or self.size
        seen = self.land.seen(shape, self.size, move)[:3]
        near = [np.roll(seen, step, axis) for axis in (1, 2) for step in (-1, 1)]
        soft = (4 * seen + np.sum(near, axis=0)) / 8
        return np.asarray(soft + noise * (self.rng.random(soft.shape) - 0.5))

    def frame(self) -> NDArray[np.float32]:
        """Return red, green and blue of frame 0."""
        return self.land.seen(self.coarse, self.size, FRAME_MOVE)[:3].astype(np.float32)

    def inputs(self, prediction: Floats, **more: Any) -> Inputs:
        """Return inputs with a clear frame 0 and this land, unless `more` says otherwise."""
        usual = {"hr": self.hr(), "frame": self.frame(), "clear": np.ones(self.coarse, dtype=bool)}
        return Inputs(prediction=prediction.astype(np.float32), **{**usual, **more})


def make_pairs() -> tuple[Pair, ...]:
    """Make all pairs, in order. The same numpy gives the same bytes."""
    grid = load_protocol(PROTOCOL).target
    pairs = []
    for number, (make, side, rule) in enumerate(_PAIRS, start=1):
        scene = _Scene(np.random.Generator(np.random.PCG64(number)), side, grid)
        stresses = " ".join((make.__doc__ or "").split()).removesuffix(".")
        name = make.__name__.strip("_").replace("_", "-")
        pairs.append(Pair(number, name, rule, stresses, make(scene)))
    return tuple(pairs)


def _identity(scene: _Scene) -> Inputs:
    """The prediction is the target: the greatest score, shift 0."""
    target = np.clip(scene.land.seen(scene.size, scene.size)[:3], 0, 1).astype(np.float32)
    valid = np.ones(scene.size, dtype=bool)
    return scene.inputs(target.astype(np.float64), hr=None, target=target, valid=valid)


def _fraction(scene: _Scene) -> Inputs:
    """A shift of parts of a pixel: the parabola, its rounding and Lanczos-8."""
    return scene.inputs(scene.guess((1.3, -2.6)))


def _stripes(scene: _Scene) -> Inputs:
    """No-data in every 18th row of HR: no 11 x 11 of the target is valid, so ssim is null."""
    hr = scene.hr()
    hr[:, ::18] = 0
    return scene.inputs(scene.guess((0.4, 0.7)), hr=hr)


def _edge(scene: _Scene) -> Inputs:
    """A shift of 8 px down: the optimum lies on the edge of the search, where that axis has no parabola."""
    return scene.inputs(scene.guess((8.0, -5.7)))


def _vertex(scene: _Scene) -> Inputs:
    """All but constant: shifts tie though the next is a little better, so the vertex is limited to half a pixel."""
    scene.land = replace(scene.land, level=np.full(4, 0.4), contrast=np.full(4, 0.12))
    prediction = np.full((3, *scene.size), 0.25)
    prediction[:, scene.size[0] // 2, scene.size[1] // 2 + 20] += 2.0**-22
    return scene.inputs(prediction)


def _flat(scene: _Scene) -> Inputs:
    """A constant prediction: every shift ties, and none is applied."""
    return scene.inputs(np.full((3, *scene.size), 0.2))


def _repeated(scene: _Scene, index: NDArray[np.intp], move: tuple[int, int]) -> Inputs:
    """A target of one patch of 6 x 6 px, over and over, and a prediction that is `move` px off and a little different.

    Parameters
    ----------
    index : (6, 6), which of the drawn values stands where.
    """
    drawn = scene.rng.random((2, 3, int(index.max()) + 1))
    patch = 0.1 + 0.2 * drawn[0][:, index]
    other = np.roll(patch + 0.05 * drawn[1][:, index], move, axis=(1, 2))
    times = (1, *(n // 6 + 1 for n in scene.size))
    target, prediction = (np.tile(p, times)[:, : scene.size[0], : scene.size[1]] for p in (patch, other))
    valid = np.ones(scene.size, dtype=bool)
    return scene.inputs(prediction, hr=None, target=target.astype(np.float32), valid=valid)


def _ties_by_length(scene: _Scene) -> Inputs:
    """Shifts 6 px apart tie: the shortest of them is taken."""
    return _repeated(scene, np.arange(36).reshape(6, 6), (1, -2))


def _ties_by_order(scene: _Scene) -> Inputs:
    """Diagonal stripes: one px down and one px right tie with the same length, and the smaller dy is taken."""
    rows, columns = np.indices((6, 6))
    return _repeated(scene, (rows + columns) % 6, (0, 1))


def _hole(scene: _Scene) -> Inputs:
    """A hole of no-data inside the window; a zero in one band beside it is a value."""
    hr = scene.hr()
    hr[:, 80:117, 70:131] = 0
    hr[0, 120:140, 70:100] = 0
    return scene.inputs(scene.guess((-0.8, 1.9)), hr=hr)


def _bars(scene: _Scene) -> Inputs:
    """Bars of no-data on two sides: 3 px, which stay in the border, and 75 px, which do not."""
    hr = scene.hr()
    hr[:, :3], hr[:, :, -75:] = 0, 0
    return scene.inputs(scene.guess((0.6, -0.6)), hr=hr)


def _clouds(scene: _Scene) -> Inputs:
    """Clouds over half of frame 0, and a prediction that shows them, bright: offset and search look beside them."""
    clear, frame, prediction = np.ones(scene.coarse, dtype=bool), scene.frame(), scene.guess((2.2, 1.1))
    clear[:, : scene.coarse[1] // 2] = False
    frame[:, ~clear] = 0.9
    part = slice(0, scene.size[1] // 2 - 12)
    prediction[..., part] = 4 * scene.guess((-4.0, 6.0))[..., part]
    return scene.inputs(prediction, frame=frame, clear=clear)


def _overcast(scene: _Scene) -> Inputs:
    """Frame 0 is clear in less than a quarter: every valid pixel is compared, lr_consistency is null."""
    clear = np.zeros(scene.coarse, dtype=bool)
    clear[: scene.coarse[0] // 5] = True
    return scene.inputs(scene.guess((-1.4, 3.3)), clear=clear)


def _rows(scene: _Scene) -> Inputs:
    """Every fourth row is HR, and 0 and 1 in part; the others are 1.5 too low: where b0 starts, and what counts."""
    target = np.clip(scene.land.seen(scene.size, scene.size)[:3], 0, 1).astype(np.float32)
    prediction = target - 1.5
    # The window begins after a border of a multiple of 4 px.
    prediction[:, ::4] = target[:, ::4]
    prediction[:, ::4, 30:50], prediction[:, ::4, 50:60] = 0, 1
    valid = np.ones(scene.size, dtype=bool)
    return scene.inputs(prediction.astype(np.float64), hr=None, target=target, valid=valid)


def _offset(scene: _Scene) -> Inputs:
    """A large offset in every band, more than 1 in two: most values look impossible until it is removed."""
    return scene.inputs(scene.guess((-2.0, 0.9)) + np.array([-0.3, 1.9, -1.2])[:, None, None])


def _saturation(scene: _Scene) -> Inputs:
    """Reflectance above 1 in part of HR, and a prediction of four times the contrast: b0 moves at every step."""
    bright = scene.land.seen((scene.side, scene.side), scene.size)
    bright[:, :, : scene.side // 3] = 4 * bright[:, :, : scene.side // 3] + 0.4
    prediction = scene.guess((0.0, 0.0))
    prediction[:, :, : scene.size[1] // 3] = 2 * prediction[:, :, : scene.size[1] // 3] + 0.2
    return scene.inputs(4 * prediction - 0.4, hr=scene.hr(bright))


def _grey(scene: _Scene) -> Inputs:
    """Three equal bands of little contrast: the white level is its least, spectral angles are near 0."""
    scene.land = replace(
        scene.land, own=np.ones_like(scene.land.own), level=np.full(4, 0.15), contrast=np.full(4, 0.01)
    )
    tint = np.array([1.0, 1.001, 0.999])[:, None, None]
    return scene.inputs(scene.guess((1.1, 1.6), noise=0.002).mean(axis=0) * tint)


def _snow(scene: _Scene) -> Inputs:
    """Bright and smooth, partly at 1: variances are small differences of large numbers."""
    scene.land = replace(scene.land, level=np.array([0.96, 0.965, 0.97, 0.9]), contrast=np.full(4, 0.02))
    return scene.inputs(scene.guess((-0.7, -1.2), noise=0.004))


def _water(scene: _Scene) -> Inputs:
    """Dark, with pixels of 0 in R, G and B that are data, and a prediction below 0."""
    scene.land = replace(scene.land, level=np.array([0.012, 0.016, 0.02, 0.01]), contrast=np.full(4, 0.006))
    hr = scene.hr()
    hr[:3, 60:90, 60:100], hr[3] = 0, 90
    return scene.inputs(scene.guess((0.9, -0.3), noise=0.01) - 0.004, hr=hr)


def _wild(scene: _Scene) -> Inputs:
    """Fifteen pixels of 1e3, 1e6, -9999, 2.2 and -1.2, and an offset: clipped as they came they steer nothing."""
    prediction = scene.guess((1.8, -0.4)) + np.array([0.06, -0.06, 0.04])[:, None, None]
    rows, columns = scene.rng.integers(22, scene.size[0] - 22, (2, 15))
    prediction[:, rows, columns] = np.resize([1e3, 1e6, -9999.0, 2.2, -1.2], 15)
    return scene.inputs(prediction)


def _four_times(scene: _Scene) -> Inputs:
    """The output of an x4 network, four times the size of frame 0: resampled to the target's grid."""
    return scene.inputs(scene.guess((0.5, 1.4), size=(4 * scene.coarse[0], 4 * scene.coarse[1])))


def _native(scene: _Scene) -> Inputs:
    """A prediction of frame 0's size, which is not square."""
    return scene.inputs(scene.guess((1.0, -1.5), size=scene.coarse))


def _larger(scene: _Scene) -> Inputs:
    """A prediction larger than the target, and not square: the resampling kernel is stretched."""
    return scene.inputs(scene.guess((-1.1, 0.8), size=(171, 190), noise=0.05))


def _four_bands(scene: _Scene) -> Inputs:
    """A near infrared band with an offset of its own, moved by the shift of the other three."""
    target = np.clip(scene.land.seen(scene.size, scene.size), 0, 1).astype(np.float32)
    near = scene.land.seen(scene.size, scene.size, (1.5, -0.8))[3:] - 0.12
    prediction = np.concatenate([scene.guess((1.5, -0.8)) + 0.02, near])
    return scene.inputs(prediction, hr=None, target=target, valid=np.ones(scene.size, dtype=bool))


def _no_frame(scene: _Scene) -> Inputs:
    """Strong noise, a shift that the search cannot reach, and no frame 0: what needs one is null."""
    return scene.inputs(scene.guess((-11.0, 9.4), noise=0.15), frame=None, clear=None)


_PAIRS: tuple[tuple[Callable[[_Scene], Inputs], int, str], ...] = (
    (_identity, 200, "3.5"),
    (_fraction, 240, "3.4"),
    (_stripes, 200, "3.5"),
    (_edge, 200, "3.4"),
    (_vertex, 300, "3.4"),
    (_flat, 160, "3.4"),
    (_ties_by_length, 180, "3.4"),
    (_ties_by_order, 180, "3.4"),
    (_hole, 200, "3.2"),
    (_bars, 330, "3.2"),
    (_clouds, 300, "3.4"),
    (_overcast, 200, "3.4"),
    (_rows, 180, "3.4"),
    (_offset, 200, "3.4"),
    (_saturation, 200, "3.4"),
    (_grey, 180, "3.5"),
    (_snow, 180, "3.5"),
    (_water, 190, "3.5"),
    (_wild, 200, "3.4"),
    (_four_times, 250, "3.3"),
    (_native, 170, "3.3"),
    (_larger, 161, "3.3"),
    (_four_bands, 200, "3.5"),
    (_no_frame, 300, "3.5"),
)
"""Function that makes a pair, the side of its HR in px, and the section of docs/protocol.md that it stresses."""
