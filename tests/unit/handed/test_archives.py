"""Archives of predictions as other people's programs write them: a reason given is the reason."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from worldstrat_bench.archives import open_zip
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.handed.archive import files_in
from worldstrat_bench.handed.folder import find_files


def archive_of(path: Path, *members: tuple[str, bytes], mode: int = 0) -> Path:
    """Write an archive whose names are as given: zipfile itself would turn a backslash of Windows around."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (name, content) in enumerate(members):
            info = zipfile.ZipInfo()
            info.filename = name
            info.external_attr = mode << 16
            archive.writestr(info, content)
            archive.NameToInfo[f"written {number}"] = archive.NameToInfo.pop(name)  # or a second one is warned of
    return path


@pytest.mark.parametrize(
    "members",
    [
        (("predictions\\", b""), ("predictions\\a.npy", b"1"), ("predictions\\b.npy", b"2")),
        (("run/", b""), ("run/a.npy", b"1"), ("run/b.npy", b"2"), ("__MACOSX/run/._a.npy", b"fork")),
        (("C:\\Users\\me\\a.npy", b"1"), ("C:\\Users\\me\\b.npy", b"2"), ("C:\\Users\\me\\Thumbs.db", b"3")),
        (("/home/me/a.npy", b"1"), ("./x/../b.npy", b"2"), ("desktop.ini", b"3"), (".DS_Store", b"4")),
    ],
    ids=["folders with backslashes", "macOS", "a drive of Windows", "absolute and relative"],
)
def test_archives_of_other_systems_are_read(tmp_path: Path, members: tuple[tuple[str, bytes], ...]) -> None:
    with files_in(archive_of(tmp_path / "files.zip", *members)) as folder:
        found = find_files(folder, ["a", "b"], known=frozenset({"a", "b"}), ids={})
        assert found.faults == ()
        assert {name: path.read_bytes() for name, path in found.files.items()} == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("a.npy", "a.npy", "'a.npy' in the archive is there twice"),
        ("one/a.npy", "two/a.npy", "'two/a.npy' in the archive has the name of 'one/a.npy': folders do not count"),
        ("one\\a.npy", "a.npy", "'a.npy' in the archive has the name of 'one"),
        ("Tile.npy", "tile.npy", "'tile.npy' in the archive differs from 'Tile.npy' by case alone"),
        ("\u00c9.npy", "\u00e9.npy", "by case alone"),
    ],
)
def test_the_reason_for_two_of_one_name_is_the_reason(tmp_path: Path, first: str, second: str, reason: str) -> None:
    path = archive_of(tmp_path / "files.zip", (first, b"1"), (second, b"2"))
    with pytest.raises(InvalidArtefactError) as caught, files_in(path):
        pass
    assert reason in caught.value.what


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_only_plain_files_are_unpacked(tmp_path: Path, kind: int) -> None:
    path = archive_of(tmp_path / "files.zip", ("deep/a.npy", b"/etc/passwd"), mode=kind | 0o644)
    with (
        pytest.raises(InvalidArtefactError, match=r"deep/a\.npy' in the archive is (a link|not a plain file)"),
        files_in(path),
    ):
        pass


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_what_is_unpacked_bit_by_bit_is(tmp_path: Path, method: int) -> None:
    """Of these methods zipfile unpacks a block at once: 46 bytes may be 46 MB, whatever size is stated."""
    file = tmp_path / "h.zip"
    for used, fits in ((zipfile.ZIP_DEFLATED, True), (zipfile.ZIP_STORED, True), (method, False)):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.npy", b"x" * 1000, used)
        if fits:
            assert open_zip(file).namelist() == ["a.npy"]
            continue
        with pytest.raises(InvalidArtefactError, match="packed by a method other than deflate"), files_in(file):
            pass
        with pytest.raises(zipfile.BadZipFile, match="other than deflate"):
            open_zip(io.BytesIO(file.read_bytes()))


def test_a_directory_has_a_size(tmp_path: Path) -> None:
    file = tmp_path / "h.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number:05d}{'x' * 1000}", b"")
    assert len(open_zip(file).namelist()) == 2000
    with pytest.raises(zipfile.BadZipFile, match="too many files"):
        open_zip(file, 1 << 20)
