"""A download is whole and checked, or leaves nothing; a server that never stops is left."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from http.client import HTTPMessage
from pathlib import Path

import pytest

from worldstrat_bench.downloads import OtherFileError, SafeRedirects, download

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


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest", "HTTP://localhost/", "ftp://intranet/file"])
def test_no_server_leads_away_from_https(target: str) -> None:
    def redirected(start: str, to: str) -> urllib.request.Request | None:
        request = urllib.request.Request(start)
        return SafeRedirects().redirect_request(request, io.BytesIO(), 302, "Found", HTTPMessage(), to)

    with pytest.raises(urllib.error.HTTPError, match="away from https"):
        redirected("https://example.org/file", target)
    for start, to in (("https://example.org/file", "https://cdn.example.org/x"), ("http://a.org/x", "http://b.org/x")):
        followed = redirected(start, to)
        assert followed is not None
        assert followed.full_url == to
