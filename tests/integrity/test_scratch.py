"""Folders that a model leaves behind or fills: removed however deep, and counted however they are hidden."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from submission_factory import make_submission
from worldstrat_bench.site.finding import find_runs
from worldstrat_bench.submission.check import check
from worldstrat_bench.worker import watchdog
from worldstrat_bench.worker.inside.supervise import remove_tree
from worldstrat_bench.worker.types import MIB, Limits
from worldstrat_bench.worker.watchdog import Verdict, Watchdog, folder_bytes, is_memory, nameless_bytes


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
