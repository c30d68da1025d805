"""The cache on disk: what is lost, damaged or raced for is a miss, never an error or a wrong answer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from worldstrat_bench.cache import (
    DEFAULT_BYTES,
    ENVIRONMENT_VARIABLE,
    IN_USE_SECONDS,
    SIZE_VARIABLE,
    DiskCache,
    cache_folder,
    cache_root,
    default_cache,
)
from worldstrat_bench.errors import UsageError

KEY, OTHER = "a" * 64, "b" * 64
ARRAYS = {"image": np.arange(24, dtype=np.float32).reshape(2, 3, 4), "valid": np.array([True, False])}

WRITER = """
import sys, hashlib
from pathlib import Path
from typing import Any
import numpy as np
from worldstrat_bench.cache import DiskCache
cache, seed = DiskCache(Path(sys.argv[1]), max_bytes=int(sys.argv[2])), int(sys.argv[3])
order = np.random.default_rng(seed).permutation(40)
print("ready", flush=True)
while True:
    for i in order:
        key = hashlib.sha256(str(i).encode()).hexdigest()
        found = cache.get(key)
        if found is not None and not (found["a"] == i).all():
            sys.exit(f"entry {i} is wrong")
        cache.put(key, {"a": np.full((64, 1024), i, dtype=np.float32)})
"""


def same(found: dict[str, NDArray[Any]] | None) -> bool:
    return found is not None and all(
        np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in ARRAYS.items()
    )


def test_what_was_put_is_got(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "new" / "folder")
    assert cache.get(KEY) is None
    cache.put(KEY, ARRAYS)
    assert same(cache.get(KEY))
    assert same(DiskCache(tmp_path / "new" / "folder").get(KEY))
    assert cache.get(OTHER) is None
    cache.clear()
    assert cache.get(KEY) is None


def test_scalars_keep_their_shape(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    cache.put(KEY, {"white": np.array(0.5), "nothing": np.array(np.nan)})
    found = cache.get(KEY)
    assert found is not None
    assert float(found["white"]) == 0.5
    assert np.isnan(float(found["nothing"]))


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "other key", "not tensors"])
def test_a_damaged_entry_is_dropped(tmp_path: Path, damage: str) -> None:
    cache = DiskCache(tmp_path)
    cache.put(KEY, ARRAYS)
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    damaged = {
        "truncate": path.read_bytes()[:-5],
        "flip": bytes(content),
        "empty": b"",
        "other key": path.read_bytes(),
        "not tensors": b"x" * 100,
    }[damage]
    where = path.with_name(path.name.replace(KEY, OTHER)) if damage == "other key" else path
    where.write_bytes(damaged)
    assert cache.get(OTHER if damage == "other key" else KEY) is None
    assert not where.exists()


KEYS = [f"{i:064x}" for i in range(5)]
HUNDRED_KILOBYTES = {"a": np.zeros(25_000, dtype=np.float32)}


def aged(folder: Path, key: str, seconds: float) -> None:
    """Make an entry one that was used that long ago."""
    then = time.time() - seconds
    os.utime(folder / f"{key}.entry", (then, then))


def kept(cache: DiskCache) -> list[bool]:
    return [(cache.folder / f"{key}.entry").exists() for key in KEYS]


def test_old_entries_make_room_the_longest_unused_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, max_bytes=350_000)
    for age, key in enumerate(KEYS[:3]):
        cache.put(key, HUNDRED_KILOBYTES)
        aged(tmp_path, key, 2 * IN_USE_SECONDS - age)
    assert cache.get(KEYS[0]) is not None  # in use again
    cache.put(KEYS[3], HUNDRED_KILOBYTES)
    assert kept(cache) == [True, False, True, True, False]


def test_a_scan_larger_than_the_cache_hits_what_fits(tmp_path: Path) -> None:
    """Where the least recently used made room, every read of the second scan would be a miss."""
    for run in range(3):
        cache = DiskCache(tmp_path, max_bytes=350_000)
        hits = []
        for key in KEYS:
            hits.append(cache.get(key) is not None)
            if not hits[-1]:
                cache.put(key, HUNDRED_KILOBYTES)
        assert hits == [run > 0] * 3 + [False] * 2


def test_what_processes_put_at_once_beyond_the_size_goes_the_last_used_first(tmp_path: Path) -> None:
    for age, key in enumerate(KEYS):
        DiskCache(tmp_path, max_bytes=10**7).put(key, HUNDRED_KILOBYTES)
        aged(tmp_path, key, 100 - age)
    cache = DiskCache(tmp_path, max_bytes=350_000)
    assert cache.trim() <= 350_000
    assert kept(cache) == [True] * 3 + [False] * 2


def test_a_full_cache_is_not_listed_for_every_tile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = DiskCache(tmp_path, max_bytes=150_000)
    cache.put(KEYS[0], HUNDRED_KILOBYTES)
    listings = []

    def trim(wanted: int = 0) -> int:
        listings.append(wanted)
        return 150_000

    monkeypatch.setattr(cache, "trim", trim)
    for _ in range(20):
        assert not cache.accepts(100_000)
    assert len(listings) == 1


@pytest.mark.parametrize(("free", "stored"), [(1_999_999, False), (2_000_000, True)])
def test_nothing_is_kept_where_the_disk_has_less_than_twice_the_size_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, stored: bool
) -> None:
    monkeypatch.setattr("worldstrat_bench.cache.shutil.disk_usage", lambda place: type("Usage", (), {"free": free}))
    cache = DiskCache(tmp_path / "tiles", max_bytes=1_000_000)
    cache.put(KEY, ARRAYS)
    assert cache.lacks_disk() is not stored
    assert (cache.get(KEY) is not None) is stored


def test_a_disk_that_is_full_is_a_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk may fill between the look at it and the write."""

    def full(descriptor: int, data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("worldstrat_bench.cache.os.write", full)
    cache = DiskCache(tmp_path)
    cache.put(KEY, ARRAYS)
    assert cache.get(KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr("worldstrat_bench.cache.os.write", lambda descriptor, data: write(descriptor, bytes(data)[:7]))
    DiskCache(tmp_path).put(KEY, ARRAYS)
    assert same(DiskCache(tmp_path).get(KEY))


def test_the_size_is_set_in_gib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(SIZE_VARIABLE, raising=False)
    assert DiskCache(tmp_path).max_bytes == DEFAULT_BYTES
    monkeypatch.setenv(SIZE_VARIABLE, "0.5")
    assert DiskCache(tmp_path).max_bytes == 2**29
    for text in ("six", "-1", "nan", "inf", "1e9"):
        monkeypatch.setenv(SIZE_VARIABLE, text)
        with pytest.raises(UsageError, match="not a size"):
            DiskCache(tmp_path)


def test_usage_by_kind(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    cache.put(f"inputs-{KEY}", ARRAYS)
    cache.put(f"inputs-{OTHER}", ARRAYS)
    cache.put(f"target-{KEY}", ARRAYS)
    cache.put(KEY, ARRAYS)
    assert {kind: count for kind, (count, _) in cache.usage().items()} == {"": 1, "inputs": 2, "target": 1}
    assert sum(size for _, size in cache.usage().values()) == sum(p.stat().st_size for p in tmp_path.iterdir())


def test_an_entry_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, max_bytes=100)
    cache.put(KEY, ARRAYS)
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_behind_goes_and_what_others_are_writing_stays(tmp_path: Path) -> None:
    old, new, foreign = tmp_path / ".x.1.tmp", tmp_path / ".y.2.tmp", tmp_path / "notes.txt"
    for path in (old, new, foreign):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    os.utime(foreign, (1, 1))
    DiskCache(tmp_path).trim()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".y.2.tmp", "notes.txt"]


def test_a_folder_that_cannot_be_written_is_a_miss(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    cache = DiskCache(blocked / "folder")
    cache.put(KEY, ARRAYS)
    assert cache.get(KEY) is None
    assert cache.trim() == 0


@pytest.mark.parametrize(
    "key", ["", "../../etc/passwd", "../x-" + "a" * 64, "-" + "a" * 64, "A" * 64, "a" * 64 + "/x", "a" * 200]
)
def test_keys_are_digests(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="cache key"):
        DiskCache(tmp_path).put(key, ARRAYS)
    with pytest.raises(ValueError, match="cache key"):
        DiskCache(tmp_path).get(key)


def test_the_folder_is_the_users_or_the_one_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "named"))
    assert default_cache().folder == tmp_path / "named" / "tiles"
    assert cache_root() == tmp_path / "named"
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_folder().name == "tiles"
    assert "worldstrat-bench" in str(cache_folder())


def test_runs_at_the_same_time_and_kill_9(tmp_path: Path) -> None:
    """Three processes share a cache too small for all entries; one is killed again and again while it writes."""
    limit = 20 * (64 * 1024 * 4 + 200)

    def start(seed: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(limit), str(seed)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    steady = [start(1), start(2)]
    try:
        for seed in range(3, 7):
            victim = start(seed)
            time.sleep(0.05 * (seed - 2))
            victim.send_signal(signal.SIGKILL)
            victim.communicate()
        assert [process.poll() for process in steady] == [None, None], "a process stopped: an entry was wrong"
    finally:
        for process in steady:
            process.kill()
            process.communicate()
    cache = DiskCache(tmp_path, max_bytes=limit)
    assert 0 < cache.trim() <= limit
    entries = [path for path in tmp_path.iterdir() if path.suffix == ".entry"]
    assert entries
    assert all(cache.get(path.stem) is not None for path in entries)
