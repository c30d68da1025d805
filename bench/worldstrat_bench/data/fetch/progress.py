"""Counting on behalf of several threads, and telling about it not too often."""

from __future__ import annotations

import threading
import time

from worldstrat_bench.data.fetch.settings import Event, Report

_SECONDS_BETWEEN = 0.2


class Progress:
    """Bytes and members, of the file at hand and of the whole fetch."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._last = 0.0
        self._file = ""
        self._file_bytes = self._file_total = 0
        self._bytes = self._total = 0
        self._members = self._members_total = 0
        self.bytes_written = 0

    @property
    def members_written(self) -> int:
        """Members that have their final names."""
        return self._members

    def plan(self, message: str, total_bytes: int, total_members: int) -> None:
        """Report what is ahead, once it is known."""
        self._total, self._members_total = total_bytes, total_members
        self._emit("plan", message)

    def begin(self, file: str, total_bytes: int) -> None:
        """Report the file whose bytes come next."""
        self._file, self._file_bytes, self._file_total = file, 0, total_bytes
        self._emit("file", f"{file}: {megabytes(total_bytes)}")

    def note(self, message: str) -> None:
        """Report something the user may want to know."""
        self._emit("note", message)

    def retry(self, message: str) -> None:
        """Report that an attempt failed and another one follows."""
        with self._lock:
            self._emit("retry", message)

    def done(self, message: str) -> None:
        """Report the end."""
        self._emit("progress", "")
        self._emit("done", message)

    def add_bytes(self, size: int) -> None:
        """Count bytes of the archive at hand that arrived."""
        with self._lock:
            self._file_bytes = min(self._file_bytes + size, self._file_total)  # bytes asked for twice count once
            self._bytes = min(self._bytes + size, self._total)
            self._sometimes()

    def add_member(self, size: int) -> None:
        """Report a member that is complete."""
        with self._lock:
            self._members += 1
            self.bytes_written += size
            self._sometimes()

    def _sometimes(self) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN:
            self._last = now
            self._emit("progress", "")

    def _emit(self, kind: str, message: str) -> None:
        self._report(
            Event(
                kind,  # type: ignore[arg-type]
                self._file,
                message,
                self._file_bytes,
                self._file_total,
                self._bytes,
                self._total,
                self._members,
                self._members_total,
            )
        )


def megabytes(size: int) -> str:
    """Return a size as people read it: decimal units, as disks and archives state theirs."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit in ("B", "kB") else f"{value:.1f} {unit}"


def duration(seconds: float) -> str:
    """Return a time as people read it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
