"""Test imagery inside a wheel, however it was saved."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save

from submission_factory import make_submission, make_wheel
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.raster import read_hr, read_lr
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.fingerprints import images_in

Pixels = NDArray[Any]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imagery") / "mini"
    write_mini(folder, test_tiles=4, train_tiles=1, size=320)
    return folder


def picture(pixels: Pixels, kind: str, side: int = 96) -> bytes:
    """An 8-bit preview of (3, H, W) reflectance, stretched and shrunk."""
    stretched = np.clip((pixels - pixels.min()) / np.ptp(pixels), 0, 1)
    image = Image.fromarray((255 * stretched).astype(np.uint8).transpose(1, 2, 0)).resize((side, side))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def npy(array: Pixels) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(array: Pixels) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=array)
    return buffer.getvalue()


EMBEDDED: dict[str, Callable[[Pixels], bytes]] = {
    "a.png": lambda x: picture(x, "PNG"),
    "a.jpg": lambda x: picture(x, "JPEG"),
    "a.webp": lambda x: picture(x[:, ::-1], "WEBP"),
    "a.npy": lambda x: npy(x.astype(np.float32)),
    "b.npy": lambda x: npy(np.rot90(x[0], 1)),
    "many.npz": lambda x: npz(np.stack([np.random.default_rng(0).normal(size=x.shape), x]).astype(np.float16)),
    "a.safetensors": lambda x: save({"w": np.ascontiguousarray(x[None].astype(np.float32))}),
}


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("kind", ["hr", "lr"])
def test_an_embedded_tile_is_found_whatever_its_format(data: Path, tmp_path: Path, name: str, kind: str) -> None:
    tile = open_dataset(data).tiles("test")[2]
    pixels: Pixels = read_hr(tile.hr)[:3] if kind == "hr" else read_lr(tile.revisits[0].data)[[3, 2, 1]]
    wheel = make_wheel(tmp_path, files={f"my_sr/{name}": EMBEDDED[name](pixels.astype(np.float64))})
    faults = check([wheel], Options(data=data)).errors
    assert [fault.rule for fault in faults] == ["wheel-imagery"]
    assert tile.name in faults[0].what


def test_other_images_pass_and_are_pointed_out(data: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).random((3, 200, 200))
    wheel = make_wheel(tmp_path / "dist", files={"my_sr/logo.png": picture(noise, "PNG"), "my_sr/w.npy": npy(noise[0])})
    folder = make_submission(tmp_path, record=False)
    report = check([folder, wheel], Options(data=data))
    assert report.ok
    assert "wheel-images" in [fault.rule for fault in report.notices]


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x93NUMPY\x01\x00", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n"])
def test_unreadable_images_are_not_images(content: bytes) -> None:
    for name in ("a.png", "a.npy", "a.npz", "a.safetensors", "a.tif"):
        assert list(images_in(content, name)) == []


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(marker), "w")

    buffer = io.BytesIO()
    np.save(buffer, np.array([Evil()], dtype=object), allow_pickle=True)
    assert list(images_in(buffer.getvalue(), "a.npy")) == []
    assert not marker.exists()
