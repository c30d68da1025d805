"""``data mini``: a small synthetic dataset in exactly WorldStrat's layout.

A scene of land is made at 1.5 m, seen by a model of SPOT (the high-resolution tile) and by a model of
Sentinel-2 (the revisits). The same seed gives the same bytes on the same machine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from worldstrat_bench.data.layout import MINI_FILE
from worldstrat_bench.data.mini_plan import PlannedTile, plan_tiles
from worldstrat_bench.data.raster import REFLECTANCE_SCALE
from worldstrat_bench.data.sensor import RATIO, Revisits, Sky, sample, simulate_revisits
from worldstrat_bench.data.synthetic.scenes import make_scene
from worldstrat_bench.data.tables import METADATA_FILE, SPLIT_FILE
from worldstrat_bench.errors import InfrastructureError, UsageError

GENERATOR = 1
"""Changes when the same seed gives other pixels."""

FRAMES = 8
_MARGIN = 24
"""Pixels of scene beyond the tile on every side: shifted grids reach 7 px out of it, and the optics see beyond them."""
_SIDE_MIN = 160
_SIDE_MAX = 4096
_DEGREES_PER_METRE = 1 / 111_320


@dataclass(frozen=True)
class _Made:
    """One tile ready to be written."""

    plan: PlannedTile
    hr: NDArray[np.uint16]
    revisits: Revisits
    taken: date


_BYTES_PER_PIXEL = 16
"""Disk that a tile takes, of all its files, by a pixel of its high-resolution image; measured."""


def mini_bytes(test_tiles: int, train_tiles: int, size: int) -> int:
    """Return about how many bytes a dataset of so many tiles takes on disk; arguments as in :func:`write_mini`."""
    return (test_tiles + train_tiles + (train_tiles + 1) // 2) * size * size * _BYTES_PER_PIXEL


def write_mini(
    folder: Path,
    *,
    test_tiles: int = 36,
    train_tiles: int = 4,
    size: int = 320,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the dataset; nothing happens if the folder already holds the same one, complete.

    What an interrupted call left is written again.

    Parameters
    ----------
    test_tiles, train_tiles : tiles of these splits; half as many as train tiles, rounded up, are val tiles.
    size : side of a high-resolution tile in pixels; WorldStrat's is 1054.
    progress : called with the number of tiles done and of all tiles.

    Raises
    ------
    UsageError
        if a number makes no sense, or the folder holds something else.
    InfrastructureError
        if it cannot be written.
    """
    if not (_SIDE_MIN <= size <= _SIDE_MAX and 1 <= test_tiles <= 2000 and 0 <= train_tiles <= 2000 and seed >= 0):
        raise UsageError(
            "no such mini dataset",
            where=f"size {size}, test tiles {test_tiles}, train tiles {train_tiles}, seed {seed}",
            remedy=f"size {_SIDE_MIN} to {_SIDE_MAX}, 1 to 2000 test tiles, 0 to 2000 train tiles, seed from 0",
        )
    marker = (
        "# Synthetic data written by `worldstrat-bench data mini`; CC0, no imagery of any satellite.\n"
        f"generator = {GENERATOR}\nseed = {seed}\nsize = {size}\n"
        f"test_tiles = {test_tiles}\ntrain_tiles = {train_tiles}\n"
    )
    done, begun = folder / MINI_FILE, folder / f"{MINI_FILE}.part"
    if _holds(done, marker):
        return
    if folder.is_dir() and any(folder.iterdir()) and not _holds(begun, marker):
        raise UsageError("the folder holds something else", where=folder, remedy="give a new or an empty folder")
    _refuse_a_small_disk(folder, mini_bytes(test_tiles, train_tiles, size))
    plans = plan_tiles(test_tiles, train_tiles, seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        begun.write_text(marker, encoding="utf-8")  # so that an interrupted writing can be started again
        days = _write_tiles(folder, plans, size, seed, progress)
        (folder / METADATA_FILE).write_text(_metadata(plans, days, size), encoding="utf-8")
        (folder / SPLIT_FILE).write_text(_split(plans), encoding="utf-8")
        begun.replace(done)  # last: it says that the rest is complete
    except OSError as error:
        raise InfrastructureError(f"cannot write: {error.strerror or error}", where=folder) from None


def _refuse_a_small_disk(folder: Path, needed: int) -> None:
    """Raise InfrastructureError if the disk is too small: before minutes are spent, not after."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise InfrastructureError(
            f"the disk has {free >> 20} MiB left, and the dataset takes about {needed >> 20} MiB",
            where=folder,
            remedy="make room, or ask for fewer or smaller tiles: --test-tiles, --size",
        )


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _write_tiles(
    folder: Path, plans: tuple[PlannedTile, ...], size: int, seed: int, progress: Callable[[int, int], None] | None
) -> list[NDArray[np.int64]]:
    def work(plan: PlannedTile) -> NDArray[np.int64]:
        made = _make(plan, size, seed)
        _write_hr(folder / "hr_dataset" / plan.name, made)
        _write_lr(folder / "lr_dataset" / plan.name / "L2A", made)
        return made.revisits.days

    days = []
    # One thread a tile: BLAS threads beside these would outnumber the cores, and sums depend on how many share them.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 8)) as executor:
        for result in executor.map(work, plans):
            days.append(result)
            if progress is not None:
                progress(len(days), len(plans))
    return days


def _make(plan: PlannedTile, size: int, seed: int) -> _Made:
    rng = np.random.default_rng(np.random.SeedSequence((seed, plan.number, GENERATOR)))
    scene = make_scene(plan.ipcc, plan.variant, size + 2 * _MARGIN, rng)
    height = round(size / RATIO)
    shape = (height, height + plan.wider)
    offset = tuple(rng.uniform(-0.6, 0.6, 2))
    revisits = simulate_revisits(
        scene,
        (seed, plan.number, GENERATOR, 1),
        FRAMES,
        shape=shape,
        margin=_MARGIN,
        offset=(float(offset[0]), float(offset[1])),
        sky=Sky(cloudiness=plan.cloudiness),
    )
    return _Made(plan, _spot(scene[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN], plan, rng), revisits, plan.taken)


def _spot(scene: NDArray[np.float64], plan: PlannedTile, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return the pan-sharpened tile: another calibration than Sentinel-2's, noise, digital numbers."""
    gains = 1 + 0.03 * rng.standard_normal((4, 1, 1))
    haze = np.array([0.004, 0.007, 0.011, 0.001])[:, None, None] * rng.random()
    noise = (0.0015 + 0.004 * scene) * rng.standard_normal(scene.shape)
    # At least 1: a pixel that is 0 in all bands has no data.
    numbers = np.clip(np.round((scene * gains + haze + noise) * REFLECTANCE_SCALE), 1, 65535)
    if plan.bars:  # no data on two sides, as some tiles of WorldStrat have
        numbers[:, :3, :] = 0
        numbers[:, :, :2] = 0
    if plan.zeros:  # a zero in one band is legal
        numbers[0, 100:104, 100:104] = 0
    return numbers.astype(np.uint16)


def _write_hr(folder: Path, made: _Made) -> None:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    name, hr = made.plan.name, made.hr
    coarse = round(hr.shape[1] * 263 / 1054)
    rgbn = np.round(sample(hr, (coarse, coarse))).astype(np.uint16)
    pan = np.round(np.tensordot(np.array((0.35, 0.38, 0.22, 0.05)), hr.astype(np.float64), 1)).astype(np.uint16)
    _write_tiff(folder / f"{name}_ps.tiff", hr)
    _write_tiff(folder / f"{name}_pan.tiff", pan[None])
    _write_tiff(folder / f"{name}_rgbn.tiff", rgbn)
    white = max(float(np.percentile(hr[:3].astype(np.float64), 99.5)), 1.0)
    preview = (np.clip(hr[:3] / white, 0, 1) ** 0.7 * 255).astype(np.uint8)
    Image.fromarray(np.moveaxis(preview, 0, -1)).save(folder / f"{name}_rgb.png", compress_level=4)


def _write_lr(folder: Path, made: _Made) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    revisits, plan = made.revisits, made.plan
    for t in range(FRAMES):
        image, clear, opacity = revisits.images[t], revisits.clear[t], revisits.opacity[t]
        if plan.odd_frame == t + 1:  # a few revisits of WorldStrat have one row or column less than the others
            image, clear, opacity = image[:, :-1], clear[:, :-1], opacity[:-1]
        stem = f"{plan.name}-{t + 1}"
        place = (plan.lon, plan.lat)
        _write_tiff(folder / f"{stem}-L2A_data.tiff", image, place)
        _write_tiff(folder / f"{stem}-CLM.tiff", (~clear).astype(np.float32), place)
        _write_tiff(folder / f"{stem}-CLP.tiff", np.round(opacity[None] * 255).astype(np.uint8), place)
        _write_tiff(folder / f"{stem}-dataMask.tiff", np.ones(clear.shape, dtype=np.uint8), place)


def _write_tiff(path: Path, image: NDArray[np.generic], place: tuple[float, float] | None = None) -> None:
    """Write a deflated GeoTIFF; without a place it has no geotransform, as WorldStrat's high-resolution tiles."""
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.transform import Affine

    from worldstrat_bench.data.raster import gdal_name

    warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
    bands, height, width = image.shape
    transform = None
    if place is not None:
        down = 10.0 * _DEGREES_PER_METRE
        across = down / max(float(np.cos(np.radians(place[1]))), 0.05)
        transform = Affine(across, 0, place[0] - across * width / 2, 0, -down, place[1] + down * height / 2)
    with rasterio.open(
        gdal_name(path),
        "w",
        driver="GTiff",
        count=bands,
        height=height,
        width=width,
        dtype=image.dtype.name,
        crs="EPSG:4326",
        transform=transform,
        compress="deflate",
        zlevel=1,
        interleave="pixel" if bands > 1 else "band",
    ) as file:
        file.write(image)


def _metadata(plans: tuple[PlannedTile, ...], days: list[NDArray[np.int64]], size: int) -> str:
    lines = [",n,lowres_date,highres_date,delta,lon,lat,area,cloud_cover,source,IPCC Class,SMOD"]
    area = (size * 1.5e-3) ** 2
    for plan, offsets in zip(plans, days, strict=True):
        place = f"{plan.lon:.5f},{plan.lat:.5f}" if plan.located else ","
        for n, offset in enumerate(offsets, start=1):
            seen = plan.taken + timedelta(days=int(offset))
            # The scene's cloud cover, which is not the tile's: nothing may be computed from it.
            lines.append(
                f"{plan.name},{n},{seen},{plan.taken},{int(offset)},{place},{area:.4f},"
                f"{(7 * n + 13 * plan.number) % 60},{plan.source},{plan.ipcc},{plan.smod}"
            )
    return "\n".join(lines) + "\n"


def _split(plans: tuple[PlannedTile, ...]) -> str:
    lines = [",tile,IPCC Class,SMOD,source,joint_class,split"]
    for number, p in enumerate(plans):
        lines.append(f"{number},{p.name},{p.ipcc},{p.smod},{p.source},{p.source}/{p.ipcc}/{p.smod},{p.split}")
    return "\n".join(lines) + "\n"
