"""Layers of ground cover: fields, trees, roads, water, relief."""

from __future__ import annotations

import numpy as np

from worldstrat_bench.data.synthetic.ground import METRES, Ground
from worldstrat_bench.data.synthetic.noise import Field, cell_random, cells, nearest_seed, step

EVERYWHERE: float = 1.0
_EDGE = 1.2 * METRES


def meadow(g: Ground, covers: tuple[str, str], alpha: Field | float = EVERYWHERE, contrast: float = 0.10) -> None:
    """Lay ground that changes from one cover to another in patches, mottled at every scale."""
    patches = np.clip(0.5 + 0.45 * g.noise(2.6, 220.0), 0, 1)
    mottle = np.clip(1 + contrast * g.noise(1.6, 60.0), 0.5, 1.6)
    g.paint(np.broadcast_to(np.asarray(alpha, dtype=np.float64), g.x.shape), covers[0], mottle)
    g.paint(alpha * patches, covers[1], mottle)


def relief(g: Ground, strength: float, longest_metres: float = 400.0) -> Field:
    """Lay light and shade of hills; return the heights, (side, side) of unit deviation."""
    height = g.noise(3.4, longest_metres)
    dy, dx = np.gradient(height)
    slope = dx * g.sun[0] + dy * g.sun[1]
    g.shade(np.clip(1 - strength * slope / max(float(slope.std()), 1e-9), 0.35, 1.7))
    return height


def fields(g: Ground, angle: float, length: float, width: float, covers: tuple[str, ...], hedges: float) -> Field:
    """Lay parcels in strips, ploughed in rows, tracks and hedges between; return the distance to an edge, m."""
    u, v = g.turned(angle, 3.0)
    strip = cells(v / width)
    zero = np.zeros_like(strip)
    own = length * (0.6 + 0.9 * cell_random(strip, zero, g.salt))
    along = u / own + 7 * cell_random(strip, zero, g.salt + 1)
    parcel = cells(along)
    number = cell_random(strip, parcel, g.salt + 2)
    bright = 0.82 + 0.36 * cell_random(strip, parcel, g.salt + 3)
    across = cell_random(strip, parcel, g.salt + 4) < 0.3
    rows = np.where(across, u, v)
    period = 4.6 + 5.0 * cell_random(strip, parcel, g.salt + 5)
    depth = 0.02 + 0.13 * cell_random(strip, parcel, g.salt + 6) ** 2
    texture = bright * (1 + depth * np.sin(2 * np.pi * rows / period)) * (1 + 0.05 * g.noise(1.8, 80.0))
    lines = step(np.abs(rows % 24.0 - 12.0) % 12.0 - 0.7, _EDGE) * (cell_random(strip, parcel, g.salt + 7) < 0.5)
    g.paint_choice(np.ones_like(u), covers, number, texture * (1 - 0.16 * lines))
    edge = np.minimum(np.abs(v / width - np.round(v / width)) * width, np.abs(along - np.round(along)) * own)
    g.paint(step(edge - 1.3, _EDGE), "track", 0.8 + 0.1 * g.noise(1.0))
    patches = g.noise(2.0, 120.0)
    trees(g, step(edge - 3.0, 2.0) * (patches > 1.6 - 2.6 * hedges), 6.0, ("broadleaf", "conifer"), shadow=0.7)
    return edge


def pivots(g: Ground, spacing: float) -> None:
    """Lay circles of centre-pivot irrigation, some cut in sectors."""
    i, j = cells(g.x / spacing + 0.3), cells(g.y / spacing + 0.45)
    dx = g.x - (i + 0.2) * spacing
    dy = g.y - (j + 0.05) * spacing
    radius = np.hypot(dx, dy)
    own = spacing * (0.40 + 0.09 * cell_random(i, j, g.salt + 21))
    sector = cells(np.arctan2(dy, dx) / np.pi * 1.5 + 4 * cell_random(i, j, g.salt + 22))
    number = cell_random(i * 7 + sector, j, g.salt + 23)
    rings = 1 + 0.06 * np.sin(2 * np.pi * radius / 11.0) * (1 + 0.3 * g.noise(1.5, 60.0))
    g.paint_choice(step(radius - own, _EDGE), ("crop", "young crop", "ripe", "dark soil", "crop"), number, rings)
    g.paint(step(np.abs(radius - own) - 1.5, _EDGE), "track")


def trees(
    g: Ground,
    alpha: Field | float,
    crown: float,
    covers: tuple[str, ...],
    *,
    share: float = 1.0,
    jitter: float = 0.9,
    shadow: float = 1.0,
) -> None:
    """Lay crowns of about `crown` metres over a share of the cells, lit from the sun's side, with their shadows."""
    salt = g.salt + 31 + int(crown * 10) + len(covers)

    def crowns(shift: float) -> tuple[Field, Field, Field, Field]:
        seeds = nearest_seed((g.x + shift * g.sun[0]) / crown, (g.y + shift * g.sun[1]) / crown, salt, jitter)
        radius = 0.34 + 0.28 * seeds.two
        lit = -(seeds.dx * g.sun[0] + seeds.dy * g.sun[1])
        cover = step((seeds.distance - radius) * crown, 2.0) * (seeds.one < share)
        return cover, lit / radius, seeds.one / max(share, 1e-9), seeds.distance / radius

    # Shadows before crowns: no crown is darkened by its own.
    fallen, *_ = crowns(0.45 * crown * shadow)
    g.shade(1 - 0.62 * fallen * alpha)
    cover, lit, number, depth = crowns(0.0)
    texture = np.clip(1.0 + 0.55 * lit - 0.18 * depth, 0.3, 1.9) * (0.75 + 0.5 * np.modf(number * 17.0)[0])
    patches = np.modf(np.abs(number * 5.0 + 0.3 * g.noise(2.4, 160.0)))[0]
    g.paint_choice(cover * alpha, covers, patches, texture)


def road(
    g: Ground, centre: Field, width: float, cover: str = "asphalt", cars: bool = True, along: Field | None = None
) -> None:
    """Draw a road where `centre`, the distance in metres across it, is small; with verges, a line and cars."""
    distance = np.abs(centre)
    g.paint(step(distance - width / 2 - 2.0, 3.0) * 0.75, "dry grass")
    g.paint(step(distance - width / 2, _EDGE), cover, 1 + 0.05 * g.noise(1.2, 30.0))
    if not cars or along is None:
        return
    g.paint(step(distance - 0.25, _EDGE) * (along % 12.0 < 6.0) * 0.45, "white")
    slot, lane = cells(along / 11.0), (centre > 0).astype(np.int64)
    here = cell_random(slot, lane, g.salt + 41) < 0.13
    box = np.maximum(np.abs(along - (slot + 0.5) * 11.0) - 2.3, np.abs(distance - width / 4) - 1.0)
    number = cell_random(slot, lane, g.salt + 42)
    g.paint_choice(step(box, _EDGE) * here, ("white", "grey roof", "asphalt", "red roof", "tin roof"), number)


def river(g: Ground, centre: Field, width: Field | float, cover: str = "water") -> None:
    """Lay water where `centre`, the distance in metres across it, is small; sandy banks and trees along it."""
    distance = np.abs(centre) - np.asarray(width) / 2
    bars = g.noise(2.2, 90.0)
    trees(g, step(distance - 14.0 - 8 * bars, 6.0), 7.5, ("broadleaf", "broadleaf", "scrub"), share=0.75)
    g.paint(step(distance - 3.0 - 3 * np.clip(bars, 0, 3), 3.0), "wet sand", 1 + 0.12 * bars)
    g.paint(step(distance, 3.0), cover, 1 + 0.05 * bars)


def ripples(g: Ground, alpha: Field, strength: float) -> None:
    """Lay waves on water: crests across the wind, stronger in gusts."""
    u, v = g.turned(g.uniform(0, np.pi), 5.0)
    swell = np.sin(2 * np.pi * u / g.uniform(16, 26) + 2.2 * g.noise(2.6, 90.0)) + 0.5 * np.sin(2 * np.pi * v / 41.0)
    gusts = np.clip(0.6 + 0.5 * g.noise(2.8, 300.0), 0.1, 2.0)
    g.shade(1 + alpha * strength * gusts * (swell + 0.9 * g.noise(0.8, 20.0)))
