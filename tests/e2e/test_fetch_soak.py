"""Fetches that are killed, over a server that misbehaves at random: all end complete and identical, at little cost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fetch_archives import Shape, fetched_files, wanted_files, write_tars, write_zips
from fetch_server import LOSING, Entry, State, seeded_faults, serving

SHAPE = Shape(tiles=24, test_share=0.5, revisits=10, ps_bytes=60_000)
ARCHIVES = ("hr_dataset.zip", "lr_dataset_l2a.zip")
CSVS = ("metadata.csv", "stratified_train_val_test_split.csv")
DRIVER = """
import sys
from pathlib import Path
from worldstrat_bench.data.fetch import RetryPolicy, Settings, fetch
from worldstrat_bench.errors import WorldstratBenchError
policy = RetryPolicy(attempts=12, first_wait_seconds=0.005, longest_wait_seconds=0.05, silence_seconds=0.5)
try:
    fetch(Settings(Path(sys.argv[2]), source=sys.argv[1], release=sys.argv[3], connections=3, policy=policy))
except WorldstratBenchError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
except KeyboardInterrupt:
    sys.exit(130)
"""


@dataclass(frozen=True)
class Piece:
    """A part of a served file that is worth keeping, and the file on the disk that shows that it was kept."""

    name: str
    start: int
    end: int
    kept_as: str


def pieces(release: Path) -> list[Piece]:
    """What a fetch cannot do without, with its places in the archives: worked out independently of the package."""
    found = [Piece(name, 0, (release / name).stat().st_size, f".fetch/{name}.origin") for name in CSVS]
    wanted = wanted_files(SHAPE)
    for name in ARCHIVES:
        with zipfile.ZipFile(release / name) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
            ends = [info.header_offset for info in infos[1:]] + [archive.start_dir]
            found += [
                Piece(name, info.header_offset, end, info.filename)
                for info, end in zip(infos, ends, strict=True)
                if info.filename in wanted
            ]
            size = (release / name).stat().st_size
            found.append(Piece(name, archive.start_dir, size, f".fetch/{name}.directory"))
    return found


@dataclass
class Account:
    """Bytes of one fetch over all its runs: sent by the server, lost to faults and kills, and needed."""

    needed: int
    sent: int = 0
    lost: int = 0
    runs: int = 0
    kills: int = 0

    @property
    def ratio(self) -> float:
        return self.sent / (self.needed + self.lost)


def lost_bytes(entry: Entry, by_name: dict[str, list[Piece]], root: Path) -> int:
    """Bytes of a response that came to nothing: useless altogether, hit by a wrong byte, or not kept by the end."""
    harmless = (entry.fault == "no_length" and entry.status == 206) or (
        entry.fault in ("ignore_range", "other_range") and not entry.ranged and entry.name in CSVS
    )
    if entry.fault in LOSING and not harmless:
        return entry.sent
    lost = 0
    for piece in by_name[entry.name]:
        overlap = min(piece.end, entry.start + entry.sent) - max(piece.start, entry.start)
        hit = any(piece.start <= flip < piece.end for flip in entry.flips)
        if overlap > 0 and (hit or not (root / piece.kept_as).exists()):
            lost += overlap
    return lost


def kill_somewhere(process: subprocess.Popen[str], server: State, rng: random.Random, goal: int) -> bool:
    """End the process once the server has sent `goal` bytes; False if it ended by itself before."""
    while process.poll() is None:
        if server.body_bytes() >= goal:
            process.send_signal(rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            process.communicate(timeout=30)
            return True
        time.sleep(0.003)
    process.communicate()
    return False


def settled(server: State) -> None:
    """Wait until the handlers of a killed client have noticed that it is gone."""
    before = -1
    while (now := server.body_bytes()) != before:
        before = now
        time.sleep(0.05)


def interrupted_fetch(release: Path, root: Path, seed: int, kind: str = "v1.1") -> Account:
    """One fetch that is killed up to four times and then left alone."""
    rng = random.Random(seed)
    parts = pieces(release)
    by_name = {name: [piece for piece in parts if piece.name == name] for name in (*ARCHIVES, *CSVS)}
    account = Account(sum(piece.end - piece.start for piece in parts))
    kills = rng.randint(1, 4)
    speed = 1_500_000 if kind == "v1.1" else 8_000_000
    with serving(release, seeded_faults(seed, 0.15), bytes_per_second=speed) as server:
        for _ in range(40):
            begun, account.runs = len(server.entries), account.runs + 1
            command = [sys.executable, "-c", DRIVER, server.url, str(root), kind]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if account.kills < kills:
                # The first kill always comes in time; later ones may find the fetch complete.
                reach = account.needed // (1 if account.kills else 2)
                goal = server.body_bytes() + rng.randrange(reach)
                if kill_somewhere(process, server, rng, goal):
                    account.kills += 1
            else:
                process.communicate(timeout=120)
            settled(server)
            if kind == "v1.1":
                account.lost += sum(lost_bytes(entry, by_name, root) for entry in server.entries[begun:])
            if process.returncode == 0:
                account.sent = server.body_bytes()
                return account
    raise AssertionError(f"seed {seed}: not complete after {account.runs} runs")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_zips(tmp_path_factory.mktemp("release"), SHAPE)
    return write_tars(folder, SHAPE)


def check_zip(release: Path, root: Path, seed: int) -> Account:
    account = interrupted_fetch(release, root, seed)
    assert fetched_files(root) == wanted_files(SHAPE), f"seed {seed}"
    assert not list((root / ".fetch" / "partial").iterdir()), f"seed {seed}"
    assert account.kills >= 1, f"seed {seed}: was not interrupted"
    assert account.ratio <= 1.05, f"seed {seed}: {account}"
    return account


def check_tar(release: Path, root: Path, seed: int) -> None:
    interrupted_fetch(release, root, seed, "v1.0")
    assert fetched_files(root) == wanted_files(SHAPE), f"seed {seed}"


def test_a_few_interrupted_fetches(release: Path, tmp_path: Path) -> None:
    for seed in range(3):
        check_zip(release, tmp_path / str(seed), seed)


def test_an_interrupted_tar_fetch(release: Path, tmp_path: Path) -> None:
    check_tar(release, tmp_path / "out", 0)


def _folders(tmp_path: Path, count: int) -> Iterator[tuple[int, Path]]:
    for seed in range(1000, 1000 + count):
        yield seed, tmp_path / str(seed)


@pytest.mark.soak
def test_a_hundred_interrupted_fetches(release: Path, tmp_path: Path) -> None:
    accounts = [check_zip(release, folder, seed) for seed, folder in _folders(tmp_path, 100)]
    sent, lost = sum(a.sent for a in accounts), sum(a.lost for a in accounts)
    needed = sum(a.needed for a in accounts)
    print(
        f"\n{len(accounts)} fetches, {sum(a.kills for a in accounts)} kills, {sum(a.runs for a in accounts)} runs: "
        f"needed {needed}, lost {lost}, sent {sent}, ratio {sent / (needed + lost):.4f}, "
        f"largest {max(a.ratio for a in accounts):.4f}"
    )


@pytest.mark.soak
def test_twenty_interrupted_tar_fetches(release: Path, tmp_path: Path) -> None:
    for seed, folder in _folders(tmp_path, 20):
        check_tar(release, folder, seed)
