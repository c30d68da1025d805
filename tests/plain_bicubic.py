"""A model that knows nothing of the package: it reads an export and writes predictions with NumPy and SciPy alone.

GeoTIFF and PNG files go through rasterio, which stands for whatever program the author has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

RED, GREEN, BLUE = 3, 2, 1


def frame_of(export: Path, tile: dict[str, Any], form: str) -> NDArray[np.float32]:
    """The first frame of a tile, (12, h, w)."""
    if form == "npz":
        with np.load(export / f"{tile['id']}.npz") as file:
            return np.asarray(file["images"][0], dtype=np.float32)
    import rasterio

    with rasterio.open(export / tile["id"] / "frame-1.tif") as file:
        return np.asarray(file.read(), dtype=np.float32)


def weights(size: int, wanted: int) -> Any:
    """The matrix that enlarges one axis by the bicubic of a = -0.75, pixel areas, edges repeated."""
    a = -0.75
    centre = (np.arange(wanted) + 0.5) * size / wanted - 0.5
    first = np.floor(centre).astype(int)
    matrix = sparse.lil_matrix((wanted, size))
    for tap in range(-1, 3):
        x = np.abs(centre - (first + tap))
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        value = np.where(x <= 1, near, np.where(x < 2, far, 0.0))
        for row, (column, weight) in enumerate(zip(np.clip(first + tap, 0, size - 1), value, strict=True)):
            matrix[row, column] += weight
    return matrix.tocsr()


def bicubic(frame: NDArray[np.float32], height: int, width: int) -> NDArray[np.float64]:
    """(3, height, width) R, G, B of a frame of 12 bands."""
    rows, columns = weights(frame.shape[1], height), weights(frame.shape[2], width)
    return np.stack([(columns @ (rows @ frame[band].astype(np.float64)).T).T for band in (RED, GREEN, BLUE)])


def predictions(export: Path) -> dict[str, NDArray[np.float64]]:
    """Id to the enlarged first frame, for every tile of an export."""
    manifest = json.loads((export / "manifest.json").read_text())
    return {
        tile["id"]: bicubic(frame_of(export, tile, manifest["format"]), tile["height"], tile["width"])
        for tile in manifest["tiles"]
    }


def write_raster(path: Path, image: NDArray[Any], driver: str = "GTiff", **more: Any) -> None:
    """Write (C, H, W) numbers as a raster. `scale`, `offset`: what the file says of its numbers."""
    import rasterio

    scale, offset = more.pop("scale", None), more.pop("offset", 0.0)
    count, height, width = image.shape
    with rasterio.open(
        path, "w", driver=driver, count=count, height=height, width=width, dtype=image.dtype, **more
    ) as file:
        file.write(image)
        if scale is not None:
            file.scales, file.offsets = [scale] * count, [offset] * count
    for beside in path.parent.glob("*.aux.xml"):
        beside.unlink()


def write_safetensors(path: Path, image: NDArray[np.float32]) -> None:
    """Write one float32 tensor by the format's own description: a length, a header of JSON, the numbers."""
    data = np.ascontiguousarray(image, "<f4").tobytes()
    header = json.dumps({"sr": {"dtype": "F32", "shape": list(image.shape), "data_offsets": [0, len(data)]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
