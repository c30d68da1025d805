"""Looking into a wheel without installing, importing or unpacking it. Everything in it is hostile."""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import Final

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from worldstrat_bench.api import ENTRY_POINT_GROUP
from worldstrat_bench.archives import DAMAGED, open_zip
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.plugins.code import MAX_WHEEL_BYTES
from worldstrat_bench.plugins.discovery import MAX_ENTRY_POINTS_BYTES, MAX_METADATA_BYTES, without_extras
from worldstrat_bench.plugins.wheel import library_name, name_fault
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.shadowed import SHADOWED

MAX_ENTRIES = 5000
MAX_MEMBER_BYTES = 64 * 1024**2
MAX_TOTAL_BYTES = MAX_WHEEL_BYTES
MAX_RATIO = 200
_MOST_PARSED: Final = {
    "METADATA": MAX_METADATA_BYTES,
    "WHEEL": MAX_METADATA_BYTES,
    "entry_points.txt": MAX_ENTRY_POINTS_BYTES,
    "RECORD": 4 << 20,
}
"""Bytes of what is parsed: the parsers of Python take seconds for each 10 MB, and a wheel lists few files."""
LARGE_BYTES = 256 * 1024
"""Data of this size in a wheel is pointed out to a person: weights and imagery do not belong there."""

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".bin", ".joblib", ".dill", ".t7", ".pyc", ".pyo")
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".jp2", ".bmp", ".gif", ".npy", ".npz", ".safetensors")
NATIVE_MAGIC = (
    b"\x7fELF",
    b"MZ",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\xfe\xed\xfa",
    b"!<arch>\n",
)


@dataclass(frozen=True)
class WheelFile:
    """A wheel that could be listed: its name, version, tags and members."""

    path: Path
    name: str
    version: str
    pure: bool
    members: tuple[zipfile.ZipInfo, ...]


@dataclass(frozen=True)
class Expected:
    """Statement of a manifest about its wheel."""

    distribution: str
    version: str
    entry_point: str
    sha256: str | None = None


def wheel_faults(path: Path, expected: Expected | None = None) -> tuple[CheckFinding, ...]:
    """Yield everything that speaks against a wheel. Nothing of it is run."""
    where = path
    wheel = open_wheel(path)
    if isinstance(wheel, CheckFinding):
        return (wheel,)
    try:
        with open_zip(path) as archive:
            faults = list(_shape_faults(wheel, where))
            # The directory of the archive is enough to refuse those, and reading them is what they want.
            if not faults:  # a bomb or an escaping name: its contents are not looked at
                faults += _content_faults(wheel, archive, where)
                faults += _metadata_faults(wheel, archive, expected, where)
    except DAMAGED as error:
        return (CheckFinding("wheel", f"the wheel is damaged: {error}", where=where, remedy="build it again"),)
    if expected and expected.sha256 and file_sha256(path) != expected.sha256:
        what = "the wheel's sha256 is not the one in submission.toml"
        faults.append(
            CheckFinding("wheel-hash", what, where=where, remedy="put the sha256 of this wheel into model.wheel_sha256")
        )
    return tuple(faults)


def open_wheel(path: Path) -> WheelFile | CheckFinding:
    """List a wheel, or say why it is not a valid one."""
    where = path
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return CheckFinding(
            "wheel",
            "the file's name is not that of a wheel",
            where=where,
            remedy="build it with: pip wheel --no-deps .",
        )
    try:
        with open_zip(path) as archive:
            members = tuple(archive.infolist())
    except DAMAGED as error:
        return CheckFinding("wheel", f"the wheel cannot be opened: {error}", where=where, remedy="build it again")
    pure = all(tag.platform == "any" and tag.abi == "none" for tag in tags)
    return WheelFile(path, name, str(version), pure, members)


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's content, never more than it claims nor than :data:`MAX_MEMBER_BYTES`."""
    with archive.open(member) as stream:
        return stream.read(min(member.file_size, MAX_MEMBER_BYTES))


def _shape_faults(wheel: WheelFile, where: Path) -> Iterator[CheckFinding]:
    """Bombs and names, from the directory of the archive alone."""
    members = wheel.members
    total = sum(m.file_size for m in members)
    if len(members) > MAX_ENTRIES or total > MAX_TOTAL_BYTES:
        what = f"{len(members)} entries, {total / 1e6:.0f} MB unpacked: at most {MAX_TOTAL_BYTES // 10**6} MB of code"
        yield CheckFinding("wheel-size", what, where=where, remedy="put weights behind a URL under [weights]")
        return
    for member in members:
        # A megabyte is free: small files of zeros shrink by more than any honest large one.
        most = min(_most_bytes(member), 10**6 + MAX_RATIO * member.compress_size)
        if member.file_size > most:
            yield CheckFinding(
                "wheel-size",
                f"{member.filename[:80]!r} unpacks to {member.file_size} bytes",
                where=where,
                remedy="remove it",
            )
            return
    seen: set[str] = set()
    for member in members:
        name = member.filename
        # On file systems that do not tell case apart, the second one would replace the first.
        folded = name.casefold()
        if _unsafe(name) or member.flag_bits & 0x1 or (member.external_attr >> 16) & 0o170000 == 0o120000:
            what = f"{name[:80]!r} is an unsafe name, a link or encrypted"
            yield CheckFinding("wheel-names", what, where=where, remedy="build it again from plain files")
            return
        if folded in seen:
            yield CheckFinding("wheel-names", f"{name[:80]!r} is there twice", where=where, remedy="build it again")
            return
        seen.add(folded)
    if fault := name_fault(members):
        yield CheckFinding("wheel-names", fault, where=where, remedy="build it again, with: pip wheel --no-deps .")


def _most_bytes(member: zipfile.ZipInfo) -> int:
    folder, _, name = member.filename.rpartition("/")
    return _MOST_PARSED.get(name, MAX_MEMBER_BYTES) if folder.endswith(".dist-info") else MAX_MEMBER_BYTES


def _unsafe(name: str) -> bool:
    path = PurePosixPath(name)
    return (
        not name
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or ":" in name
        or any(not c.isprintable() for c in name)
        or len(name) > 300
    )


def _content_faults(wheel: WheelFile, archive: zipfile.ZipFile, where: Path) -> Iterator[CheckFinding]:
    images = 0
    for member in wheel.members:
        if member.is_dir():
            continue
        path = PurePosixPath(member.filename)
        yield from _name_faults(path, where)
        with archive.open(member) as stream:
            # The first bytes tell a pickle under any name; suffixes alone would be easy to change.
            head = stream.read(512)
        startup = path.suffix == ".pth" and len(path.parts) == 1  # has its own message
        if (path.suffix.lower() in PICKLES and not startup) or _pickled(head):
            what = f"{member.filename[:80]!r} is a pickle or compiled code, which could do anything when opened"
            yield CheckFinding("wheel-pickle", what, where=where, remedy="ship safetensors or ONNX under [weights]")
        elif head.startswith(NATIVE_MAGIC):
            yield _native(wheel, member.filename, where)
        elif path.suffix.lower() in IMAGES:
            images += member.file_size
        elif member.file_size > LARGE_BYTES and path.suffix not in (".py", ".pyi"):
            yield notice(
                "wheel-data",
                f"{member.filename[:80]!r} holds {member.file_size // 1000} kB of data, which a maintainer looks at",
                where=where,
            )
    if images:
        what = f"{images // 1000 + 1} kB of images or arrays: compared with the tiles only if --data is given"
        yield notice("wheel-images", what, where=where)


def _name_faults(path: PurePosixPath, where: Path) -> Iterator[CheckFinding]:
    """Yield findings for files that act by their name or take one of another package."""
    parts = path.parts
    root = parts[0]
    if root.endswith(".data") and len(parts) > 1:
        if parts[1] not in ("purelib", "platlib"):
            what = f"{str(path)[:80]!r} would be put outside of the library folder"
            yield CheckFinding("wheel-scripts", what, where=where, remedy="ship importable modules only")
            return
        parts = parts[2:] or (root,)
    top = parts[0].removesuffix(".py") if len(parts) == 1 else parts[0]
    if path.suffix == ".pth" and len(parts) == 1:
        yield CheckFinding(
            "wheel-pth", f"{path.name!r} runs code in every Python that starts", where=where, remedy="remove it"
        )
    stem = top.split(".")[0]
    if not root.endswith(".dist-info") and (stem in SHADOWED or stem in sys.stdlib_module_names):
        what = f"the top-level name {stem!r} shadows a package that is not yours"
        yield CheckFinding("wheel-shadow", what, where=where, remedy="rename your package")


def _native(wheel: WheelFile, name: str, where: Path) -> CheckFinding:
    if wheel.pure:
        what = f"{name[:80]!r} is native code in a wheel that claims to be pure Python"
        return CheckFinding("wheel-native", what, where=where, remedy="build a platform wheel, or remove it")
    return notice("wheel-native", f"{name[:80]!r} is native code, which a maintainer looks at", where=where)


def _pickled(head: bytes) -> bool:
    """Return the header of pickle protocols 2 to 5, or of an archive that torch.save wrote."""
    zipped = head.startswith(b"PK\x03\x04") and (b"data.pkl" in head or b"/version" in head)
    return zipped or (len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5)


def _metadata_faults(
    wheel: WheelFile, archive: zipfile.ZipFile, expected: Expected | None, where: Path
) -> Iterator[CheckFinding]:
    folders = {m.filename.split("/")[0] for m in wheel.members if ".dist-info/" in m.filename}
    if len(folders) != 1:
        yield CheckFinding(
            "wheel-metadata", f"{len(folders)} .dist-info folders, not one", where=where, remedy="build it again"
        )
        return
    folder = folders.pop()
    files = {m.filename: m for m in wheel.members}
    needed = [f"{folder}/{name}" for name in ("METADATA", "WHEEL", "RECORD")]
    absent = [name for name in needed if name not in files]
    if absent:
        yield CheckFinding("wheel-metadata", f"{absent[0]!r} is missing", where=where, remedy="build it again")
        return
    headers = HeaderParser().parsestr(_text(archive, files[needed[0]]))
    stated = (canonicalize_name(str(headers["Name"] or "")), str(headers["Version"] or ""))
    if stated != (wheel.name, wheel.version):
        yield CheckFinding(
            "wheel-metadata",
            "METADATA and the file's name disagree on name or version",
            where=where,
            remedy="build it again",
        )
    yield from _record_faults(archive, files, needed[2], where)
    points = entry_points(archive)
    yield from _expectation_faults(wheel, expected, points, where)
    names = frozenset(library_name(member.filename) or "" for member in wheel.members)
    native = frozenset(name.split(".", 1)[0] for name in names if name.endswith((".so", ".pyd")))
    for name, target in (points or {}).items():
        module = target.partition(":")[0].strip().replace(".", "/")
        if module not in native and not names & {f"{module}.py", f"{module}/__init__.py"}:
            what = f"the module of the model {name[:60]!r}, {target[:100]!r}, is not in the wheel"
            remedy = "the entry point names a module of the wheel's own package"
            yield CheckFinding("wheel-entry-point", what, where=where, remedy=remedy)


def _expectation_faults(
    wheel: WheelFile, expected: Expected | None, points: Mapping[str, str] | None, where: Path
) -> Iterator[CheckFinding]:
    group = f'[project.entry-points."{ENTRY_POINT_GROUP}"]'
    if not points:
        what = "entry_points.txt cannot be read" if points is None else "the wheel announces no model"
        yield CheckFinding("wheel-entry-point", what, where=where, remedy=f"add {group} to pyproject.toml")
    elif expected and expected.entry_point not in points:
        what = f"the wheel has no model {expected.entry_point!r}, only {', '.join(points)[:100]}"
        yield CheckFinding("wheel-entry-point", what, where=where, remedy="model.entry_point names one of them")
    if expected and (canonicalize_name(expected.distribution), expected.version) != (wheel.name, wheel.version):
        stated = f"{expected.distribution} {expected.version}"
        what = f"the wheel is {wheel.name} {wheel.version}, submission.toml says {stated}"
        yield CheckFinding("wheel-metadata", what, where=where, remedy="submit the wheel that the manifest names")


def entry_points(archive: zipfile.ZipFile) -> dict[str, str] | None:
    """Return the targets ("module:attribute") of a wheel's models by name; None if they cannot be read."""
    found = [m for m in archive.infolist() if re.fullmatch(r"[^/]+\.dist-info/entry_points\.txt", m.filename)]
    if len(found) != 1:
        return {}
    if found[0].file_size > _most_bytes(found[0]):
        return None
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(_text(archive, found[0]))
        pairs = parser.items(ENTRY_POINT_GROUP) if ENTRY_POINT_GROUP in parser else []
    except configparser.Error:
        return None
    return {name: without_extras(value) for name, value in sorted(pairs)}


def _record_faults(
    archive: zipfile.ZipFile, files: dict[str, zipfile.ZipInfo], record: str, where: Path
) -> Iterator[CheckFinding]:
    """RECORD lists every file with its sha256."""
    try:
        rows = list(csv.reader(io.StringIO(_text(archive, files[record])), strict=True))
    except csv.Error:
        yield CheckFinding("wheel-record", "RECORD is not a CSV table", where=where, remedy="build it again")
        return
    if any(len(row) != 3 for row in rows) or len({row[0] for row in rows}) < len(rows):
        what = "RECORD has a row that is not of three columns, or two of one file"
        yield CheckFinding("wheel-record", what, where=where, remedy="build it again")
        return
    listed = {row[0]: row[1] for row in rows}
    for name, member in sorted(files.items()):
        if member.is_dir() or name in (record, f"{record}.jws", f"{record}.p7s"):
            continue
        # Of the content as it is unpacked: RECORD is what an installer goes by, and the digest of code is made of it.
        digest = hashlib.sha256(read_member(archive, member)).digest()
        wanted = "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if listed.get(name) != wanted:
            yield CheckFinding(
                "wheel-record", f"{name[:80]!r} is not what RECORD says", where=where, remedy="build it again"
            )
            return
    ghosts = sorted(set(listed) - set(files))
    if ghosts:
        yield CheckFinding(
            "wheel-record", f"RECORD lists {ghosts[0][:80]!r}, which is not there", where=where, remedy="build it again"
        )


def _text(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    return read_member(archive, member).decode("utf-8-sig", "replace")
