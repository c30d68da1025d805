"""The command line that gives a worker its own world: bubblewrap with namespaces and read-only binds."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from worldstrat_bench.worker.grants import DEVICES, Grants
from worldstrat_bench.worker.plan import Folders

SHARED_MEMORY_BYTES = 1 << 30
NAMESPACES = (
    "--unshare-user",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
)


def find_bubblewrap() -> Path | None:
    """Return where it is installed, if it is."""
    found = shutil.which("bwrap") if sys.platform == "linux" else None
    return Path(found) if found else None


def wrap(grants: Grants, folders: Folders) -> list[str]:
    """Return the options for a command in its own namespaces: no network, no other process, no file but the granted.

    They are handed over in a file (``--args``), since the worker can read the command line of its first process, which
    would name every folder that another grant is for.
    """
    line = [*NAMESPACES, "--uid", "1000", "--gid", "1000", "--hostname", "worker"]
    line += ["--cap-drop", "ALL", "--die-with-parent", "--new-session"]
    # The order is that of the mounts: a later one covers what an earlier one put there.
    line += ["--proc", "/proc", "--dev", "/dev", "--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]
    line += _bind(folders.scratch / "tmp", Path("/tmp"), "--bind")
    for path in grants.read:
        if path.is_symlink() and path.parent == Path("/"):  # /lib -> usr/lib
            line += ["--symlink", str(path.readlink()), str(path)]
        elif Path("/proc") not in path.parents:
            line += _bind(path, path, "--ro-bind")
    for path in grants.listed:  # is there even if it is empty
        line += ["--dir", str(path)]
    # After the folders to read, since the scratch folder may lie in one of them.
    for path in grants.write:
        line += _bind(path, path, "--bind")
    for node in grants.devices:
        # Those come with --dev.
        if str(node) not in DEVICES:
            line += _bind(node, node, "--dev-bind")
    # Last: until here bubblewrap itself makes the folders that things are bound to.
    return [*line, "--remount-ro", "/", "--chdir", str(folders.scratch)]


def _bind(source: Path, target: Path, option: str) -> list[str]:
    return [option, str(source), str(target)]
