"""The start of one worker: its folders, its environment, its command line."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.plugins.asking import base_python
from worldstrat_bench.plugins.code import expanded
from worldstrat_bench.plugins.editable import editable_installs
from worldstrat_bench.plugins.interpreter import Interpreter
from worldstrat_bench.worker.inside.supervise import WIRE, remove_tree

PACKAGE = Path(__file__).resolve().parent.parent
BESIDE = ("__init__.py", "api.py", "errors.py", "memory.py", "preprocessing.py", "worker/__init__.py")
"""The harness's modules that a worker can see beside the folder :mod:`worldstrat_bench.worker.inside`."""

_PASSED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_PROGRAMS = ("/usr/local/bin", "/usr/bin", "/bin")
_PASSED_CUDA = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_MODULE_LOADING",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "NVIDIA_TF32_OVERRIDE",
)
"""Settings of the GPU, name by name: tokens are called NVIDIA_API_KEY and the like."""


@dataclass(frozen=True)
class Folders:
    """The folders of one worker, all below `root`, all removed with it.

    Attributes
    ----------
    harness : the exposed modules; the worker reads it.
    scratch : HOME, TMPDIR and caches; the worker writes to it. Fresh at every start.
    """

    root: Path
    harness: Path
    scratch: Path

    @property
    def built(self) -> Path:
        """Links to the files of packages whose loader would build them."""
        return self.harness / "built"

    @property
    def readable(self) -> Path:
        """A file for the self-test to try to change, of those that the worker may read."""
        return self.harness / "readable"

    @property
    def launch_file(self) -> Path:
        return self.harness / "launch.json"

    def remove(self) -> None:
        """Remove everything, read-only folders of the model included."""
        remove_tree(str(self.root))


def new_root() -> Path:
    """Return a name for a worker's folders below the system's temporary one. Nothing is made yet."""
    return Path(tempfile.gettempdir()).resolve() / f"worldstrat-bench-worker-{secrets.token_hex(8)}"


def make_folders(root: Path) -> Folders:
    """Make fresh private folders with the exposed modules in place."""
    root.mkdir(mode=0o700)
    folders = Folders(root, root / "harness", root / "scratch")
    package = folders.harness / "worldstrat_bench"
    inside = Path("worker") / "inside"
    # A copy, not the installed package: a grant covers a whole folder, and the rest of the harness (how it scores,
    # where things lie) is not for a model to read.
    shutil.copytree(PACKAGE / inside, package / inside, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE:
        shutil.copy2(PACKAGE / name, package / name)
    folders.readable.write_bytes(b"x")
    for name in ("home", "tmp", "cache"):
        (folders.scratch / name).mkdir(parents=True)
    return folders


def link_built(folders: Folders, interpreter: Interpreter) -> dict[str, str]:
    """Lay out links to the packages of meson-python; return the environment variable that stops its loader.

    The loader asks ninja at every import whether there is something to build, and keeps a log, which a worker cannot.
    """
    builds = []
    for _, install in editable_installs(interpreter.stating):
        if install.build is not None:
            builds.append(str(install.build))
            for name, file in expanded(install).items():
                link = folders.built / name
                # The names are the package's: one that leads out of the folder would have us make links anywhere.
                if link.resolve().is_relative_to(folders.built.resolve()):
                    # Two names that meet, "x" and "x/y", are of a package that could not be imported either.
                    with contextlib.suppress(FileExistsError, NotADirectoryError):
                        link.parent.mkdir(parents=True, exist_ok=True)
                        link.symlink_to(file)
    return {"MESONPY_EDITABLE_SKIP": os.pathsep.join(builds)} if builds else {}


def environment(
    folders: Folders,
    interpreter: Interpreter,
    threads: int | None,
    host: Mapping[str, str],
    readable: Sequence[Path] | None = None,
) -> dict[str, str]:
    """Return a clean environment: no token, no proxy, no path of the user; caches in the scratch folder.

    Parameters
    ----------
    readable : what a confined worker may read; None if it is not confined, and finds programs as its user does.
    """
    added = [path for path in (folders.harness, folders.built, interpreter.user_site) if path and path.is_dir()]
    # By name, never by exception: which variables hold secrets cannot be known.
    kept = {key: value for key, value in host.items() if key in _PASSED + _PASSED_CUDA}
    home, cache, temporary = (str(folders.scratch / name) for name in ("home", "cache", "tmp"))
    kept.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP", "TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH"), temporary))
    kept.update(dict.fromkeys(("XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME", "TRITON_CACHE_DIR", "MPLCONFIGDIR"), cache))
    kept.update(
        HOME=home,
        USER="worker",
        LOGNAME="worker",
        PYTHONPATH=os.pathsep.join(map(str, added)),
        # The order of a model's sets is the same in every process, so that a tile repeats.
        PYTHONHASHSEED="0",
        PYTHONSAFEPATH="1",
        PYTHONNOUSERSITE="1",
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONUNBUFFERED="1",
        # Else torch would run what any package of the environment offers it as a back end, before the model.
        TORCH_DEVICE_BACKEND_AUTOLOAD="0",
        # Without it torch's deterministic mode refuses to multiply matrices on CUDA; it counts only if it is set
        # before CUDA starts.
        CUBLAS_WORKSPACE_CONFIG=":4096:8",
        # Freed memory is kept: a tile is tens of MB in a few arrays, and fresh pages cost more than its transport.
        MALLOC_MMAP_THRESHOLD_=str(1 << 30),
        MALLOC_TRIM_THRESHOLD_=str(1 << 30),
    )
    if threads:
        kept.update(OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    kept.setdefault("LANG", "C.UTF-8")
    if readable is not None:
        # The user's folders are neither readable there nor the model's to know. Compilers are found: they are the
        # system's, or lie in the environment.
        kept["PATH"] = os.pathsep.join((str(interpreter.executable.parent), *_PROGRAMS))
        libraries = [text for text in kept.pop("LD_LIBRARY_PATH", "").split(os.pathsep) if _lies_in(text, readable)]
        kept.update({"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else {})
    return kept


def _lies_in(text: str, readable: Sequence[Path]) -> bool:
    path = Path(os.path.normpath(text))
    return any(folder in (path, *path.parents) for folder in readable)


def keeper_command(control_fd: int, wire_fd: int, root: Path, shared_memory: Path) -> list[str]:
    """Return the command line of the keeper."""
    script = PACKAGE / "worker" / "inside" / "supervise.py"
    words = (script, control_fd, wire_fd, root, shared_memory)
    return [str(base_python()), "-I", "-S", "-B", *map(str, words)]


def launcher_command(folders: Folders) -> list[str]:
    """Return the command line of the launcher, where it needs its own process."""
    script = folders.harness / "worldstrat_bench" / "worker" / "inside" / "launch.py"
    return [str(base_python()), "-I", "-S", "-B", str(script), str(folders.launch_file)]


def worker_command(interpreter: Interpreter) -> list[str]:
    """Return the command line of the worker itself."""
    return [str(interpreter.executable), "-s", "-m", "worldstrat_bench.worker.inside", str(WIRE)]


def write_launch(folders: Folders, **content: object) -> None:
    """Write the file that keeper and launcher read; its name is gone before the model starts."""
    folders.launch_file.write_text(json.dumps(content), encoding="utf-8")
