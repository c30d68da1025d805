"""A download is whole and checked, or leaves nothing; a server that never stops is left."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from worldstrat_bench.downloads import OtherFileError, download

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "served").write_bytes(CONTENT)
    return (tmp_path / "served").as_uri()


def test_the_file_is_there_whole(url: str, tmp_path: Path) -> None:
    download(url, tmp_path / "new" / "file", sha256=SHA256, most_bytes=len(CONTENT))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]
    assert (tmp_path / "new" / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("sha256", "most_bytes", "reason"),
    [("0" * 64, len(CONTENT), "has sha256"), (SHA256, len(CONTENT) - 1, "larger than")],
)
def test_another_file_leaves_nothing_and_replaces_nothing(
    url: str, tmp_path: Path, sha256: str, most_bytes: int, reason: str
) -> None:
    place = tmp_path / "new" / "file"
    place.parent.mkdir()
    place.write_bytes(b"as it was")
    with pytest.raises(OtherFileError, match=reason):
        download(url, place, sha256=sha256, most_bytes=most_bytes)
    assert [path.name for path in place.parent.iterdir()] == ["file"]
    assert place.read_bytes() == b"as it was"


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/file", "file:///proc/none/file"])
def test_a_network_that_fails_is_an_error_of_the_system(address: str, tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        download(address, tmp_path / "file", sha256=SHA256, most_bytes=1)
    assert not isinstance(caught.value, OtherFileError)
    assert list(tmp_path.iterdir()) == []
