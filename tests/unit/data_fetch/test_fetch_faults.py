"""Every fault of a server, alone and for ever: the right retry, or a clear error and nothing wrong left behind."""

from __future__ import annotations

import dataclasses
import shutil
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fetch_archives import PATIENT, Shape, fetched_files, wanted_files, write_tars, write_zips
from fetch_server import FAULTS, State, serving
from worldstrat_bench.data.fetch import Settings, fetch
from worldstrat_bench.data.fetch.settings import Event, RetryPolicy
from worldstrat_bench.errors import DataError, InfrastructureError, UsageError, WorldstratBenchError

pytestmark = pytest.mark.not_quick

SHAPE = Shape(tiles=8, revisits=4)
NO_FAULT_FOR_A_STREAM = ("ignore_range", "other_range", "drip_cut", "no_length")
GIVES_UP = RetryPolicy(
    attempts=3, first_wait_seconds=0.005, longest_wait_seconds=0.02, connect_seconds=2.0, silence_seconds=1.0
)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_zips(tmp_path_factory.mktemp("release"), SHAPE)
    return write_tars(folder, SHAPE)


def every(count: int, fault: str) -> Callable[[str], str]:
    """`fault` for every `count`-th request; the small files have no checksum, so wrong bytes are for archives."""
    lock = threading.Lock()
    seen = [0]

    def choose(name: str) -> str:
        with lock:
            seen[0] += 1
            hit = seen[0] % count == 1 % count
        return "" if not hit or (fault == "wrong_bytes" and name.endswith(".csv")) else fault

    return choose


def settings(root: Path, server: State, **changes: object) -> Settings:
    base = Settings(root, source=server.url, policy=PATIENT)
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def nothing_wrong(root: Path) -> bool:
    """Whatever is there is right, and no half-written file is left."""
    right = wanted_files(SHAPE)
    partial = list((root / ".fetch" / "partial").glob("*")) if root.exists() else []
    return not partial and all(right.get(name) == content for name, content in fetched_files(root).items())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["v1.1", "v1.0"])
def test_a_passing_fault_is_got_over(release: Path, tmp_path: Path, fault: str, kind: str) -> None:
    with serving(release, every(3, fault)) as server:
        events: list[Event] = []
        if kind == "v1.0" and fault == "wrong_bytes":
            pytest.skip("a tar stream cannot be repaired: see the test of damaged archives")
        fetch(settings(tmp_path, server, release=kind, frames=3), events.append)
        assert fetched_files(tmp_path) == wanted_files(SHAPE, frames=3)
        assert any(entry.fault == fault for entry in server.entries)
        assert any(event.kind == "retry" for event in events) or fault in NO_FAULT_FOR_A_STREAM


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"no_length"}))  # a range says itself how long it is
def test_a_lasting_fault_is_a_clear_error(release: Path, tmp_path: Path, fault: str) -> None:
    def choose(name: str) -> str:
        return fault if name.endswith(".zip") else ""

    with serving(release, choose) as server, pytest.raises(WorldstratBenchError) as caught:
        fetch(settings(tmp_path, server, policy=GIVES_UP))
    assert caught.value.exit_code == (4 if fault == "wrong_bytes" else 6)
    assert caught.value.remedy
    assert nothing_wrong(tmp_path)
    assert not fetched_files(tmp_path)


def test_drip_of_small_pieces_ends(release: Path, tmp_path: Path) -> None:
    """Progress of a few bytes a connection is not progress."""
    with serving(release, lambda name: "drip_cut" if name.endswith(".zip") else "") as server:
        with pytest.raises(InfrastructureError, match="cut"):
            fetch(settings(tmp_path, server, policy=GIVES_UP))
        assert server.requests("hr_dataset.zip") < 20


@pytest.mark.parametrize("kind", ["v1.1", "v1.0"])
def test_file_that_changes_during_the_fetch(release: Path, tmp_path: Path, kind: str) -> None:
    """What was fetched of the old version is replaced; the result is one version throughout."""
    old, new = tmp_path / "old", tmp_path / "new"
    other = dataclasses.replace(SHAPE, ps_bytes=30_000)
    (write_zips if kind == "v1.1" else write_tars)(new, other)
    shutil.copytree(release, old)
    name = "hr_dataset.zip" if kind == "v1.1" else "hr_dataset.tar.gz"

    with serving(old) as server:

        def choose(asked: str) -> str:
            if asked == name and server.requests(name) == (4 if kind == "v1.1" else 2):
                (new / name).replace(old / name)
            return "cut" if asked == name and server.requests(name) == 1 else ""

        server.choose = choose
        events: list[Event] = []
        fetch(settings(tmp_path / "out", server, release=kind, connections=1), events.append)
    found = fetched_files(tmp_path / "out")
    fresh = wanted_files(other)
    assert {k: v for k, v in found.items() if k.startswith("hr")} == {
        k: v for k, v in fresh.items() if k.startswith("hr")
    }
    assert any("changed on the server" in event.message for event in events)


def test_file_that_never_stops_changing(release: Path, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    shutil.copytree(release, folder)
    with serving(folder) as server:

        def choose(name: str) -> str:
            path = folder / name
            if name == "hr_dataset.zip":
                shutil.copy(path, folder / "copy")
                (folder / "copy").replace(path)
            return ""

        server.choose = choose
        with pytest.raises(InfrastructureError, match="keeps changing"):
            fetch(settings(tmp_path / "out", server))
    assert nothing_wrong(tmp_path / "out")


def test_server_without_validators_or_with_odd_if_range(release: Path, tmp_path: Path) -> None:
    with serving(release) as server:
        server.validators = False
        fetch(settings(tmp_path / "a", server))
    with serving(release) as server:
        server.refuse_if_range = True  # drops the range whenever If-Range is there, as some do
        fetch(settings(tmp_path / "b", server))
    assert fetched_files(tmp_path / "a") == fetched_files(tmp_path / "b") == wanted_files(SHAPE)


def test_server_that_knows_no_ranges(release: Path, tmp_path: Path) -> None:
    """A tar archive needs none; a ZIP does, and the error says what to do instead."""
    with serving(release, lambda _: "ignore_range") as server:
        fetch(settings(tmp_path / "tar", server, release="v1.0"))
        assert fetched_files(tmp_path / "tar") == wanted_files(SHAPE)
        with pytest.raises(InfrastructureError, match="ignores ranges") as caught:
            fetch(settings(tmp_path / "zip", server, policy=GIVES_UP))
    assert "--source" in (caught.value.remedy or "")


def test_cut_stream_without_ranges_starts_over_but_loses_nothing(release: Path, tmp_path: Path) -> None:
    cut = every(2, "cut")

    def choose(name: str) -> str:
        return cut(name) or "ignore_range"

    with serving(release, choose) as server:
        fetch(settings(tmp_path, server, release="v1.0"))
    assert fetched_files(tmp_path) == wanted_files(SHAPE)


def test_wait_that_the_server_asks_for(release: Path, tmp_path: Path) -> None:
    impatient = dataclasses.replace(PATIENT, longest_retry_after_seconds=-1.0)
    with serving(release, lambda _: "429_date") as server:
        fetch_it = settings(tmp_path, server, policy=impatient)
        with pytest.raises(InfrastructureError, match="429"):
            fetch(fetch_it)


def test_missing_file_and_dead_server(release: Path, tmp_path: Path) -> None:
    with serving(tmp_path) as server, pytest.raises(DataError, match=r"has no metadata\.csv"):
        fetch(settings(tmp_path / "out", server))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    dead = Settings(tmp_path / "out", source=f"http://127.0.0.1:{port}", policy=GIVES_UP)
    with pytest.raises(InfrastructureError, match="refused"):
        fetch(dead)
    for odd in ("ftp://host/x", "https://host/x?y=1", "http://"):
        with pytest.raises(UsageError):
            fetch(Settings(tmp_path / "out", source=odd))


def test_damaged_directory_of_an_earlier_fetch_is_read_again(release: Path, tmp_path: Path) -> None:
    with serving(release) as server:
        fetch(settings(tmp_path, server))
        note = tmp_path / ".fetch" / "hr_dataset.zip.directory"
        note.write_bytes(note.read_bytes()[:-40])
        victim = next((tmp_path / "hr_dataset").rglob("*_ps.tiff"))
        victim.write_bytes(b"truncated")
        before = server.requests("hr_dataset.zip")
        fetch(settings(tmp_path, server))
        assert server.requests("hr_dataset.zip") - before <= 4
    assert fetched_files(tmp_path) == wanted_files(SHAPE)


def test_wrong_byte_in_the_directory_does_not_spoil_the_fetch(release: Path, tmp_path: Path) -> None:
    """The directory has no checksum: a member that stays damaged, or is missing, casts doubt on it."""
    served = tmp_path / "served"
    shutil.copytree(release, served)
    archive = served / "hr_dataset.zip"
    good = archive.read_bytes()
    for seed in range(3):
        with serving(served) as server:
            place = len(good) - 200 - 137 * seed

            def choose(
                name: str, server: State = server, good: bytes = good, place: int = place, archive: Path = archive
            ) -> str:
                if name == archive.name and server.requests(name) in (1, 2):  # while the directory is being read
                    stat = archive.stat()
                    bad = good if server.requests(name) == 2 else good[:place] + b"\xa5" + good[place + 1 :]
                    with archive.open("r+b") as file:
                        file.write(bad)
                    import os

                    os.utime(archive, ns=(stat.st_atime_ns, stat.st_mtime_ns))
                return ""

            server.choose = choose
            out = tmp_path / f"out{seed}"
            fetch(settings(out, server, connections=1))
            assert fetched_files(out) == wanted_files(SHAPE)
