"""A seccomp filter that takes from this process, and from all it starts, what Landlock cannot take.

The filter is a classic BPF program, assembled here: one comparison and one verdict per system call, and a few
calls that are judged by their arguments. Everything else is allowed, since torch and CUDA use a great deal of the
kernel; what the filter is to stop is listed in :mod:`worldstrat_bench.worker.inside.syscalls`.

Runs on the harness's own interpreter before the model's: standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from typing import Dict, Iterable, List, Set, Tuple

from worldstrat_bench.worker.inside import syscalls

PR_SET_NO_NEW_PRIVS = 38
SET_MODE_FILTER = 1
FLAG_SPEC_ALLOW = 1 << 2

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
KILL_PROCESS = 0x80000000

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
BITS = 0x45  # BPF_JMP | BPF_JSET | BPF_K
AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
RETURN = 0x06

NR, ARCH, ARGS = 0, 4, 16
X32_BIT = 0x40000000
NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
AF_UNIX, SOCK_TYPE_MASK, SOCK_STREAM, SOCK_SEQPACKET = 1, 0xF, 1, 5
SOCK_FLAGS = 0o2000000 | 0o4000  # SOCK_CLOEXEC, SOCK_NONBLOCK
TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
IOCTL_KIND = 0xFF00
FILE_SYSTEM_KINDS = (0x6600, 0x5800, 0x7600, 0x9400, 0xF500)
"""Of ioctl numbers: those that file systems share ("f", "X", "v"), of btrfs (clones, too) and of f2fs."""
CLONE_THREAD, CLONE_FILES, CLOSE_RANGE_UNSHARE = 0x10000, 0x400, 2
F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY, F_SETDELEG = 8, 10, 15, 1024, 1026, 1040
O_ACCMODE, O_WRONLY, O_RDWR, O_TRUNC = 3, 1, 2, 0o1000
PRIO_PROCESS, IOPRIO_WHO_PROCESS = 0, 1

Instruction = Tuple[int, int, int, int]


class Machine:
    """Facts of a processor family: audit architecture, column of the tables, number of seccomp(2)."""

    def __init__(self, audit: int, column: int, seccomp: int) -> None:
        self.audit = audit
        self.column = column
        self.seccomp = seccomp

    def number(self, pair: Tuple[int, int]) -> int:
        """Return the number of one table entry; -1 where this machine has no such call."""
        return pair[self.column]


MACHINES: Dict[str, Machine] = {
    "x86_64": Machine(0xC000003E, 0, 317),
    "aarch64": Machine(0xC00000B7, 1, 277),
}


def this_machine() -> Machine:
    """Return the processor at hand; OSError where the filter has no table for it."""
    machine = MACHINES.get(platform.machine())
    if machine is None:
        raise OSError(errno.ENOSYS, "no seccomp table for " + platform.machine())
    return machine


def program(machine: Machine, pid: int, signals_scoped: bool, profile: str = "cpu") -> List[Instruction]:
    """Return the filter.

    Parameters
    ----------
    machine : whose numbers to use.
    pid : of the worker's main process, whose own limits it may change.
    signals_scoped : Landlock keeps signals inside already; if not, only `pid` itself may be signalled.
    profile : "cpu", or "cuda" for a worker that is granted a CUDA device: it may also make unix sockets of the types
        stream and seqpacket, give them a name, and let them listen, as libcuda does at its start, and use epoll.
    """
    code: List[Instruction] = [(LOAD, 0, 0, ARCH), (EQUAL, 1, 0, machine.audit), (RETURN, 0, 0, KILL_PROCESS)]
    code.append((LOAD, 0, 0, NR))
    if machine.column == 0:
        code += [(AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    checks = _checked(pid, signals_scoped, profile)
    for name, verdict_code in checks.items():
        number = machine.number({**syscalls.CHECKED, **syscalls.REFUSED}[name])
        if number >= 0:
            code.append((EQUAL, 0, len(verdict_code), number))
            code += verdict_code
    judged: Set[str] = {*checks, *(syscalls.ALLOWED_FOR_CUDA if profile == "cuda" else ())}
    for table, verdict in _verdicts():
        for name, pair in table.items():
            number = machine.number(pair)
            if number >= 0 and name not in judged:
                code += [(EQUAL, 0, 1, number), (RETURN, 0, 0, verdict)]
    code.append((RETURN, 0, 0, ALLOW))
    return code


def _verdicts() -> List[Tuple[syscalls.Numbers, int]]:
    return [
        (syscalls.DENIED, ERRNO | errno.EPERM),
        (syscalls.REFUSED, ERRNO | errno.EACCES),
        (syscalls.ABSENT, ERRNO | errno.ENOSYS),
        (syscalls.UNSUPPORTED, ERRNO | errno.EOPNOTSUPP),
        (syscalls.PRETENDED, ERRNO),
    ]


def _checked(pid: int, signals_scoped: bool, profile: str) -> Dict[str, List[Instruction]]:
    """Code for calls that are judged by their arguments. Each piece ends in a verdict; it never falls through."""
    allow, deny, pretend = (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO | errno.EPERM), (RETURN, 0, 0, ERRNO)
    checks: Dict[str, List[Instruction]] = {
        # A thread with a table of descriptors of its own would have files that no process shows.
        "clone": [
            _arg(0),
            (BITS, 0, 1, NAMESPACES),
            deny,
            (BITS, 0, 2, CLONE_THREAD),
            (BITS, 1, 0, CLONE_FILES),
            deny,
            allow,
        ],
        "close_range": [_arg(2), (BITS, 0, 1, CLOSE_RANGE_UNSHARE), deny, allow],
        # a datagram pair could still be pointed at another program's socket; a stream pair cannot
        "socketpair": _unix_stream(SOCK_TYPE_MASK),
        "prlimit64": _for_itself(0, pid, deny),
        "ioctl": _ioctl(),
        # The owner of a descriptor gets a signal of any number, which Landlock keeps inside since version 6 only.
        # A lease makes others wait who open a file, a notice tells of files that they make, and a delegation (since
        # Linux 6.19) does both.
        "fcntl": [_arg(1), *_each((F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE, F_NOTIFY, F_SETDELEG), deny), allow],
        "open": _not_emptied(1),
        "openat": _not_emptied(2),
    }
    # Neither Landlock nor the user's rights keep a model from slowing down the host or another worker. Pretended, since
    # OpenMP and pthread_create name threads by their ids and fail if that is refused.
    for name in ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"):
        checks[name] = _for_itself(0, pid, pretend)
    for name, one_process in (("setpriority", PRIO_PROCESS), ("ioprio_set", IOPRIO_WHO_PROCESS)):
        itself = _for_itself(1, pid, pretend)
        checks[name] = [_arg(0), (EQUAL, 0, len(itself) - 1, one_process), *itself]
    if profile == "cuda":
        # Named types only: a datagram (or raw) socket sends to an address without connect(2).
        checks["socket"] = _unix_stream(0xFFFFFFFF & ~SOCK_FLAGS)
    if not signals_scoped:
        # 0 is left out: it is a process group to kill(2)
        own: List[Instruction] = [_arg(0), (EQUAL, 0, 1, pid), allow, deny]
        checks.update({"kill": own, "tgkill": own, "tkill": own})
    return checks


def _each(values: Iterable[int], verdict: Instruction) -> List[Instruction]:
    """Return that verdict for each of the values; every other one falls through."""
    return [instruction for value in values for instruction in ((EQUAL, 0, 1, value), verdict)]


def _ioctl() -> List[Instruction]:
    """Refuse what types into a terminal, names an owner for signals, or changes files that are open for reading.

    An owner of a file may change its flags, or make a copy of a folder, through a descriptor that reads: Landlock does
    not restrict that. EOPNOTSUPP is what programs expect where a file system has no such thing.
    """
    deny, unsupported = (RETURN, 0, 0, ERRNO | errno.EPERM), (RETURN, 0, 0, ERRNO | errno.EOPNOTSUPP)
    whole = _each((TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP), deny)
    kinds = [(AND, 0, 0, IOCTL_KIND), *_each(FILE_SYSTEM_KINDS, unsupported)]
    return [_arg(1), *whole, *kinds, (RETURN, 0, 0, ALLOW)]


def _not_emptied(index: int) -> List[Instruction]:
    """Refuse to cut a file to nothing while it is opened for no writing; the flags are the argument of that index.

    Linux does that, and Landlock forbids it since version 3 only. The access mode 3 is neither reading nor writing.
    """
    return [
        _arg(index),
        (BITS, 0, 3, O_TRUNC),
        (AND, 0, 0, O_ACCMODE),
        (EQUAL, 1, 0, O_WRONLY),
        (EQUAL, 0, 1, O_RDWR),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, ERRNO | errno.EACCES),
    ]


def _for_itself(index: int, pid: int, otherwise: Instruction) -> List[Instruction]:
    """Allow a call whose argument of that index is 0 (the caller) or `pid`; the last instruction is `otherwise`."""
    return [_arg(index), (EQUAL, 1, 0, 0), (EQUAL, 0, 1, pid), (RETURN, 0, 0, ALLOW), otherwise]


def _unix_stream(type_mask: int) -> List[Instruction]:
    """Allow a unix socket whose type, under that mask, is stream or seqpacket; EACCES for every other."""
    return [
        _arg(0),
        (EQUAL, 0, 4, AF_UNIX),
        _arg(1),
        (AND, 0, 0, type_mask),
        (EQUAL, 2, 0, SOCK_STREAM),
        (EQUAL, 1, 0, SOCK_SEQPACKET),
        (RETURN, 0, 0, ERRNO | errno.EACCES),
        (RETURN, 0, 0, ALLOW),
    ]


def _arg(index: int) -> Instruction:
    """Load the low half of an argument; all those judged here are 32-bit to the kernel."""
    return (LOAD, 0, 0, ARGS + 8 * index)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def assemble(code: List[Instruction]) -> bytes:
    """Return the program as the kernel reads it."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def install(pid: int, signals_scoped: bool, profile: str = "cpu") -> None:
    """Confine this process for good; OSError if the kernel refuses."""
    machine = this_machine()
    code = program(machine, pid, signals_scoped, profile)
    buffer = ctypes.create_string_buffer(assemble(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    request = _Program(len(code), ctypes.cast(buffer, ctypes.c_void_p))
    if libc.syscall(machine.seccomp, SET_MODE_FILTER, FLAG_SPEC_ALLOW, ctypes.byref(request)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")
