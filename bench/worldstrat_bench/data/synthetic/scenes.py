"""Whole scenes of every IPCC land-use class, as a 1.5 m sensor would see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from worldstrat_bench.data.synthetic.ground import METRES, Ground, new_ground
from worldstrat_bench.data.synthetic.layers import fields, meadow, pivots, relief, ripples, river, road, trees
from worldstrat_bench.data.synthetic.noise import Field, step
from worldstrat_bench.data.synthetic.town import Plan, town

OPTICS_SIGMA = 0.55
"""Gaussian width in pixels of the pan-sharpened sensor's optics."""

SUBURB = Plan(block=96, depth=56, street=8, lot=16, built=0.93)
CENTRE = Plan(block=70, depth=44, street=9, lot=13, built=0.97, roofs=("grey roof", "red roof", "tin roof", "concrete"))
VILLAGE = Plan(
    block=64, depth=40, street=5, lot=14, built=0.55, roofs=("tin roof", "brown roof", "red roof"), paved=False
)


def make_scene(ipcc: str, variant: int, side: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a scene of side x side pixels of 1.5 m: (4, side, side) reflectance R, G, B, NIR, noise-free.

    Parameters
    ----------
    ipcc : one of the seven classes; anything else gives a mixture.
    variant : kinds of the class take turns.

    Raises
    ------
    ValueError
        if `side` is under 32 px.
    """
    if side < 32:
        raise ValueError("a scene needs 32 px at least")
    g = new_ground(rng, side)
    painters = _PAINTERS.get(ipcc, (_mixture,))
    painters[variant % len(painters)](g)
    blurred = [gaussian_filter(band, OPTICS_SIGMA, mode="nearest") for band in g.image]
    scene: NDArray[np.float64] = np.clip(np.stack(blurred), 0.002, 1.6)
    return scene


def _arable(g: Ground) -> None:
    angle = g.uniform(0, np.pi)
    fields(g, angle, 150, 62, ("crop", "ripe", "soil", "young crop", "stubble", "rape", "crop", "dark soil"), 0.35)
    relief(g, 0.035)
    u, v = _line(g, g.uniform(0, np.pi), 30.0)
    road(g, v, 7.0, along=u)
    _hamlet(g, angle, 55.0)


def _smallholdings(g: Ground) -> None:
    fields(g, g.uniform(0, np.pi), 60, 19, ("young crop", "crop", "soil", "red soil", "ripe", "dry grass"), 0.2)
    trees(g, 1.0, 11.0, ("broadleaf", "scrub"), share=0.05)
    _, v = _line(g, g.uniform(0, np.pi), 45.0, 4.8)
    river(g, v, 7.0, "silty water")
    u, v = _line(g, g.uniform(0, np.pi), 25.0)
    road(g, v, 5.0, "track", along=u)
    _hamlet(g, g.uniform(0, 1), 70.0)


def _irrigated(g: Ground) -> None:
    meadow(g, ("sand", "dry grass"), contrast=0.07)
    pivots(g, g.uniform(250, 330))
    trees(g, 1.0, 9.0, ("scrub",), share=0.04)
    u, v = _line(g, g.uniform(0, np.pi), 5.0)
    road(g, v, 6.0, along=u)


def _suburb(g: Ground) -> None:
    meadow(g, ("grass", "dry grass"))
    town(g, SUBURB, g.uniform(0, np.pi), warp=10.0)
    u, v = _line(g, g.uniform(0, np.pi), 20.0)
    road(g, v, 13.0, along=u)


def _city(g: Ground) -> None:
    meadow(g, ("concrete", "dry grass"), contrast=0.08)
    town(g, CENTRE, g.uniform(0, np.pi), warp=2.0)
    _, v = _line(g, g.uniform(0, np.pi), 30.0, 4.8)
    river(g, v, 38.0)
    u, v = _line(g, g.uniform(0, np.pi), 6.0)
    road(g, v, 15.0, along=u)


def _village(g: Ground) -> None:
    fields(g, g.uniform(0, np.pi), 80, 34, ("red soil", "dry grass", "soil", "young crop"), 0.15)
    reach = np.hypot(g.x - _middle(g), g.y - _middle(g)) / METRES / g.side
    inside = step(reach - 0.33 - 0.06 * g.noise(3.0), 0.04)
    g.paint(0.75 * inside, "red soil", 1 + 0.08 * g.noise(1.5, 40.0))
    town(g, VILLAGE, g.uniform(0, np.pi), inside, warp=14.0)
    u, v = _line(g, g.uniform(0, np.pi), 25.0)
    road(g, v, 6.0, "track", along=u)


def _woods(g: Ground) -> None:
    meadow(g, ("understory", "grass"))
    height = relief(g, 0.10)
    trees(g, step(0.4 * g.noise(3.0, 260.0) - 0.75, 0.1), 7.0, ("conifer", "broadleaf", "broadleaf"))
    _, v = _line(g, g.uniform(0, np.pi), 40.0)
    road(g, v, 4.0, "track", cars=False)
    g.shade(np.clip(1 + 0.06 * height, 0.7, 1.3))


def _jungle(g: Ground) -> None:
    meadow(g, ("understory", "jungle"), contrast=0.15)
    trees(g, 1.0, 11.0, ("jungle", "broadleaf", "jungle", "conifer"))
    relief(g, 0.13, 250.0)
    _, v = _line(g, g.uniform(0, np.pi), 75.0, 4.8)
    river(g, v, 24 + 7 * g.noise(3.0, 200.0), "silty water")


def _plantation(g: Ground) -> None:
    meadow(g, ("red soil", "grass"))
    u, v = g.turned(g.uniform(0, np.pi), 2.0)
    stands = np.minimum(u % 190, v % 140)
    trees(g, step(5.0 - stands, 2.0), 6.5, ("broadleaf", "jungle"), jitter=0.25, share=0.97)
    road(g, np.where(u % 190 < v % 140, u % 190 - 2, v % 140 - 2), 4.0, "track", cars=False)
    relief(g, 0.08)


def _pasture(g: Ground) -> None:
    meadow(g, ("grass", "dry grass"), contrast=0.12)
    relief(g, 0.09, 300.0)
    trees(g, 1.0, 13.0, ("broadleaf", "scrub"), share=0.10)
    for _ in range(2):
        _, v = _line(g, g.uniform(0, np.pi), 35.0)
        g.paint(0.7 * step(np.abs(v) - 0.9, 2.0), "track")
    _hamlet(g, g.uniform(0, 1), 30.0)


def _savanna(g: Ground) -> None:
    meadow(g, ("dry grass", "red soil"), contrast=0.13)
    trees(g, 1.0, 9.0, ("scrub", "broadleaf"), share=0.22)
    _, v = _line(g, g.uniform(0, np.pi), 60.0, 4.8)
    river(g, v, 6.0, "sand")
    u, v = _line(g, g.uniform(0, np.pi), 30.0)
    road(g, v, 5.0, "track", along=u)


def _marsh(g: Ground) -> None:
    meadow(g, ("reed", "grass"), contrast=0.16)
    trees(g, 1.0, 4.6, ("reed", "reed", "scrub"), share=0.45)
    level = g.noise(2.9, 180.0)
    g.paint(step(level + 0.45, 0.5) * 0.9, "mud", 1 + 0.12 * g.noise(1.5, 40.0))
    pools = step(level + 0.75, 0.12)
    g.paint(pools, "deep water")
    _, v = _line(g, g.uniform(0, np.pi), 85.0, 4.8)
    river(g, v, 18 + 5 * g.noise(3.0, 160.0))
    trees(g, step(-level + 1.3, 0.2), 8.0, ("broadleaf", "scrub"), share=0.6)


def _coast(g: Ground) -> None:
    meadow(g, ("scrub", "dry grass"), contrast=0.12)
    angle = g.uniform(0, 2 * np.pi)
    u, v = _line(g, angle, 28.0, 5.0)
    trees(g, step(30 - v, 10.0), 8.0, ("broadleaf", "scrub"), share=0.35)
    town(g, SUBURB, angle, step(75 - v, 2.0), warp=3.0)
    road(g, v - 58, 9.0, along=u)
    _sea(g, v, 0.05)
    jetty = np.maximum(np.abs(u - _middle(g)) - 3.0, np.abs(v + 40) - 62)
    g.paint(step(jetty, 2.0), "concrete")
    _boats(g, v)


def _lake(g: Ground) -> None:
    meadow(g, ("grass", "scrub"))
    relief(g, 0.06)
    trees(g, 1.0, 8.0, ("conifer", "broadleaf"), share=0.7)
    reach = np.hypot(g.x - _middle(g), g.y - _middle(g)) - 0.36 * g.side * METRES
    shore = reach + 34 * g.noise(3.4, 300.0)
    _sea(g, shore, 0.03)
    _boats(g, shore)


def _dunes(g: Ground) -> None:
    meadow(g, ("dune", "sand"), contrast=0.04)
    u, _ = g.turned(g.uniform(0, np.pi), 26.0)
    phase = np.modf(np.abs(u) / 62.0)[0]
    ridge = np.where(phase < 0.78, phase / 0.78, (1 - phase) / 0.22)
    slip = step(0.80 - phase, 0.03)
    small = 0.035 * np.sin(2 * np.pi * (u + 4 * g.noise(2.4, 60.0)) / 7.5)
    g.shade((0.86 + 0.28 * ridge + small) * (1 - 0.38 * slip))
    trees(g, step(ridge - 0.15, 0.05), 7.0, ("scrub",), share=0.14)
    u, v = _line(g, g.uniform(0, np.pi), 30.0)
    g.paint(0.6 * step(np.abs(np.abs(v) - 1.8) - 0.7, 2.0), "gravel")


def _mountain(g: Ground) -> None:
    meadow(g, ("rock", "gravel"), contrast=0.16)
    height = relief(g, 0.30, 260.0)
    g.paint(step(0.35 - height - 0.35 * g.noise(1.8, 60.0), 0.25), "snow", 1 + 0.02 * g.noise(1.0))
    relief(g, 0.07, 120.0)
    trees(g, step(height + 0.9, 0.3), 5.5, ("conifer",), share=0.6)


def _wadi(g: Ground) -> None:
    meadow(g, ("gravel", "rock"), contrast=0.12)
    relief(g, 0.20, 200.0)
    _, v = _line(g, g.uniform(0, np.pi), 60.0, 4.8)
    river(g, v, 26 + 9 * g.noise(3.0, 150.0), "sand")
    trees(g, 1.0, 7.0, ("scrub",), share=0.08)
    u, v = _line(g, g.uniform(0, np.pi), 25.0)
    road(g, v, 6.0, along=u)


def _mixture(g: Ground) -> None:
    _arable(g)
    _, v = _line(g, g.uniform(0, np.pi), 60.0, 4.8)
    river(g, v, 15.0)
    trees(g, step(-(g.noise(3.2) - 0.7), 0.05), 7.0, ("conifer", "broadleaf"))


def _sea(g: Ground, inland: Field, swell: float) -> None:
    """Lay beach, surf and water where `inland`, metres from the shore, is small or negative."""
    rough = g.noise(1.8, 40.0)
    beach = step(inland - 16 - 3 * rough, 3.0)
    g.paint(beach, "sand", 1 + 0.04 * rough)
    g.paint(step(inland - 5 - 2 * rough, 3.0), "wet sand")
    sea = step(inland + 0.5 * rough, 2.0)
    g.paint(sea, "shallow", 1 + 0.05 * g.noise(2.0, 80.0))
    g.paint(np.clip((-inland + 12 * g.noise(2.6, 150.0)) / 110.0, 0, 1) * sea, "deep water")
    ripples(g, sea, swell)
    surf = step(np.abs(inland + 7 + 2.5 * rough) - 1.1, 2.5) + 0.5 * step(np.abs(inland + 19 + 4 * rough) - 0.8, 2.5)
    if swell > 0.04:
        g.paint(np.clip(surf * (0.55 + 0.35 * rough), 0, 0.9), "white")


def _boats(g: Ground, inland: Field) -> None:
    for _ in range(7):
        east, south, turn = (g.uniform(0.05, 0.95) * g.side * METRES for _ in range(3))
        du, dv = g.x - east, g.y - south
        u, v = du * np.cos(turn) + dv * np.sin(turn), -du * np.sin(turn) + dv * np.cos(turn)
        at = inland[int(south / METRES), int(east / METRES)]
        if at < -25:
            g.paint(
                0.35 * step(np.abs(v) - 0.12 * (u - 4), 2.0) * (u > 4) * np.exp(-np.maximum(u - 4, 0) / 30), "white"
            )
            g.paint(step(np.hypot(u / 5.5, v / 1.9) * 3 - 3, 1.5), "white")


def _hamlet(g: Ground, angle: float, radius: float) -> None:
    east, south = (g.uniform(0.2, 0.8) * g.side * METRES for _ in range(2))
    inside = step(np.hypot(g.x - east, g.y - south) - radius - 8 * g.noise(3.0, 100.0), 3.0)
    g.paint(0.8 * inside, "grass", 1 + 0.1 * g.noise(1.5, 40.0))
    town(g, Plan(44, 40, 4.5, 20, 0.8, paved=False), angle, inside, warp=3.0)


def _line(g: Ground, angle: float, bend: float, slope: float = 7.0) -> tuple[Field, Field]:
    """Return metres along and across a bent line through the middle part of the ground."""
    u, v = g.turned(angle, bend, slope)
    middle = g.side // 2
    offset = g.uniform(-0.22, 0.22) * g.side * METRES
    return u, v - v[middle, middle] - offset


def _middle(g: Ground) -> float:
    return 0.5 * g.side * METRES


_PAINTERS: Mapping[str, tuple[Callable[[Ground], None], ...]] = MappingProxyType(
    {
        "Agriculture": (_arable, _smallholdings, _irrigated),
        "Settlement": (_suburb, _city, _village),
        "Forest": (_woods, _jungle, _plantation),
        "Grassland": (_pasture, _savanna),
        "Wetland": (_marsh,),
        "Water": (_coast, _lake),
        "Other": (_dunes, _mountain, _wadi),
    }
)
