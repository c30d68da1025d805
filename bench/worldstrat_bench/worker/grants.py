"""Files that a confined worker may reach, and the refusal to start where they would hold something forbidden."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.plugins.asking import SYSTEM, base_python
from worldstrat_bench.plugins.code import expanded
from worldstrat_bench.plugins.editable import (
    came_with_a_wheel,
    editable_installs,
    holds_installed,
    importable,
)
from worldstrat_bench.plugins.interpreter import Interpreter, import_paths
from worldstrat_bench.plugins.reach import spelled
from worldstrat_bench.plugins.tree import holds_a_home
from worldstrat_bench.plugins.weights import weights_at
from worldstrat_bench.worker.plan import PACKAGE, Folders
from worldstrat_bench.worker.types import ModelSpec

SETTINGS = (
    "/etc/alternatives",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/timezone",
)
KERNEL = ("/sys/devices/system",)
KERNEL_CUDA = ("/sys",)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
CUDA_DEVICES = ("nvidia*", "nvidia-caps/*", "dxg")
"""Below /dev. Not ``nvidia-caps-imex-channels/*``: such a channel gives access to the GPU memory of other machines."""
CUDA_FILES = ("/etc/nvidia", "/etc/OpenCL", "/run/nvidia", "/run/opengl-driver", "/proc/driver/nvidia")


@dataclass(frozen=True)
class Grants:
    """Paths on the host.

    Attributes
    ----------
    read : files and folders to read and execute.
    write : folders for everything.
    devices : device nodes.
    listed : folders whose entries may be listed, and nothing in them be read that is not in `read`.
    """

    read: tuple[Path, ...]
    write: tuple[Path, ...]
    devices: tuple[Path, ...]
    listed: tuple[Path, ...] = ()


def make_grants(interpreter: Interpreter, model: ModelSpec, folders: Folders, *, cuda: bool) -> Grants:
    """Return what this worker needs: the system, the two interpreters, the model, its weights, its scratch folder.

    Of the weights it is given the very files whose digest the record holds.

    Raises
    ------
    UsageError
        if there are no such weights.
    """
    weights = None if model.weights is None else weights_at(model.weights)
    environment, listed = interpreter_paths(interpreter)
    wanted = [
        *map(Path, SYSTEM + SETTINGS + (KERNEL_CUDA + CUDA_FILES if cuda else KERNEL)),
        *environment,
        base_python().parent.parent,
        *model.search_paths,
        *(weights.files.values() if weights else ()),
        folders.harness,
    ]
    devices = [Path(name) for name in DEVICES]
    if cuda:
        wanted += library_folders(os.environ.get("LD_LIBRARY_PATH", ""))
        devices += cuda_devices()
    # Landlock and bubblewrap both need a path that is there, and machines differ in which of these they have.
    read = spelled_out(path for path in wanted if path.exists())
    listed += weights.folders if weights else ()
    nodes = tuple(node for node in devices if node.exists())
    return Grants(read, (folders.scratch,), nodes, spelled_out(listed, nested=True))


def cuda_devices() -> list[Path]:
    """Return the device nodes that a worker on a GPU is granted, of those that are there now."""
    return [node for pattern in CUDA_DEVICES for node in Path("/dev").glob(pattern) if not node.is_dir()]


def library_folders(variable: str) -> list[Path]:
    """Return the folders of ``LD_LIBRARY_PATH``, where some machines keep the GPU driver's libraries; never a home."""
    folders = [Path(text) for text in variable.split(os.pathsep) if text]
    return [folder for folder in folders if folder.is_absolute() and not holds_a_home(folder.resolve())]


def interpreter_paths(interpreter: Interpreter) -> tuple[list[Path], list[Path]]:
    """Return what to read of an environment, the installation behind it and its editable packages; and what to list.

    The folder that an editable install or the user's own ``.pth`` file puts on the path is listed only: it may be a
    whole project, and the digest of the code covers the packages and modules in it. What the ``.pth`` file of a wheel
    names outside of the environment is not the wheel's to give, unless it is a place of installed packages.
    """
    # A virtual environment's interpreter is a chain of links, each of which is followed when the worker is executed.
    paths = [interpreter.prefix, interpreter.base, *links_of(interpreter.executable)]
    every = (install for _, install in editable_installs(interpreter.stating))
    installs = [install for install in every if PACKAGE not in install.places.values()]
    listed = {folder for install in installs for folder in install.folders}
    for install in installs:
        paths += install.places.values()
        paths += (file for file in expanded(install).values() if file.is_symlink())  # what it points to, in its project
    for path in import_paths(interpreter):
        if path in (*interpreter.site_paths, *(interpreter.extra or ())) or holds_installed(path):
            paths.append(path)
        # the harness's own source is of no use to a model
        elif path not in {PACKAGE.parent, *listed} and not came_with_a_wheel(path, interpreter.stating):
            listed.add(path)
            paths += importable(path).values()
    return paths, sorted(listed - {PACKAGE.parent})


def links_of(path: Path) -> list[Path]:
    """Return a symbolic link, what it points to, and so on to the file.

    Each where the kernel finds it: after a link ``..`` leads to what is above its target, and not above the link.
    """
    chain = [spelled(path)]
    while chain[-1].is_symlink() and len(chain) < 40:
        chain.append(spelled(chain[-1].parent / chain[-1].readlink()))
    return chain


def spelled_out(paths: Iterable[Path], *, nested: bool = False) -> tuple[Path, ...]:
    """Return each path as spelled and as resolved, parents first; those that lie in another one only if `nested`."""
    # Not resolved alone: a link must be granted by the name that a program uses for it, too.
    both = {path for given in paths for path in (spelled(given), given.resolve())}
    kept: list[Path] = []
    for path in sorted(both, key=lambda p: (len(p.parts), p)):
        if nested or not any(parent in kept for parent in path.parents):
            kept.append(path)
    return tuple(kept)


def check_disjoint(grants: Grants, forbidden: Iterable[Path]) -> None:
    """Refuse what is forbidden in what is granted, and the other way round: a grant has no exceptions.

    Raises
    ------
    InfrastructureError
        naming both.
    """
    granted = [path.resolve() for path in (*grants.read, *grants.write, *grants.listed)]
    for path in granted:
        if holds_a_home(path):
            raise InfrastructureError(
                "the model would have to be given a folder that holds other people's files",
                where=path,
                remedy="use a virtual environment in its own folder, or --isolation process",
            )
    for kept_out in (path.resolve() for path in forbidden):
        for path in granted:
            if kept_out == path or path in kept_out.parents or kept_out in path.parents:
                raise InfrastructureError(
                    f"the model must not read {kept_out}, but needs {path}, and one lies in the other",
                    where=kept_out,
                    remedy="move the dataset, or the model and its weights, to its own folder, "
                    "or use --isolation process if you trust the model",
                )
