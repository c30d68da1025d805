"""The filter's program, run by a small machine of our own, and its tables against the system's headers."""

from __future__ import annotations

import errno
import platform
import re
import struct
from pathlib import Path

import pytest

from worldstrat_bench.worker.inside import seccomp, syscalls

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
TABLES = (
    syscalls.DENIED,
    syscalls.REFUSED,
    syscalls.ABSENT,
    syscalls.UNSUPPORTED,
    syscalls.PRETENDED,
    syscalls.CHECKED,
)
PID = 4242


def verdict(
    machine: str,
    number: int,
    *arguments: int,
    audit: int | None = None,
    scoped: bool = True,
    profile: str = "cpu",
) -> int:
    """What the kernel would return for a system call."""
    described = seccomp.MACHINES[machine]
    code = seccomp.program(described, PID, scoped, profile)
    values = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", number, audit or described.audit, 0, *values)
    place = accumulator = 0
    while True:
        operation, if_true, if_false, k = code[place]
        place += 1
        if operation == seccomp.RETURN:
            return k
        if operation == seccomp.LOAD:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif operation == seccomp.AND:
            accumulator &= k
        else:
            true = {
                seccomp.EQUAL: accumulator == k,
                seccomp.AT_LEAST: accumulator >= k,
                seccomp.BITS: bool(accumulator & k),
            }[operation]
            place += if_true if true else if_false


def call(name: str, *arguments: int, machine: str = "x86_64", scoped: bool = True, profile: str = "cpu") -> int:
    table = next(table for table in TABLES if name in table)
    return verdict(machine, seccomp.MACHINES[machine].number(table[name]), *arguments, scoped=scoped, profile=profile)


DENY, REFUSE, ABSENT = (seccomp.ERRNO | code for code in (errno.EPERM, errno.EACCES, errno.ENOSYS))
UNSUPPORTED = seccomp.ERRNO | errno.EOPNOTSUPP


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_gets_the_verdict_of_its_table(machine: str) -> None:
    for table, expected in (
        (syscalls.DENIED, DENY),
        (syscalls.REFUSED, REFUSE),
        (syscalls.ABSENT, ABSENT),
        (syscalls.UNSUPPORTED, UNSUPPORTED),
        (syscalls.PRETENDED, seccomp.ERRNO),
    ):
        for name, pair in table.items():
            number = seccomp.MACHINES[machine].number(pair)
            if number >= 0:
                assert verdict(machine, number) == expected, name


def test_the_rest_is_allowed() -> None:
    for number in (0, 1, 9, 59, 202, 257, 334):  # read, write, mmap, execve, futex, openat, rseq
        assert verdict("x86_64", number) == seccomp.ALLOW


def test_another_architecture_is_the_end() -> None:
    assert verdict("x86_64", 41, audit=0x40000003) == seccomp.KILL_PROCESS  # int 0x80: i386
    assert verdict("x86_64", seccomp.X32_BIT | 41) == ABSENT


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_arguments_decide(machine: str) -> None:
    def of(name: str, *arguments: int) -> int:
        return call(name, *arguments, machine=machine)

    threads, fork = 0x3D0F00, 0x1200011
    assert of("clone", threads) == of("clone", fork) == seccomp.ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert of("clone", fork | flag) == DENY
    assert of("socketpair", 1, 1) == of("socketpair", 1, 1 | 0o2000000) == of("socketpair", 1, 5) == seccomp.ALLOW
    assert of("socketpair", 1, 2) == of("socketpair", 1, 2 | 0o4000) == of("socketpair", 2, 1) == REFUSE
    assert of("prlimit64", 0) == of("prlimit64", PID) == seccomp.ALLOW
    assert of("prlimit64", 1) == DENY
    assert of("ioctl", 0, 0x5401) == seccomp.ALLOW
    assert of("ioctl", 0, 0x5412) == of("ioctl", 0, 0x541C) == DENY


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("profile", ["cpu", "cuda"])
@pytest.mark.parametrize("scoped", [True, False])
def test_files_that_are_open_for_reading_stay_as_they_are(machine: str, profile: str, scoped: bool) -> None:
    def of(name: str, *arguments: int) -> int:
        return call(name, *arguments, machine=machine, profile=profile, scoped=scoped)

    changing = (0x40086602, 0x40046602, 0x401C5820, 0x40806685, 0x40087602, 0x40086604, 0xC0185879, 0xC0045877)
    copying = (0x40049409, 0x4020940D, 0xC0189436, 0x50009401, 0x5000940E, 0x5000940F, 0x800C6613, 0xC028660F)
    for number in (*changing, *copying):
        assert of("ioctl", 3, number) == UNSUPPORTED, hex(number)
    # terminals, FIONREAD and FIOCLEX, the NVIDIA driver and its UVM, and rendering
    for number in (0x5401, 0x5413, 0x541B, 0x5451, 0xC020462A, 0xC00846D6, 0x30000001, 0x4B, 0x66, 0xC0106409):
        assert of("ioctl", 3, number) == seccomp.ALLOW, hex(number)
    read, write, both, neither, cut, make = 0, 1, 2, 3, 0o1000, 0o100
    for name, first in (("open", (0,)), ("openat", (0, 0))):
        if name == "open" and machine == "aarch64":
            continue
        for extra in (0, CLOEXEC, make, 0o100000):
            for mode in (read, neither):
                assert of(name, *first, mode | cut | extra) == REFUSE
                assert of(name, *first, mode | extra) == seccomp.ALLOW
            for mode in (write, both):
                assert of(name, *first, mode | cut | extra) == of(name, *first, mode | extra) == seccomp.ALLOW


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("scoped", [True, False])
def test_a_descriptor_has_no_owner_that_is_signalled(machine: str, scoped: bool) -> None:
    """And holds no lease on a file, nor hears what is made in a folder."""
    for number in (8, 10, 15, 1024, 1026, 1040):
        assert call("fcntl", 3, number, 1, machine=machine, scoped=scoped) == DENY
    for number in (0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 16, 1025, 1030, 1031, 1032, 1033, 1034):
        assert call("fcntl", 3, number, 1, machine=machine, scoped=scoped) == seccomp.ALLOW
    for number in (0x8901, 0x8902):
        assert call("ioctl", 3, number, machine=machine, scoped=scoped) == DENY


PRETEND = seccomp.ERRNO
OTHERS = (1, PID + 1, PID | 1 << 31, 0xFFFFFFFF)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("profile", ["cpu", "cuda"])
def test_a_model_schedules_itself_only(machine: str, profile: str) -> None:
    """For every other target the call does nothing and says that it worked: OpenMP names threads by their ids."""

    def of(name: str, *arguments: int) -> int:
        return call(name, *arguments, machine=machine, profile=profile)

    for name in ("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"):
        assert of(name, 0) == of(name, PID) == of(name, 1 << 32 | PID) == seccomp.ALLOW, name
        for pid in OTHERS:
            assert of(name, pid, 0, PID) == of(name, pid, PID) == PRETEND, name
    for name, process in (("setpriority", 0), ("ioprio_set", 1)):
        assert of(name, process, 0) == of(name, process, PID) == seccomp.ALLOW, name
        for pid in OTHERS:
            assert of(name, process, pid) == PRETEND, name
        for group in {0, 1, 2, 3, PID, 1 << 31} - {process}:
            assert of(name, group, 0) == of(name, group, PID) == of(name, group, 1) == PRETEND, "a group, or a user"


CLOEXEC, NONBLOCK = 0o2000000, 0o4000


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_cuda_may_make_unix_sockets_that_cannot_send_by_address(machine: str) -> None:
    def of(name: str, *arguments: int) -> int:
        return call(name, *arguments, machine=machine, profile="cuda")

    for flags in (0, CLOEXEC, NONBLOCK, CLOEXEC | NONBLOCK):
        assert of("socket", 1, 1 | flags) == of("socket", 1, 5 | flags) == seccomp.ALLOW
        for kind in (0, 2, 3, 4, 6, 10, 13, 15):
            assert of("socket", 1, kind | flags) == REFUSE, "datagram, raw, rdm, dccp, packet, and an unknown type"
    for odd in (0x10, 0x100, 1 << 30, 1 << 31):
        assert of("socket", 1, 1 | odd) == of("socket", 1, 5 | odd) == REFUSE, "a flag that the filter does not know"
    for family in (0, 2, 10, 16, 17, 38, 40, 44, 0x101, 0x80000001):
        for kind in (1, 2, 3, 5):
            assert of("socket", family, kind) == REFUSE
    assert of("bind") == of("listen") == seccomp.ALLOW
    assert of("connect") == of("accept") == of("accept4") == REFUSE


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("scoped", [True, False])
@pytest.mark.parametrize("arguments", [(0,), (1, 1), (1, 2), (2, 1), (1, 5 | CLOEXEC), (PID,), (0x10000000,)])
def test_the_profiles_differ_in_these_calls(machine: str, scoped: bool, arguments: tuple[int, ...]) -> None:
    column = seccomp.MACHINES[machine].column
    different = {
        number
        for number in range(600)
        if verdict(machine, number, *arguments, scoped=scoped)
        != verdict(machine, number, *arguments, scoped=scoped, profile="cuda")
    }
    stream = arguments in ((1, 1), (1, 5 | CLOEXEC))
    names = {"bind", "listen", "epoll_create", "epoll_create1", "sendmsg", "sendmmsg", *(("socket",) if stream else ())}
    numbers = {**syscalls.REFUSED, **syscalls.ABSENT}
    assert different == {numbers[name][column] for name in names} - {-1}


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_thread_has_files_of_its_own(machine: str) -> None:
    """No process would show them."""
    thread, files = 0x10000, 0x400
    pthread = 0x3D0F00
    assert call("clone", pthread, machine=machine) == call("clone", 17, machine=machine) == seccomp.ALLOW
    assert call("clone", thread | files, machine=machine) == seccomp.ALLOW
    assert call("clone", pthread & ~files, machine=machine) == call("clone", thread, machine=machine) == DENY
    assert (
        call("close_range", 3, 9, 0, machine=machine) == call("close_range", 3, 9, 4, machine=machine) == seccomp.ALLOW
    )
    assert call("close_range", 3, 9, 2, machine=machine) == call("close_range", 3, 9, 6, machine=machine) == DENY


def test_signals_stay_inside_where_landlock_does_not_scope_them() -> None:
    for name in ("kill", "tkill", "tgkill"):
        assert call(name, 1) == seccomp.ALLOW
        assert call(name, 1, scoped=False) == DENY
        assert call(name, PID, scoped=False) == seccomp.ALLOW
    assert call("kill", 0xFFFFFFFF, scoped=False) == DENY


@pytest.mark.parametrize("machine", sorted(HEADERS))
def test_numbers_are_the_kernels(machine: str) -> None:
    if not HEADERS[machine].is_file():
        pytest.skip(f"{HEADERS[machine]} is not installed: the numbers were not compared")
    text = HEADERS[machine].read_text(encoding="utf-8")
    known = {m[1]: int(m[2]) for m in re.finditer(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}
    column = seccomp.MACHINES[machine].column
    compared = 0
    for table in TABLES:
        for name, pair in table.items():
            if name in known:
                assert pair[column] == known[name], name
                compared += 1
    assert compared > 80


def test_no_call_is_in_two_tables() -> None:
    names = [name for table in TABLES for name in table]
    assert len(names) == len(set(names))


def test_the_program_is_what_the_kernel_takes() -> None:
    code = seccomp.program(seccomp.MACHINES["x86_64"], PID, False, "cuda")
    assert len(seccomp.assemble(code)) == 8 * len(code)
    assert len(code) < 4096
    for place, (operation, if_true, if_false, _) in enumerate(code):
        if operation in (seccomp.EQUAL, seccomp.AT_LEAST, seccomp.BITS):
            assert place + 1 + max(if_true, if_false) < len(code)


def test_an_unknown_processor_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="riscv64"):
        seccomp.this_machine()
