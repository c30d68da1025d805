"""Sources other than a server, lists, disk, and what a second fetch costs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import filelock
import pytest

from fetch_archives import PATIENT, Shape, fetched_files, names, wanted_files, write_tars, write_unpacked, write_zips
from fetch_server import serving
from worldstrat_bench.data.fetch import Settings, fetch
from worldstrat_bench.data.fetch.releases import METADATA, SPLIT, recognise, release_named, releases
from worldstrat_bench.data.fetch.settings import Event
from worldstrat_bench.data.fetch.wanted import choose
from worldstrat_bench.data.split import list_tiles
from worldstrat_bench.errors import DataError, InfrastructureError, UsageError

SHAPE = Shape(tiles=8, revisits=4)


def local(root: Path, source: Path, **changes: object) -> Settings:
    return Settings(root, source=str(source), policy=PATIENT, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["zips", "tars", "unpacked", "kaggle", "one zip"])
def test_local_sources(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "src"
    if kind == "zips":
        write_zips(source, SHAPE)
    elif kind == "tars":
        write_tars(source, SHAPE)
    else:
        write_unpacked(source, SHAPE, kaggle=kind != "unpacked")
    if kind == "one zip":
        source = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", source))
    result = fetch(local(tmp_path / "out", source, frames=3))
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE, frames=3)
    assert result.members_written == len(wanted_files(SHAPE, frames=3))
    assert result.bytes_transferred == 0
    again = fetch(local(tmp_path / "out", source, frames=3))
    assert (again.members_written, again.members_present) == (0, result.members)


def test_more_frames_later_fetch_only_the_new_ones(tmp_path: Path) -> None:
    write_zips(tmp_path / "src", SHAPE)
    with serving(tmp_path / "src") as server:
        settings = Settings(tmp_path / "out", source=server.url, policy=PATIENT, frames=2)
        few = fetch(settings)
        more = fetch(Settings(tmp_path / "out", source=server.url, policy=PATIENT, frames=4))
    assert more.members_written == more.members - few.members
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE, frames=4)


def test_second_fetch_asks_for_nothing_but_whether_files_changed(tmp_path: Path) -> None:
    write_tars(write_zips(tmp_path / "src", SHAPE), SHAPE)
    with serving(tmp_path / "src") as server:
        for release in ("v1.1", "v1.0"):
            settings = Settings(tmp_path / release, release=release, source=server.url, policy=PATIENT)
            fetch(settings)
            before = server.body_bytes()
            assert fetch(settings).members_written == 0
            assert server.body_bytes() - before <= 4


@pytest.mark.parametrize("release", ["v1.1", "v1.0"])
def test_truncated_or_edited_file_is_fetched_again(tmp_path: Path, release: str) -> None:
    source = write_tars(write_zips(tmp_path / "src", SHAPE), SHAPE)
    settings = local(tmp_path / "out", source, release=release)
    fetch(settings)
    victim = tmp_path / "out" / next(iter(wanted_files(SHAPE)))
    good = victim.read_bytes()
    for bad in (good[:-1], good[:-1] + bytes([good[-1] ^ 1]), b""):
        victim.write_bytes(bad)
        assert fetch(settings).members_written == 1
        assert victim.read_bytes() == good


def test_dry_run_writes_nothing_and_says_what_it_would_take(tmp_path: Path) -> None:
    write_tars(write_zips(tmp_path / "src", SHAPE), SHAPE)
    events: list[Event] = []
    with serving(tmp_path / "src") as server:
        for release in ("v1.1", "v1.0"):
            settings = Settings(tmp_path / "out", release=release, source=server.url, policy=PATIENT, dry_run=True)
            result = fetch(settings, events.append)
            assert result.members == len(wanted_files(SHAPE))
            assert result.bytes_needed > 0
            assert result.estimated_seconds > 0
            assert result.members_written == 0
    assert result.bytes_needed == sum(path.stat().st_size for path in (tmp_path / "src").glob("*.tar.gz"))
    assert not (tmp_path / "out").exists()
    assert any("to get" in event.message for event in events if event.kind == "plan")


def test_full_disk_is_seen_before_anything_is_fetched(tmp_path: Path) -> None:
    source = write_zips(tmp_path / "src", SHAPE)
    with pytest.raises(InfrastructureError, match=r"the disk has .* free"):
        fetch(local(tmp_path / "out", source, keep_free_bytes=1 << 60))
    assert not fetched_files(tmp_path / "out")


def test_disk_that_fills_up_during_the_fetch(tmp_path: Path) -> None:
    """In a process that may write no file above 16 kB, which fails as a full disk does."""
    source = write_zips(tmp_path / "src", SHAPE)
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from worldstrat_bench.data.fetch import Settings, fetch\n"
        "from worldstrat_bench.errors import InfrastructureError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16000, 16000))\n"
        "try:\n    fetch(Settings(Path(sys.argv[2]), source=sys.argv[1]))\n"
        "except InfrastructureError as error:\n    print(error.what)\n"
    )
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "the disk is full" in done.stdout
    right = wanted_files(SHAPE)
    assert all(right[name] == content for name, content in fetched_files(tmp_path / "out").items())
    assert not list((tmp_path / "out" / ".fetch" / "partial").iterdir())


def test_lists(tmp_path: Path) -> None:
    source = write_zips(tmp_path / "src", SHAPE)
    for split in ("train", "val"):
        fetch(local(tmp_path / split, source, list_name=split))
        assert fetched_files(tmp_path / split) == wanted_files(SHAPE, split)
    with pytest.raises(UsageError, match="0 of the 394 tiles of list full"):
        fetch(local(tmp_path / "x", source, list_name="full"))
    with pytest.raises(UsageError, match="no tile is in list 'tset'"):
        fetch(local(tmp_path / "x", source, list_name="tset"))


def test_first_column_without_a_name_holds_the_tiles(tmp_path: Path) -> None:
    """As in metadata.csv of v1.0."""
    (tmp_path / METADATA).write_text(",n\nLandcover-1,1\nLandcover-1,2\n")
    (tmp_path / SPLIT).write_text(",tile,split\n0,Landcover-1,test\n")
    wanted = choose("auto", 1, tmp_path / METADATA, tmp_path / SPLIT, official=False)
    assert wanted.revisits == {"Landcover-1": frozenset({1})}


@pytest.mark.parametrize("name", ["full", "clean", "strict", "never-split"])
def test_lists_of_the_package(tmp_path: Path, name: str) -> None:
    """CSV files that know the official tiles: the list is the package's, whatever the split column says."""
    tiles = list_tiles("full") + list_tiles("never-split")
    (tmp_path / METADATA).write_text("tile,n\n" + "".join(f"{tile},{n}\n" for tile in tiles for n in range(1, 13)))
    (tmp_path / SPLIT).write_text(",tile,split\n" + "".join(f"0,{tile},train\n" for tile in tiles))
    wanted = choose(name, 8, tmp_path / METADATA, tmp_path / SPLIT, official=True)
    assert wanted.tiles == frozenset(list_tiles(name))
    assert all(numbers == frozenset(range(1, 9)) for numbers in wanted.revisits.values())
    auto = choose("auto", 8, tmp_path / METADATA, tmp_path / SPLIT, official=True)
    assert auto.list_name == "full"


def test_source_that_lacks_a_tile(tmp_path: Path) -> None:
    source = write_unpacked(tmp_path / "src", SHAPE)
    gone = next(iter(wanted_files(SHAPE)))
    (source / gone).unlink()
    with pytest.raises(DataError, match="the source lacks"):
        fetch(local(tmp_path / "out", source))
    assert fetched_files(tmp_path / "out") == {k: v for k, v in wanted_files(SHAPE).items() if k != gone}


def test_two_releases_are_not_mixed(tmp_path: Path) -> None:
    fetch(local(tmp_path / "out", write_zips(tmp_path / "a", SHAPE)))
    other = write_zips(tmp_path / "b", Shape(tiles=9, revisits=4))
    with pytest.raises(DataError, match="must not be mixed"):
        fetch(local(tmp_path / "out", other))
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)


def test_sources_that_make_no_sense(tmp_path: Path) -> None:
    source = write_unpacked(tmp_path / "src", SHAPE)
    for bad in (tmp_path / "absent", tmp_path, source / METADATA):
        with pytest.raises(UsageError):
            fetch(local(tmp_path / "out", bad))
    with pytest.raises(UsageError, match="the folder itself"):
        fetch(local(source, source))
    with pytest.raises(UsageError, match="unknown release"):
        fetch(Settings(tmp_path / "out", release="v9"))
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        fetch(local(blocked, source))


@pytest.mark.parametrize("content", [b"<!doctype html>", b"\xff\xfe\x00", b"", b"tile\nx\n", b"tile,n\nx,nine\n"])
def test_files_that_are_not_csv(tmp_path: Path, content: bytes) -> None:
    source = write_zips(tmp_path / "src", SHAPE)
    good = (source / METADATA).read_bytes()
    (source / METADATA).write_bytes(content)
    with pytest.raises(DataError):
        fetch(local(tmp_path / "out", source))
    (source / METADATA).write_bytes(good)
    fetch(local(tmp_path / "out", source))  # nothing wrong was left behind
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)


def test_one_fetch_a_folder(tmp_path: Path) -> None:
    source = write_zips(tmp_path / "src", SHAPE)
    (tmp_path / "out" / ".fetch").mkdir(parents=True)
    with (
        filelock.FileLock(tmp_path / "out" / ".fetch" / "lock"),
        pytest.raises(InfrastructureError, match="another fetch"),
    ):
        fetch(local(tmp_path / "out", source))


def test_real_archives_have_one_place_for_their_urls() -> None:
    """The URLs are built, not exercised: the archives cannot be reached by the tests."""
    assert sorted(releases()) == ["v1.0", "v1.1"]
    new, old = release_named("v1.1"), release_named("v1.0")
    assert new.archives == ("hr_dataset.zip", "lr_dataset_l2a.zip")
    assert old.archives == ("hr_dataset.tar.gz", "lr_dataset_l2a.tar.gz")
    assert new.files["hr_dataset.zip"].url == "https://zenodo.org/records/15382551/files/hr_dataset.zip?download=1"
    assert new.files["hr_dataset.zip"].size_bytes == 40829062202
    assert all(len(file.md5) == 32 for release in (new, old) for file in release.files.values())
    assert recognise({name: new.files[name].md5 for name in (METADATA, SPLIT)}) == "v1.1"
    assert recognise({METADATA: new.files[METADATA].md5, SPLIT: old.files[SPLIT].md5}) is None


def test_zip64_archive_beyond_four_gigabytes(tmp_path: Path) -> None:
    """The HR archive has 40 GB: offsets beyond 4 GiB, here in a sparse file."""
    source = write_zips(tmp_path / "src", SHAPE)
    big = source / "big.zip"
    with big.open("wb") as file:
        file.truncate(5 << 30)
        file.seek(5 << 30)
        with zipfile.ZipFile(source / "hr_dataset.zip") as old, zipfile.ZipFile(file, "a") as new:
            for info in old.infolist():
                new.writestr(info.filename, old.read(info))
    with zipfile.ZipFile(big) as archive:
        assert archive.start_dir > 5 << 30
    big.replace(source / "hr_dataset.zip")
    with serving(source) as server:
        fetch(Settings(tmp_path / "out", source=server.url, policy=PATIENT))
        assert server.body_bytes("hr_dataset.zip") < 200_000
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)
    (source / "hr_dataset.zip").unlink()


def test_sixteen_of_160_tiles_take_less_than_an_eighth(tmp_path: Path) -> None:
    """Of all bytes served, the two CSV files and the directories included."""
    shape = Shape(tiles=160, test_share=0.1, revisits=16, ps_bytes=45_000)
    source = write_zips(tmp_path / "src", shape)
    archives = sum(path.stat().st_size for path in source.glob("*.zip"))
    assert sum(shape.split_of(index) == "test" for index in range(len(names(shape)))) == 16
    with serving(source) as server:
        result = fetch(Settings(tmp_path / "out", source=server.url, policy=PATIENT))
        assert server.body_bytes() < 0.12 * archives
        assert server.body_bytes() == result.bytes_transferred
    assert fetched_files(tmp_path / "out") == wanted_files(shape)
