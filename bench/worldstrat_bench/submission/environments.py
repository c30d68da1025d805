"""One locked virtual environment per submission: wheels only, every one with its hash, built before it is used.

Building may use the network unless it is told not to; using an environment never does (the worker has none).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.submission.lock import Locked, parse_lock

READY = "worldstrat-environment.json"
_BUILD_SECONDS = 1800
_TIMEOUT_REMEDY = "the same command tries again"


@dataclass(frozen=True)
class EnvironmentRequest:
    """What an environment is made of.

    Attributes
    ----------
    lock : the text of the lock file.
    python : "3.11", or "" for the harness's own interpreter.
    over_harness : numpy, torch and safetensors come from the harness's site-packages.
    wheels : the model's own wheels beside the lock; each with the sha256 that is expected.
    """

    lock: str
    python: str = ""
    over_harness: bool = False
    wheels: tuple[tuple[Path, str], ...] = ()

    @property
    def key(self) -> str:
        """Names the environment: the same content is built once."""
        parts = [self.lock, self.python, str(self.over_harness), sys.version, sysconfig.get_platform()]
        parts += [sha256 for _, sha256 in self.wheels]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def build_environment(
    request: EnvironmentRequest,
    folder: Path,
    *,
    find_links: Path | None = None,
    offline: bool = False,
    uv: bool | None = None,
) -> Path:
    """The interpreter of the environment of `request` under `folder`, built if it is not there yet.

    Parameters
    ----------
    find_links : folder of wheels to install from.
    offline : install from `find_links` alone.
    uv : build with uv; None: if it is installed.

    Raises
    ------
    InvalidArtefactError
        if the lock is not pinned and hashed, or what it names cannot be installed as wheels of those hashes.
    UsageError
        if there is no interpreter of the version asked for.
    InfrastructureError
        if the disk or the network failed.
    """
    from filelock import FileLock

    locked = parse_lock(request.lock)
    home = folder / request.key
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{request.key}.lock"):
        python = home / "bin" / "python"
        if (home / READY).is_file() and python.exists():
            return python
        shutil.rmtree(home, ignore_errors=True)
        program = _uv() if uv is None or uv else None
        if uv and program is None:
            raise UsageError("uv is not installed", remedy="pip install uv, or build without it")
        try:
            _create(home, request, program)
            _install(home, request, locked, program, find_links, offline=offline)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        (home / READY).write_text(json.dumps({"key": request.key}) + "\n", encoding="utf-8")
    return python


def _create(home: Path, request: EnvironmentRequest, uv: str | None) -> None:
    base = interpreter_of(request.python)
    if uv:
        _run(
            [uv, "venv", "--quiet", "--no-project", "--offline", "--python", str(base), str(home)],
            "create the environment",
        )
    else:
        _run([str(base), "-I", "-m", "venv", "--without-pip", str(home)], "create the environment")
    if request.over_harness:
        folders = [p for p in (*site.getsitepackages(), sysconfig.get_path("platlib")) if Path(p).is_dir()]
        packages = next((home / "lib").glob("python*/site-packages"))
        lines = "".join(f"{path}\n" for path in dict.fromkeys(folders))
        (packages / "worldstrat-harness.pth").write_text(lines, encoding="utf-8")


def _install(
    home: Path,
    request: EnvironmentRequest,
    locked: Sequence[Locked],
    uv: str | None,
    find_links: Path | None,
    *,
    offline: bool,
) -> None:
    requirements = [item.as_line() for item in locked]
    requirements += [
        f"{_named(path)} @ {path.resolve().as_uri()} --hash=sha256:{sha256}" for path, sha256 in request.wheels
    ]
    if not requirements:
        return
    file = home / "requirements.txt"
    file.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
    program = [uv, "pip", "install", "--quiet"] if uv else [sys.executable, "-I", "-m", "pip", "--quiet"]
    target = ["--python", str(home / "bin" / "python")]
    command = [*program, *target] if uv else [*program, *target, "install", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--only-binary", ":all:", "--no-deps", "-r", str(file)]
    if offline:
        command.append("--no-index")
    if find_links is not None:
        command += ["--find-links", str(find_links)]
    _run(command, "install the lock")


def _named(wheel: Path) -> str:
    """The distribution of a wheel's file name."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        return str(parse_wheel_filename(wheel.name)[0])
    except InvalidWheelFilename:
        raise InvalidArtefactError("not the name of a wheel", where=wheel, remedy="build it again") from None


def interpreter_of(version: str) -> Path:
    """An interpreter of that version ("3.11"; "" is the harness's own).

    Raises
    ------
    UsageError
        if there is none on the PATH.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version in ("", own):
        return Path(sys.executable)
    found = shutil.which(f"python{version}")
    if found is None:
        remedy = f"install Python {version}, for example with: uv python install {version}"
        raise UsageError(f"there is no Python {version} here", where="environment.python", remedy=remedy)
    return Path(found)


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def _run(command: Sequence[str], purpose: str) -> None:
    """Run a builder without the user's own configuration of it, so that the lock alone decides."""
    hidden = (
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_NO_BINARY",
        "UV_NO_BINARY",
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "PIP_TARGET",
    )
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=_BUILD_SECONDS, env=environment, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InfrastructureError(f"could not {purpose}: {error}", remedy=_TIMEOUT_REMEDY) from None
    if done.returncode:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split())[-600:]
        remedy = "every requirement needs a wheel for this platform with a hash of the lock"
        raise InvalidArtefactError(f"could not {purpose}: {reason}", where="environment.lock", remedy=remedy)
