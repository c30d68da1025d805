"""Asking a Python its version, in a process that can only read: where its files are is not its to say."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

SYSTEM: Final = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store")
"""Folders of the system, which every confined process may read."""

_ASK: Final = "import json,sys;print(json.dumps(list(sys.version_info[:3])))"
_VERSIONED: Final = re.compile(r"python[0-9]+[.][0-9]+")
_SECONDS: Final = 30
_MOST: Final = 1000
"""Beyond every number in a version."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Answer:
    """A Python: its version as it says, the folder it is installed in, and those of its packages."""

    version: tuple[int, int, int]
    base: Path
    packages: tuple[Path, ...]


def base_python() -> Path:
    """Return the harness's own interpreter without its virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def ask(python: Path) -> Answer:
    """Start a Python in isolated mode without site-packages, and ask it.

    Whatever its files are: where the machine has Landlock it can neither write nor reach a network, and nothing that it
    starts outlives the question.

    Raises
    ------
    OSError, ValueError, SubprocessError
        if it does not start, or does not answer what such a Python answers.
    """
    base = _installation(python)
    version = _read(_said_by(python))
    _check_version(version, base, python.resolve().name)
    return Answer(version, base, _packages(base, version))


def _installation(python: Path) -> Path:
    """Return the folder that a Python is installed in, by where its file lies.

    A worker may read all of it. What the Python says of it would be a choice of whoever made its files, and any choice
    can tell a worker what was read in between.
    """
    program = python.resolve()
    # A program that lies elsewhere would make the folder around a stranger's one of its own.
    if program.parent.name != "bin":
        raise ValueError(f"it lies in {str(program.parent)[:200]!r}, which is not the bin of an installation")
    return program.parent.parent


def _check_version(version: tuple[int, int, int], base: Path, program: str) -> None:
    """Refuse a version that is not the one of the installation: a package can bring folders of others, and lie."""
    named = f"python{version[0]}.{version[1]}"
    known = {folder.name for place in ("lib", "lib64") for folder in base.glob(f"{place}/python*.*")}
    there = {name for name in known if any((base / place / name / "os.py").is_file() for place in ("lib", "lib64"))}
    # The file of an installed Python is called by its version; where it is not, there has to be one version alone.
    if named != program if _VERSIONED.fullmatch(program) else there != {named}:
        raise ValueError(
            f"it says that it is {named}, and is {program} of {', '.join(sorted(there))[:100] or 'nothing'}"
        )


def _packages(base: Path, version: tuple[int, int, int]) -> tuple[Path, ...]:
    """Return the folders of packages of an installation that are there, in the order in which Python searches them."""
    named = f"python{version[0]}.{version[1]}"
    if not any((base / library / named).is_dir() for library in ("lib", "lib64")):
        raise ValueError(f"there is no {named} in {str(base)[:200]!r}")
    found = [base / library / named / "site-packages" for library in ("lib", "lib64")]
    if base == Path("/usr"):
        own = (f"local/lib/{named}/site-packages", f"local/lib/{named}/dist-packages", "lib/python3/dist-packages")
        found = [*(base / name for name in own), *found]
    allowed = (base, *map(Path, SYSTEM))
    kept = {path.resolve(): path for path in reversed(found) if path.is_dir()}
    return tuple(path for place, path in reversed(kept.items()) if any(_lies_in(place, folder) for folder in allowed))


def _lies_in(place: Path, folder: Path) -> bool:
    """Return whether an absolute place is a folder or below it, links followed; none lies in the root folder."""
    return place.is_absolute() and folder != Path("/") and place.resolve().is_relative_to(folder.resolve())


def _said_by(python: Path) -> bytes:
    """Return what a Python prints when it is asked."""
    variables = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH") if key in os.environ}
    description = {
        "harness": str(_PACKAGE.parent),
        "argv": [str(python), "-I", "-S", "-B", "-c", _ASK],
        "env": variables,
    }
    script = _PACKAGE / "worker" / "inside" / "ask.py"
    words = [str(base_python()), "-I", "-S", "-B", str(script), json.dumps(description)]
    # A file and not a pipe: it cannot be filled, and what is left of a family of processes does not hold it open.
    with TemporaryFile() as answer:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            code = process.wait(_SECONDS)
        finally:
            # What it started, too: a confined process cannot leave its group.
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code:
            raise subprocess.SubprocessError(f"it ended with exit code {code}")
        answer.seek(0)
        return answer.read(1 << 16)


def _read(said: bytes) -> tuple[int, int, int]:
    """Return the version that an answer says; ValueError for anything but three numbers of one."""
    try:
        major, minor, micro = (int(number) for number in json.loads(said))
    except (TypeError, RecursionError, OverflowError):
        raise ValueError("it answered something else") from None
    if not all(0 <= number < _MOST for number in (major, minor, micro)):
        raise ValueError("it answered with a version beyond reason")
    return major, minor, micro
