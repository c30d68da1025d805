"""Images to score: synthetic land with texture, and the real tiles with a reference bicubic each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.raster import read_hr
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.data.target import TargetImage, read_target, resize_antialiased
from worldstrat_bench.metrics.optional import Pairs
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.resampling import bicubic
from worldstrat_bench.scoring import Frame

Image = NDArray[np.float32]

REAL_TILES = (
    "ASMSpotter-901-1-1",
    "Amnesty POI-901-1-1",
    "Landcover-9000001",
    "Landcover-9000002",
    "Landcover-9000003",
    "Landcover-9000004",
    "Landcover-9000005",
    "Landcover-9000006",
    "Landcover-9000007",
    "Landcover-9000008",
    "Landcover-9000009",
    "UNHCR-CUBs900001",
    "UNHCR-NLDs900002",
)


@lru_cache(maxsize=8)
def land(side: int = 200, seed: int = 0) -> Image:
    """(3, side, side) float32 reflectance with fields, sharp edges and texture at every scale."""
    rng = np.random.default_rng(seed)
    cells = rng.normal(size=(side // 20 + 2, side // 20 + 2))
    fields = ndimage.zoom(cells, 20, order=0)[:side, :side]
    texture = sum(s * ndimage.gaussian_filter(rng.normal(size=(side, side)), s, mode="wrap") for s in (1, 2, 4, 8))
    base = 0.04 * fields + 0.05 * np.asarray(texture)
    bands = [0.15 + 0.03 * b + base * (1 + 0.2 * b) + 0.004 * rng.normal(size=(side, side)) for b in range(3)]
    image: Image = np.clip(np.stack(bands), 0.005, 0.95).astype(np.float32)
    image.flags.writeable = False
    return image


def target_of(image: Image, valid: NDArray[np.bool_] | None = None, *, name: str = "") -> TargetImage:
    """A target with that image; `valid` None: everywhere."""
    mask = np.ones(image.shape[-2:], dtype=bool) if valid is None else valid
    digest = f"{abs(hash((image.tobytes(), mask.tobytes(), name))):064x}"[:64]
    return TargetImage(image, mask, digest, usable=True)


def blurred(image: NDArray[Any], sigma: float) -> Image:
    """A softer copy."""
    return np.asarray(ndimage.gaussian_filter(image, (0, sigma, sigma))).astype(np.float32)


def enlarged(image: Image, factor: int = 4) -> Image:
    """What bicubic makes of the image averaged over `factor` x `factor` pixels, on the image's grid."""
    c, h, w = image.shape
    small = image.reshape(c, h // factor, factor, w // factor, factor).mean(axis=(2, 4))
    return bicubic(torch.from_numpy(small)[None], h, w)[0].numpy()


def pairs_of(*sides_seeds: int, holes: bool = False) -> Pairs:
    """Registered pairs of 96 px for a metric: the land of each seed and a soft copy; `holes`: in the first."""
    targets = torch.stack([torch.from_numpy(land(96, seed).copy()) for seed in sides_seeds])
    soft = torch.stack([torch.from_numpy(blurred(land(96, seed), 1.5)) for seed in sides_seeds])
    hole = torch.ones(96, 96, dtype=torch.bool)
    hole[10:30, 10:30] = False
    return Pairs(
        prediction=soft,
        unmoved=soft,
        target=targets,
        valid=[hole if holes and i == 0 else None for i in range(len(targets))],
        white=[0.3 + 0.1 * i for i in range(len(targets))],
        frames=[one[:, ::4, ::4] for one in targets],
        pixel=[2.5] * len(targets),
        kept=[{} for _ in targets],
        height=96,
        width=96,
        border=0,
    )


@dataclass(frozen=True)
class RealTile:
    """A tile of ../shared/realdata under a protocol."""

    name: str
    target: TargetImage
    frame: Frame
    bicubic: Image


@lru_cache(maxsize=16)
def real_tile(root: Path, name: str, protocol_id: str = "wsb-1") -> RealTile:
    """A real tile with its frame 0 and the reference bicubic on the target's grid."""
    protocol = load_protocol(protocol_id)
    dataset = open_dataset(root)
    tile = next(t for split in ("test", "val", "train") for t in dataset.tiles(split) if t.name == name)
    task = read_inputs(tile, protocol, 1).task
    target = _target(tile, protocol)
    frame = Frame.of(task.images[0], task.clear[0])
    rgb = torch.from_numpy(np.ascontiguousarray(frame.rgb))[None]
    return RealTile(name, target, frame, bicubic(rgb, *target.image.shape[-2:])[0].numpy())


def under_snow(tile: RealTile, cover: float, level: float, seed: int = 0) -> tuple[Image, Frame]:
    """Lay snow over part of a real tile.

    Args:
        tile: The tile.
        cover: Share of the tile under snow, 0 to 1. Patches are a sixth of its side wide, with soft edges.
        level: Mean reflectance of the snow in red; green has 2 % and blue 4 % less. It varies by 9 %.
        seed: Where the snow lies.

    Returns:
        Target before its sensor saturates, (3, side, side) reflectance, and frame 0 with the same snow.
    """
    image = np.asarray(tile.target.image, dtype=np.float64)
    side = image.shape[-2:]
    rng = np.random.default_rng(sum(map(ord, tile.name)) + 1000 * seed)
    hills = ndimage.gaussian_filter(rng.normal(size=side), min(side) / 12)
    share = 1 / (1 + np.exp(-(hills - np.quantile(hills, 1 - cover)) / (0.05 * hills.std())))
    fine, coarse = (ndimage.gaussian_filter(rng.normal(size=side), sigma) for sigma in (1.0, 8.0))
    snow = level * (1 + 0.05 * fine / fine.std() + 0.08 * coarse / coarse.std())
    colour = np.array([1.0, 0.98, 0.96])[:, None, None]
    rgb = np.asarray(tile.frame.rgb, dtype=np.float64)
    small = [_mean_on(rgb.shape[-2:], field) for field in (share, share * snow)]
    bright = image * (1 - share) + share * snow * colour
    dark = rgb * (1 - small[0]) + small[1] * colour
    return bright.astype(np.float32), Frame(dark.astype(np.float32), tile.frame.clear)


def _mean_on(size: tuple[int, ...], field: NDArray[np.float64]) -> NDArray[np.float64]:
    """The field averaged over the pixels of a coarser grid."""
    return np.asarray(
        torch.nn.functional.interpolate(torch.from_numpy(field)[None, None], size=size, mode="area")[0, 0]
    )


def _target(tile: Any, protocol: Protocol) -> TargetImage:
    if protocol.target.hr_side is None:
        return read_target(tile, protocol)
    rgb = torch.from_numpy(read_hr(tile.hr)[:3].astype(np.float64) / 10_000).clamp(0, 1)  # smaller tiles, too
    image = resize_antialiased(rgb, protocol.target.side or 0, protocol.target.kernel).float().numpy()
    return target_of(image)
