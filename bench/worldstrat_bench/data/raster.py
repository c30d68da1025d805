"""TIFF files as arrays, every fault as one line that names the file.

A file may say what its numbers mean: a scale and an offset, a value that stands for no data, a mask. All are applied
here (protocol 1.2), so that whoever reads further knows one convention: a pixel without data is 0 in every band.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.api import BANDS
from worldstrat_bench.errors import DataError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

REFLECTANCE_SCALE = 10_000.0
"""High-resolution digital numbers per unit of reflectance. They go far above 4,095."""

REFLECTANCE_RANGE = (-1.0, 50.0)
"""Sentinel-2 reflectance outside this is not reflectance (digital numbers, say)."""

HR_BANDS = 4

BLACK = 1e-30
"""What tells a pixel with data that is 0 in all bands from one without data."""

_MAX_SIDE = 20_000
_GET = "worldstrat-bench data check DIR lists all faults; get the file again"


@dataclass(frozen=True)
class Header:
    """What the header of a raster says."""

    bands: int
    height: int
    width: int
    dtype: str

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


def read_hr(path: Path) -> NDArray[np.uint16] | NDArray[np.float64]:
    """A pan-sharpened tile: (4, S, S), R, G, B, NIR, reflectance times 10,000, 0 in all bands where it has no data.

    uint16 as stored; float64 if the file has a scale or an offset. Scaled values are taken as reflectance, not as
    reflectance times 10,000, if no uint16 could then exceed the range of reflectance.

    Raises
    ------
    DataError
        if the file is missing, damaged, or of another type or shape, or its scale makes neither of them.
    """
    with opened(path) as source:
        check_hr_header(header_of(source), path)
        image: NDArray[np.uint16] = source.read(list(range(1, HR_BANDS + 1)))
        hidden = no_data_of(source, image)
        traits = traits_of(source)
    if traits.scaled:
        return _told_apart(_scaled(image, traits) * _hr_unit(traits, path), hidden)
    image[:, hidden] = 0
    return image


def read_lr(path: Path) -> NDArray[np.float32]:
    """A Sentinel-2 revisit: (12, h, w) float32 reflectance, 0 in all bands where it has no data.

    Raises
    ------
    DataError
        as :func:`read_hr`, and for values that are not finite or not reflectance.
    """
    with opened(path) as source:
        check_lr_header(header_of(source), path, scaled=traits_of(source).scaled)
        image: NDArray[Any] = source.read(list(range(1, len(BANDS) + 1)))
        hidden = no_data_of(source, image)
        traits = traits_of(source)
    if traits.scaled:
        image = _told_apart(_scaled(image, traits).astype(np.float32), hidden)
    else:
        image[:, hidden] = 0
    check_reflectance(image, path)
    return image


def read_cloud_mask(path: Path) -> NDArray[np.float32]:
    """A cloud mask: (h, w) float32, 1 is cloud, 255 where it has no data. Upstream stores it as float32, other tools as
    uint8.

    Raises
    ------
    DataError
        if the file is missing, damaged or has more than one band, or if it says that 0, which is clear sky, is no data.
    """
    with opened(path) as source:
        check_mask_header(header_of(source), path)
        traits = traits_of(source)
        if traits.no_data[0] == 0:
            raise _fault("says that 0 stands for no data, which is its value for clear sky", path)
        mask: NDArray[Any] = source.read([1])
        hidden = no_data_of(source, mask, zeros=False)
    values = _scaled(mask, traits) if traits.scaled else mask
    return np.where(hidden, 255, values[0]).astype(np.float32)


@dataclass(frozen=True)
class Traits:
    """What a raster says of its own numbers.

    Attributes
    ----------
    no_data : per band, the value that stands for no data; None if there is none.
    scales, offsets : per band; a value is its stored number * scale + offset.
    masked : whether the file has a mask or an alpha band.
    """

    no_data: tuple[float | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    masked: bool

    @property
    def scaled(self) -> bool:
        """Whether any band has a scale or an offset."""
        return set(self.scales) != {1.0} or set(self.offsets) != {0.0}

    def __str__(self) -> str:
        """What is unusual, as text; empty for the files of WorldStrat."""
        parts = [f"{value:g} stands for no data" for value in sorted({v for v in self.no_data if v is not None})]
        if self.scaled:
            several = len(set(self.scales)) > 1 or len(set(self.offsets)) > 1
            what = f"scale {self.scales[0]:g} and offset {self.offsets[0]:g}"
            parts.append(f"{what}, others in other bands" if several else what)
        if self.masked:
            parts.append("it has a mask")
        return ", ".join(parts)


def read_traits(path: Path) -> tuple[Header, Traits]:
    """Header and traits.

    Raises
    ------
    DataError
        as :func:`read_header`.
    """
    with opened(path) as source:
        return header_of(source), traits_of(source)


def files_of(path: Path) -> tuple[Path, ...]:
    """A raster and the files beside it that say what its numbers mean, those that there are."""
    beside = (path.with_name(f"{path.name}{suffix}") for suffix in (".msk", ".aux.xml"))
    return (path, *(file for file in beside if file.is_file()))


def traits_of(source: DatasetReader) -> Traits:
    """The traits of an open raster."""
    masked = _has_mask(source) or _has_alpha(source)
    return Traits(tuple(source.nodatavals), tuple(source.scales), tuple(source.offsets), masked)


def _has_mask(source: DatasetReader) -> bool:
    from rasterio.enums import MaskFlags

    return any(MaskFlags.per_dataset in flags for flags in source.mask_flag_enums)


def _has_alpha(source: DatasetReader) -> bool:
    from rasterio.enums import ColorInterp

    return bool(source.colorinterp[-1] == ColorInterp.alpha)


def no_data_of(source: DatasetReader, image: NDArray[Any], *, zeros: bool = True) -> NDArray[np.bool_]:
    """Where an open raster has no data, (h, w).

    A pixel has none if the file's mask or alpha band hides it in any band, or if any band holds the value that the file
    names. 0 is a legal value in one band: it counts if all bands are 0, whether the file names it or not. Numbers are
    compared as they are stored, before scale and offset.

    Parameters
    ----------
    image : (C, h, w), its first C bands as stored.
    zeros : whether 0 in all bands is no data.
    """
    hidden = (image == 0).all(axis=0) if zeros else np.zeros(image.shape[1:], dtype=bool)
    traits = traits_of(source)
    for band, value in zip(image, traits.no_data, strict=False):
        if value is not None and (value != 0 or not zeros):
            hidden |= np.isnan(band) if np.isnan(value) else band == _stored_as(band, value)
    if _has_mask(source):
        hidden |= (source.read_masks(list(range(1, len(image) + 1))) == 0).any(axis=0)
    if _has_alpha(source):  # GDAL makes a mask of it in files of two or four bands only
        hidden |= source.read(source.count) == 0
    return hidden


def _stored_as(band: NDArray[Any], value: float) -> Any:
    """A no-data value as a band of that type holds it: 0.1 is another number in float32."""
    return band.dtype.type(value) if band.dtype.kind == "f" else value


def _scaled(image: NDArray[Any], traits: Traits) -> NDArray[np.float64]:
    """The values that the stored numbers stand for."""
    scales, offsets = (np.array(values[: len(image)])[:, None, None] for values in (traits.scales, traits.offsets))
    values: NDArray[np.float64] = image.astype(np.float64) * scales + offsets
    return values


def _told_apart(image: NDArray[Any], hidden: NDArray[np.bool_]) -> NDArray[Any]:
    """Return scaled (C, h, w) values as 0 in all bands where `hidden`, and nowhere else.

    A pixel with data may become exactly 0 in every band (a stored 1,000 with an offset of -1,000). It gets
    :data:`BLACK` in its last band, near or short-wave infrared, which changes no score.
    """
    black = (image == 0).all(axis=0) & ~hidden
    image[-1, black] = BLACK
    image[:, hidden] = 0
    return image


def _hr_unit(traits: Traits, path: Path) -> float:
    """What brings scaled numbers of a high-resolution file to reflectance times 10,000."""
    most = [
        np.iinfo(np.uint16).max * scale + offset for scale, offset in zip(traits.scales, traits.offsets, strict=True)
    ]
    if min(most) > 0 and max(most) <= REFLECTANCE_RANGE[1]:
        return REFLECTANCE_SCALE
    if min(most) >= REFLECTANCE_SCALE:
        return 1.0
    raise _fault(f"has {traits}, which makes neither reflectance nor reflectance x 10,000 of its numbers", path)


def read_header(path: Path) -> Header:
    """The header alone.

    Raises
    ------
    DataError
        if the file is missing or its header cannot be read.
    """
    with opened(path) as source:
        return header_of(source)


def read_end(path: Path) -> tuple[Header, NDArray[Any]]:
    """The header and the last row of every band, (bands, 1, width): reading it finds most truncated files.

    Raises
    ------
    DataError
        if the file is missing, damaged or truncated.
    """
    from rasterio.windows import Window

    with opened(path) as source:
        row = source.read(window=Window(0, source.height - 1, source.width, 1))
        return header_of(source), row


def check_hr_header(header: Header, path: Path) -> None:
    """Raise DataError unless four bands of uint16, square."""
    if (header.bands, header.dtype) != (HR_BANDS, "uint16"):
        raise _fault(f"has {header.bands} bands of {header.dtype}, expected {HR_BANDS} of uint16", path)
    if header.height != header.width:
        raise _fault(f"is {header.height} x {header.width} px, expected a square", path)


def check_lr_header(header: Header, path: Path, *, scaled: bool = False) -> None:
    """Raise DataError unless twelve bands of float32, or of integers that the file gives a scale."""
    if header.bands == len(BANDS) and (header.dtype == "float32" or (scaled and "int" in header.dtype)):
        return
    raise _fault(
        f"has {header.bands} bands of {header.dtype}, expected {len(BANDS)} of float32, or of integers with a scale",
        path,
    )


def check_mask_header(header: Header, path: Path) -> None:
    """Raise DataError unless one band."""
    if header.bands != 1:
        raise _fault(f"has {header.bands} bands, expected 1", path)


def check_reflectance(image: NDArray[np.float32], path: Path) -> None:
    """Raise DataError unless every value is finite and within :data:`REFLECTANCE_RANGE`."""
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all():
        raise _fault("has values that are not finite", path)
    if low < REFLECTANCE_RANGE[0] or high > REFLECTANCE_RANGE[1]:
        raise _fault(f"has values from {low:.4g} to {high:.4g}, which are not reflectance", path)


def header_of(source: DatasetReader) -> Header:
    """The header of an open raster. An alpha band after the bands of a file of this layout is its mask, not a band."""
    alpha = source.count - 1 in (1, HR_BANDS, len(BANDS)) and _has_alpha(source)
    return Header(source.count - alpha, source.height, source.width, str(source.dtypes[0]))


@contextmanager
def opened(path: Path) -> Iterator[DatasetReader]:
    """An open TIFF; whatever goes wrong with it inside the block becomes a DataError."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    if not path.is_file():
        raise DataError("the file is missing", where=path, remedy=_GET)
    try:
        # High-resolution tiles carry no geotransform, and nothing here is aligned by one. Not catch_warnings():
        # it restores the filters of another thread.
        warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
        with rasterio.open(path, driver="GTiff") as source:
            if max(source.height, source.width) > _MAX_SIDE:
                raise _fault(f"claims to be {source.height} x {source.width} px", path)
            yield source
    except RasterioError as error:
        raise _fault(f"is damaged or no TIFF: {_one_line(error)}", path) from None
    except OSError as error:
        raise _fault(f"cannot be read: {_one_line(error)}", path) from None


def _fault(what: str, path: Path) -> DataError:
    return DataError(f"{path.name} {what}", where=path, remedy=_GET)


def _one_line(error: Exception) -> str:
    text = str(error.__cause__ or error)
    return " ".join(text.split())[:160]
