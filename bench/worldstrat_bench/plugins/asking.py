"""Asking a Python what it is: in a process that can only read, and believed only as far as its own folder goes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from worldstrat_bench.plugins.reach import spelled

SYSTEM: Final = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store")
"""Folders of the system, which every confined process may read."""

_ASK: Final = (
    "import json,sys,sysconfig;"
    "print(json.dumps([list(sys.version_info[:3]),sys.base_prefix,"
    "sysconfig.get_path('purelib'),sysconfig.get_path('platlib')]))"
)
_SECONDS: Final = 30
_MOST: Final = 1000
"""Beyond every number in a version."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Answer:
    """Statement of a Python about itself: its version, the folder it is installed in, and those of its packages."""

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
    said = _read(_said_by(python))
    # As the kernel finds them: what is compared here is what is granted later.
    answer = Answer(said.version, spelled(said.base), tuple(map(spelled, said.packages)))
    # A worker may read what is stated here, so that an interpreter must not choose it. An installation has its programs
    # in a folder called bin; a program that lies elsewhere would make the folder around a stranger's one of its own.
    own = [path.parent.parent for path in (python, python.resolve()) if path.parent.name == "bin"]
    system = [Path(folder) for folder in SYSTEM]
    if answer.base.resolve() not in [folder.resolve() for folder in own]:
        own = []
    for place in (answer.base, *answer.packages):
        if not any(_lies_in(place, folder) for folder in (*own, *system)):
            raise ValueError(f"it says that its files are in {str(place)[:200]!r}, which is not where it is installed")
    return answer


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


def _read(said: bytes) -> Answer:
    """Return what an answer says; ValueError for anything but three numbers of a version and folders."""
    try:
        version, base, *packages = json.loads(said)
        major, minor, micro = (int(number) for number in version)
        found = Answer((major, minor, micro), Path(base), tuple(map(Path, dict.fromkeys(packages))))
    except (TypeError, RecursionError, OverflowError):
        raise ValueError("it answered something else") from None
    if not all(0 <= number < _MOST for number in found.version):
        raise ValueError("it answered with a version beyond reason")
    return found
