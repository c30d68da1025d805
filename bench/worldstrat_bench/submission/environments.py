"""One locked virtual environment per submission: wheels only, every one with its hash, built before it is used.

Building may use the network unless it is told not to, and sees nothing of the person who builds; using an environment
never does (the worker has no network).
"""

from __future__ import annotations

import hashlib
import shutil
import site
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.plugins.discovery import BASELINES
from worldstrat_bench.plugins.editable import editable_installs
from worldstrat_bench.plugins.interpreter import (
    Interpreter,
    believe_statements_in,
    describe_built,
    inspect_interpreter,
    statement_of,
)
from worldstrat_bench.submission.build_sandbox import BuildRoom, installation_of
from worldstrat_bench.submission.harness_base import refuse_provided, refuse_replaced, refuse_shadowed
from worldstrat_bench.submission.installed import gather, move_modules
from worldstrat_bench.submission.lock import Locked, parse_lock

RULES = "each distribution is installed by itself, looked at, and moved here without caches and path files"
"""Part of the key: an environment that was built by older rules is built again."""

HARNESS_PTH = "worldstrat-harness.pth"


@dataclass(frozen=True)
class EnvironmentRequest:
    """Parts of an environment.

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
        parts = [RULES, self.lock, self.python, str(self.over_harness), sys.version, sysconfig.get_platform()]
        parts += [str(path) for path in _harness_packages()] if self.over_harness else []
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
    """Return the interpreter of the environment of `request` under `folder`, built if it is not there yet.

    Parameters
    ----------
    find_links : folder of wheels to install from.
    offline : install from `find_links` alone.
    uv : build with uv; None: if it is installed.

    Raises
    ------
    InvalidArtefactError
        if the lock is not pinned and hashed, what it names cannot be installed as wheels of those hashes, or it would
        replace something of the harness.
    UsageError
        if there is no interpreter of the version asked for.
    InfrastructureError
        if the disk or the network failed.
    """
    from filelock import FileLock

    locked = parse_lock(request.lock)
    if request.over_harness:
        refuse_replaced(locked)
        refuse_provided(canonicalize_name(_named(path)) for path, _ in request.wheels)
    home = folder.resolve() / request.key
    folder.mkdir(parents=True, exist_ok=True)
    believe_statements_in(folder)
    # Two runs of one submission would else build into the same folder.
    with FileLock(folder / f"{request.key}.lock"):
        python = home / "bin" / "python"
        statement = statement_of(home)
        if statement.is_file() and python.exists():
            return python
        # Its absence says that the environment is not whole: it goes first and is written last.
        statement.unlink(missing_ok=True)
        shutil.rmtree(home, ignore_errors=True)
        program = _uv() if uv is None or uv else None
        if uv and program is None:
            raise UsageError("uv is not installed", remedy="pip install uv, or build without it")
        try:
            _build(home, request, locked, program, find_links, offline=offline)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
        base = inspect_interpreter(interpreter_of(request.python))
        extra = _harness_packages() if request.over_harness else ()
        built = Interpreter(python, base.version, home, base.base, (_packages(home),), extra=extra)
        statement.write_text(describe_built(built), encoding="utf-8")
    return python


def _build(
    home: Path,
    request: EnvironmentRequest,
    locked: Sequence[Locked],
    uv: str | None,
    find_links: Path | None,
    *,
    offline: bool,
) -> None:
    """Make the environment and install the lock; over the harness, refuse what would run in place of its modules."""
    scratch = home.with_name(f".{request.key}.scratch")
    try:
        for place in (home, scratch):
            place.mkdir(exist_ok=True)
        _create(home, scratch, request, uv)
        room = _room(home, scratch, request, uv, find_links, offline=offline)
        placed = _install(room, home / "bin" / "python", request, locked, uv, find_links)
        # Looked at file by file on the way: an installer puts a file wherever its wheel says.
        together = scratch / "together"
        together.mkdir()
        gather(placed, together)
        move_modules(together, home, _packages(home))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if request.over_harness:
        own = {item.name for item in locked} | {canonicalize_name(_named(path)) for path, _ in request.wheels}
        refuse_shadowed(_packages(home), _harness_packages(), own)


def _create(home: Path, scratch: Path, request: EnvironmentRequest, uv: str | None) -> None:
    base = interpreter_of(request.python)
    readable = (*installation_of(base), *((Path(uv),) if uv else ()))
    if uv:
        command = [uv, "venv", "--quiet", "--no-project", "--offline", "--allow-existing", "--python", str(base)]
    else:
        command = [str(base), "-I", "-m", "venv", "--without-pip"]
    BuildRoom(home, scratch, readable, network=False).run([*command, str(home)], "create the environment")
    if request.over_harness:
        lines = "".join(f"{path}\n" for path in _harness_packages())
        (_packages(home) / HARNESS_PTH).write_text(lines, encoding="utf-8")


def _harness_packages() -> tuple[Path, ...]:
    """Return the folders of the harness's packages, with that of the reference models where they are editable."""
    folders = map(Path, (*site.getsitepackages(), sysconfig.get_path("platlib")))
    installed = tuple(dict.fromkeys(path for path in folders if path.is_dir()))
    # Python does not read .pth files in a folder that a .pth file names. Of the editable packages of this machine only
    # the reference models are the same for all who have this version of the harness.
    own = (install.folders for name, install in editable_installs(installed) if name == BASELINES)
    return (*installed, *(folder for folders in own for folder in folders if folder not in installed))


def _packages(home: Path) -> Path:
    return next((home / "lib").glob("python*/site-packages"))


def _room(
    home: Path, scratch: Path, request: EnvironmentRequest, uv: str | None, find_links: Path | None, *, offline: bool
) -> BuildRoom:
    """Return where the lock is installed: what an installer needs, and the network unless told not to.

    It writes to an empty folder, never to the environment: a wheel says where its files go, and so could put one in the
    place of the interpreter or of pyvenv.cfg.
    """
    target = scratch / "installed"
    target.mkdir()
    own = own_interpreter()
    readable = [home, *installation_of(interpreter_of(request.python)), *installation_of(own)]
    readable += [Path(uv)] if uv else []
    readable += [path.resolve() for path, _ in request.wheels]
    readable += [find_links.resolve()] if find_links is not None else []
    return BuildRoom(target, scratch, tuple(readable), network=not offline)


def _install(
    room: BuildRoom,
    python: Path,
    request: EnvironmentRequest,
    locked: Sequence[Locked],
    uv: str | None,
    find_links: Path | None,
) -> list[tuple[str, Path]]:
    """Install the lock for an interpreter; return name and folder of each distribution, which has one to itself.

    Together in one folder a later wheel would take the place of files of an earlier one, and all would be as if the
    earlier one had brought them.
    """
    lines: dict[str, list[str]] = {}
    for item in locked:
        lines.setdefault(item.name, []).append(item.as_line())
    for path, sha256 in request.wheels:
        line = f"{_named(path)} @ {path.resolve().as_uri()} --hash=sha256:{sha256}"
        lines.setdefault(canonicalize_name(_named(path)), []).append(line)
    program = [uv, "pip", "install", "--quiet"] if uv else [str(own_interpreter()), "-I", "-m", "pip", "--quiet"]
    # The interpreter is started here for the last time outside of a worker: it has no package of a stranger yet.
    command = [*program, "--python", str(python)]
    command += [] if uv else ["install", "--no-input", "--no-compile"]
    # Wheels only, since building a source distribution runs its code; no dependencies, since the lock names all of
    # them.
    command += ["--require-hashes", "--only-binary", ":all:", "--no-deps"]
    if not room.network:
        command.append("--no-index")
    if find_links is not None:
        command += ["--find-links", str(find_links.resolve())]
    placed: list[tuple[str, Path]] = []
    for name, own in sorted(lines.items()):
        file, target = room.scratch / "requirements.txt", room.home / name
        file.write_text("".join(f"{line}\n" for line in own), encoding="utf-8")
        room.run([*command, "--target", str(target), "-r", str(file)], f"install {name} of the lock")
        placed.append((name, target))
    return placed


def _named(wheel: Path) -> str:
    """Return the distribution of a wheel's file name."""
    try:
        return str(parse_wheel_filename(wheel.name)[0])
    except InvalidWheelFilename:
        raise InvalidArtefactError("not the name of a wheel", where=wheel, remedy="build it again") from None


def interpreter_of(version: str) -> Path:
    """Return an interpreter of that version ("3.11"; "" is the harness's own).

    Raises
    ------
    UsageError
        if there is none on the PATH.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version in ("", own):
        return own_interpreter()
    found = shutil.which(f"python{version}")
    if found is None:
        remedy = f"install Python {version}, for example with: uv python install {version}"
        raise UsageError(f"there is no Python {version} here", where="environment.python", remedy=remedy)
    return Path(found).resolve()


def own_interpreter() -> Path:
    """Return the harness's own interpreter: that of its virtual environment, else where its links lead."""
    own = Path(sys.executable)
    return own if sys.prefix != sys.base_prefix else own.resolve()


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")
