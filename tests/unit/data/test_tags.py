"""The directory of a TIFF is looked at before GDAL has the file: of what it takes long for, none passes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio

from worldstrat_bench.data.raster import opened
from worldstrat_bench.data.tags import check_tags
from worldstrat_bench.errors import DataError


def written(path: Path, **profile: object) -> bytes:
    with rasterio.open(path, "w", driver="GTiff", width=32, height=32, count=3, dtype="uint8", **profile) as file:
        file.write(np.zeros((3, 32, 32), np.uint8))
        file.update_tags(note="x" * 2000)
    return path.read_bytes()


def with_metadata(content: bytes, text: bytes) -> bytes:
    """Return a TIFF whose GDAL metadata is another text, written at its end."""
    order = "<" if content[:2] == b"II" else ">"
    big = struct.unpack(f"{order}H", content[2:4])[0] == 43
    count, entry, place = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    (at,) = struct.unpack_from(f"{order}{place}", content, 8 if big else 4)
    (tags,) = struct.unpack_from(f"{order}{count}", content, at)
    changed = bytearray(content)
    at += struct.calcsize(f"{order}{count}")
    for start in range(at, at + tags * struct.calcsize(f"{order}{entry}"), struct.calcsize(f"{order}{entry}")):
        name, kind, _, _ = struct.unpack_from(f"{order}{entry}", content, start)
        if name == 42112:
            struct.pack_into(f"{order}{entry}", changed, start, name, kind, len(text), len(content))
            return bytes(changed) + text
    raise AssertionError("the file has no metadata of GDAL")


@pytest.mark.parametrize("order", ["LITTLE", "BIG"])
@pytest.mark.parametrize("big", ["YES", "NO"])
def test_metadata_of_gdal_has_a_length(tmp_path: Path, order: str, big: str) -> None:
    content = written(tmp_path / "honest.tif", BIGTIFF=big, ENDIANNESS=order)
    check_tags(io.BytesIO(content), tmp_path / "honest.tif")
    items = b"".join(b'<Item name="a%x">b</Item>' % i for i in range(20_000))
    costly = with_metadata(content, b"<GDALMetadata>" + items + b"</GDALMetadata>\0")
    (tmp_path / "costly.tif").write_bytes(costly)
    words = r"costly.tif.*more than 256 kB of GDAL's metadata"
    with pytest.raises(DataError, match=words), opened(tmp_path / "costly.tif"):
        pass
    short = with_metadata(content, b'<GDALMetadata><Item name="a">b</Item></GDALMetadata>\0')
    (tmp_path / "short.tif").write_bytes(short)
    with opened(tmp_path / "short.tif") as source:
        assert source.tags() == {"a": "b"}


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_what_is_cut_short_is_for_its_reader_to_say(tmp_path: Path, cut: int) -> None:
    content = written(tmp_path / "honest.tif")
    check_tags(io.BytesIO(content[:cut]), tmp_path / "honest.tif")
    check_tags(io.BytesIO(b"\x89PNG" + content[:cut]), tmp_path / "honest.tif")


def test_directories_end(tmp_path: Path) -> None:
    around = struct.pack("<2sHIHI", b"II", 42, 8, 0, 8)  # whose next directory is itself
    with pytest.raises(DataError, match="more than 64 images"):
        check_tags(io.BytesIO(around), tmp_path / "a.tif")
    many = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, 2**40)
    with pytest.raises(DataError, match="tags, which is beyond reason"):
        check_tags(io.BytesIO(many), tmp_path / "a.tif")


@pytest.mark.parametrize("big", ["YES", "NO"])
def test_tags_are_not_larger_than_the_file(tmp_path: Path, big: str) -> None:
    """Thousands of them may name the same bytes, and each is copied into memory."""
    content = written(tmp_path / "honest.tif", BIGTIFF=big)
    count, entry, place = ("Q", "HHQQ", "Q") if big == "YES" else ("H", "HHII", "I")
    (at,) = struct.unpack_from(f"<{place}", content, 8 if big == "YES" else 4)
    (tags,) = struct.unpack_from(f"<{count}", content, at)
    start, size = at + struct.calcsize(f"<{count}"), struct.calcsize(f"<{entry}")
    own = content[start : start + tags * size]
    for kind, each in ((1, 600_000), (12, 80_000), (99, 80_000)):
        more = b"".join(struct.pack(f"<{entry}", 60_000 + i, kind, each, 8) for i in range(10))
        directory = struct.pack(f"<{count}", tags + 10) + own + more + bytes(8)
        changed = bytearray(content + directory)
        struct.pack_into(f"<{place}", changed, 8 if big == "YES" else 4, len(content))
        with pytest.raises(DataError, match="tags that are larger than the file"):
            check_tags(io.BytesIO(bytes(changed)), tmp_path / "a.tif")
    check_tags(io.BytesIO(content), tmp_path / "a.tif")
