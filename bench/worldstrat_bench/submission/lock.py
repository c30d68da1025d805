"""Lock files: every requirement pinned to one version or address, every one with its hashes."""

from __future__ import annotations

import hashlib
import math
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plain_files import read_plain

MAX_LOCK_BYTES = 2 * 1024 * 1024
_MOST_REQUIREMENTS = 2000
_LONGEST_NAME = 100
_LONGEST_FILE_NAME = 255
"""Characters, as file systems have it."""
_MOST_TAGS = 1000
"""Of a wheel: those of numpy's have some ten."""
_LONGEST_REQUIREMENT = 4000
"""Characters without its hashes: what parses requirements takes seconds for a long one."""
_COMMENT = re.compile(r"(^|\s)#.*$")
_EXPANDED = re.compile(r"[${}]")
_HASH = re.compile(r"\s--hash=sha256:([0-9a-f]{64})(?=\s|$)")


@dataclass(frozen=True)
class Locked:
    """One pinned requirement. `pin` is ``==version`` or ``@ url``, `marker` as written."""

    name: str
    pin: str
    marker: str
    hashes: tuple[str, ...]
    line: int

    def as_line(self) -> str:
        """Return the requirement in the form that pip and uv read."""
        marker = f" ; {self.marker}" if self.marker else ""
        hashes = "".join(f" --hash=sha256:{digest}" for digest in self.hashes)
        separator = " " if self.pin.startswith("@") else ""
        return f"{self.name}{separator}{self.pin}{marker}{hashes}"


class LockError(InvalidArtefactError):
    """A lock that cannot be used, with its line."""

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None, line: int | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy or _REMEDY)
        self.line = line


def installed_sha256(locked: Sequence[Locked], wheels: Iterable[str]) -> str:
    """Return the digest of what a lock installs: any package of it may run beside the model, imported by it or not.

    Parameters
    ----------
    wheels : sha256 of the wheels beside the manifest.
    """
    lines = sorted([*(item.as_line() for item in locked), *(f"wheel {sha256}" for sha256 in wheels)])
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def load_lock(path: Path) -> tuple[Locked, ...]:
    """Read a lock file.

    Raises
    ------
    LockError
        with the line that is not pinned, has no hash, or is an option of pip.
    """
    try:
        if path.is_symlink():
            raise LockError("the lock is a link", where=path)
        if path.exists() and not path.is_file():
            raise LockError("the lock is not a file", where=path)
        content = read_plain(path, MAX_LOCK_BYTES)
        if len(content) > MAX_LOCK_BYTES:
            raise LockError(f"larger than {MAX_LOCK_BYTES // 1024} kB", where=path)
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise LockError("the lock file is missing", where=path) from None
    except (OSError, UnicodeDecodeError):
        raise LockError("the lock cannot be read as UTF-8", where=path) from None
    return parse_lock(text, where=path)


def parse_lock(text: str, *, where: object = "requirements.lock") -> tuple[Locked, ...]:
    """Read the text of a lock file; see :func:`load_lock`."""
    lines = tuple(islice(_logical_lines(text), _MOST_REQUIREMENTS + 1))
    if len(lines) > _MOST_REQUIREMENTS:
        raise LockError(f"more than {_MOST_REQUIREMENTS} requirements", where=where, line=lines[-1][0])
    locked = tuple(_locked(line, number, where) for number, line in lines)
    seen: set[tuple[str, str]] = set()
    for item in locked:
        if (item.name, item.marker) in seen:
            raise LockError(f"{item.name} is listed twice", where=where, line=item.line)
        seen.add((item.name, item.marker))
    return locked


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, continued ones joined, with the number of their first line."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        # Only after a space: a fragment of an address begins with # as well.
        bare = _COMMENT.sub("", line).strip() if "#" in line else line.strip()
        if not parts:
            first = number
        if bare.endswith("\\"):
            parts.append(bare[:-1].strip())
            continue
        parts.append(bare)
        joined = " ".join(part for part in parts if part)
        parts = []
        if joined:
            yield first, joined
    if any(parts):
        yield first, " ".join(parts)


def _locked(line: str, number: int, where: object) -> Locked:
    if line.startswith("-"):
        what = f"options of pip do not belong in a lock: {line[:60]!r}"
        raise LockError(what, where=where, line=number, remedy="indexes are the maintainers' choice: remove the line")
    if found := _EXPANDED.search(line):
        # pip and uv put variables of their environment there: into an address that a stranger wrote, for instance.
        what = f"{found.group()!r} does not belong in a lock: installers take it for a variable"
        raise LockError(what, where=where, line=number, remedy="write the value itself, in an address percent-encoded")
    hashes = tuple(_HASH.findall(line))
    bare = _HASH.sub("", line).strip()
    if len(bare) > _LONGEST_REQUIREMENT:
        what = f"a requirement of more than {_LONGEST_REQUIREMENT} characters: {bare[:60]!r}"
        raise LockError(what, where=where, line=number)
    # Options of a single requirement, such as --config-settings, would be passed on to the installer.
    if "--" in bare.split(";")[0].split("#")[0] and " --" in bare:
        raise LockError(f"not understood: {bare[:80]!r}", where=where, line=number)
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        raise LockError(f"not a requirement: {bare[:80]!r}", where=where, line=number) from None
    if len(requirement.name) > _LONGEST_NAME:
        what = f"a name of more than {_LONGEST_NAME} characters: {requirement.name[:60]!r}"
        raise LockError(what, where=where, line=number)
    # "==1.*" is a range in spite of its operator.
    pins = [s for s in requirement.specifier if s.operator in ("==", "===") and "*" not in s.version]
    if requirement.url is None and (len(pins) != 1 or len(list(requirement.specifier)) != 1):
        raise LockError(f"{requirement.name} is not pinned to one version", where=where, line=number)
    if requirement.url is not None and not requirement.url.startswith("https://"):
        raise LockError(f"{requirement.name} is not fetched by https", where=where, line=number)
    if requirement.url is not None and (fault := wheel_address_fault(requirement.url, requirement.name)):
        remedy = "give the address of a wheel (.whl): anything else is built, which runs its code"
        raise LockError(f"{requirement.name}: {fault}", where=where, line=number, remedy=remedy)
    if not hashes:
        raise LockError(f"{requirement.name} has no --hash=sha256:", where=where, line=number)
    pin = f"@ {requirement.url}" if requirement.url else str(pins[0])
    marker = str(requirement.marker) if requirement.marker else ""
    return Locked(canonicalize_name(requirement.name), pin, marker, hashes, number)


def wheel_address_fault(url: str, distribution: str) -> str:
    """Return why an address is not that of a wheel of a distribution; "" if it is one.

    Installers obey "wheels only" for what they look up by name, and build whatever else an address leads to.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"the address cannot be read: {error}"
    name = posixpath.basename(unquote(parts.path))
    if parts.fragment or name != unquote(posixpath.basename(parts.path)):
        return "the address has a fragment or an encoded slash, after which installers take it for something else"
    # Its tags are multiplied out: three lists of hundreds of them take gigabytes.
    tags = math.prod(part.count(".") + 1 for part in name.removesuffix(".whl").split("-")[-3:])
    if len(name) > _LONGEST_FILE_NAME or tags > _MOST_TAGS:
        return f"the address ends in {name[:60]!r}, a name that is too long or has too many tags"
    try:
        found = parse_wheel_filename(name)[0]
    except InvalidWheelFilename:
        return f"the address ends in {name[:60]!r}, which is not the name of a wheel"
    if found != canonicalize_name(distribution):
        return f"the address is of a wheel of {found}"
    return ""


_REMEDY = "write it with: uv pip compile --generate-hashes --no-header requirements.in -o requirements.lock"
