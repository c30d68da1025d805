"""One file that was handed in, read as an image. It may come from a stranger.

A file is read once, whole and not through a link, within a limit of size; it is decoded from these bytes, so that
nothing beside it is opened. Sizes that a header claims are compared with limits before anything is allocated, and
nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.archives import open_zip
from worldstrat_bench.data.task import Answer
from worldstrat_bench.errors import DataError
from worldstrat_bench.handed.numbers import MAX_BYTES, ONE_IMAGE, Numbers, UnusableFileError, check_numbers, check_size
from worldstrat_bench.handed.rasters import read_raster
from worldstrat_bench.handed.stated import MOST_BANDS, Stated
from worldstrat_bench.printed import share_text
from worldstrat_bench.units import thinned, unit_fault
from worldstrat_bench.worker.validate import MAX_SIDE, header_bytes

Kind = Literal["geotiff", "npz", "npy", "png", "safetensors"]

KINDS: Final[Mapping[str, Kind]] = {
    ".tif": "geotiff",
    ".tiff": "geotiff",
    ".npz": "npz",
    ".npy": "npy",
    ".png": "png",
    ".safetensors": "safetensors",
}
"""Suffix, in lower case, to the kind of file."""

_NAME: Final = "prediction"
_ERROR: Final = "expected_error"
_ARRAYS_IN_ARCHIVE: Final = 64


_TO_READ: Final = os.O_RDONLY | sum(
    # O_NONBLOCK: opening a pipe must not wait for its other end. Windows lacks both, and has a text mode to leave.
    getattr(os, name, 0)
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
)


def read_bytes(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises
    ------
    UnusableFileError
        for a link, anything but a regular file, one that is empty, too large, or cannot be read.
    """
    try:
        descriptor = os.open(path, _TO_READ)
        with os.fdopen(descriptor, "rb") as stream:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                raise UnusableFileError("is not a regular file", "hand in files, not pipes or devices")
            if state.st_size > MAX_BYTES:
                raise UnusableFileError(f"is larger than {MAX_BYTES >> 20} MiB", ONE_IMAGE)
            # Bounded again: the file may grow while it is read.
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnusableFileError(f"cannot be read: {error.strerror or error}", "make it readable for you") from None
    if not content:
        raise UnusableFileError("is empty", "write it again")
    return content


def sha256_of(content: bytes) -> str:
    """Return the sha256 of the content of a file."""
    return hashlib.sha256(content).hexdigest()


def answer_of(content: bytes, kind: Kind, stated: Stated, least: tuple[int, int]) -> Answer:
    """Return the prediction in the content of a file, with the near infrared and an expected error if it has them.

    Parameters
    ----------
    least : the smallest H and W that are taken: those of the native grid.

    Raises
    ------
    UnusableFileError
        unless it is one image of the stated bands, of a legal size, finite, with data everywhere, in reflectance.
    """
    try:
        numbers = _READERS[kind](content, stated)
    except UnusableFileError:
        raise
    except MemoryError:
        raise UnusableFileError("does not fit in memory", ONE_IMAGE) from None
    # Readers of the dataset's rasters begin their message with the file's name, which the caller puts first as well.
    except DataError as error:
        raise UnusableFileError(error.what.partition(" ")[2], "correct its header, and write it again") from None
    # The cause, where there is one: the outer text of such readers says only that they failed.
    except Exception as error:  # noqa: BLE001 whatever a hostile file makes a reader do
        reason = " ".join(str(error.__cause__ or error).split())[:160]
        raise UnusableFileError(f"is damaged or not a {kind} file: {reason}", "write it again") from None
    # Asked of the decoded image, too: not every kind of file states a size that its reader checks.
    check_size(numbers.image.shape[1], numbers.image.shape[2], least)
    image = _reflectance(numbers, stated)
    return Answer(image, _expected_error(numbers, stated, image))


def _reflectance(numbers: Numbers, stated: Stated) -> NDArray[np.float32]:
    image = numbers.image[stated.taken]
    check_numbers(image.dtype.kind)
    if numbers.scaled and stated.says_a_scale:
        remedy = "leave out --scale and --offset: what the file says is applied"
        raise UnusableFileError("has its own scale or offset, and another one is given", remedy)
    # Not guessed: 8-bit pictures and digital numbers of 10,000 overlap in dark scenes, and a wrong guess is a
    # plausible score.
    if image.dtype.kind != "f" and not numbers.scaled and stated.scale is None:
        remedy = "say what they mean: --scale 10000 for digital numbers, 255 or 65535 for a picture"
        raise UnusableFileError("holds whole numbers and no scale", remedy)
    # In float64, so that digital numbers of 16 bits and their scale are rounded once.
    values = image.astype(np.float64)
    if stated.says_a_scale:
        values = (values + stated.offset) / (stated.scale or 1.0)
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused below
        found = values.astype(np.float32)
    finite = np.isfinite(found)
    if not finite.all():
        share = 1 - float(finite.mean())
        raise UnusableFileError(f"has values that are not finite: {share_text(share)} of them", "predict every pixel")
    # Red, green and blue are judged without the near infrared, as they are scored.
    for bands in (found[:3], found[3:]):
        if len(bands) and (fault := unit_fault(thinned(bands))):
            raise UnusableFileError(f"is not in reflectance: {fault}", "give --scale, and --offset if there is one")
    return found


def _expected_error(numbers: Numbers, stated: Stated, image: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the expected error of an image in reflectance: a scale holds for it, an offset does not."""
    if numbers.expected_error is None:
        return None
    given = numbers.expected_error
    if given.shape[1:] != image.shape[1:]:
        sizes = f"{given.shape[1]} x {given.shape[2]} px, the prediction {image.shape[1]} x {image.shape[2]}"
        raise UnusableFileError(f"has an expected error of another size: {sizes}", "store one value for each pixel")
    chosen = given if len(given) == 1 else given[stated.taken]
    with np.errstate(over="ignore"):
        found = (chosen.astype(np.float64) / (stated.scale or 1.0)).astype(np.float32)
    if not np.isfinite(found).all() or found.min() < 0:
        raise UnusableFileError("has an expected error below 0 or not finite", "store a standard deviation")
    return found


def _arranged(array: NDArray[Any], stated: Stated, *, also_one: bool = False) -> NDArray[Any]:
    """Return an array as (C, H, W): bands come first or last, and a batch of one may stand before.

    `also_one`: a single band stands for all.
    """
    check_numbers(array.dtype.kind)
    count, shape = len(stated.bands), array.shape
    if array.ndim == 4 and shape[0] == 1:
        array = array[0]
    # Bands first is looked for first: of (3, H, 3), which may be either, it is what torch and rasterio write.
    for bands in (count, 1) if also_one else (count,):
        if array.ndim == 3 and array.shape[0] == bands:
            return array
        if array.ndim == 3 and array.shape[2] == bands:
            return np.moveaxis(array, 2, 0)
    what = f"has shape {shape}, not ({count}, H, W) or (H, W, {count})"
    raise UnusableFileError(what, f"name its bands with --bands; {','.join(stated.bands)} are expected")


def _npy(content: bytes, stated: Stated) -> Numbers:
    return Numbers(_arranged(npy_array(content), stated))


def npy_array(content: bytes) -> NDArray[Any]:
    """Return the array in the content of an .npy file, as a view of it; its header is believed in nothing.

    Raises
    ------
    UnusableFileError
        if the version is unknown, the values are not numbers, or the content is not as long as the header says.
    """
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise UnusableFileError(f"is of version {version[0]}.{version[1]} of the format", "save it with numpy.save")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream, max_header_size=10_000)
    check_numbers(dtype.kind)
    start, count = stream.tell(), 1
    for side in shape:
        count *= side
    # Python's whole numbers do not overflow, so that no shape in a header can pass this by wrapping round.
    if min(shape, default=0) < 1 or start + count * dtype.itemsize != len(content):
        raise UnusableFileError("is cut short or too long", "write it again")
    flat = np.frombuffer(content, dtype, count, start)
    return flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)


def _npz(content: bytes, stated: Stated) -> Numbers:
    with open_zip(io.BytesIO(content), _ARRAYS_IN_ARCHIVE * _LONGEST_ENTRY) as archive:
        members = archive.infolist()
        if len(members) > _ARRAYS_IN_ARCHIVE:
            raise UnusableFileError(f"holds more than {_ARRAYS_IN_ARCHIVE} arrays", ONE_IMAGE)
        names = [member.filename.removesuffix(".npy") for member in members]
        image = _arranged(npy_array(_unpacked(archive, members[_one_of(names)])), stated)
        if _error_among(names) is None:
            return Numbers(image)
        error = npy_array(_unpacked(archive, members[names.index(_ERROR)]))
    return Numbers(image, expected_error=_arranged(error, stated, also_one=True))


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    content = b""
    if member.file_size <= MAX_BYTES:
        with archive.open(member) as stream:
            content = stream.read(MAX_BYTES + 1)  # the size that a header claims need not be true
    if max(len(content), member.file_size) > MAX_BYTES:
        raise UnusableFileError(f"unpacks to more than {MAX_BYTES >> 20} MiB", ONE_IMAGE)
    return content


_LONGEST_ENTRY: Final = 1 << 10
"""Bytes of an entry in the directory of an archive, its name among them."""

_LONGEST_HEADER: Final = 1 << 20
"""Bytes of the header of a safetensors file, which may hold remarks of whoever made it."""

_TENSORS: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "U8": "u1",
    "U16": "<u2",
    "U32": "<u4",
    "U64": "<u8",
    "I8": "i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
}


def _safetensors(content: bytes, stated: Stated) -> Numbers:
    import safetensors

    if header_bytes(content) > _LONGEST_HEADER:
        raise UnusableFileError(f"has a header of more than {_LONGEST_HEADER >> 10} kB", ONE_IMAGE)
    # The bytes and not arrays: numpy has no bfloat16, in which a prediction may be stored.
    found = safetensors.deserialize(content)  # type: ignore[no-untyped-call]
    names = [str(name) for name, _ in found]
    image = _arranged(_numbers_of(found[_one_of(names)][1]), stated)
    error = _error_among(names)
    if error is None:
        return Numbers(image)
    return Numbers(image, expected_error=_arranged(_numbers_of(found[error][1]), stated, also_one=True))


def _numbers_of(tensor: Mapping[str, Any]) -> NDArray[Any]:
    kind = str(tensor["dtype"])
    if kind == "BF16":  # the upper half of a float32
        halves = np.frombuffer(tensor["data"], "<u2").astype("<u4") << np.uint32(16)
        return halves.view("<f4").reshape(tensor["shape"])
    if kind not in _TENSORS:
        raise UnusableFileError(f"holds a tensor of type {kind[:20]}", "store float32 reflectance")
    return np.frombuffer(tensor["data"], _TENSORS[kind]).reshape(tensor["shape"])


def _one_of(names: list[str]) -> int:
    """Return where the prediction is among the arrays of a file: the one of that name, or the only one."""
    if names.count(_NAME) == 1:
        return names.index(_NAME)
    if len(names) == 1:
        return 0
    held = f"{len(names)} arrays ({', '.join(names[:3])[:80]})" if names else "no array"
    raise UnusableFileError(f"holds {held}", f"store one array, or call it {_NAME!r}")


def _error_among(names: list[str]) -> int | None:
    """Return where the expected error of a prediction is, which has its name too; None without one."""
    return names.index(_ERROR) if names.count(_ERROR) == 1 and _NAME in names else None


def _raster(driver: str) -> Callable[[bytes, Stated], Numbers]:
    def read(content: bytes, stated: Stated) -> Numbers:
        return read_raster(content, driver, stated)

    return read


_READERS: Final[Mapping[Kind, Callable[[bytes, Stated], Numbers]]] = {
    "geotiff": _raster("GTiff"),
    "png": _raster("PNG"),
    "npz": _npz,
    "npy": _npy,
    "safetensors": _safetensors,
}

assert MOST_BANDS * MAX_SIDE * MAX_SIDE <= MAX_BYTES
