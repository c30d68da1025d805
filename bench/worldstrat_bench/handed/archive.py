"""A zip archive of predictions, unpacked for as long as it is needed. It may come from a stranger."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from worldstrat_bench.archives import DAMAGED, open_zip
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.handed.folder import MOST_FILES
from worldstrat_bench.handed.numbers import MAX_BYTES

_CHUNK = 1 << 20

LARGEST_UNLIKELY = 1 << 30
"""Bytes up to which an archive may be as well compressed as it likes."""

MOST_PACKED = 50
"""Times its own size that a larger archive may unpack to: images of a satellite are packed two or three times."""


@contextmanager
def files_in(path: Path) -> Iterator[Path]:
    """Yield the folder of predictions that a path means: itself, or the files of a zip archive without their folders.

    Raises
    ------
    UsageError
        if it is neither.
    InvalidArtefactError
        for an archive that is damaged, or holds links, encrypted or enormous files, or two of one name.
    """
    if path.is_dir():
        yield path
        return
    if path.suffix.lower() != ".zip" or not path.is_file():
        remedy = "give the folder of the predictions, or a zip archive of them"
        raise UsageError("there is no such folder", where=path, remedy=remedy)
    with TemporaryDirectory(prefix="worldstrat-bench-") as scratch:
        # Of the archive's name, so that messages say what was given.
        folder = Path(scratch) / path.stem
        folder.mkdir()
        try:
            with open_zip(path) as archive:
                _unpack(archive, folder, path)
        except DAMAGED as error:
            reason = " ".join(str(error).split())[:160]
            raise InvalidArtefactError(f"the archive cannot be read: {reason}", where=path, remedy=_REMEDY) from None
        yield folder


_REMEDY = "make a zip archive of one file a tile, and nothing else"


def _unpack(archive: zipfile.ZipFile, folder: Path, path: Path) -> None:
    members = [member for member in archive.infolist() if not member.filename.endswith(("/", "\\"))]
    if len(members) > MOST_FILES:
        what = f"the archive holds more than {MOST_FILES:,} files"
        raise InvalidArtefactError(what, where=path, remedy=_REMEDY)
    if fault := _sizes_fault(members, path, folder):
        raise InvalidArtefactError(f"the archive {fault}", where=path, remedy=_REMEDY)
    seen: dict[str, str] = {}
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/")).name
        target = folder / name
        # By case, too: on macOS and Windows the second file would replace the first.
        fault = _fault_of(member, name) or _double(member, name, seen.get(name.casefold()))
        if fault:
            what = f"{member.filename[:100]!r} in the archive {fault}"
            raise InvalidArtefactError(what, where=path, remedy=_REMEDY)
        seen[name.casefold()] = member.filename
        with archive.open(member) as source, target.open("xb") as written:
            left = MAX_BYTES  # the size that a header claims need not be true
            while chunk := source.read(min(_CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise InvalidArtefactError(
                        f"{name[:100]!r} in the archive is too large", where=path, remedy=_REMEDY
                    )
                written.write(chunk)


def _sizes_fault(members: Sequence[zipfile.ZipInfo], path: Path, folder: Path) -> str:
    """Return why an archive cannot be unpacked as a whole, by what it says of its files; "" if it can."""
    total, packed = sum(member.file_size for member in members), path.stat().st_size
    if total > LARGEST_UNLIKELY and total > MOST_PACKED * packed:
        return f"would be {total >> 20:,} MiB, more than {MOST_PACKED} times its own size"
    free = shutil.disk_usage(folder).free
    if total > free // 2:
        return f"would be {total >> 20:,} MiB, more than half of what is free on this disk"
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            return f"holds {member.filename[:100]!r} in the bytes of another file"
        end = member.header_offset + member.compress_size
    return ""


def _fault_of(member: zipfile.ZipInfo, name: str) -> str:
    if not name or name in (".", "..") or "\0" in name:
        return "has no file name"
    kind = stat.S_IFMT(member.external_attr >> 16)
    # 0 where the archive was made on a system without Unix modes.
    if kind not in (0, stat.S_IFREG):
        return "is a link" if kind == stat.S_IFLNK else "is not a plain file"
    if member.flag_bits & 1:
        return "is encrypted"
    if member.file_size > MAX_BYTES:
        return f"is larger than {MAX_BYTES >> 20} MiB"
    return ""


def _double(member: zipfile.ZipInfo, name: str, earlier: str | None) -> str:
    """Return what is wrong with a second file of a name; "" if there is none before it."""
    if earlier is None:
        return ""
    if earlier == member.filename:
        return "is there twice"
    if PurePosixPath(earlier.replace("\\", "/")).name == name:
        return f"has the name of {earlier[:100]!r}: folders do not count"
    return f"differs from {earlier[:100]!r} by case alone"
