"""File systems as runs need them: one process at a time, and which of them are network file systems."""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worldstrat_bench.errors import InfrastructureError, UsageError

NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p",
        "acfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "fhgfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs3",
        "nfs4",
        "orangefs",
        "panfs",
        "smb2",
        "smb3",
        "smbfs",
        "virtiofs",
        "wekafs",
    }
)
"""Types, as mount names them, on which SQLite's shared-memory log must not be used."""

_REMOTE_FUSE = ("sshfs", "s3fs", "gcsfuse", "rclone", "goofys", "blobfuse", "juicefs", "glusterfs", "cephfs", "davfs")
_MOUNTS = Path("/proc/self/mountinfo")


def _module_of_locks() -> Any:
    """Return the module ``fcntl``; None on Windows."""
    try:
        return importlib.import_module("fcntl")
    except ImportError:
        return None


_FCNTL = _module_of_locks()


def file_system_of(path: Path, mounts: str) -> str:
    """Return the type of the file system that holds `path`, from ``/proc/self/mountinfo``'s text; "" if unknown."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        point = Path(fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        if (path == point or point in path.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), right.split(" ")[0]
    return kind


def is_network(path: Path) -> bool:
    """Return whether `path` lies on a file system of another machine, as far as this one says."""
    if not _MOUNTS.exists():
        return False
    kind = file_system_of(path.resolve(), os.fsdecode(_MOUNTS.read_bytes()))
    return kind in NETWORK_FILE_SYSTEMS or (kind.startswith("fuse.") and kind[5:].startswith(_REMOTE_FUSE))


class HeldError(UsageError):
    """Another process is working on the run."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the system lets go when the process dies, however it dies.

    Raises
    ------
    HeldError
        if another process holds it.
    """
    if _FCNTL is None:
        with _locked_file(folder):
            yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            _FCNTL.flock(descriptor, _FCNTL.LOCK_EX | _FCNTL.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise _held(folder) from None
            # Some network file systems lock no directories; SQLite's exclusive lock on the journal guards there.
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _locked_file(folder: Path) -> Iterator[None]:
    """Hold a folder where folders cannot be opened, as on Windows: by a file in it."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise _held(folder) from None
    try:
        yield
    finally:
        lock.release()


def _held(folder: Path) -> HeldError:
    remedy = "wait for it, stop it, or give another --out"
    return HeldError("another process is working on this run", where=folder, remedy=remedy)


def share_lock(folder: Path) -> int | None:
    """Share the lock of :func:`locked`; None if a process holds it, or if this system cannot tell.

    The caller closes the descriptor.
    """
    if _FCNTL is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _FCNTL.flock(descriptor, _FCNTL.LOCK_SH | _FCNTL.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        pass  # some network file systems lock no folders: nothing is known of writers there
    return descriptor


def make_folder(folder: Path) -> Path:
    """Return the folder, made if need be, as an absolute path.

    Raises
    ------
    UsageError
        if there is a file of that name.
    InfrastructureError
        if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(
            "there is a file where a folder should go", where=folder, remedy="give another --out"
        ) from None
    except OSError as error:
        raise InfrastructureError(f"the folder cannot be made: {error.strerror}", where=folder) from None
    return folder.resolve()
