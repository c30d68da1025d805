"""Hostile members: each is refused or left alone, and nothing is written where it must not be."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fetch_archives import PATIENT, Shape, fetched_files, names, wanted_files, write_csvs, write_tars, write_zips
from worldstrat_bench.data.fetch import FetchResult, Settings, fetch
from worldstrat_bench.data.fetch.hostile import is_unsafe
from worldstrat_bench.errors import DataError

SHAPE = Shape(tiles=8, revisits=2)
TILE = next(tile for index, tile in enumerate(names(SHAPE)) if SHAPE.split_of(index) == "test")
PS = f"{TILE}/{TILE}_ps.tiff"
OUT, ABSOLUTE, BACKSLASHES = "leads out of the folder", "has an absolute path", "has backslashes"
UNSAFE = [
    (f"/hr_dataset/{PS}", ABSOLUTE),
    (f"../hr_dataset/{PS}", OUT),
    (f"../../../../{PS}", OUT),
    (f"hr_dataset/{TILE}/../../../hr_dataset/{PS}", OUT),
    (f"C:/hr_dataset/{PS}", ABSOLUTE),
    (f"C:\\hr_dataset\\{TILE}\\{TILE}_ps.tiff", ABSOLUTE),
    (f"..\\hr_dataset\\{TILE}\\{TILE}_ps.tiff", OUT),
    (f"\\\\server\\share\\{TILE}\\{TILE}_ps.tiff", ABSOLUTE),
    (f"hr_dataset\\{TILE}\\{TILE}_ps.tiff", BACKSLASHES),
]


def run(tmp_path: Path, source: Path, release: str) -> FetchResult:
    return fetch(Settings(tmp_path / "out", release=release, source=str(source), policy=PATIENT))


def outside(tmp_path: Path, *folders: str) -> list[Path]:
    """Files that are neither the source's nor below the output folder."""
    return [p for p in tmp_path.rglob("*") if p.is_file() and p.relative_to(tmp_path).parts[0] not in folders]


def zip_source(tmp_path: Path, change: Callable[[zipfile.ZipFile], None], *, drop: str = "") -> Path:
    """A release whose HR archive lacks members ending in `drop` and has what `change` adds."""
    source = write_zips(tmp_path / "src", SHAPE)
    with (
        zipfile.ZipFile(source / "hr_dataset.zip") as old,
        zipfile.ZipFile(source / "new.zip", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for info in old.infolist():
            if not (drop and info.filename.endswith(drop)):
                new.writestr(info, old.read(info))
        change(new)
    (source / "new.zip").replace(source / "hr_dataset.zip")
    return source


def tar_source(tmp_path: Path, extra: list[tuple[tarfile.TarInfo, bytes]], *, drop: str = "") -> Path:
    source = write_tars(tmp_path / "src", SHAPE)
    with (
        tarfile.open(source / "hr_dataset.tar.gz") as old,
        tarfile.open(source / "new.tar.gz", "w:gz", compresslevel=1) as new,
    ):
        for info, content in extra:
            new.addfile(info, io.BytesIO(content))
        for info in old:
            if not (drop and info.name.endswith(drop)):
                new.addfile(info, old.extractfile(info))
    (source / "new.tar.gz").replace(source / "hr_dataset.tar.gz")
    return source


def tar_member(name: str, size: int = 4, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


@pytest.mark.parametrize(("name", "why"), UNSAFE)
def test_zip_names_that_lead_out(tmp_path: Path, name: str, why: str) -> None:
    def add(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo("x")
        info.filename = info.orig_filename = name
        archive.writestr(info, b"evil")

    source = zip_source(tmp_path, add, drop=PS)
    with pytest.raises(DataError, match=why):
        run(tmp_path, source, "v1.1")
    assert not outside(tmp_path, "src", "out")
    assert not fetched_files(tmp_path / "out")


@pytest.mark.parametrize(("name", "why"), UNSAFE)
def test_tar_names_that_lead_out(tmp_path: Path, name: str, why: str) -> None:
    source = tar_source(tmp_path, [(tar_member(name), b"evil")], drop=PS)
    with pytest.raises(DataError, match=why):
        run(tmp_path, source, "v1.0")
    assert not outside(tmp_path, "src", "out")
    assert not fetched_files(tmp_path / "out")


def test_unsafe_names_that_are_not_wanted_are_ignored_and_counted(tmp_path: Path) -> None:
    source = zip_source(tmp_path, lambda archive: archive.writestr("../../etc/passwd", b"evil"))
    assert run(tmp_path, source, "v1.1").ignored_members == 1
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)
    assert not outside(tmp_path, "src", "out")


def test_unsafe_tar_names_that_are_not_wanted(tmp_path: Path) -> None:
    source = tar_source(tmp_path, [(tar_member("/etc/cron.d/evil"), b"evil")])
    assert run(tmp_path, source, "v1.0").ignored_members == 1
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR])
def test_zip_links_and_devices(tmp_path: Path, mode: int) -> None:
    def add(archive: zipfile.ZipFile) -> None:
        info = zipfile.ZipInfo(f"hr_dataset/{PS}")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, b"/etc/passwd")

    with pytest.raises(DataError, match="not a plain file"):
        run(tmp_path, zip_source(tmp_path, add, drop=PS), "v1.1")
    assert not fetched_files(tmp_path / "out")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_tar_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    extra = [(tar_member(f"hr_dataset/{PS}", 0, kind, "/etc/passwd"), b"")]
    with pytest.raises(DataError, match="not a plain file"):
        run(tmp_path, tar_source(tmp_path, extra, drop=PS), "v1.0")
    assert not fetched_files(tmp_path / "out")


def test_link_as_a_folder_in_a_tar_is_not_followed(tmp_path: Path) -> None:
    """First a link named like the tile's folder, then a file 'in' it."""
    (tmp_path / "elsewhere").mkdir()
    link = tar_member(f"hr_dataset/{TILE}", 0, tarfile.SYMTYPE, str(tmp_path / "elsewhere"))
    run(tmp_path, tar_source(tmp_path, [(link, b"")]), "v1.0")
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_zip_bomb_by_ratio_and_by_declared_size(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a bomb"):
        run(tmp_path, zip_source(tmp_path, lambda a: a.writestr(f"hr_dataset/{PS}", bytes(9 << 20)), drop=PS), "v1.1")
    big = tmp_path / "big"
    big.mkdir()
    with pytest.raises(DataError, match="are believable"):
        run(big, zip_source(big, lambda a: a.writestr(f"hr_dataset/{PS}", bytes(65 << 20)), drop=PS), "v1.1")
    assert not fetched_files(tmp_path / "out")


@pytest.mark.parametrize("declared", [100, 50_000])
def test_zip_member_that_lies_about_its_size(tmp_path: Path, declared: int) -> None:
    """The directory says `declared` bytes; the deflated stream holds 24,000."""
    source = write_zips(tmp_path / "src", SHAPE)
    path = source / "hr_dataset.zip"
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"hr_dataset/{PS}")
        start_dir = archive.start_dir
    content = bytearray(path.read_bytes())
    entry = content.index(info.filename.encode(), start_dir) - 46
    content[entry + 24 : entry + 28] = declared.to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError):
        run(tmp_path, source, "v1.1")
    assert f"hr_dataset/{PS}" not in fetched_files(tmp_path / "out")
    assert not list((tmp_path / "out" / ".fetch" / "partial").iterdir())


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_compression_that_no_release_uses(tmp_path: Path, compression: int) -> None:
    def add(archive: zipfile.ZipFile) -> None:
        archive.writestr(f"hr_dataset/{PS}", b"x" * 100, compress_type=compression)

    with pytest.raises(DataError, match="neither stored nor deflated"):
        run(tmp_path, zip_source(tmp_path, add, drop=PS), "v1.1")


@pytest.mark.parametrize("again", [f"hr_dataset/{PS}", f"./hr_dataset/{PS}", f"hr_dataset/12bit/{PS}"])
def test_duplicate_members(tmp_path: Path, again: str) -> None:
    with pytest.warns(UserWarning, match="Duplicate name") if again[:3] == "hr_" and "12" not in again else _nothing():
        source = zip_source(tmp_path, lambda archive: archive.writestr(again, b"other"))
    with pytest.raises(DataError, match="twice"):
        run(tmp_path, source, "v1.1")
    tar = tmp_path / "tar"
    tar.mkdir()
    with pytest.raises(DataError, match="twice"):
        run(tar, tar_source(tar, [(tar_member(again, 5), b"other")]), "v1.0")
    assert not fetched_files(tar / "out")


class _nothing:  # noqa: N801 - a context manager that expects nothing, beside pytest.warns
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_tiles_that_differ_by_case_alone(tmp_path: Path) -> None:
    source = write_zips(tmp_path / "src", SHAPE)
    for name in ("metadata.csv", "stratified_train_val_test_split.csv"):
        text = (source / name).read_text()
        rows = [line.replace(TILE, TILE.swapcase()) for line in text.splitlines()[1:] if TILE in line]
        (source / name).write_text(text + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match="case alone"):
        run(tmp_path, source, "v1.1")


@pytest.mark.parametrize("name", ["../../evil", "/etc", "a/b", "..", "nul\x00", "tile.", "", "a\\b", "x" * 200, "-\n"])
def test_hostile_tile_names_in_the_csv_files(tmp_path: Path, name: str) -> None:
    source = write_zips(tmp_path / "src", SHAPE)
    split = source / "stratified_train_val_test_split.csv"
    with split.open("a", newline="") as file:
        file.write(f'99,"{name}",Forest,11,x,x,test\n')
    with pytest.raises(DataError, match=r"not allowed|not a CSV"):
        run(tmp_path, source, "v1.1")


def test_case_and_unsafe_names() -> None:
    for name in (*(name for name, _ in UNSAFE), "a\x1b[2Jb", "a\nb", "..", "a/.."):
        assert is_unsafe(name), name
    for name in ("a/b.tiff", "./a", "a..b/c", "Amnesty POI-1-1-1/x"):
        assert not is_unsafe(name), name


def test_gzip_bomb_and_header_bomb(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    write_csvs(source, SHAPE)
    bomb = io.BytesIO()
    with gzip.open(bomb, "wb", compresslevel=9) as file:
        file.write(tar_member("padding", 100 << 20).tobuf())
        for _ in range(100):
            file.write(bytes(1 << 20))
    (source / "hr_dataset.tar.gz").write_bytes(bomb.getvalue())
    (source / "lr_dataset_l2a.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match="is a bomb"):
        run(tmp_path, source, "v1.0")
    with gzip.open(source / "hr_dataset.tar.gz", "wb", compresslevel=1) as file:
        file.write(tar_member("long", 12 << 20, tarfile.GNUTYPE_LONGNAME).tobuf())
        for _ in range(12):
            file.write(bytes(1 << 20))
    with pytest.raises(DataError, match="header is a bomb"):
        run(tmp_path, source, "v1.0")


@pytest.mark.parametrize("damage", ["cut", "flip", "trailing", "not gzip", "empty", "tar cut inside gzip"])
def test_damaged_tar_leaves_nothing(tmp_path: Path, damage: str) -> None:
    """Also members that were read before the damage: without the archive's checksum their content is unknown."""
    source = write_tars(tmp_path / "src", SHAPE)
    path = source / "hr_dataset.tar.gz"
    good = path.read_bytes()
    middle = len(good) * 3 // 4
    path.write_bytes(
        {
            "cut": good[:middle],
            "flip": good[:middle] + bytes([good[middle] ^ 4]) + good[middle + 1 :],
            "trailing": good + b"not a gzip member",
            "not gzip": b"<!doctype html>" * 100,
            "empty": b"",
            "tar cut inside gzip": gzip.compress(gzip.decompress(good)[: len(good) // 2], 1),
        }[damage]
    )
    with pytest.raises(DataError):
        run(tmp_path, source, "v1.0")
    assert not list((tmp_path / "out" / ".fetch" / "partial").iterdir())
    right = wanted_files(SHAPE)
    found = fetched_files(tmp_path / "out")
    assert all(right[name] == content for name, content in found.items())
    if damage != "tar cut inside gzip":
        assert not any(name.startswith("hr") for name in found)
