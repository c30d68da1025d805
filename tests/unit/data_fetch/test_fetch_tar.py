"""tar.gz: how much memory and disk a stream takes, lost connections, published checksums."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from fetch_archives import PATIENT, Shape, fetched_files, members, names, wanted_files, write_tars
from fetch_server import serving
from worldstrat_bench.data.fetch import Settings, fetch
from worldstrat_bench.data.fetch.store import Store
from worldstrat_bench.data.fetch.tars import LocalStream, TarFetcher
from worldstrat_bench.data.fetch.wanted import WantedFiles
from worldstrat_bench.errors import DataError

SHAPE = Shape(tiles=8, revisits=4)
HEADERS = 150_000
UNWANTED_BYTES = 160 << 20
MEASURE = """
import sys
from pathlib import Path
from worldstrat_bench.data.fetch import Settings, fetch
fetch(Settings(Path(sys.argv[2]), source=sys.argv[1], release="v1.0"))
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
print(next(l.split()[1] for l in Path("/proc/self/io").read_text().splitlines() if l.startswith("wchar")))
"""


def long_archive(path: Path) -> None:
    """As many headers as the real archive, an unwanted member of 160 MB, and the wanted ones between them."""
    filler = tarfile.TarInfo("lr_dataset/unused/L1C/unused-1-L1C_data.tiff").tobuf()
    big = tarfile.TarInfo("hr_dataset/unused/unused_pan.tiff")
    big.size = UNWANTED_BYTES
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(50):
            file.write(filler * (HEADERS // 50))
        file.write(big.tobuf())
        block = bytes(range(256)) * 4096
        for _ in range(UNWANTED_BYTES // len(block)):
            file.write(block)
        inner = io.BytesIO()
        with tarfile.open(fileobj=inner, mode="w") as archive:
            for _, name, content in (m for m in members(SHAPE) if m[0] == "hr_dataset"):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        file.write(inner.getvalue())


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs Linux's /proc")
def test_stream_holds_little_memory_and_writes_only_what_it_keeps(tmp_path: Path) -> None:
    source = tmp_path / "src"
    write_tars(source, SHAPE)
    long_archive(source / "hr_dataset.tar.gz")
    with (source / "metadata.csv").open("a") as file:  # 18 MB, as the real one
        for tile in range(4000):
            file.writelines(f"x,Unused-{tile},{n},2020-05-21,2020-06-15,0,-25,20.0,{'5' * 240}\n" for n in range(1, 17))
    with serving(source) as server:
        command = [sys.executable, "-c", MEASURE, server.url, str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    peak_kib, written = (int(line) for line in done.stdout.split())
    print(f"peak {peak_kib} KiB, written {written} bytes")
    assert peak_kib < 100_000  # the promise is 200 MB; every header kept would take 110 here and grow with the archive
    wanted = wanted_files(SHAPE)
    assert fetched_files(tmp_path / "out") == wanted
    csv_bytes = sum(path.stat().st_size for path in source.glob("*.csv"))
    assert written < 1.3 * sum(map(len, wanted.values())) + csv_bytes + 200_000


def test_lost_connection_continues_at_the_same_byte(tmp_path: Path) -> None:
    source = write_tars(tmp_path / "src", SHAPE)
    with serving(source) as server:
        server.choose = lambda name: "cut" if name.endswith(".gz") and server.requests(name) in (1, 2, 3) else ""
        fetch(Settings(tmp_path / "out", release="v1.0", source=server.url, policy=PATIENT))
        size = (source / "hr_dataset.tar.gz").stat().st_size
        assert server.requests("hr_dataset.tar.gz") == 5
        assert server.body_bytes("hr_dataset.tar.gz") == size + 1  # one byte asked for the size
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)


@pytest.mark.parametrize("right", [True, False])
def test_published_md5_decides(tmp_path: Path, right: bool) -> None:
    import hashlib

    path = write_tars(tmp_path / "src", SHAPE) / "hr_dataset.tar.gz"
    store = Store(tmp_path / "out")
    store.prepare()
    tiles = frozenset(tile for index, tile in enumerate(names(SHAPE)) if SHAPE.split_of(index) == "test")
    md5 = hashlib.md5(path.read_bytes()).hexdigest() if right else "0" * 32
    fetcher = TarFetcher(
        store,
        WantedFiles("test", tiles, 8, {}),
        frozenset(),
        where=path.name,
        md5=md5,
        on_written=lambda _name, _size: None,
    )
    stream = LocalStream(path, lambda _: None)
    try:
        if right:
            assert sorted(fetcher.run(stream)) == sorted(n for n in wanted_files(SHAPE) if n.startswith("hr"))
        else:
            with pytest.raises(DataError, match="md5"):
                fetcher.run(stream)
            assert not fetched_files(tmp_path / "out")
    finally:
        stream.close()
    assert not list((tmp_path / "out" / ".fetch" / "partial").iterdir())
