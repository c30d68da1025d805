"""Folders that a model leaves behind or fills: removed however deep, and counted however they are hidden."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from submission_factory import make_submission
from waiting import PATIENCE_SECONDS, wait_until
from worldstrat_bench.site.finding import find_runs
from worldstrat_bench.submission.check import check
from worldstrat_bench.worker import watchdog
from worldstrat_bench.worker.inside.supervise import remove_tree
from worldstrat_bench.worker.types import MIB, Limits
from worldstrat_bench.worker.watchdog import (
    Verdict,
    Watchdog,
    folder_bytes,
    is_memory,
    nameless_bytes,
    proportional_bytes,
)

PR_SET_DUMPABLE = 4


def dig(folder: Path, depth: int, name: str = "d") -> None:
    """Make folders in each other, deeper than a path can be long."""
    own = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=own)
        inner = os.open(name, os.O_RDONLY, dir_fd=own)
        os.close(own)
        own = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=own))
    os.close(own)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "root"
    (folder / "scratch").mkdir(parents=True)
    yield folder
    remove_tree(str(folder))


@pytest.mark.parametrize(("depth", "name"), [(3, "d"), (1500, "d"), (60, "d" * 200)])
def test_a_folder_is_removed_however_deep_it_is(root: Path, depth: int, name: str) -> None:
    dig(root / "scratch", depth, name)
    (root / "scratch" / "locked" / "inner").mkdir(parents=True)
    (root / "scratch" / "locked" / "inner").chmod(0)
    (root / "scratch" / "locked").chmod(0o500)
    remove_tree(str(root))
    assert not root.exists()


def test_links_are_removed_and_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("x")
    (root / "scratch" / "link").symlink_to(tmp_path / "kept")
    (root / "moved-up-1").mkdir()
    (root / "scratch" / "deep" / "deeper").mkdir(parents=True)
    remove_tree(str(root))
    assert not root.exists()
    assert (tmp_path / "kept" / "file").read_text() == "x"
    remove_tree(str(root))  # that there is nothing is not an error


def test_what_cannot_be_counted_is_not_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_bytes(root / "none") == 0
    (root / "scratch" / "a").mkdir()
    (root / "scratch" / "a" / "file").write_bytes(b"x" * MIB)
    assert MIB <= folder_bytes(root / "scratch") < 2 * MIB
    dig(root / "scratch", 60, "d" * 200)
    with pytest.raises(OSError, match="too long"):
        folder_bytes(root / "scratch")
    monkeypatch.setattr(watchdog, "MOST_FILES", 10)
    (root / "crowd").mkdir()
    for i in range(11):
        (root / "crowd" / str(i)).touch()
    with pytest.raises(OSError, match="more than 10 files"):
        folder_bytes(root / "crowd")


def test_files_without_a_name_count(root: Path) -> None:
    verdicts: list[Verdict] = []
    own = psutil.Process()
    before = nameless_bytes([own])
    path = root / "scratch" / "file"
    with path.open("wb") as stream, os.fdopen(os.memfd_create("m"), "wb") as memory:
        for file in (stream, memory):
            file.write(b"x" * (3 * MIB))
            file.flush()
        path.unlink()
        found = nameless_bytes([own])
        disk = sum(size for device, size in found.items() if not is_memory(device) or device == root.stat().st_dev)
        assert sum(found.values()) - sum(before.values()) >= 6 * MIB
        assert disk >= 3 * MIB
        assert any(is_memory(device) for device in found)
        dog = Watchdog(own.pid, root / "scratch", Limits(scratch_bytes=MIB, memory_bytes=MIB), verdicts.append)
        dog._tree = [own]
        verdict = dog._look_at_scratch() or dog._look_at_memory()
        assert verdict is not None
        assert verdict.outcome in ("crash", "out_of_memory")
    assert sum(nameless_bytes([own]).values()) <= sum(before.values())


def as_a_user(check: Callable[[psutil.Process], bool], *, hidden: bool) -> bool:
    """Return what an ordinary user finds of a process of his that hides itself, or does not: root sees everything."""
    answer, tell = os.pipe()
    asking = os.fork()
    if asking == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            libc = ctypes.CDLL(None)
            libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
            looked_at = os.fork()
            if looked_at == 0:
                libc.prctl(PR_SET_DUMPABLE, 0 if hidden else 1, 0, 0, 0)
                os.write(tell, b"r")
                time.sleep(60)
                os._exit(0)
            os.read(answer, 1)  # it is as it will be
            found = check(psutil.Process(looked_at))
            os.kill(looked_at, signal.SIGKILL)
            os.write(tell, b"1" if found else b"0")
        finally:
            os._exit(0)
    os.waitpid(asking, 0)
    os.close(tell)
    with os.fdopen(answer, "rb") as stream:
        return stream.read() == b"1"


def counts_in_full(process: psutil.Process) -> bool:
    return proportional_bytes(process) >= 0.9 * process.memory_info().rss


def lists_its_files(process: psutil.Process) -> bool:
    try:
        nameless_bytes([process])
    except PermissionError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_a_process_that_hides_itself_is_counted_in_full() -> None:
    assert as_a_user(counts_in_full, hidden=True)
    assert not as_a_user(lists_its_files, hidden=True)
    assert as_a_user(lists_its_files, hidden=False)


def test_a_model_that_hides_its_files_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(tree: object) -> dict[int, int]:
        raise PermissionError

    monkeypatch.setattr(watchdog, "nameless_bytes", refused)
    verdict = Watchdog(os.getpid(), root / "scratch", Limits(), lambda _: None)._look_at_scratch()
    assert verdict is not None
    assert verdict.outcome == "crash"


class Mapped:
    """A process of 100 bytes, most of which it shares, and so many mappings that looking at them takes a second."""

    def __init__(self, clock: list[float]) -> None:
        self._clock = clock

    def memory_info(self) -> SimpleNamespace:
        return SimpleNamespace(rss=100)

    def memory_full_info(self) -> SimpleNamespace:
        self._clock[0] += 1
        return SimpleNamespace(pss=1)


@pytest.mark.parametrize(("processes", "outcome"), [(3, None), (60, "out_of_memory")])
def test_mappings_without_number_do_not_keep_memory_from_being_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch, processes: int, outcome: str | None
) -> None:
    """A few processes that share their pages are counted exactly; what takes too long counts in full."""
    clock = [0.0]
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    dog = Watchdog(os.getpid(), root / "scratch", Limits(memory_bytes=250), lambda _: None)
    monkeypatch.setattr(dog, "_tree", [Mapped(clock) for _ in range(processes)])
    verdict = dog._look_at_memory()
    assert (verdict and verdict.outcome) == outcome
    assert clock[0] <= 3


def test_looking_at_files_does_not_keep_memory_from_being_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model chooses how many files it opens, in how many processes."""
    verdicts: list[Verdict] = []
    looking, go_on = threading.Event(), threading.Event()

    def slow(tree: object) -> dict[int, int]:
        looking.set()
        go_on.wait()
        return {}

    monkeypatch.setattr(watchdog, "nameless_bytes", slow)
    monkeypatch.setattr(Watchdog, "_look_at_tree", lambda self: None)
    dog = Watchdog(os.getpid(), root / "scratch", Limits(memory_bytes=250), verdicts.append)
    dog.start()
    try:
        assert looking.wait(PATIENCE_SECONDS)
        monkeypatch.setattr(dog, "_tree", [Mapped([0.0]) for _ in range(60)])
        monkeypatch.setattr(dog, "_proportional", lambda: 6000)
        assert wait_until(lambda: bool(verdicts))
    finally:
        go_on.set()
        dog.stop()
    assert [verdict.outcome for verdict in verdicts] == ["out_of_memory"]


def test_more_open_files_than_can_be_looked_at_end_the_model(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = psutil.Process()
    dog = Watchdog(own.pid, root / "scratch", Limits(), lambda _: None)
    dog._tree = [own]
    monkeypatch.setattr(watchdog, "MOST_FILES", 60)
    assert dog._look_at_scratch() is None
    with ExitStack() as opened:
        for _ in range(61):
            opened.enter_context(Path(os.devnull).open("rb"))
        verdict = dog._look_at_scratch()
    assert verdict is not None
    assert verdict == Verdict("crash", "the model's open files cannot be looked at: there are more than 60 of them")


def test_a_deep_submission_is_refused_and_keeps_no_other_from_being_found(tmp_path: Path) -> None:
    deep = make_submission(tmp_path, "deep-sr")
    make_submission(tmp_path, "other-sr", gain_db=2.0)
    dig(deep, 1200)
    try:
        assert sorted(path.parents[2].name for path in find_runs(tmp_path / "submissions")) == ["deep-sr", "other-sr"]
        refused = check([tmp_path / "submissions"]).errors
        assert ["deep in it" in fault.what for fault in refused] == [True]
    finally:
        remove_tree(str(deep))
        shutil.rmtree(tmp_path / "submissions")
