"""Small folders in WorldStrat's layout, written with rasterio as its authors did."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

HR_DATE = date(2020, 6, 15)


@dataclass
class FolderBuilder:
    """Writes tiles one by one, then the tables."""

    root: Path
    kaggle: bool = False
    named_first_column: bool = False
    metadata: list[dict[str, object]] = field(default_factory=list)
    split: list[dict[str, object]] = field(default_factory=list)

    def hr_path(self, name: str) -> Path:
        return self.root / "hr_dataset" / ("12bit" if self.kaggle else "") / name / f"{name}_ps.tiff"

    def lr_path(self, name: str, n: int, kind: str = "L2A_data") -> Path:
        return self.root / "lr_dataset" / name / "L2A" / f"{name}-{n}-{kind}.tiff"

    def add_tile(
        self,
        name: str,
        *,
        days: Sequence[int] = (0, 5),
        cloud: Sequence[float] | None = None,
        hr: NDArray[np.uint16] | None = None,
        split: str = "test",
        ipcc: str = "Forest",
        place: tuple[str, str] = ("2.35", "48.85"),
        shape: tuple[int, int] = (24, 25),
        start: int = 1,
    ) -> None:
        """`cloud` is the share of cloudy rows of each revisit; revisit n has reflectance n / 100 everywhere."""
        write_tiff(self.hr_path(name), hr if hr is not None else np.full((4, 160, 160), 3000, dtype=np.uint16))
        for n, day in enumerate(days, start=start):
            write_tiff(self.lr_path(name, n), np.full((12, *shape), n / 100, dtype=np.float32))
            mask = np.zeros((1, *shape), dtype=np.float32)
            if cloud:
                mask[:, : round(cloud[n - start] * shape[0])] = 1
            write_tiff(self.lr_path(name, n, "CLM"), mask)
            self.metadata.append(
                {
                    "tile": name,
                    "n": n,
                    "lowres_date": HR_DATE + timedelta(days=day),
                    "highres_date": HR_DATE,
                    "cloud_cover": 99.0,
                    "delta": -day,
                    "lon": place[0],
                    "lat": place[1],
                }
            )
        self.add_split_row(name, split, ipcc)

    def add_split_row(self, name: str, split: str, ipcc: str = "Forest") -> None:
        row = {"number": len(self.split), "tile": name, "IPCC Class": ipcc, "SMOD": "11", "source": "Landcover"}
        self.split.append({**row, "joint_class": "x", "split": split})

    def finish(self) -> Path:
        (self.root / "hr_dataset").mkdir(parents=True, exist_ok=True)
        (self.root / "lr_dataset").mkdir(parents=True, exist_ok=True)
        first = "tile" if self.named_first_column else ""
        header = [first, "n", "lowres_date", "highres_date", "cloud_cover", "delta", "lon", "lat"]
        rows = [[row[name or "tile"] for name in header] for row in self.metadata]
        _write_csv(self.root / "metadata.csv", header, rows)
        header = ["", "tile", "IPCC Class", "SMOD", "source", "joint_class", "split"]
        rows = [[row[name or "number"] for name in header] for row in self.split]
        _write_csv(self.root / "stratified_train_val_test_split.csv", header, rows)
        return self.root


def write_tiff(path: Path, image: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = image.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=bands,
            height=height,
            width=width,
            dtype=image.dtype.name,
            compress="deflate",
        ) as file:
            file.write(image)


def _write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
