"""What a raster says of its own numbers: a no-data value, a mask, a scale and an offset (protocol 1.2 and 3.1)."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from worldstrat_bench.cache import DiskCache
from worldstrat_bench.data.check import check_dataset
from worldstrat_bench.data.kept import read_kept_inputs
from worldstrat_bench.data.layout import Dataset, open_dataset
from worldstrat_bench.data.raster import opened, read_cloud_mask, read_hr, read_lr, read_traits
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.data.target import read_target
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import DataError
from worldstrat_bench.printed import share_text
from worldstrat_bench.protocol import load_protocol
from worldstrat_folder import FolderBuilder

WSB = load_protocol("wsb-1")
NAME = "Landcover-1"
SIDE, HEIGHT, WIDTH = 160, 24, 25


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def hr_image() -> NDArray[np.uint16]:
    image: NDArray[np.uint16] = np.random.default_rng(1).integers(200, 9000, (4, SIDE, SIDE), dtype=np.uint16)
    image[0, 80, 90:] = 0  # legal: a zero in one band
    return image


def lr_image() -> NDArray[np.float32]:
    image: NDArray[np.float32] = np.random.default_rng(2).uniform(0.01, 0.6, (12, HEIGHT, WIDTH)).astype(np.float32)
    image[3, 4, 5:] = 0
    return image


def save(path: Path, image: NDArray[Any], *, hidden: NDArray[np.bool_] | None = None, **more: Any) -> None:
    """Write a TIFF; `hidden` goes into its own mask. `more` may have scales and offsets."""
    scales, offsets, alpha = more.pop("scales", None), more.pop("offsets", None), more.pop("alpha", False)
    inside = more.pop("inside", True)
    count, height, width = image.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside),
        rasterio.open(
            path, "w", driver="GTiff", count=count, height=height, width=width, dtype=image.dtype.name, **more
        ) as file,
    ):
        if alpha:
            file.colorinterp = [*[ColorInterp.undefined] * (count - 1), ColorInterp.alpha]
        file.write(image)
        if scales is not None:
            file.scales, file.offsets = [scales] * count, [offsets] * count
        if hidden is not None:
            file.write_mask(np.where(hidden, 0, 255).astype(np.uint8))


def folder(builder: FolderBuilder, hr: NDArray[np.uint16] | None = None) -> tuple[Dataset, Tile]:
    builder.add_tile(NAME, days=(0, 5), shape=(HEIGHT, WIDTH))
    save(builder.hr_path(NAME), hr_image() if hr is None else hr)
    save(builder.lr_path(NAME, 1), lr_image())
    dataset = open_dataset(builder.finish())
    return dataset, dataset.tiles("test")[0]


def left(height: int, width: int) -> NDArray[np.bool_]:
    hidden = np.zeros((height, width), dtype=bool)
    hidden[:, : width // 3] = True
    return hidden


def with_values(image: NDArray[Any], hidden: NDArray[np.bool_], value: float) -> NDArray[Any]:
    changed = image.copy()
    changed[:, hidden] = value
    return changed


def alpha_of(image: NDArray[Any], hidden: NDArray[np.bool_]) -> NDArray[Any]:
    most = 65535 if image.dtype.kind == "u" else 255
    return np.concatenate([image, np.where(hidden, 0, most).astype(image.dtype)[None]])


Write = Callable[[Path, NDArray[Any], NDArray[np.bool_]], None]

HIDING: dict[str, Write] = {
    "zeros": lambda p, a, h: save(p, with_values(a, h, 0)),
    "declared zeros": lambda p, a, h: save(p, with_values(a, h, 0), nodata=0),
    "a value": lambda p, a, h: save(p, with_values(a, h, 1), nodata=1),
    "a value in one band": lambda p, a, h: save(p, _one_band(a, h, 7), nodata=7),
    "the own mask": lambda p, a, h: save(p, with_values(a, h, 0.7 if a.dtype.kind == "f" else 5000), hidden=h),
    "a mask beside": lambda p, a, h: save(p, with_values(a, h, 1), hidden=h, inside=False),
    "an alpha band": lambda p, a, h: save(p, alpha_of(a, h), alpha=True),
    "mask and value": lambda p, a, h: save(p, with_values(a, h & _top(h), 9), hidden=h & ~_top(h), nodata=9),
}
FLOATING: dict[str, Write] = {
    "nan": lambda p, a, h: save(p, with_values(a, h, np.nan), nodata=np.nan),
    "-9999": lambda p, a, h: save(p, with_values(a, h, -9999), nodata=-9999),
    "0.1 in float32": lambda p, a, h: save(p, with_values(a, h, 0.1), nodata=0.1),
    "least float32": lambda p, a, h: save(p, with_values(a, h, -3.4028235e38), nodata=-3.4028234663852886e38),
}


def _one_band(image: NDArray[Any], hidden: NDArray[np.bool_], value: float) -> NDArray[Any]:
    changed = image.copy()
    changed[2, hidden] = value
    return changed


def _top(hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.arange(hidden.shape[0])[:, None] < 10


@pytest.mark.parametrize("case", [*HIDING, "65535"])
def test_no_data_of_a_high_resolution_file(builder: FolderBuilder, case: str) -> None:
    """However it is said, the target is that of the layout's own no data."""
    hidden = left(SIDE, SIDE)
    dataset, tile = folder(builder, with_values(hr_image(), hidden, 0))
    expected = read_target(tile, WSB)
    assert not expected.valid.all()
    hiding: dict[str, Write] = {**HIDING, "65535": lambda p, a, h: save(p, with_values(a, h, 65535), nodata=65535)}
    hiding[case](tile.hr, hr_image(), hidden)
    found = read_target(tile, WSB)
    np.testing.assert_array_equal(found.valid, expected.valid)
    np.testing.assert_array_equal(found.image, expected.image)
    assert found.sha256 == expected.sha256
    report = check_dataset(dataset, "test")
    assert report.faults == ()
    assert any(f"{NAME}_ps.tiff" in note and "33.1 %" in note for note in report.notes) == (case != "zeros")


@pytest.mark.parametrize("case", [*HIDING, *FLOATING])
def test_no_data_of_a_revisit(builder: FolderBuilder, case: str) -> None:
    hidden = left(HEIGHT, WIDTH)
    dataset, tile = folder(builder)
    clean = read_inputs(tile, WSB, 2)
    assert clean.task.clear[0].all()
    assert clean.revisits == (1, 2)
    {**HIDING, **FLOATING}[case](tile.revisits[0].data, lr_image(), hidden)
    inputs = read_inputs(tile, WSB, 2)
    assert inputs.revisits == (2, 1)  # a third of it is not clear
    np.testing.assert_array_equal(inputs.task.clear[0][1, 0], ~hidden)
    np.testing.assert_array_equal(inputs.task.images[0][1], with_values(lr_image(), hidden, 0))
    assert inputs.cloud == 0
    for deep in (False, True):
        report = check_dataset(dataset, "test", deep=deep)
        assert report.faults == ()
        named = any(f"{NAME}-1-L2A_data.tiff" in note and "32 %" in note for note in report.notes)
        assert named == (deep or case != "zeros")


def test_zeros_everywhere_are_a_frame_that_is_not_offered(builder: FolderBuilder) -> None:
    dataset, tile = folder(builder)
    save(tile.revisits[0].data, lr_image() * 0)
    inputs = read_inputs(tile, WSB, 8)
    assert (inputs.revisits, inputs.age) == ((2,), 5)
    notes = check_dataset(dataset, "test", deep=True).notes
    assert any("100 % of its pixels have no data" in note and "not offered" in note for note in notes)
    save(tile.revisits[1].data, lr_image() * 0, nodata=0)
    with pytest.raises(DataError, match="no revisit with data on 5%"):
        read_inputs(tile, WSB, 1)
    faults = check_dataset(dataset, "test", deep=True).faults
    assert [fault.what for fault in faults] == ["no revisit has data on 5% of its pixels"]


@pytest.mark.parametrize(("pixels", "offered"), [(29, False), (30, True)])
def test_five_percent_is_the_limit(builder: FolderBuilder, pixels: int, offered: bool) -> None:
    _, tile = folder(builder)
    hidden = (np.arange(HEIGHT * WIDTH) >= pixels).reshape(HEIGHT, WIDTH)
    save(tile.revisits[0].data, with_values(lr_image(), hidden, 0))
    assert (1 in read_inputs(tile, WSB, 8).revisits) == offered
    assert 1 in read_inputs(tile, load_protocol("worldstrat-2022"), 8).revisits  # its rules are those of 2022


@pytest.mark.parametrize("kind", ["float32", "uint16", "int16", "int32"])
def test_scale_and_offset_of_a_revisit(builder: FolderBuilder, kind: str) -> None:
    dataset, tile = folder(builder)
    image = lr_image()
    if kind == "float32":
        save(tile.revisits[0].data, image * np.float32(0.5) + np.float32(0.05), scales=2.0, offsets=-0.1)
    else:
        save(tile.revisits[0].data, ((image + 0.1) / 1e-4).round().astype(kind), scales=1e-4, offsets=-0.1)
    found = read_lr(tile.revisits[0].data)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, image, atol=2e-7 if kind == "float32" else 5.1e-5)
    notes = check_dataset(dataset, "test").notes
    assert any("scale" in note and "offset -0.1" in note for note in notes)


def test_integers_without_a_scale_are_refused(builder: FolderBuilder) -> None:
    dataset, tile = folder(builder)
    save(tile.revisits[0].data, (lr_image() * 10_000).astype(np.uint16))
    with pytest.raises(DataError, match="integers with a scale"):
        read_inputs(tile, WSB, 1)
    assert [fault.file for fault in check_dataset(dataset, "test").faults] == [
        f"lr_dataset/{NAME}/L2A/{NAME}-1-L2A_data.tiff"
    ]


@pytest.mark.parametrize(("scale", "offset", "factor"), [(1e-4, 0.0, 1e-4), (2.0, -1000.0, 1.0), (0.5, 0.0, 1.0)])
def test_scale_and_offset_of_a_high_resolution_file(
    builder: FolderBuilder, scale: float, offset: float, factor: float
) -> None:
    """Reflectance, or reflectance x 10,000: both give the target of the plain file."""
    plain = np.random.default_rng(1).integers(2, 4000, (4, SIDE, SIDE)).astype(np.uint16) * 2
    dataset, tile = folder(builder, plain)
    expected = read_target(tile, WSB)
    stored = (plain * factor - offset) / scale
    save(tile.hr, stored.round().astype(np.uint16), scales=scale, offsets=offset)
    np.testing.assert_allclose(read_hr(tile.hr), plain, atol=1e-6)
    np.testing.assert_allclose(read_target(tile, WSB).image, expected.image, atol=1e-6)
    assert any(f"scale {scale:g} and offset" in note for note in check_dataset(dataset, "test").notes)


def test_black_after_an_offset_is_data(builder: FolderBuilder) -> None:
    """No data is tested on stored numbers: 1,000 with an offset of -1,000 is a dark pixel, 0 in all bands is not."""
    stored = (hr_image() // 2 + 2000).astype(np.uint16)
    stored[:, 80:110, 80:110], stored[:, :, :30] = 1000, 0
    _, tile = folder(builder)
    save(tile.hr, stored, scales=1.0, offsets=-1000.0)
    expected = stored.astype(np.float64) - 1000
    expected[:, :, :30] = 0
    np.testing.assert_allclose(read_hr(tile.hr), expected, atol=1e-30)
    target = read_target(tile, WSB)
    assert target.image[:, 54:60, 54:60].max() == 0
    assert target.valid[54:60, 54:60].all()
    assert not target.valid[:, :18].any()

    low = lr_image() + np.float32(0.1)
    low[:, 4:9, 4:9], low[:, -3:] = np.float32(0.1), 0
    save(tile.revisits[0].data, (low / 1e-4).round().astype(np.uint16), scales=1e-4, offsets=-0.1)
    found = read_inputs(tile, WSB, 2)
    first = found.revisits.index(1)
    assert found.task.clear[0][first, 0, 4:9, 4:9].all()
    assert not found.task.clear[0][first, 0, -3:].any()
    np.testing.assert_allclose(found.task.images[0][first][:, 4:9, 4:9], 0, atol=1e-7)


@pytest.mark.parametrize("scale", [0.01, 0.1])
def test_a_scale_that_makes_neither_is_refused(builder: FolderBuilder, scale: float) -> None:
    dataset, tile = folder(builder)
    save(tile.hr, hr_image(), scales=scale, offsets=0.0)
    with pytest.raises(DataError, match="neither reflectance"):
        read_target(tile, WSB)
    assert any("neither reflectance" in fault.what for fault in check_dataset(dataset, "test").faults)


def test_no_data_of_a_cloud_mask(builder: FolderBuilder) -> None:
    dataset, tile = folder(builder)
    mask = np.zeros((1, HEIGHT, WIDTH), dtype=np.uint8)
    mask[0, :3] = 200
    path = tile.revisits[0].cloud_mask
    save(path, mask, nodata=200)
    assert read_cloud_mask(path)[0].tolist() == [255] * WIDTH
    inputs = read_inputs(tile, WSB, 2)
    assert not inputs.task.clear[0][inputs.revisits.index(1), 0, :3].any()
    assert inputs.cloud == pytest.approx(3 / HEIGHT / 2)
    report = check_dataset(dataset, "test")
    assert report.faults == ()
    assert any("CLM" in note and "200 stands for no data" in note for note in report.notes)
    save(path, mask, nodata=0)
    with pytest.raises(DataError, match="clear sky"):
        read_inputs(tile, WSB, 1)
    assert any("clear sky" in fault.what for fault in check_dataset(dataset, "test").faults)


def test_what_lies_beside_a_file_is_part_of_the_cached_key(builder: FolderBuilder, tmp_path: Path) -> None:
    _, tile = folder(builder)
    cache = DiskCache(tmp_path / "cache")
    assert read_target(tile, WSB, cache).valid.all()
    assert read_kept_inputs(tile, WSB, 1, cache).task.clear[0].all()
    for path, height, width in ((tile.hr, SIDE, SIDE), (tile.revisits[0].data, HEIGHT, WIDTH)):
        with rasterio.open(path) as file:
            image = file.read()
        save(path, image, hidden=left(height, width), inside=False)
        assert path.with_name(f"{path.name}.msk").is_file()
    assert not read_target(tile, WSB, cache).valid.all()
    assert read_kept_inputs(tile, WSB, 1, cache).revisits == (2,)


@pytest.mark.parametrize(
    ("scale", "offset"), [(0.0, 0.1), (-1e-4, 0.5), (np.nan, 0.0), (np.inf, 0.0), (1e-4, np.nan), (1e-4, -np.inf)]
)
def test_a_scale_that_is_not_one_is_refused(builder: FolderBuilder, scale: float, offset: float) -> None:
    dataset, tile = folder(builder)
    save(tile.hr, hr_image(), scales=scale, offsets=offset)
    save(tile.revisits[0].data, (lr_image() * 10_000).astype(np.int16), scales=scale, offsets=offset)
    for read in (lambda: read_target(tile, WSB), lambda: read_inputs(tile, WSB, 1)):
        with pytest.raises(DataError, match="a scale must be above 0"):
            read()
    assert len(check_dataset(dataset, "test").faults) == 2


def test_a_mask_for_each_band_is_read(builder: FolderBuilder) -> None:
    """Beside the file, one mask a band: what any of them hides has no data."""
    _, tile = folder(builder)
    hidden, lower = left(SIDE, SIDE), left(HEIGHT, WIDTH).copy()
    lower[20:] = True
    for path, where, bands in ((tile.hr, hidden, 4), (tile.revisits[0].data, lower, 12)):
        masks = np.full((bands, *where.shape), 255, np.uint8)
        masks[bands - 2, where] = 0
        beside = path.with_name("mask.tiff")
        save(beside, masks)
        with rasterio.open(beside, "r+") as file:
            file.update_tags(**{f"INTERNAL_MASK_FLAGS_{band}": "0" for band in range(1, bands + 1)})
        beside.rename(path.with_name(f"{path.name}.msk"))
        assert str(read_traits(path)[1]) == "it has a mask"
    np.testing.assert_array_equal((read_hr(tile.hr) == 0).all(axis=0), hidden)
    np.testing.assert_array_equal((read_lr(tile.revisits[0].data) == 0).all(axis=0), lower)


def test_an_alpha_band_is_not_taken_for_a_band_of_the_layout(builder: FolderBuilder) -> None:
    dataset, tile = folder(builder)
    save(tile.hr, alpha_of(hr_image()[:3], left(SIDE, SIDE)), alpha=True)
    save(tile.revisits[0].data, alpha_of(lr_image()[:11], left(HEIGHT, WIDTH)), alpha=True)
    with pytest.raises(DataError, match="3 bands and an alpha band of uint16: the near infrared is missing"):
        read_hr(tile.hr)
    with pytest.raises(DataError, match="11 bands and an alpha band"):
        read_lr(tile.revisits[0].data)
    assert len(check_dataset(dataset, "test").faults) == 2
    save(tile.hr, alpha_of(hr_image(), left(SIDE, SIDE)), alpha=True)
    with rasterio.open(tile.hr, "r+") as file:
        file.colorinterp = [ColorInterp.undefined, ColorInterp.alpha, *[ColorInterp.undefined] * 3]
    with pytest.raises(DataError, match="before other bands"):
        read_hr(tile.hr)


@pytest.mark.parametrize("value", [-1, -9999, np.nan, np.inf, 1.01, 254])
def test_a_cloud_mask_holds_its_own_values_alone(builder: FolderBuilder, value: float) -> None:
    """A run and the check say the same; declared as no data, the value is not clear."""
    dataset, tile = folder(builder)
    mask = np.full((1, HEIGHT, WIDTH), 0.25, np.float32)
    mask[0, 3, 4:9] = value
    path = tile.revisits[1].cloud_mask
    save(path, mask)
    with pytest.raises(DataError, match="expected 0 to 1 or 255"):
        read_inputs(tile, WSB, 1)
    assert [fault.what for fault in check_dataset(dataset, "test").faults] == [
        f"has the value {np.float32(value):.4g}, expected 0 to 1 or 255"
    ]
    save(path, mask, nodata=value)
    assert (read_cloud_mask(path) == 255).sum() == 5
    assert check_dataset(dataset, "test").faults == ()


def test_a_value_is_named_once(builder: FolderBuilder) -> None:
    _, tile = folder(builder)
    save(tile.revisits[0].data, lr_image(), nodata=np.nan)
    assert str(read_traits(tile.revisits[0].data)[1]) == "nan stands for no data"


def test_a_small_file_cannot_claim_much_memory(builder: FolderBuilder) -> None:
    dataset, tile = folder(builder)
    claims = {
        tile.hr: (4, 6_000, "uint16"),
        tile.revisits[0].data: (12, 9_000, "float32"),
        tile.revisits[1].cloud_mask: (1, 3_000, "uint8"),
    }
    for path, (bands, side, kind) in claims.items():
        path.unlink()
        form = {"driver": "GTiff", "count": bands, "height": side, "width": side, "dtype": kind}
        with rasterio.open(path, "w", **form, sparse_ok=True, tiled=True):
            pass
        assert path.stat().st_size < 2_000_000
    for read in (lambda: read_target(tile, WSB), lambda: read_inputs(tile, WSB, 1)):
        with pytest.raises(DataError, match="claims to be"):
            read()
    faults = check_dataset(dataset, "test", deep=True).faults
    assert sum("claims to be" in fault.what for fault in faults) == 3


def test_too_little_memory_is_an_error_with_a_file(builder: FolderBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    _, tile = folder(builder)

    def none_left(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("worldstrat_bench.data.raster.no_data_of", none_left)
    with pytest.raises(DataError, match="does not fit in memory"):
        read_hr(tile.hr)


@pytest.mark.parametrize(("rows", "usable"), [(60, True), (101, False)])
def test_a_tile_that_a_run_would_drop_is_a_fault(builder: FolderBuilder, rows: int, usable: bool) -> None:
    """The check and the run agree on what is a target; what lacks data is noted in any case."""
    image = hr_image()
    image[:, :rows] = 0
    dataset, tile = folder(builder, image)
    assert read_target(tile, WSB).usable is usable
    assert check_dataset(dataset, "test").faults == ()  # only pixels can tell
    report = check_dataset(dataset, "test", deep=True)
    share = f"{share_text(rows / SIDE)} of its pixels have no data"
    assert any(share in note for note in report.notes) == usable
    assert [share in fault.what and "leaves every list" in fault.what for fault in report.faults] == [True] * (
        not usable
    )


@pytest.mark.shared
def test_real_files_are_read_to_the_bit_as_they_are_stored(realdata: Path) -> None:
    """None of them has a trait, and no pixel of a revisit is 0 in all bands."""
    dataset = open_dataset(realdata)
    tiles = {tile.name: tile for split in ("test", "val", "train") for tile in dataset.tiles(split)}
    for tile in tiles.values():
        with rasterio.open(tile.hr) as file:
            stored = file.read()
        found = read_hr(tile.hr)
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, stored)
        offered = [revisit for revisit in tile.revisits if revisit.n <= 8]
        assert sorted(read_inputs(tile, WSB, 8).revisits) == [revisit.n for revisit in offered]
        for revisit in offered:
            assert str(read_traits(revisit.data)[1]) == str(read_traits(revisit.cloud_mask)[1]) == ""
            with rasterio.open(revisit.data) as file, rasterio.open(revisit.cloud_mask) as clouds:
                image, mask = file.read(), clouds.read(1).astype(np.float32)
            np.testing.assert_array_equal(read_lr(revisit.data), image)
            np.testing.assert_array_equal(read_cloud_mask(revisit.cloud_mask), mask)
            assert image.any(axis=0).all()


@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_a_small_image_is_not_stored_in_enormous_blocks(builder: FolderBuilder, interleave: str) -> None:
    dataset, tile = folder(builder)
    form = {"driver": "GTiff", "count": 12, "height": 16, "width": 18, "dtype": "float32", "sparse_ok": True}
    for file, side in ((tile.revisits[0].data, 8_192), (tile.revisits[1].data, 4_096)):
        file.unlink()
        with rasterio.open(file, "w", **form, tiled=True, blockxsize=side, blockysize=side, interleave=interleave):
            pass
        assert file.stat().st_size < 10_000
    found = [fault.what for fault in check_dataset(dataset, "test", deep=True).faults if "in blocks of" in fault.what]
    # Twelve bands of 4,096 px are 800 MB only where they are stored together.
    assert len(found) == (2 if interleave == "pixel" else 1)


def enlarge_the_blocks_of_the_mask(path: Path) -> None:
    """Write another width and height of tile into the second image of a TIFF, which is the mask."""
    content = bytearray(path.read_bytes())
    assert content[:4] == b"II*\0"

    def entries(at: int) -> tuple[list[int], int]:
        (count,) = struct.unpack_from("<H", content, at)
        return [at + 2 + 12 * k for k in range(count)], at + 2 + 12 * count

    _, after = entries(struct.unpack_from("<I", content, 4)[0])
    changed = 0
    for entry in entries(struct.unpack_from("<I", content, after)[0])[0]:
        tag, kind = struct.unpack_from("<HH", content, entry)
        if tag in (322, 323):
            struct.pack_into("<H" if kind == 3 else "<I", content, entry + 8, 46_336)
            changed += 1
    assert changed == 2
    path.write_bytes(content)


@pytest.mark.parametrize("what", ["inside", "beside", "of another format", "honest", "honest beside"])
def test_a_mask_is_looked_at_before_it_is_opened(builder: FolderBuilder, tmp_path: Path, what: str) -> None:
    """A file of a few kilobytes could ask for gigabytes, and one that names other files or addresses be followed."""
    _, tile = folder(builder)
    image, path = lr_image(), tile.revisits[0].data
    beside = path.with_name(f"{path.name}.msk")
    form = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    save(path, image, hidden=left(HEIGHT, WIDTH), inside=what != "honest beside", **form)
    if what == "inside":
        enlarge_the_blocks_of_the_mask(path)
    elif what == "beside":
        save(path, image)
        huge = {"driver": "GTiff", "count": 1, "height": HEIGHT, "width": WIDTH, "dtype": "uint8", "sparse_ok": True}
        with rasterio.open(beside, "w", **huge, tiled=True, blockxsize=8192, blockysize=8192):
            pass
    elif what == "of another format":
        save(path, image)
        beside.write_text(f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"></VRTDataset>')
    if what.startswith("honest"):
        assert beside.exists() == (what == "honest beside")
        assert not read_lr(path)[:, left(HEIGHT, WIDTH)].any()
    else:
        with pytest.raises(DataError, match="not a TIFF" if what == "of another format" else "in blocks of"):
            read_lr(path)


@pytest.mark.parametrize("name", ["{}.Msk", "{}.MSK", "{}.mSK", "{}.msk.MSK", "{}.aux", "{}.Aux", "{stem}.aux"])
def test_gdal_finds_nothing_that_was_not_looked_at(builder: FolderBuilder, tmp_path: Path, name: str) -> None:
    """It compares names without regard to case: a mask of another driver read other files, and the network."""
    _, tile = folder(builder)
    for path, read in ((tile.revisits[0].data, read_lr), (tile.hr, read_hr)):
        save(path.with_name("other.tiff"), hr_image())
        beside = path.with_name(name.format(path.name, stem=path.stem))
        beside.write_text(f'<VRTDataset rasterXSize="{WIDTH}" rasterYSize="{HEIGHT}"></VRTDataset>')
        with pytest.raises(DataError, match="beside it"):
            read(path)
        beside.rename(path.with_name(f"another{beside.name}"))
        assert read(path).any()


def test_a_mask_has_no_more_metadata_than_a_file(builder: FolderBuilder, tmp_path: Path) -> None:
    _, tile = folder(builder)
    path = tile.revisits[0].data
    save(path, lr_image(), hidden=left(HEIGHT, WIDTH), inside=False)
    with rasterio.open(path.with_name(f"{path.name}.msk"), "r+", driver="GTiff") as mask:
        mask.update_tags(note="x" * 300_000)
    with pytest.raises(DataError, match="of GDAL's metadata"):
        read_lr(path)


@pytest.mark.parametrize("name", ["{}.aux.xml", "{}.Aux.XML", "{}.msk.aux.xml"])
@pytest.mark.parametrize("kind", ["large", "pipe"])
def test_statements_beside_a_file_have_a_size(builder: FolderBuilder, tmp_path: Path, name: str, kind: str) -> None:
    """GDAL looks through all of them for each, in which nothing interrupts it."""
    _, tile = folder(builder)
    path = tile.revisits[0].data
    beside = path.with_name(name.format(path.name))
    beside.write_text("<PAMDataset></PAMDataset>")
    assert read_lr(path).any()
    if kind == "large":
        beside.write_text("<PAMDataset>" + "<x/>" * 100_000 + "</PAMDataset>")
    else:
        beside.unlink()
        os.mkfifo(beside)
    with pytest.raises(DataError, match="not one of at most 256 kB"):
        read_lr(path)


def test_a_mask_is_a_file(builder: FolderBuilder, tmp_path: Path) -> None:
    _, tile = folder(builder)
    path = tile.revisits[0].data
    os.mkfifo(path.with_name(f"{path.name}.msk"))
    with pytest.raises(DataError, match="a mask beside it that is not a file"):
        read_lr(path)


def test_what_gdal_says_of_a_statement_is_told(builder: FolderBuilder, tmp_path: Path) -> None:
    _, tile = folder(builder)
    path = tile.revisits[0].data
    path.with_name(f"{path.name}.aux.xml").write_text("<PAMDataset><SRS>+init=/nonexistent:1</SRS></PAMDataset>")
    with pytest.raises(DataError, match="is damaged or not a TIFF"), opened(path) as source:
        assert source.crs is None


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_a_raster_is_a_file(builder: FolderBuilder, tmp_path: Path, kind: str) -> None:
    """An archive of a data set can hold a link to a device: it was read without end for the key of the cache."""
    _, tile = folder(builder)
    cache = DiskCache(tmp_path / "cache")
    for path in (tile.revisits[0].cloud_mask, tile.revisits[1].data, tile.hr):
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
    with pytest.raises(DataError):
        read_kept_inputs(tile, WSB, 2, cache)
    with pytest.raises(DataError):
        read_target(tile, WSB, cache)


@pytest.mark.parametrize("masked", [True, False])
def test_gdal_reads_nothing_else_beside_a_file(
    builder: FolderBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, masked: bool
) -> None:
    """Of any size, and some of them for minutes: makers of satellites have kept what they know in thirty ways."""
    _, tile = folder(builder)
    path = tile.revisits[0].data
    if masked:
        save(path, lr_image(), hidden=left(HEIGHT, WIDTH), inside=False)
        assert path.with_name(f"{path.name}.msk").is_file()
    before = read_lr(path)
    tags = 'BEGIN_GROUP = IMAGE_1\n\tsatId = "QB02";\nEND_GROUP = IMAGE_1\nEND;\n'
    for suffix in (".IMD", ".RPB", "_metadata.txt", "_rpc.txt", ".tfw", ".ovr"):
        path.with_name(f"{path.stem}{suffix}").write_text(tags)
    path.with_name(f"{path.stem}.tfw").write_text("9\n0\n0\n-9\n1\n1\n")
    with opened(path) as source:
        assert "QB02" not in str([source.tags(ns=name) for name in source.tag_namespaces()])
        assert source.transform.a != 9
    np.testing.assert_array_equal(read_lr(path), before)
    assert bool((before[:, left(HEIGHT, WIDTH)] == 0).all()) == masked
