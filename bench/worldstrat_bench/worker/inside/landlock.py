"""Landlock: this process, and all it starts, reaches only the files that are named here.

There are no deny rules in Landlock, only a list of what is allowed: the host makes sure that nothing forbidden
lies inside it. ``stat`` is not restricted at all. See landlock(7).

Runs on the harness's own interpreter before the model's: standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from typing import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every machine
VERSION_FLAG = 1
PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
FIRST_VERSION = (1 << 13) - 1
READ = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ_FILE | WRITE_FILE | TRUNCATE | IOCTL_DEV
OVERWRITE = WRITE_FILE | TRUNCATE
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

TCP = 0b11
SCOPE_SOCKETS_AND_SIGNALS = 0b11


def version() -> int:
    """Return the version of the kernel's Landlock ABI; 0 if it is unavailable or switched off."""
    result = _libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION_FLAG)
    return max(0, int(result))


def scopes_signals() -> bool:
    """Return whether this kernel keeps signals and abstract sockets inside."""
    return version() >= 6


def restrict(
    read: Iterable[str],
    write: Iterable[str],
    devices: Iterable[str],
    overwrite: Iterable[str] = (),
    listed: Iterable[str] = (),
) -> None:
    """Confine this process for good. Paths that do not exist are left out.

    Parameters
    ----------
    read : files and folders to read and execute.
    write : folders to do everything in, but for device files.
    devices : device nodes to open for reading, writing and ioctl.
    overwrite : folders whose files may be written and cut to nothing; none can be made or removed there.
    listed : folders whose entries may be listed.
    """
    abi = version()
    if abi < 1:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    handled = handled_rights(abi)
    ruleset = _create(abi, handled)
    try:
        for path in read:
            _allow(ruleset, path, READ & handled)
        for path in write:
            _allow(ruleset, path, handled & ~IOCTL_DEV)
        for path in devices:
            _allow(ruleset, path, DEVICE & handled)
        for path in overwrite:
            _allow(ruleset, path, OVERWRITE & handled)
        for path in listed:
            _allow(ruleset, path, READ_DIR & handled)
        libc = _libc()
        if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.syscall(RESTRICT_SELF, ruleset, 0) != 0:
            raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    finally:
        os.close(ruleset)


def handled_rights(abi: int) -> int:
    """Return every right over files that this version of Landlock knows."""
    rights = FIRST_VERSION
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        if abi >= since:
            rights |= right
    return rights


def _create(abi: int, handled: int) -> int:
    attributes = struct.pack("=Q", handled)
    if abi >= 4:
        attributes += struct.pack("=Q", TCP)
    if abi >= 6:
        attributes += struct.pack("=Q", SCOPE_SOCKETS_AND_SIGNALS)
    fd = _libc().syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    return int(fd)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= ON_FILES
        rule = struct.pack("=Qi", rights, fd)
        if _libc().syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), "landlock_add_rule", path)
    finally:
        os.close(fd)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
