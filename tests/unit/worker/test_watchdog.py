from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from waiting import wait_until
from worldstrat_bench.worker.session import parse_end
from worldstrat_bench.worker.types import GIB, MIB, Limits
from worldstrat_bench.worker.watchdog import (
    Verdict,
    Watchdog,
    _is_ours,
    folder_bytes,
    is_headless,
    memory_limit,
    table_bytes,
)

HUNGRY = "import time, os; x = bytearray(b'x') * (200 << 20); print('ready', flush=True); time.sleep(60)"


def watch(limits: Limits, scratch: Path) -> tuple[Watchdog, list[Verdict], threading.Event]:
    """A watchdog over this process's children."""
    verdicts: list[Verdict] = []
    called = threading.Event()

    def on_breach(verdict: Verdict) -> None:
        verdicts.append(verdict)
        called.set()

    dog = Watchdog(os.getpid(), scratch, limits, on_breach)
    dog.start()
    return dog, verdicts, called


def test_memory_of_the_whole_tree_is_seen(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HUNGRY], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        dog, verdicts, called = watch(Limits(memory_bytes=100 * MIB), tmp_path)
        assert called.wait(60)
        dog.stop()
        assert psutil.Process(child.pid) in dog.leftovers()
        child.kill()
    assert verdicts[0].outcome == "out_of_memory"
    assert "0.10 are allowed" in verdicts[0].message
    assert dog.peak_bytes > 200 * MIB
    assert not [p for p in dog.leftovers() if p.pid == child.pid]


READS_FAR_APART = """
import mmap, time
space = mmap.mmap(-1, 96 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
space.madvise(15)  # no huge pages
seen = sum(space[at] for at in range(0, len(space), 2 << 20))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what the tables of pages hold is said by Linux")
def test_tables_of_pages_are_memory(tmp_path: Path) -> None:
    """Pages that were only read are one and the same: 96 GiB of them count as none, and their tables take 192 MiB."""
    with subprocess.Popen([sys.executable, "-c", READS_FAR_APART], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        assert psutil.Process(child.pid).memory_info().rss < 100 * MIB < table_bytes(child.pid)
        dog, verdicts, called = watch(Limits(memory_bytes=150 * MIB), tmp_path)
        assert called.wait(60)
        dog.stop()
        child.kill()
    assert verdicts[0].outcome == "out_of_memory"
    assert table_bytes(child.pid) == 0


HEADLESS = """
import ctypes, threading, time
def hold():
    print("ready", flush=True)
    time.sleep(60)
threading.Thread(target=hold).start()
ctypes.CDLL(None).syscall(60, 0)
"""


@pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="the number of the call is its")
def test_a_process_without_its_main_thread_is_ended(tmp_path: Path) -> None:
    """What its other threads hold is stated nowhere."""
    with subprocess.Popen([sys.executable, "-c", HEADLESS], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        wait_until(lambda: is_headless(child.pid))
        dog, verdicts, called = watch(Limits(), tmp_path)
        assert called.wait(60)
        dog.stop()
        child.kill()
    assert verdicts[0].outcome == "crash"
    assert "main thread" in verdicts[0].message


def test_a_process_that_ended_is_not_taken_for_one(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        wait_until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
        assert not is_headless(child.pid)
    assert not is_headless(child.pid)


NAMED = """
import ctypes, time
ctypes.CDLL(None).prctl(15, b"Uid:\\t7\\t7\\t7", 0, 0, 0)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has such names")
def test_a_name_does_not_make_a_process_another_users(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", NAMED], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        assert _is_ours(psutil.Process(child.pid))
        child.kill()


def test_scratch_is_measured(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(3 << 20))
    (tmp_path / "loop").symlink_to(tmp_path)
    assert 3 << 20 <= folder_bytes(tmp_path) < 4 << 20
    dog, verdicts, called = watch(Limits(scratch_bytes=1 << 20), tmp_path)
    assert called.wait(60)
    dog.stop()
    assert "scratch folder" in verdicts[0].message
    assert folder_bytes(tmp_path / "none") == 0


def test_what_keeps_within_its_limits_is_left_alone(tmp_path: Path) -> None:
    dog, verdicts, called = watch(Limits(), tmp_path)
    assert not called.wait(0.6)
    dog.stop()
    assert verdicts == []


def test_the_default_is_half_the_machine() -> None:
    assert memory_limit(Limits()) == psutil.virtual_memory().total // 2
    assert memory_limit(Limits(memory_bytes=GIB)) == GIB


@pytest.mark.parametrize("line", [None, b"", b"junk", b"[]", b'{"code": null, "killed": 1, "crowd": 0, "threads": 0}'])
def test_a_keeper_without_last_words_leaves_the_end_unknown(line: bytes | None) -> None:
    assert parse_end(line) == (None, 0, 0, 0)


def test_last_words() -> None:
    assert parse_end(b'{"code": -9, "killed": 3, "crowd": 0, "threads": 0}\n') == (-9, 3, 0, 0)
