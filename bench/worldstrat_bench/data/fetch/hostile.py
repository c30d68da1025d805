"""Members of archives are hostile until they are shown to be plain files of a believable size. Pure functions."""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile

from worldstrat_bench.data.fetch.wanted import Member, WantedFiles
from worldstrat_bench.errors import DataError

_OTHER_SOURCE = "use another source: this archive is damaged or made to harm"
_DRIVE = re.compile(r"^[A-Za-z]:")
_ALLOWED_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_RATIO_MATTERS_ABOVE_BYTES = 4 << 20
"""Below this a cloud mask of one value may well deflate a thousandfold (TIFF stores it as 100 kB of zeros)."""
_LARGEST_RATIO = 200


def is_unsafe(name: str) -> bool:
    """Return whether a member's name leads out of the folder, or cannot be a name on some system."""
    return (
        name.startswith(("/", "\\"))
        or bool(_DRIVE.match(name))
        or ".." in re.split(r"[/\\]", name)
        or "\\" in name
        or not name.isprintable()
    )


def classify(name: str, wanted: WantedFiles, where: str) -> Member | None:
    """Return the file that a member is, or None if it is not wanted.

    Raises
    ------
    DataError
        if an unsafe name ends like a wanted one: it was meant to be unpacked.
    """
    if not is_unsafe(name):
        return wanted.member(name)
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..")]
    # A wanted name ends in two parts (tile, file) or three (tile, L2A, file).
    if not any(wanted.member("/".join(parts[-count:])) for count in (2, 3)):
        return None
    why, remedy = _fault_of(name)
    raise DataError(f"member {name[:120]!r} {why}", where=where, remedy=remedy)


def _fault_of(name: str) -> tuple[str, str]:
    """Return what is wrong with an unsafe name, and what to do: one packed carelessly is not an attack."""
    if ".." in re.split(r"[/\\]", name):
        return "leads out of the folder", _OTHER_SOURCE
    if name.startswith(("/", "\\")) or _DRIVE.match(name):
        return "has an absolute path", f"{_OTHER_SOURCE}, or pack it again with names relative to the dataset's folder"
    if "\\" in name:
        return "has backslashes where ZIP wants slashes", "pack it again with a program that writes forward slashes"
    return "has a name with characters that cannot be printed", _OTHER_SOURCE


def check_zip_member(info: zipfile.ZipInfo, member: Member, where: str) -> None:
    """Refuse links, devices, encryption, odd compression and bombs; raises DataError."""
    mode = info.external_attr >> 16
    if info.is_dir() or (stat.S_IFMT(mode) and not stat.S_ISREG(mode)):
        raise _refusal(info.filename, "is not a plain file", where)
    if info.flag_bits & 0x1:
        raise _refusal(info.filename, "is encrypted", where)
    if info.compress_type not in _ALLOWED_COMPRESSION:
        raise _refusal(info.filename, "is neither stored nor deflated", where)
    _check_size(info.filename, info.file_size, member, where)
    if info.file_size > _RATIO_MATTERS_ABOVE_BYTES and info.file_size > _LARGEST_RATIO * max(1, info.compress_size):
        raise _refusal(info.filename, "unpacks to far more than its packed size (a bomb)", where)
    if info.compress_size > member.largest_bytes + (1 << 20):
        raise _refusal(info.filename, "is packed into more bytes than its kind can have", where)


def check_tar_member(info: tarfile.TarInfo, member: Member, where: str) -> None:
    """Refuse links, devices, sparse files and bombs; raises DataError."""
    if not info.isreg() or info.issparse():
        raise _refusal(info.name, "is not a plain file", where)
    _check_size(info.name, info.size, member, where)


def duplicate(name: str, where: str) -> DataError:
    """Return the error for two members that claim to be the same file."""
    return _refusal(name, "is in the archive twice", where)


def _check_size(name: str, size: int, member: Member, where: str) -> None:
    if not 0 < size <= member.largest_bytes:
        raise _refusal(name, f"claims {size} bytes, at most {member.largest_bytes} are believable", where)


def _refusal(name: str, why: str, where: str) -> DataError:
    return DataError(f"member {name[:120]!r} {why}", where=where, remedy=_OTHER_SOURCE)
