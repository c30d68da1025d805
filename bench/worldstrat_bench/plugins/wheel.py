"""Unpacking somebody else's wheel into a folder of ours, and nowhere else. Nothing in it is run."""

from __future__ import annotations

import shutil
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError

MAX_FILES = 20_000
MAX_BYTES = 4 << 30
MAX_RATIO = 200


@dataclass(frozen=True)
class Wheel:
    """An unpacked wheel: its folder, and the sha256 of the file."""

    folder: Path
    sha256: str


def open_wheel(file: Path, scratch: Path | None) -> Wheel:
    """Unpack a pure or binary wheel into a folder of `scratch` named by the wheel's hash.

    Raises
    ------
    UsageError
        if it is no wheel, leads out of its folder, holds links, or is unreasonably large.
    """
    if scratch is None:
        raise UsageError("a wheel needs a scratch folder to be unpacked in", where=file)
    if not file.is_file():
        raise UsageError("there is no such wheel", where=file)
    digest = file_sha256(file)
    folder = scratch / f"wheel-{digest[:16]}"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(file) as archive:
            _check(archive, file)
            for member in archive.infolist():
                archive.extract(member, folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise UsageError(f"the wheel cannot be unpacked: {str(error)[:200]}", where=file) from None
    return Wheel(folder, digest)


def _check(archive: zipfile.ZipFile, file: Path) -> None:
    members = archive.infolist()
    if len(members) > MAX_FILES or sum(m.file_size for m in members) > MAX_BYTES:
        raise UsageError(f"the wheel holds more than {MAX_FILES} files or {MAX_BYTES >> 30} GiB", where=file)
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        kind = stat.S_IFMT(member.external_attr >> 16)
        if name.is_absolute() or ".." in name.parts or ":" in member.filename:
            raise UsageError(f"the wheel's member {member.filename[:100]!r} leads out of its folder", where=file)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UsageError(f"the wheel's member {member.filename[:100]!r} is not a plain file", where=file)
        if member.file_size > 1 << 24 and member.file_size > MAX_RATIO * max(1, member.compress_size):
            raise UsageError(f"the wheel's member {member.filename[:100]!r} expands beyond reason", where=file)
