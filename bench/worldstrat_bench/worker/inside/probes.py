"""The self-test: after confinement and before any of the model's environment runs, try what must not work.

Every probe answers True if the attempt was stopped. The host has laid out canaries beforehand and looks at them
afterwards, so that what is recorded does not rest on this side alone.

Runs on the harness's own interpreter before the model's: standard library only.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import signal
import socket
import struct
from typing import Any, Callable, Dict

PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17
CLONE_NEWUSER = 0x10000000
SYS = {"x86_64": {"io_uring": 425, "clone": 56}, "aarch64": {"io_uring": 425, "clone": 220}}

Canaries = Dict[str, Any]


def stopped(attempt: Callable[[], object]) -> bool:
    """Return whether an attempt failed."""
    try:
        attempt()
    except OSError:
        return True
    return False


def read_file(path: str) -> None:
    """Read one byte, or the first name of a folder."""
    if os.path.isdir(path):
        os.listdir(path)
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.read(fd, 1)
    finally:
        os.close(fd)


def write_file(path: str) -> None:
    """Append to a file, making it if it is not there."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, b"x")
    finally:
        os.close(fd)


def change_file(path: str, readable: str) -> None:
    """Cut a file to nothing, or change its mode; the filter pretends that the latter worked.

    A file that is granted for reading only is cut by opening it, too: Landlock forbids that since version 3.
    """
    if not stopped(lambda: os.truncate(path, 0)):
        return
    if not stopped(lambda: os.close(os.open(readable, os.O_RDONLY | os.O_TRUNC))):
        return
    os.chmod(path, 0o777)
    if os.stat(path).st_mode & 0o777 != 0o777:
        raise OSError("pretended")


def connect(family: int, kind: int, address: Any) -> None:
    """Send one byte."""
    with socket.socket(family, kind) as sock:
        sock.settimeout(1)
        sock.connect(address)
        sock.send(b"x")


def signal_process(pid: int) -> None:
    """Send a signal, or have the kernel send it: to the owner of a descriptor, when something arrives there."""
    if not stopped(lambda: os.kill(pid, 0)):
        return
    one, other = socket.socketpair()
    with one, other:
        fcntl.fcntl(one, fcntl.F_SETOWN, pid)


def ptrace(pid: int) -> None:
    """Attach to a process without stopping it. The probing process ends soon, and that detaches."""
    if _libc().ptrace(PTRACE_SEIZE, pid, None, None) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def sysv_memory() -> None:
    """Make a System V shared memory segment, and remove it."""
    segment = _libc().shmget(0, 4096, 0o1600)
    if segment == -1:
        raise OSError(ctypes.get_errno(), "shmget")
    _libc().shmctl(segment, 0, None)


def new_namespace() -> None:
    """Make a user namespace, where one could mount what one likes; by unshare and by clone."""
    if _libc().unshare(CLONE_NEWUSER) == 0:
        return
    pid = _libc().syscall(_number("clone"), CLONE_NEWUSER | signal.SIGCHLD, None, None, None, None)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    os.waitpid(pid, 0)


def io_uring() -> None:
    """Make a ring, which would open sockets past a seccomp filter."""
    parameters = ctypes.create_string_buffer(512)
    fd = _libc().syscall(_number("io_uring"), 1, parameters)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "io_uring_setup")
    os.close(fd)


def datagram_pair(path: str) -> None:
    """Point one end of a datagram pair at another program's socket."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in ends:
        with end:
            end.connect(path)
            end.send(b"x")


def datagram_socket(folder: str) -> None:
    """Send to another program's socket without connecting to it first."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        with socket.socket(socket.AF_UNIX, kind) as sock:
            sock.sendto(b"x", os.path.join(folder, "datagrams"))


def write_proc(host: int) -> None:
    """Open for writing what /proc holds of the host, of this process, and of the machine; nothing is written.

    Names beneath a worker's own ``task`` folder are left to :func:`rehearse_cuda`: libcuda writes there.
    """
    names = ("comm", "mem", "oom_score_adj", "clear_refs", "coredump_filter", "sched", "uid_map", "attr/current")
    places = ["/proc/self", "/proc/self/task/{}".format(os.getpid()), "/proc/thread-self"]
    places += ["/proc/{}".format(host), "/proc/{0}/task/{0}".format(host)]
    paths = [place + "/" + name for place in places for name in names]
    paths += ["/proc/{}/{}".format(os.getppid(), name) for name in names]
    paths += ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"]
    for path in paths:
        if not stopped(lambda path=path: os.close(os.open(path, os.O_WRONLY))):  # type: ignore[misc]
            return
    raise OSError("stopped")


def rehearse_cuda() -> str:
    """Do what libcuda does at its start, in this very process: the first call that is refused and why, or "".

    No child could do it, since only a process's own threads have their names beneath its ``task`` folder.
    """
    step = "socket"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            step = "bind"
            # at random: in a network namespace that workers share, another one may have the same process id
            sock.bind("\0worldstrat-bench-rehearsal-{}-{}".format(os.getpid(), os.urandom(8).hex()))
            step = "listen"
            sock.listen(128)
        step = "/proc/self/task/TID/comm"
        os.close(os.open("/proc/self/task/{}/comm".format(os.getpid()), os.O_WRONLY | os.O_CREAT | os.O_TRUNC))
    except OSError as error:
        return "{}: {}".format(step, error.strerror)
    return ""


def capabilities() -> None:
    """Check whether any capability is left; without one, this fails as the others do."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        lines = [line for line in file if line.startswith("CapEff:")]
    if not lines or int(lines[0].split()[1], 16) == 0:
        raise OSError("none")


def parent_files(pid: int) -> None:
    """Go through /proc to another process's files or memory."""
    for name in ("root/", "cwd/", "mem", "environ"):
        path = "/proc/{}/{}".format(pid, name)
        if not stopped(lambda path=path: read_file(path)):  # type: ignore[misc]
            return
    raise OSError("stopped")


def probes(canaries: Canaries) -> Dict[str, Callable[[], object]]:
    """Return every attempt by the name it has in the record."""
    host, folder = canaries["host_pid"], canaries["folder"]
    unix, stream = socket.AF_UNIX, socket.SOCK_STREAM
    return {
        "read_targets": lambda: any_readable([os.path.join(folder, "hr.tiff"), *canaries["forbidden"]]),
        "stat_targets": lambda: os.stat(os.path.join(folder, "hr.tiff")),
        "list_outside": lambda: os.listdir(folder),
        "write_outside": lambda: write_file(os.path.join(folder, "written")),
        "change_outside": lambda: change_file(os.path.join(folder, "hr.tiff"), canaries["readable"]),
        "tcp": lambda: connect(socket.AF_INET, stream, ("127.0.0.1", canaries["tcp"])),
        "udp": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", canaries["udp"])),
        "unix_socket": lambda: connect(unix, stream, os.path.join(folder, "socket")),
        "abstract_socket": lambda: connect(unix, stream, "\0" + canaries["abstract"]),
        "datagram_pair": lambda: datagram_pair(os.path.join(folder, "datagrams")),
        "datagram_socket": lambda: datagram_socket(folder),
        "shared_memory": lambda: read_file(canaries["shared_memory"]),
        "sysv_memory": sysv_memory,
        "parent_files": lambda: parent_files(host),
        "write_proc": lambda: write_proc(host),
        "ptrace_parent": lambda: ptrace(host),
        "signal_parent": lambda: signal_process(host),
        "new_namespace": new_namespace,
        "io_uring": io_uring,
        "capabilities": capabilities,
    }


def any_readable(paths: Any) -> None:
    """Raise OSError if not one of the paths can be read."""
    if all(stopped(lambda path=path: read_file(path)) for path in paths):  # type: ignore[misc]
        raise OSError("none")


def run_probes(canaries: Canaries) -> Dict[str, bool]:
    """Try everything in a forked process, so that nothing of it stays with the worker."""
    attempts = probes(canaries)
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write_end, bytes(stopped(attempt) for attempt in attempts.values()))
        finally:
            os._exit(0)
    os.close(write_end)
    answers = os.read(read_end, 4096)
    os.close(read_end)
    os.waitpid(pid, 0)
    if len(answers) != len(attempts):
        raise OSError("the self-test did not finish")
    return {name: bool(answer) for name, answer in zip(attempts, answers, strict=True)}


def drop_capabilities() -> None:
    """Give up every capability, now and over any exec; what cannot be given up shows in the self-test."""
    libc = _libc()
    libc.prctl(47, 4, 0, 0, 0)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL
    libc.prctl(28, 0b11101111, 0, 0, 0)  # PR_SET_SECUREBITS: root has no special rights, locked
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    header = struct.pack("=Ii", 0x20080522, 0)
    libc.capset(header, struct.pack("=6I", 0, 0, 0, 0, 0, 0))


def _number(name: str) -> int:
    return SYS.get(platform.machine(), {}).get(name, -1)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
