"""Where a release comes from: its own archive, another server, a folder of archives, one archive, an unpacked copy."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from worldstrat_bench.data.fetch.client import Client, FaultCount
from worldstrat_bench.data.fetch.faults import FetchAttemptFailed, SourceChanged
from worldstrat_bench.data.fetch.releases import DEFAULT_RELEASE, METADATA, SPLIT, Release, release_named, releases
from worldstrat_bench.data.fetch.remote import RemoteFile, RetryingReader
from worldstrat_bench.data.fetch.wanted import LARGEST_CSV_BYTES
from worldstrat_bench.data.fetch.zips import DAMAGE
from worldstrat_bench.errors import DataError, InfrastructureError, UsageError

_WHAT_A_SOURCE_IS = "give a base URL, a folder that holds the release's files, one .zip, or an unpacked copy"
MOST_CHANGES = 3
"""How often a file may change on the server during one fetch before that is called an error."""


@dataclass(frozen=True)
class Archive:
    """An archive of pixels: on a disk (`path`) or behind a URL (`remote`), exactly one of them."""

    name: str
    path: Path | None = None
    remote: RemoteFile | None = None

    @property
    def is_zip(self) -> bool:
        """ZIP or else tar.gz."""
        return self.name.lower().endswith(".zip")

    @property
    def holds(self) -> tuple[str, ...]:
        """The folders of a dataset that it holds."""
        if self.name.startswith("hr_dataset"):
            return ("hr_dataset/",)
        return ("lr_dataset/",) if self.name.startswith("lr_dataset") else ("hr_dataset/", "lr_dataset/")


@dataclass(frozen=True)
class Source:
    """A source, opened: its archives or its unpacked folder, and what it must agree with.

    Attributes
    ----------
    published : files of the release whose checksums must hold here whatever the CSV files say (Zenodo itself).
    """

    text: str
    csv_files: Mapping[str, Path | RemoteFile | tuple[Path, str]]
    archives: tuple[Archive, ...] = ()
    folder: Path | None = None
    published: Release | None = None

    def read_csv(self, name: str) -> bytes:
        """Read one of the two small files.

        Raises
        ------
        DataError, InfrastructureError
        """
        place = self.csv_files[name]
        if isinstance(place, RemoteFile):
            md5 = self.published.files[name].md5 if self.published else None
            return _download(place, md5)
        if isinstance(place, tuple):
            return _zip_csv(*place)
        try:
            if place.stat().st_size <= LARGEST_CSV_BYTES:
                return place.read_bytes()
        except OSError as error:
            raise DataError(f"the source has no readable {name}", where=place, remedy=_WHAT_A_SOURCE_IS) from error
        raise DataError("the file is too large to be one of WorldStrat's", where=place, remedy=_WHAT_A_SOURCE_IS)


def open_source(text: str | None, release: str | None, client: Client) -> Source:
    """Return the source that `text` names; nothing is read from a network yet.

    Raises
    ------
    UsageError, DataError
    """
    if text is None:
        return _zenodo(release_named(release or DEFAULT_RELEASE), client)
    if "://" in text:
        return _server(text, release_named(release or DEFAULT_RELEASE), client)
    path = Path(text).expanduser()
    if path.is_file() and path.suffix.lower() == ".zip":
        return _one_zip(path)
    if not path.is_dir():
        raise UsageError("the source is neither a URL, a folder nor a .zip", where=text, remedy=_WHAT_A_SOURCE_IS)
    return _folder(path, release)


def _zenodo(release: Release, client: Client) -> Source:
    remote = {name: RemoteFile(client, file.url, name) for name, file in release.files.items()}
    return Source(
        f"Zenodo, WorldStrat {release.name}",
        {name: remote[name] for name in (METADATA, SPLIT)},
        tuple(Archive(name, remote=remote[name]) for name in release.archives),
        published=release,
    )


def _server(text: str, release: Release, client: Client) -> Source:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise UsageError("the source is not a base URL", where=text, remedy="like https://host/folder, without ? and #")
    base = text.rstrip("/")
    return Source(
        base,
        {name: RemoteFile(client, f"{base}/{name}", name) for name in (METADATA, SPLIT)},
        tuple(Archive(name, remote=RemoteFile(client, f"{base}/{name}", name)) for name in release.archives),
    )


def _folder(path: Path, release: str | None) -> Source:
    csv_files = {name: path / name for name in (METADATA, SPLIT)}
    known = [release_named(release)] if release else [releases()[name] for name in sorted(releases(), reverse=True)]
    for candidate in known:
        if all((path / name).is_file() for name in candidate.archives):
            return Source(str(path), csv_files, tuple(Archive(name, path=path / name) for name in candidate.archives))
    if (path / "hr_dataset").is_dir() and (path / "lr_dataset").is_dir():
        return Source(str(path), csv_files, folder=path)
    raise UsageError(
        "the folder holds neither both archives of a release nor hr_dataset/ and lr_dataset/",
        where=path,
        remedy=_WHAT_A_SOURCE_IS,
    )


def _one_zip(path: Path) -> Source:
    """Return the source of one ZIP that holds everything, as Kaggle serves a dataset."""
    return Source(str(path), {name: (path, name) for name in (METADATA, SPLIT)}, (Archive(path.name, path=path),))


def _zip_csv(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.split("/")[-1] == name and info.file_size <= LARGEST_CSV_BYTES:
                    return archive.read(info)
    except (*DAMAGE, OSError) as error:
        raise DataError("the archive is damaged", where=path, remedy="get another copy") from error
    raise DataError(f"the archive has no {name}", where=path, remedy="put the file's folder and archives side by side")


def _download(remote: RemoteFile, md5: str | None) -> bytes:
    def attempt() -> bytes:
        content = _whole(remote)
        if md5 is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            raise FetchAttemptFailed("the file's md5 is not the published one", damaged=True)
        return content

    return remote.client.retrying(attempt, where=remote.name, faults=FaultCount())


def _whole(remote: RemoteFile) -> bytes:
    for _ in range(MOST_CHANGES):
        content = bytearray()
        try:
            reader = RetryingReader(remote)
            while chunk := reader.next():
                content += chunk
                if len(content) > LARGEST_CSV_BYTES:
                    raise DataError("the file is too large to be one of WorldStrat's", where=remote.url)
            return bytes(content)
        except SourceChanged:
            remote.forget()
    raise keeps_changing(remote)


def keeps_changing(remote: RemoteFile) -> InfrastructureError:
    """Return the error for a file that is never the same for long enough."""
    return InfrastructureError(
        "the file keeps changing on the server", where=remote.url, remedy="try again later, or use another source"
    )
