"""One archive, or one unpacked copy, as a job: first a plan that says what it will cost, then the work."""

from __future__ import annotations

import shutil
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from worldstrat_bench.data.fetch.client import Client
from worldstrat_bench.data.fetch.faults import FetchAttemptFailed, SourceChanged
from worldstrat_bench.data.fetch.progress import Progress
from worldstrat_bench.data.fetch.remote import RemoteFile
from worldstrat_bench.data.fetch.sources import MOST_CHANGES, Archive, keeps_changing
from worldstrat_bench.data.fetch.sparse import SparseFile, note_name
from worldstrat_bench.data.fetch.store import Store, crc_of
from worldstrat_bench.data.fetch.tars import LocalStream, RemoteStream, TarFetcher
from worldstrat_bench.data.fetch.wanted import WantedFiles
from worldstrat_bench.data.fetch.zips import (
    DAMAGE,
    Extractor,
    RemoteFetcher,
    ZipMember,
    join,
    select,
    unfinished,
)
from worldstrat_bench.errors import DataError

TYPICAL_BYTES = {"_ps.tiff": 8_900_000, "-L2A_data.tiff": 1_230_000, "-CLM.tiff": 105_000}
"""Typical sizes in WorldStrat, for archives that do not tell before they are read."""


class Job(Protocol):
    """Work on one archive.

    Attributes
    ----------
    members, members_present : files that the list needs from here, and those of them that are already right.
    bytes_needed, bytes_on_disk : what has still to be transferred or copied, and what it will take on the disk.
    ignored : members with unsafe names that no file of the data set has.
    """

    members: int
    members_present: int
    bytes_needed: int
    bytes_on_disk: int
    ignored: int

    def plan(self) -> None: ...

    def run(self) -> None: ...

    def close(self) -> None: ...


class ZipJob:
    """Members of a ZIP archive, by ranges if it is remote."""

    def __init__(
        self,
        archive: Archive,
        store: Store,
        wanted: WantedFiles,
        progress: Progress,
        *,
        notes: Store,
        client: Client,
        connections: int,
    ) -> None:
        self.members = self.members_present = self.bytes_needed = self.bytes_on_disk = self.ignored = 0
        self._archive = archive
        self._store = store
        self._notes = notes
        self._wanted = wanted
        self._progress = progress
        self._client = client
        self._connections = connections
        self._zip: zipfile.ZipFile | None = None
        self._sparse: SparseFile | None = None
        self._todo: list[ZipMember] = []

    def plan(self) -> None:
        """Read the directory; a remote one that is damaged or lacks files is read twice before it is believed."""
        for doubtful in (True, False):
            try:
                chosen, self.ignored = self._directory()
            except DataError:
                if doubtful and self._archive.remote is not None:
                    self._forget()
                    continue
                raise
            except SourceChanged:
                self._forget()
                if doubtful:
                    continue
                raise keeps_changing(cast(RemoteFile, self._archive.remote)) from None
            if doubtful and self._archive.remote is not None and self._lacks_some(chosen):
                self._forget()
                continue
            break
        self._todo = unfinished(chosen, self._store)
        self.members, self.members_present = len(chosen), len(chosen) - len(self._todo)
        self.bytes_needed = sum(span.end - span.start for span in join(self._todo))
        self.bytes_on_disk = sum(member.size for member in self._todo)

    def run(self) -> None:
        """Fetch what the plan found missing; start again if the archive changes on the way."""
        if not self._todo:
            return
        self._progress.begin(self._archive.name, self.bytes_needed)
        remote = self._archive.remote
        if remote is None:
            self._local()
            return
        for change in range(MOST_CHANGES):
            try:
                self._remote(remote)
                return
            except SourceChanged:
                self._progress.note(f"{remote.name} changed on the server: reading its directory again")
            except DataError:
                if change:
                    raise
                # Members that stay damaged may mean that the directory was: believe it only when read twice.
                self._progress.note(f"{remote.name} does not match its directory: reading the directory again")
            self._forget()
            self.plan()
        raise keeps_changing(remote)

    def close(self) -> None:
        """Close the archive."""
        if self._zip is not None:
            self._zip.close()

    def _directory(self) -> tuple[list[ZipMember], int]:
        where = self._archive.name
        try:
            self.close()
            self._zip = zipfile.ZipFile(self._open())
        # The last four as well: zipfile trusts the sizes and places that a damaged directory states.
        except (*DAMAGE, struct.error, ValueError, OverflowError, OSError) as error:
            raise DataError(
                "the archive is not a ZIP file or its directory is damaged", where=where, remedy="use another source"
            ) from error
        if self._sparse is not None:
            self._sparse.open_ended = False
            self._sparse.save(self._notes)
        return select(self._zip, self._wanted, where)

    def _open(self) -> BinaryIO | Path:
        if self._archive.path is not None:
            return self._archive.path
        remote = cast(RemoteFile, self._archive.remote)
        self._sparse = SparseFile.restore(remote, self._notes) or SparseFile(remote)
        return cast(BinaryIO, self._sparse)

    def _forget(self) -> None:
        if self._archive.remote is not None:
            self._archive.remote.forget()
            self._notes.drop_note(note_name(self._archive.remote))

    def _lacks_some(self, chosen: list[ZipMember]) -> bool:
        have = {member.path for member in chosen}
        return any(path not in have for path in self._wanted.expected() if path.startswith(self._archive.holds))

    def _local(self) -> None:
        def written(member: ZipMember) -> None:
            self._progress.add_bytes(member.end - member.start)
            self._progress.add_member(member.size)

        assert self._zip is not None
        extractor = Extractor(self._zip, self._store, written)
        for member in self._todo:
            try:
                extractor.extract(member)
            except FetchAttemptFailed as fault:
                remedy = "the archive is damaged: get another copy"
                raise DataError(fault.what, where=self._archive.path, remedy=remedy) from fault

    def _remote(self, remote: RemoteFile) -> None:
        assert self._zip is not None
        assert self._sparse is not None
        extractor = Extractor(self._zip, self._store, lambda member: self._progress.add_member(member.size))
        fetcher = RemoteFetcher(remote, self._sparse, extractor, self._progress.add_bytes)
        with ThreadPoolExecutor(self._connections, thread_name_prefix="fetch") as pool:
            futures = [pool.submit(fetcher.fetch, span) for span in join(self._todo)]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:  # also the user's Ctrl-C: nothing may go on in the background
                self._client.stop()
                pool.shutdown(wait=True, cancel_futures=True)
                self._client.resume()
                raise


class TarJob:
    """Members of a tar.gz archive, streamed once."""

    def __init__(
        self,
        archive: Archive,
        store: Store,
        wanted: WantedFiles,
        progress: Progress,
        *,
        md5: str | None,
    ) -> None:
        self.members = self.members_present = self.bytes_needed = self.bytes_on_disk = self.ignored = 0
        self._archive = archive
        self._store = store
        self._wanted = wanted
        self._progress = progress
        self._md5 = md5
        self._have: frozenset[str] = frozenset()

    def plan(self) -> None:
        """Ask for the archive's size, unless all its files are here; what they take is estimated."""
        receipts = self._store.receipts()
        expected = [path for path in self._wanted.expected() if path.startswith(self._archive.holds)]
        self._have = frozenset(path for path in expected if path in receipts and self._store.has(path, *receipts[path]))
        self.members, self.members_present = len(expected), len(self._have)
        self.bytes_needed = self._size() if self.members > self.members_present else 0
        self.bytes_on_disk = sum(
            next(size for end, size in TYPICAL_BYTES.items() if path.endswith(end))
            for path in expected
            if path not in self._have
        )

    def run(self) -> None:
        """Stream the archive; from its beginning again if it changes on the way."""
        if not self.bytes_needed:
            return
        for _ in range(MOST_CHANGES):
            self._progress.begin(self._archive.name, self.bytes_needed)
            try:
                self._stream()
                return
            except SourceChanged:
                assert self._archive.remote is not None
                self._archive.remote.forget()
                # A gzip stream has no place to go on from.
                self._progress.note(f"{self._archive.name} changed on the server: beginning it again")
        raise keeps_changing(cast(RemoteFile, self._archive.remote))

    def close(self) -> None:
        """Do nothing: nothing stays open."""

    def _size(self) -> int:
        if self._archive.path is not None:
            return self._archive.path.stat().st_size
        return cast(RemoteFile, self._archive.remote).identity().size

    def _stream(self) -> None:
        fetcher = TarFetcher(
            self._store,
            self._wanted,
            self._have,
            where=self._archive.name,
            md5=self._md5,
            on_written=lambda _, size: self._progress.add_member(size),
        )
        if self._archive.path is not None:
            local = LocalStream(self._archive.path, self._progress.add_bytes)
            try:
                receipts = fetcher.run(local)
            finally:
                local.close()
        else:
            receipts = fetcher.run(RemoteStream(cast(RemoteFile, self._archive.remote), self._progress.add_bytes))
        self.ignored = fetcher.ignored
        self._store.add_receipts(receipts)


class CopyJob:
    """Files of an unpacked copy, Kaggle's ``12bit`` level included."""

    def __init__(self, folder: Path, store: Store, wanted: WantedFiles, progress: Progress) -> None:
        self.members = self.members_present = self.bytes_needed = self.bytes_on_disk = self.ignored = 0
        self._folder = folder
        self._store = store
        self._wanted = wanted
        self._progress = progress
        self._todo: list[tuple[str, Path]] = []

    def plan(self) -> None:
        """Find the files and compare those that are in both places."""
        for path in self._wanted.expected():
            source = self._find(path)
            # Told at the end of the fetch, when all that the source has is copied.
            if source is None:
                continue
            self.members += 1
            if self._store.path(path).is_file() and self._store.has(path, source.stat().st_size, crc_of(source)):
                self.members_present += 1
                continue
            self._todo.append((path, source))
            self.bytes_needed += source.stat().st_size
        self.bytes_on_disk = self.bytes_needed

    def run(self) -> None:
        """Copy what the plan found missing.

        Raises
        ------
        DataError
            if a file changes while it is copied.
        """
        if not self._todo:
            return
        self._progress.begin(str(self._folder), self.bytes_needed)
        for path, source in self._todo:
            size = source.stat().st_size
            with source.open("rb") as file, self._store.writing(path) as out:
                shutil.copyfileobj(file, out, 1 << 20)
                if out.tell() != size:
                    raise DataError("the file changed while it was copied", where=source, remedy="run it again")
            self._progress.add_bytes(size)
            self._progress.add_member(size)

    def close(self) -> None:
        """Do nothing: nothing stays open."""

    def _find(self, path: str) -> Path | None:
        candidates = [self._folder / path]
        if path.startswith("hr_dataset/"):
            candidates.insert(0, self._folder / "hr_dataset" / "12bit" / path.removeprefix("hr_dataset/"))
        return next((candidate for candidate in candidates if candidate.is_file()), None)
