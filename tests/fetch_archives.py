"""WorldStrat-shaped archives of tiny tiles: the members and the proportions of the real ones, noise for pixels."""

from __future__ import annotations

import csv
import io
import random
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.data.fetch.settings import RetryPolicy

PATIENT = RetryPolicy(
    attempts=30, first_wait_seconds=0.005, longest_wait_seconds=0.05, connect_seconds=5.0, silence_seconds=0.4
)
"""For tests: quick to notice and quick to try again."""


@dataclass(frozen=True)
class Shape:
    """How many tiles, and how large their members are (the largest in bytes; others follow WorldStrat's ratios)."""

    tiles: int = 12
    test_share: float = 0.25
    revisits: int = 12
    ps_bytes: int = 24_000

    def split_of(self, index: int) -> str:
        """Test tiles are spread among the others as in the real archives."""
        step = round(1 / self.test_share)
        return "test" if index % step == 1 % step else ("val" if index % 7 == 0 else "train")


def names(shape: Shape) -> list[str]:
    """Tile names, some with spaces."""
    return [f"Amnesty POI-{i}-1-1" if i % 5 == 3 else f"Landcover-{900000 + i}" for i in range(shape.tiles)]


def members(shape: Shape) -> Iterator[tuple[str, str, bytes]]:
    """Archive stem, member name and content of everything, tile by tile."""
    for tile in names(shape):
        rng = random.Random(tile)
        for suffix, share in (("_pan.tiff", 0.25), ("_ps.tiff", 1.0), ("_rgb.png", 0.25), ("_rgbn.tiff", 0.06)):
            yield "hr_dataset", f"hr_dataset/{tile}/{tile}{suffix}", rng.randbytes(int(shape.ps_bytes * share))
        for n in range(1, shape.revisits + 1):
            stem = f"lr_dataset/{tile}/L2A/{tile}-{n}"
            yield "lr_dataset_l2a", f"{stem}-CLM.tiff", bytes(shape.ps_bytes // 80) + bytes([n])
            yield "lr_dataset_l2a", f"{stem}-CLP.tiff", rng.randbytes(shape.ps_bytes // 300)
            yield "lr_dataset_l2a", f"{stem}-L2A_data.tiff", rng.randbytes(shape.ps_bytes // 8)
            yield "lr_dataset_l2a", f"{stem}-dataMask.tiff", bytes(shape.ps_bytes // 80)


def wanted_files(shape: Shape, split: str = "test", frames: int = 8) -> dict[str, bytes]:
    """What a fetch of a split must leave on the disk, the two CSV files aside."""
    tiles = {tile for index, tile in enumerate(names(shape)) if shape.split_of(index) == split}
    found = {}
    for _, name, content in members(shape):
        tile, file = name.split("/")[1], name.split("/")[-1]
        revisit = file.removeprefix(f"{tile}-").split("-")[0]
        if tile in tiles and (
            file.endswith("_ps.tiff")
            or (file.endswith(("-CLM.tiff", "-L2A_data.tiff")) and revisit.isdecimal() and int(revisit) <= frames)
        ):
            found[name] = content
    return found


def write_csvs(folder: Path, shape: Shape) -> None:
    """The two small files."""
    with (folder / "metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["", "tile", "n", "lowres_date", "highres_date", "cloud_cover", "delta", "lon", "lat"])
        for tile in names(shape):
            for n in range(1, shape.revisits + 1):
                table.writerow([tile, tile, n, "2020-05-21", "2020-06-15", 0.0, -25, 20.0, 5.0])
    with (folder / "stratified_train_val_test_split.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["", "tile", "IPCC Class", "SMOD", "source", "joint_class", "split"])
        for index, tile in enumerate(names(shape)):
            table.writerow([index, tile, "Forest", 11, tile.split("-")[0], "x", shape.split_of(index)])


def write_zips(folder: Path, shape: Shape) -> Path:
    """A release as v1.1 has it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csvs(folder, shape)
    with (
        zipfile.ZipFile(folder / "hr_dataset.zip", "w", zipfile.ZIP_DEFLATED) as hr,
        zipfile.ZipFile(folder / "lr_dataset_l2a.zip", "w", zipfile.ZIP_DEFLATED) as lr,
    ):
        for stem, name, content in members(shape):
            (hr if stem == "hr_dataset" else lr).writestr(name, content)
    return folder


def write_tars(folder: Path, shape: Shape) -> Path:
    """A release as v1.0 has it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csvs(folder, shape)
    with (
        tarfile.open(folder / "hr_dataset.tar.gz", "w:gz", compresslevel=1) as hr,
        tarfile.open(folder / "lr_dataset_l2a.tar.gz", "w:gz", compresslevel=1) as lr,
    ):
        for stem, name, content in members(shape):
            info = tarfile.TarInfo("./" + name)
            info.size = len(content)
            (hr if stem == "hr_dataset" else lr).addfile(info, io.BytesIO(content))
    return folder


def write_unpacked(folder: Path, shape: Shape, *, kaggle: bool = False) -> Path:
    """An unpacked copy; Kaggle's has its HR in ``12bit``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_csvs(folder, shape)
    for _, name, content in members(shape):
        place = name.replace("hr_dataset/", "hr_dataset/12bit/") if kaggle else name
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def fetched_files(root: Path) -> dict[str, bytes]:
    """Everything below a root but the fetch's own notes and the two CSV files."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".fetch" not in path.parts and path.suffix != ".csv"
    }
