"""The course of a fetch: the two CSV files, the plan, the disk, the archives one after the other, the account."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from worldstrat_bench.data.fetch.client import Client
from worldstrat_bench.data.fetch.jobs import CopyJob, Job, TarJob, ZipJob
from worldstrat_bench.data.fetch.progress import Progress, duration, megabytes
from worldstrat_bench.data.fetch.releases import METADATA, SPLIT, recognise, releases
from worldstrat_bench.data.fetch.settings import MIB, Event, FetchResult, Report, Settings
from worldstrat_bench.data.fetch.small import get_small_files
from worldstrat_bench.data.fetch.sources import Source, open_source
from worldstrat_bench.data.fetch.store import Store, disk_errors
from worldstrat_bench.data.fetch.wanted import WantedFiles, choose
from worldstrat_bench.data.split import licence_text
from worldstrat_bench.errors import DataError, InfrastructureError, UsageError
from worldstrat_bench.printed import counted

_ASSUMED_BYTES_PER_SECOND = 10_000_000
_RATE_NEEDS_BYTES = MIB


def _silent(_: Event) -> None:
    """Discard every report."""


def fetch(settings: Settings, report: Report = _silent) -> FetchResult:
    """Fetch what a list needs into a folder; what is there already, whole and right, is left alone.

    Raises
    ------
    UsageError
        for a source, list or release that makes no sense.
    DataError
        if the source is damaged, hostile, another release than the folder's, or lacks files of the list.
    InfrastructureError
        if the network or the disk fails; the same command continues later.
    """
    if settings.frames < 1 or settings.connections < 1:
        raise UsageError("--frames and --connections must be at least 1")
    progress = Progress(report)
    client = Client(settings.policy, progress.retry)
    source = open_source(settings.source, settings.release, client)
    _refuse_itself(settings.root, source)
    if settings.dry_run:
        with tempfile.TemporaryDirectory(prefix="worldstrat-bench-") as scratch:
            return _Fetch(settings, source, client, progress, Store(Path(scratch))).run()
    store = Store(settings.root)
    with disk_errors(settings.root):
        store.notes.mkdir(parents=True, exist_ok=True)
    with _alone(store):
        return _Fetch(settings, source, client, progress, store).run()


class _Fetch:
    def __init__(self, settings: Settings, source: Source, client: Client, progress: Progress, notes: Store) -> None:
        self._settings = settings
        self._source = source
        self._client = client
        self._progress = progress
        self._store = Store(settings.root)
        self._notes = notes
        self._begun = time.monotonic()
        self._rate = float(_ASSUMED_BYTES_PER_SECOND)

    def run(self) -> FetchResult:
        self._notes.prepare()
        release = self._small_files()
        folder = self._notes.root
        wanted = choose(
            self._settings.list_name, self._settings.frames, folder / METADATA, folder / SPLIT, official=bool(release)
        )
        jobs = self._jobs(wanted, release)
        try:
            return self._work(wanted, release, jobs)
        finally:
            for job in jobs:
                job.close()

    def _work(self, wanted: WantedFiles, release: str | None, jobs: list[Job]) -> FetchResult:
        # All archives are planned before one is fetched: what is missing, how long it takes and whether the disk is
        # large enough is known first.
        for job in jobs:
            job.plan()
        result = self._account(wanted, release, jobs)
        summary = (
            f"list {wanted.list_name} of {self._source.text}: {counted(result.tiles, 'tile')}, "
            f"{counted(result.frames, 'frame')}; "
            f"{result.members_present} of {result.members} files are here; to get: {megabytes(result.bytes_needed)}, "
            f"about {duration(result.estimated_seconds)}"
        )
        self._progress.plan(summary, result.bytes_needed, result.members - result.members_present)
        self._check_disk(jobs)
        if self._settings.dry_run:
            return result
        for job in jobs:
            job.run()
        final = dataclasses.replace(
            result,
            members_written=self._progress.members_written,
            bytes_transferred=self._client.bytes_received,
            bytes_written=self._progress.bytes_written,
            ignored_members=sum(job.ignored for job in jobs),
            seconds=time.monotonic() - self._begun,
        )
        # Last: what could be had is there, and the message says so.
        self._refuse_gaps(wanted)
        written = f"{counted(final.members_written, 'file')}, {megabytes(final.bytes_written)}"
        self._progress.done(f"complete: {written} written in {duration(final.seconds)}")
        return final

    def _small_files(self) -> str | None:
        """Get the two CSV files, put them into place, and say which release they belong to."""
        begun = time.monotonic()
        md5s = get_small_files(self._source, self._store, self._notes)
        if self._client.bytes_received >= _RATE_NEEDS_BYTES:
            self._rate = self._client.bytes_received / max(1e-3, time.monotonic() - begun)
        release = recognise(md5s)
        asked = self._settings.release
        if asked and release and asked != release:
            raise UsageError(
                f"the source holds release {release}, not {asked}",
                where=self._source.text,
                remedy=f"--release {release}",
            )
        return release

    def _jobs(self, wanted: WantedFiles, release: str | None) -> list[Job]:
        context = (self._store, wanted, self._progress)
        if self._source.folder is not None:
            return [CopyJob(self._source.folder, *context)]
        jobs: list[Job] = []
        for archive in self._source.archives:
            if archive.is_zip:
                connections = self._settings.connections
                jobs.append(ZipJob(archive, *context, notes=self._notes, client=self._client, connections=connections))
            else:
                published = releases()[release].files.get(archive.name) if release else None
                jobs.append(TarJob(archive, *context, md5=published.md5 if published else None))
        return jobs

    def _account(self, wanted: WantedFiles, release: str | None, jobs: list[Job]) -> FetchResult:
        needed = sum(job.bytes_needed for job in jobs)
        return FetchResult(
            root=str(self._settings.root),
            source=self._source.text,
            release=release or "unrecognised",
            official=release is not None,
            list_name=wanted.list_name,
            tiles=len(wanted.tiles),
            frames=wanted.frames,
            dry_run=self._settings.dry_run,
            members=sum(job.members for job in jobs),
            members_present=sum(job.members_present for job in jobs),
            members_written=0,
            bytes_needed=needed,
            bytes_transferred=self._client.bytes_received,
            bytes_written=0,
            estimated_seconds=round(needed / self._rate, 3),
            seconds=time.monotonic() - self._begun,
            ignored_members=sum(job.ignored for job in jobs),
            licence=licence_text(),
        )

    def _check_disk(self, jobs: list[Job]) -> None:
        needed = sum(job.bytes_on_disk for job in jobs)
        if not needed:
            return
        with disk_errors(self._settings.root):
            free = self._store.free_bytes()
        reserve = self._settings.keep_free_bytes
        if free < needed + reserve:
            raise InfrastructureError(
                f"the disk has {megabytes(free)} free; this needs {megabytes(needed)} and leaves {megabytes(reserve)}",
                where=self._settings.root,
                remedy="make room, choose another folder, or a smaller --list or --frames",
            )

    def _refuse_gaps(self, wanted: WantedFiles) -> None:
        missing = [path for path in wanted.expected() if not self._store.path(path).is_file()]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise DataError(
                f"the source lacks {missing[0]}{more}; all else is here",
                where=self._source.text,
                remedy="`worldstrat-bench data check` says which tiles can be used; another source may be complete",
            )


def _refuse_itself(root: Path, source: Source) -> None:
    if source.folder is not None and root.exists() and source.folder.resolve() == root.resolve():
        raise UsageError("the source is the folder itself", where=root, remedy="there is nothing to fetch: use it")


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Refuse a second fetch into a folder: two would write and tidy away the same partial files."""
    lock = filelock.FileLock(store.notes / "lock")
    try:
        with lock.acquire(timeout=0):
            yield
    except filelock.Timeout as error:
        raise InfrastructureError(
            "another fetch into this folder is running", where=store.root, remedy="wait until it ends"
        ) from error
