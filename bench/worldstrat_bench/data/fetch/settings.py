"""Settings, progress events and result of a fetch. Standard library only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MIB = 1 << 20


@dataclass(frozen=True)
class RetryPolicy:
    """Retries and timeouts of a fetch.

    Attributes
    ----------
    attempts : faults in a row, without real progress between them, after which a request is given up.
    first_wait_seconds, longest_wait_seconds : exponential back-off with full jitter between these two.
    longest_retry_after_seconds : a server that asks for more than this is an error that says when to come back.
    connect_seconds, silence_seconds : no connection, or not a byte, for this long is a fault.
    """

    attempts: int = 8
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 30.0
    longest_retry_after_seconds: float = 300.0
    connect_seconds: float = 10.0
    silence_seconds: float = 30.0


@dataclass(frozen=True)
class Settings:
    """Files to fetch, and their source.

    Attributes
    ----------
    release : ``v1.0`` or ``v1.1``; None takes what the source holds, v1.1 if that cannot be seen.
    list_name : ``auto``, a list of the package (full, clean, strict, never-split), or a value of the split column.
    frames : revisits of every tile, those numbered 1 to this.
    source : a base URL, a folder, or one archive; None is the release's own archive on Zenodo.
    connections : requests at a time.
    dry_run : only say what would be fetched; nothing is written into `root`.
    keep_free_bytes : disk that must stay free beside what is fetched.
    """

    root: Path
    release: str | None = None
    list_name: str = "auto"
    frames: int = 8
    source: str | None = None
    connections: int = 4
    dry_run: bool = False
    keep_free_bytes: int = 256 * MIB
    policy: RetryPolicy = field(default_factory=RetryPolicy)


@dataclass(frozen=True)
class Event:
    """One thing that happened. Counts are of bytes to transfer (or to copy) and of members, so far and in all."""

    kind: Literal["plan", "file", "progress", "retry", "note", "done"]
    file: str = ""
    message: str = ""
    file_bytes: int = 0
    file_bytes_total: int = 0
    bytes: int = 0
    bytes_total: int = 0
    members: int = 0
    members_total: int = 0


Report = Callable[[Event], None]


@dataclass(frozen=True)
class FetchResult:
    """Result of a fetch; with ``dry_run``, of what it would do.

    Attributes
    ----------
    release : the release that the two CSV files belong to, ``unrecognised`` if none.
    bytes_needed : what had to be transferred or copied when this fetch started; an estimate for a tar archive.
    bytes_transferred : what came over the network in this fetch, faults included.
    bytes_written : size of the members written in this fetch.
    estimated_seconds : for ``bytes_needed``, at the rate seen on the small files or else 10 MB/s.
    ignored_members : members of an archive with an unsafe name that no list asks for; never written.
    """

    root: str
    source: str
    release: str
    official: bool
    list_name: str
    tiles: int
    frames: int
    dry_run: bool
    members: int
    members_present: int
    members_written: int
    bytes_needed: int
    bytes_transferred: int
    bytes_written: int
    estimated_seconds: float
    seconds: float
    ignored_members: int
    licence: str
