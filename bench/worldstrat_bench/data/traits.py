"""Tags of a raster about its own numbers: no-data values, masks, scales and offsets (protocol 1.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.errors import DataError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

_GET = "worldstrat-bench data check DIR lists all faults; get the file again"


def raster_fault(what: str, path: Path, remedy: str = _GET) -> DataError:
    """Return the error of a raster: `what` follows its name."""
    return DataError(f"{path.name} {what}", where=path, remedy=remedy)


@dataclass(frozen=True)
class Traits:
    """Tags of a raster about its own numbers.

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
        """True if any band has a scale or an offset."""
        return set(self.scales) != {1.0} or set(self.offsets) != {0.0}

    def __str__(self) -> str:
        """Return what is unusual, as text; empty for the files of WorldStrat."""
        # Compared as text, since NaN is equal to nothing, itself included.
        parts = list(dict.fromkeys(f"{value:g} stands for no data" for value in self.no_data if value is not None))
        if self.scaled:
            several = len(set(self.scales)) > 1 or len(set(self.offsets)) > 1
            what = f"scale {self.scales[0]:g} and offset {self.offsets[0]:g}"
            parts.append(f"{what}, others in other bands" if several else what)
        if self.masked:
            parts.append("it has a mask")
        return ", ".join(parts)


def traits_of(source: DatasetReader) -> Traits:
    """Return the traits of an open raster."""
    masked = has_mask(source) or has_alpha(source)
    return Traits(tuple(source.nodatavals), tuple(source.scales), tuple(source.offsets), masked)


def has_alpha(source: DatasetReader) -> bool:
    """Return whether the last band of an open raster is tagged as alpha, which makes it a mask."""
    from rasterio.enums import ColorInterp

    return bool(source.colorinterp[-1] == ColorInterp.alpha)


def check_alpha(source: DatasetReader, path: Path) -> None:
    """Raise DataError for an alpha band that others follow: which bands hold the image would be a guess."""
    from rasterio.enums import ColorInterp

    if ColorInterp.alpha in source.colorinterp[:-1]:
        raise raster_fault("has an alpha band before other bands", path, "make it the last band, or clear its tag")


def has_mask(source: DatasetReader) -> bool:
    """Return whether a mask of the file or a band hides pixels; those of no-data values are read from them."""
    from rasterio.enums import MaskFlags

    plain = {MaskFlags.all_valid, MaskFlags.nodata}
    return any(not flags or not set(flags) <= plain for flags in source.mask_flag_enums)


def no_data_of(source: DatasetReader, image: NDArray[Any], *, zeros: bool = True) -> NDArray[np.bool_]:
    """Return where an open raster has no data, (h, w).

    A pixel has none if the file's mask or alpha band hides it in any band, or if any band holds the value that the file
    names. 0 is a legal value in one band: it counts if all bands are 0, whether the file names it or not. Numbers are
    compared as they are stored, before scale and offset.

    Parameters
    ----------
    image : (C, h, w), its first C bands as stored.
    zeros : whether 0 in all bands means no data.
    """
    hidden = (image == 0).all(axis=0) if zeros else np.zeros(image.shape[1:], dtype=bool)
    # Not strictly: an alpha band of the file is not one of the image.
    for band, value in zip(image, source.nodatavals, strict=False):
        # A file that names 0 means black in all bands, as WorldStrat does: 0 in one band is a dark pixel.
        if value is not None and (value != 0 or not zeros):
            # NaN equals nothing, itself included.
            hidden |= np.isnan(band) if np.isnan(value) else band == _stored_as(band, value)
    if has_mask(source):
        hidden |= (source.read_masks(list(range(1, len(image) + 1))) == 0).any(axis=0)
    if has_alpha(source):  # GDAL makes a mask of it in files of two or four bands only
        hidden |= source.read(source.count) == 0
    return hidden


def _stored_as(band: NDArray[Any], value: float) -> Any:
    """Return a no-data value as a band of that type holds it: 0.1 is another number in float32."""
    return band.dtype.type(value) if band.dtype.kind == "f" else value


def scaled_values(image: NDArray[Any], traits: Traits, path: Path) -> NDArray[np.float64]:
    """Return the values that the stored numbers stand for, (C, h, w).

    Raises
    ------
    DataError
        for a scale that is not above 0, or a scale or an offset that is not finite.
    """
    usable = all(scale > 0 and math.isfinite(scale) for scale in traits.scales)
    if not usable or not all(map(math.isfinite, traits.offsets)):
        raise raster_fault(f"has {traits}: a scale must be above 0, scale and offset finite", path)
    scales, offsets = (np.array(values[: len(image)])[:, None, None] for values in (traits.scales, traits.offsets))
    values: NDArray[np.float64] = image.astype(np.float64) * scales + offsets
    return values
