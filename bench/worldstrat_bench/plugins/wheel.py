"""Unpacking an untrusted wheel into a folder of ours, and nowhere else. Nothing in it is run."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion

from worldstrat_bench.archives import DAMAGED, open_zip
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError

MAX_FILES = 20_000
MAX_BYTES = 4 << 30
MAX_RATIO = 200
SCRATCH: Final = "worldstrat-bench-"
"""Start of the name of every folder that a wheel is unpacked in, whichever command does it: a model reads its own path,
and must not learn from it that it is audited or verified."""

LIBRARIES: Final = ("purelib", "platlib")
"""Folders of a wheel's ``.data`` that are put among the modules."""


@dataclass(frozen=True)
class Wheel:
    """An unpacked wheel: its folder, and the sha256 of the file."""

    folder: Path
    sha256: str


def open_wheel(file: Path, scratch: Path | None) -> Wheel:
    """Unpack a pure or binary wheel into a folder of `scratch` named by the wheel's hash, as an installer would.

    What belongs among the modules lies there, wherever in the wheel it was; scripts, headers and data are left out.

    Raises
    ------
    UsageError
        if it is not a wheel, leads out of its folder, holds links, or is unreasonably large.
    """
    if scratch is None:
        raise UsageError("a wheel needs a scratch folder to be unpacked in", where=file)
    if not file.is_file():
        raise UsageError("there is no such wheel", where=file)
    digest = file_sha256(file)
    folder = scratch / f"wheel-{digest[:16]}"
    # The folder of a process that was killed may hold half of the wheel.
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    try:
        with open_zip(file) as archive:
            _check(archive, file)
            for member in archive.infolist():
                _unpack(archive, member, folder)
    except DAMAGED as error:
        raise UsageError(f"the wheel cannot be unpacked: {str(error)[:200]}", where=file) from None
    return Wheel(folder, digest)


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    """Extract a member to where an installer puts it: ``x.data/purelib/y.py`` is the module ``y``."""
    if member.filename.partition("/")[0].endswith(".data"):
        inner = library_name(member.filename)
        if inner is None:
            return
        member.filename = inner
    archive.extract(member, folder)


def library_name(member: str) -> str | None:
    """Return the name that a member of a wheel has once it is installed; None if it is not put among the modules."""
    first, _, rest = member.partition("/")
    if first.endswith((".dist-info", ".egg-info")):
        return None
    if not first.endswith(".data"):
        return member
    kind, _, inner = rest.partition("/")
    return inner if kind in LIBRARIES and inner else None


def name_fault(members: Iterable[zipfile.ZipInfo]) -> str:
    """Return why it is not clear which member of a wheel is installed under a name; "" if it is.

    Installers do not agree on which of two members wins that meet at one place.
    """
    placed: dict[str, str] = {}
    for member in members:
        name = member.filename
        if member.is_dir():
            continue
        if str(PurePosixPath(name)) != name:
            return f"{name[:80]!r} is not spelled as the place where it is put"
        found = library_name(name) or name
        if found != name and library_name(found) != found:
            return f"{name[:80]!r} is put into a folder of metadata"
        if found in placed:
            return f"{name[:80]!r} and {placed[found][:80]!r} are put at one place"
        placed[found] = name
    return ""


def unfit(tags: Iterable[Tag], requires: str, python: tuple[int, int, int]) -> str:
    """Return why a wheel cannot run on a Python; "" if it can, as far as its name and its metadata tell.

    Parameters
    ----------
    tags : of the file's name; none if it has not the name of a wheel.
    requires : Requires-Python of its metadata, "" without.
    """
    version = ".".join(map(str, python))
    try:
        if requires and not SpecifierSet(requires).contains(version, prereleases=True):
            return f"it requires Python {requires[:100]}"
    except InvalidSpecifier:
        return f"its Requires-Python {requires[:100]!r} cannot be read"
    tags = frozenset(tags)
    known = {*cpython_tags(python[:2]), *compatible_tags(python[:2], f"cp{python[0]}{python[1]}")}
    if tags and not tags & known:
        shown = ", ".join(sorted(map(str, tags))[:3])
        return f"it is built for {shown}"
    return ""


def wheel_tags(file: Path) -> frozenset[Tag]:
    """Return the tags in the name of a wheel; none if it has not the name of one."""
    try:
        return parse_wheel_filename(file.name)[3]
    except (InvalidWheelFilename, InvalidVersion):
        return frozenset()


def _check(archive: zipfile.ZipFile, file: Path) -> None:
    members = archive.infolist()
    if len(members) > MAX_FILES or sum(m.file_size for m in members) > MAX_BYTES:
        raise UsageError(f"the wheel holds more than {MAX_FILES} files or {MAX_BYTES >> 30} GiB", where=file)
    for member in members:
        # A backslash is part of a name here and a folder on Windows: it may lead out on neither.
        name = PurePosixPath(member.filename.replace("\\", "/"))
        kind = stat.S_IFMT(member.external_attr >> 16)
        if name.is_absolute() or ".." in name.parts or ":" in member.filename:
            raise UsageError(f"the wheel's member {member.filename[:100]!r} leads out of its folder", where=file)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UsageError(f"the wheel's member {member.filename[:100]!r} is not a plain file", where=file)
        # Small members may shrink as far as they like: empty tables and long runs of zeros are honest.
        if member.file_size > 1 << 24 and member.file_size > MAX_RATIO * max(1, member.compress_size):
            raise UsageError(f"the wheel's member {member.filename[:100]!r} expands beyond reason", where=file)
    if fault := name_fault(members):
        raise UsageError(f"the wheel's member {fault}", where=file, remedy="build it again, with pip wheel")
