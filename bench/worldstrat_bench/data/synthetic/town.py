"""Towns: blocks between streets, each with its houses, gardens, works, parks or parked cars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.synthetic.ground import METRES, Ground
from worldstrat_bench.data.synthetic.layers import trees
from worldstrat_bench.data.synthetic.noise import Field, cell_random, cells, step

_EDGE = 1.1 * METRES
_ROOFS = ("red roof", "brown roof", "grey roof", "tin roof", "red roof", "grey roof", "white")


@dataclass(frozen=True)
class Plan:
    """How a town is laid out: metres, and the share of built lots."""

    block: float
    depth: float
    street: float
    lot: float
    built: float
    roofs: tuple[str, ...] = _ROOFS
    paved: bool = True


def town(g: Ground, plan: Plan, angle: float, alpha: Field | float = 1.0, warp: float = 4.0) -> None:
    """Paint a town over a share `alpha` of the ground."""
    u, v = g.turned(angle, warp)
    cross = np.abs(u / plan.block - np.round(u / plan.block)) * plan.block
    along = np.abs(v / plan.depth - np.round(v / plan.depth)) * plan.depth
    street = np.minimum(cross, along) - plan.street / 2
    i, j = cells(u / plan.block), cells(v / plan.depth)
    use = cell_random(i, j, g.salt + 51)
    g.paint(alpha * step(street - 1.8, _EDGE), "concrete" if plan.paved else "track", 0.92)
    g.paint(alpha * step(street, _EDGE), "asphalt" if plan.paved else "track", 1 + 0.06 * g.noise(1.2, 30.0))
    works = (use > 0.86) & (use < 0.95) & (plan.paved)
    park = use >= 0.95
    homes = ~works & ~park
    trees(g, alpha * step(-street + 2.5, 2.0) * homes, 8.0, ("broadleaf", "broadleaf", "scrub"), share=0.30)
    trees(g, alpha * step(-street + 3.0, 2.0) * park, 9.0, ("broadleaf", "conifer"), share=0.7)
    _buildings(g, plan, u, v, angle, np.asarray(alpha * homes, dtype=np.float64), large=False)
    _parked(g, u, v, alpha * works * step(-street + 2.0, _EDGE))
    _buildings(g, plan, u, v, angle, np.asarray(alpha * works, dtype=np.float64), large=True)
    _moving(g, plan, u, v, alpha)


def _buildings(g: Ground, plan: Plan, u: Field, v: Field, angle: float, alpha: Field, *, large: bool) -> None:
    sun = (g.sun[0] * np.cos(angle) + g.sun[1] * np.sin(angle), -g.sun[0] * np.sin(angle) + g.sun[1] * np.cos(angle))
    throw = 7.0 if large else 4.0
    for reach in (0.5, 1.0):
        fallen, *_ = _footprints(g, plan, u + throw * reach * sun[0], v + throw * reach * sun[1], large)
        g.shade(1 - 0.55 * fallen * alpha)
    cover, number, face, local = _footprints(g, plan, u, v, large)
    slope = 1 + (0.04 if large else 0.17) * np.sign(face) * np.sign(sun[1])
    seams = 1 + (0.10 * (np.abs(local % 7.0 - 3.5) < 0.8) if large else 0.0)
    bright = (0.8 + 0.4 * np.modf(number * 13.0)[0]) * slope * seams
    roofs = ("white", "tin roof", "grey roof", "blue roof", "tin roof") if large else plan.roofs
    g.paint_choice(cover * alpha, roofs, number, bright)


def _footprints(g: Ground, plan: Plan, u: Field, v: Field, large: bool) -> tuple[Field, Field, Field, Field]:
    """Return the share covered by a roof, the roof's number, the side of its ridge, and metres along it."""
    wide, deep = (plan.block, plan.depth) if large else (plan.lot, plan.depth / 2)
    salt = g.salt + (61 if large else 71)
    i, j = cells(u / wide), cells(v / deep)
    random = [cell_random(i, j, salt + k) for k in range(6)]
    room = deep - plan.street if large else deep - plan.street / 2
    half_u = (0.30 if large else 0.28) * wide * (0.75 + 0.5 * random[0])
    half_v = 0.5 * room * (0.45 + 0.35 * random[1])
    towards = np.where(j % 2 == 0, 1.0, -1.0) * plan.street / 4 if not large else 0.0
    local_u = u - (i + 0.5) * wide - 0.1 * wide * (random[2] - 0.5)
    local_v = v - (j + 0.5) * deep - towards - 0.12 * room * (random[3] - 0.5)
    centre = u - local_u
    clear = np.abs(centre / plan.block - np.round(centre / plan.block)) * plan.block - half_u - plan.street / 2 > 0.5
    built: NDArray[np.bool_] = (random[4] < (1.0 if large else plan.built)) & (clear | large)
    outside = np.maximum(np.abs(local_u) - half_u, np.abs(local_v) - half_v)
    # a wing makes some houses L-shaped
    wing = np.maximum(np.abs(local_u - half_u * 0.5) - half_u * 0.45, np.abs(local_v + half_v * 0.6) - half_v * 0.9)
    outside = np.where(random[5] > 0.6, np.minimum(outside, wing), outside)
    return step(outside, _EDGE) * built, np.modf(random[5] * 7.31)[0], local_v, local_u


def _parked(g: Ground, u: Field, v: Field, alpha: Field) -> None:
    g.paint(alpha, "asphalt", 1.15)
    slot, row = cells(u / 3.1), cells(v / 8.0)
    box = np.maximum(np.abs(u - (slot + 0.5) * 3.1) - 1.0, np.abs(v - (row + 0.5) * 8.0) - 2.2)
    here = cell_random(slot, row, g.salt + 81) < 0.55
    covers = ("white", "tin roof", "grey roof", "asphalt", "red roof", "blue roof")
    g.paint_choice(alpha * here * step(box, _EDGE), covers, cell_random(slot, row, g.salt + 82))


def _moving(g: Ground, plan: Plan, u: Field, v: Field, alpha: Field | float) -> None:
    centre = v - np.round(v / plan.depth) * plan.depth
    slot, row = cells(u / 13.0), np.round(v / plan.depth).astype(np.int64) * 2 + (centre > 0)
    here = cell_random(slot, row, g.salt + 91) < (0.28 if plan.paved else 0.06)
    box = np.maximum(np.abs(u - (slot + 0.5) * 13.0) - 2.2, np.abs(np.abs(centre) - plan.street / 3) - 0.95)
    number = cell_random(slot, row, g.salt + 92)
    g.paint_choice(alpha * here * step(box, _EDGE), ("white", "tin roof", "red roof", "asphalt", "white"), number)
