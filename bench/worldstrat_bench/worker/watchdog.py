"""Memory, processes and scratch space of a worker's whole tree, looked at a few times a second.

Resident memory, never RLIMIT_AS: CUDA reserves hundreds of gigabytes of addresses it does not use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from worldstrat_bench.worker.types import GIB, MIB, Limits

# Memory can be filled at some GB a second, so it is looked at most often; listing a tree costs more, and walking
# through a folder most.
MEMORY_SECONDS = 0.05
TREE_SECONDS = 0.25
SCRATCH_SECONDS = 2.0
SHARED_SECONDS = 2.0
"""Longest time to find out which pages processes share, in which memory is looked at no more."""

MOST_FILES = 100_000
"""Files and folders below the scratch folder, and open files of the tree: more of them cannot be looked at in time."""

FLOOR_BYTES = 256 * MIB
"""Memory the machine keeps: below this the worker goes, since what it holds in files counts for no process."""


@dataclass(frozen=True)
class Verdict:
    """Reason for ending a worker: an outcome and the reason in words."""

    outcome: str
    message: str


def memory_limit(limits: Limits) -> int:
    """Return the limit in bytes: what was asked for, or half the machine's memory."""
    return limits.memory_bytes or psutil.virtual_memory().total // 2


class Watchdog:
    """Watches the processes below `root` until stopped, and calls `on_breach` once if they exceed a limit."""

    def __init__(self, root: int, scratch: Path, limits: Limits, on_breach: Callable[[Verdict], None]) -> None:
        self._root = root
        self._scratch = scratch
        self._limits = limits
        self._memory_limit = memory_limit(limits)
        self._on_breach = on_breach
        self._stop = threading.Event()
        self._tree: list[psutil.Process] = []
        self._threads = [
            threading.Thread(target=self._watch, args=looks, name=f"worker watchdog: {name}", daemon=True)
            for name, *looks in (
                ("memory", MEMORY_SECONDS, self._look_at_memory),
                ("tree", TREE_SECONDS, self._look_at_tree),
                # How long that takes is up to the model: no other limit waits for it.
                ("files", SCRATCH_SECONDS, self._look_at_scratch),
            )
        ]
        self._in_memory = 0
        self._headless: set[int] = set()
        self._tables = 0
        self.peak_bytes = 0

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the threads are gone but for the one that calls."""
        self._stop.set()
        for thread in self._threads:
            if threading.current_thread() is not thread:
                thread.join()

    def leftovers(self) -> list[psutil.Process]:
        """Return the processes of the tree as last seen that are still there."""
        return [process for process in self._tree if process.is_running()]

    def _watch(self, seconds: float, look: Callable[[], Verdict | None]) -> None:
        while True:
            verdict = look()
            if verdict is not None:
                self._on_breach(verdict)
                return
            if self._stop.wait(seconds):
                return

    def _look_at_tree(self) -> Verdict | None:
        try:
            self._tree = psutil.Process(self._root).children(recursive=True)
        except psutil.Error:
            self._tree = []
        if len(self._tree) > self._limits.processes:
            return Verdict("crash", f"the model started more than {self._limits.processes} processes")
        # Twice in a row, since a process that ends looks so for a moment.
        before, self._headless = self._headless, {process.pid for process in self._tree if is_headless(process.pid)}
        if before & self._headless:
            return Verdict("crash", "the model ended the main thread of a process, which hides what its others hold")
        # Of addresses that were only read no page counts, and the tables that lead to them may be gigabytes.
        self._tables = sum(table_bytes(process.pid) for process in self._tree)
        return None

    def _look_at_scratch(self) -> Verdict | None:
        try:
            used = folder_bytes(self._scratch)
        except OSError as error:
            return Verdict("crash", f"the model's scratch folder cannot be looked at: {error.strerror or error}")
        try:
            nameless = nameless_bytes(self._tree)
        except PermissionError:
            return Verdict("crash", "the model hides from the harness which files it has open")
        except OSError as error:
            return Verdict("crash", f"the model's open files cannot be looked at: {error.strerror or error}")
        on_disk = {device: size for device, size in nameless.items() if not is_memory(device)}
        used += sum(on_disk.values())
        self._in_memory = sum(nameless.values()) - sum(on_disk.values())
        if used > self._limits.scratch_bytes:
            return Verdict("crash", f"the model filled its scratch folder with {used / GIB:.1f} GiB")
        return None

    def _look_at_memory(self) -> Verdict | None:
        used = self._resident() + self._tables
        self.peak_bytes = max(self.peak_bytes, used)
        if self._in_memory > self._memory_limit:
            size = self._in_memory / GIB
            return Verdict("out_of_memory", f"the model held {size:.2f} GiB in files that lie in memory")
        if psutil.virtual_memory().available < FLOOR_BYTES:
            # When the machine runs out, a model that holds little of it is not the reason: its tile is tried again
            # when the run is resumed.
            outcome = "out_of_memory" if used > self._memory_limit // 4 else "infra_error"
            return Verdict(outcome, f"the machine ran out of memory; the model held {used / GIB:.2f} GiB of it")
        # The exact sum walks through every mapping of every process; the resident one is never below it.
        if used > self._memory_limit and self._proportional() + self._tables > self._memory_limit:
            limit = self._memory_limit / GIB
            return Verdict("out_of_memory", f"the model held {used / GIB:.2f} GiB of memory; {limit:.2f} are allowed")
        return None

    def _resident(self) -> int:
        total = 0
        for process in self._tree:
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total

    def _proportional(self) -> int:
        """Memory with shared pages counted once: the resident sum counts them for every process.

        Where that takes long, for many processes of many mappings, the rest counts in full: what grows in between would
        not be seen.
        """
        total = 0
        until = time.monotonic() + SHARED_SECONDS
        for process in self._tree:
            try:
                late = time.monotonic() > until
                total += process.memory_info().rss if late else proportional_bytes(process)
            except psutil.Error:
                continue
        return total


def _stated(pid: int, pattern: bytes) -> bytes:
    """Return what ``/proc`` states of a process; b"" if it has ended, or where the system does not say.

    Parameters
    ----------
    pattern : of a whole line: the first one holds a name, which is the model's choice.
    """
    try:
        found = re.search(rb"^%b$" % pattern, Path(f"/proc/{pid}/status").read_bytes(), re.MULTILINE)
    except OSError:
        return b""
    return found.group(1) if found else b""


def table_bytes(pid: int) -> int:
    """Return the memory of a process's page tables; 0 if it has ended, or where the system does not say."""
    return int(_stated(pid, rb"VmPTE:\s*(\d+) kB") or 0) * 1024


def is_headless(pid: int) -> bool:
    """Return whether the main thread of a process has ended and others have not: of those nothing is stated."""
    return _stated(pid, rb"State:\s*([A-Z]).*") == b"Z" and int(_stated(pid, rb"Threads:\s*(\d+)") or 0) > 1


def proportional_bytes(process: psutil.Process) -> int:
    """Return the memory of a process with its share of shared pages; all of them where it keeps its pages secret.

    Any process may do so (PR_SET_DUMPABLE), and is then closed to other programs of the same user.

    Raises
    ------
    psutil.Error
        if it has ended.
    """
    try:
        share = int(getattr(process.memory_full_info(), "pss", 0))
    except psutil.AccessDenied:
        share = 0
    return share or int(process.memory_info().rss)


def folder_bytes(folder: Path) -> int:
    """Return the bytes that the files below a folder occupy; files that vanish on the way count as 0.

    Raises
    ------
    OSError
        if a folder in it cannot be listed, since its path is too long or it is locked, or there are more than
        `MOST_FILES` files: what cannot be counted must not count as nothing.
    """
    total = count = 0
    pending = [str(folder)]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            # Blocks, not sizes: a sparse file may claim terabytes, and a small one takes a whole block.
            total += status.st_blocks * 512
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
        count += len(entries)
        if count > MOST_FILES:
            raise OSError(errno.EMFILE, f"it holds more than {MOST_FILES:,} files")
    return total


def nameless_bytes(tree: Iterable[psutil.Process]) -> dict[int, int]:
    """Return the bytes of open files without a name, by the device that they are on: unlinked ones, and memfd.

    Parameters
    ----------
    tree : the processes that may hold them.

    Raises
    ------
    PermissionError
        if a process of this user keeps its descriptors secret: what cannot be counted must not count as nothing.
    OSError
        if there are more than `MOST_FILES` open files.
    """
    found: dict[tuple[int, int], int] = {}
    count = 0
    for process in tree:
        try:
            descriptors = list(os.scandir(f"/proc/{process.pid}/fd"))
        except PermissionError:
            if _is_ours(process):
                raise
            continue
        except OSError:  # it has ended
            continue
        count += len(descriptors)
        if count > MOST_FILES:
            raise OSError(errno.EMFILE, f"there are more than {MOST_FILES:,} of them")
        for descriptor in descriptors:
            try:
                status = descriptor.stat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                found[status.st_dev, status.st_ino] = status.st_blocks * 512
    total: dict[int, int] = {}
    for (device, _), size in found.items():
        total[device] = total.get(device, 0) + size
    return total


def _is_ours(process: psutil.Process) -> bool:
    """Return whether a process has the rights of this user, and not those of a set-user-ID program."""
    return _stated(process.pid, rb"Uid:\s*\d+\s+(\d+)\s.*") == str(os.geteuid()).encode()


def is_memory(device: int) -> bool:
    """Return whether files without a name on a device lie in memory: those of memfd are on a device of the kernel."""
    return os.major(device) == 0 and device in _memory_devices()


@cache
def _memory_devices() -> frozenset[int]:
    """Return the devices of memfd files and of /dev/shm."""
    descriptor = os.memfd_create("which-device")
    try:
        devices = {os.fstat(descriptor).st_dev}
    finally:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        devices.add(Path("/dev/shm").stat().st_dev)
    return frozenset(devices)
