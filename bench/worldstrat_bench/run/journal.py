"""``run.sqlite``: what has been done, one row a tile. Killed at any moment, it tells what is missing."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError
from worldstrat_bench.run.filesystem import is_network, share_lock
from worldstrat_bench.run.tile_score import Scored

FILE_NAME = "run.sqlite"
_VERSION = 1
_SCHEMA = """
CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tile (
  tile TEXT PRIMARY KEY,
  outcome TEXT NOT NULL,
  message TEXT NOT NULL,
  model_seconds REAL NOT NULL,
  prediction_sha256 TEXT,
  score TEXT,
  score_seconds REAL
) WITHOUT ROWID;
"""

_TABLES = frozenset("".join(statement.split()) for statement in _SCHEMA.split(";"))
"""The statements without white space."""

_BESIDE = ("", "-journal", "-wal", "-shm")
"""Endings of the files that SQLite opens for one database."""
_LONGEST_MESSAGE = 100_000
"""Characters: a worker sends 8000, and what is longer was not written by this harness."""
_LARGEST_ROW = 16 << 20
"""Bytes: that of a tile with 32 draws has some ten thousand, and a stranger's may hold zeros by the gigabyte."""
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")
"""The end of a rollback journal that names a file, which SQLite removes once it has rolled back."""


@dataclass(frozen=True)
class Predicted:
    """Outcome of one tile in the worker: its outcome, why, and how long the model took.

    Attributes
    ----------
    sha256, further_sha256 : of its prediction, and of those of the draws after the first.
    """

    tile: str
    outcome: str
    message: str = ""
    model_seconds: float = 0.0
    sha256: str | None = None
    further_sha256: tuple[str, ...] = ()

    @property
    def draws(self) -> int:
        """Number of predictions."""
        return 1 + len(self.further_sha256)

    @property
    def digests(self) -> str | None:
        """Digests of all draws in their order, with spaces between them, as the journal keeps them."""
        return None if self.sha256 is None else " ".join((self.sha256, *self.further_sha256))


@dataclass(frozen=True)
class Entry:
    """The journal's row of one tile."""

    predicted: Predicted
    scored: Scored | None = None
    score_seconds: float | None = None


class Journal:
    """An open ``run.sqlite``. Any thread may use it; every write is on the disk when the call returns.

    On a local disk SQLite's write-ahead log is used; on a network file system, where its shared memory does not
    work, the older rollback journal under one exclusive lock.

    Raises
    ------
    InvalidArtefactError
        if the file is not a journal, damaged, or of another version.
    InfrastructureError
        if the disk refuses to lock or write.
    """

    def __init__(
        self, folder: Path, *, create: bool = True, read_only: bool = False, network: bool | None = None
    ) -> None:
        self.path = folder / FILE_NAME
        create = create and not read_only
        if not create and not self.path.is_file():
            raise InvalidArtefactError(
                "this is not a run: it has no journal",
                where=folder,
                remedy="make one: worldstrat-bench predict ... --out RUN",
            )
        _refuse_foreign_files(self.path)
        self._lock = threading.Lock()
        self._shared: int | None = None
        on_network = is_network(folder) if network is None else network
        self._database = self._open_to_read() if read_only else self._open(on_network)

    def _open_to_read(self) -> sqlite3.Connection:
        """Many may read a finished run at once, from a folder that they cannot write.

        SQLite may take the file for immutable only while no process can write it. Those that write hold the folder's
        lock; sharing it while the journal is open keeps them away. Where one is at work, the file is read as one that
        may change.
        """
        self._shared = share_lock(self.path.parent)
        pending = self.path.with_name(f"{FILE_NAME}-wal").exists()
        query = "mode=ro" if pending or self._shared is None else "mode=ro&immutable=1"
        try:
            database = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?{query}", uri=True, isolation_level=None, check_same_thread=False
            )
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_ROW)
            self._check_version(database)
        except sqlite3.OperationalError as error:
            self._let_go()
            raise InfrastructureError(f"the journal cannot be opened: {error}", where=self.path) from None
        except sqlite3.DatabaseError as error:
            self._let_go()
            raise self._damaged(error) from None
        except InvalidArtefactError:
            self._let_go()
            raise
        return database

    def _let_go(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            os.close(shared)

    def _check_version(self, database: sqlite3.Connection, *allowed: int) -> None:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (_VERSION, *allowed):
            raise InvalidArtefactError(
                f"the journal is of version {version}, this harness reads {_VERSION}",
                where=self.path,
                remedy="finish the run with the harness that started it",
            )
        # A view by the name of a table is a program, and so is a column that is computed: it may never end, fill the
        # memory, or say something else each time.
        found = database.execute("SELECT name, sql FROM sqlite_master").fetchall()
        if other := [name for name, sql in found if "".join(str(sql).split()) not in _TABLES]:
            raise self._damaged(ValueError(f"it holds {str(other[0])[:60]!r}, which no journal has"))
        # Pages that lead to one page many times make more rows of a small file than any memory holds.
        if (state := database.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._damaged(ValueError(str(state)[:120]))

    def _open(self, network: bool) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_ROW)
            # Locked before the mode is set: a journal that comes from a local disk is in WAL mode, which without an
            # exclusive lock needs shared memory even to be left.
            if network:
                database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute(f"PRAGMA journal_mode={'DELETE' if network else 'WAL'}")
            # NORMAL may lose the last rows when the power fails; a sync takes milliseconds, a lost tile up to minutes.
            database.execute("PRAGMA synchronous=FULL")
            self._check_version(database, 0)
            # In one transaction: a process that is killed here leaves an empty file, which the next one takes for new.
            tables = _SCHEMA.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
            database.executescript(f"BEGIN IMMEDIATE; {tables} PRAGMA user_version={_VERSION}; COMMIT;")
        except sqlite3.OperationalError as error:
            raise InfrastructureError(
                f"the journal cannot be opened: {error}",
                where=self.path,
                remedy="put --out on a local disk and copy the run when it is done",
            ) from None
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None
        return database

    def _damaged(self, error: Exception) -> InvalidArtefactError:
        return InvalidArtefactError(
            f"the journal is damaged: {error}", where=self.path, remedy="remove the run directory and start again"
        )

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            try:
                return list(self._database.execute(statement, values))
            except sqlite3.OperationalError as error:
                raise InfrastructureError(
                    f"the journal cannot be used: {error}", where=self.path, remedy="check the disk, then resume"
                ) from None
            except sqlite3.DatabaseError as error:
                raise self._damaged(error) from None

    def note(self, name: str) -> str | None:
        """Return a note of the run, or None."""
        rows = self._execute("SELECT text FROM note WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_note(self, name: str, text: str) -> None:
        """Write a note, over the former one of that name."""
        self._execute("INSERT INTO note VALUES (?, ?) ON CONFLICT DO UPDATE SET text = excluded.text", (name, text))

    def forget_empty_start(self) -> None:
        """Forget every note if no tile was ever predicted: a start that failed must not bind the next one."""
        self._execute("DELETE FROM note WHERE NOT EXISTS (SELECT 1 FROM tile)")

    def set_predicted(self, row: Predicted) -> None:
        """Write what became of a tile; a score of an earlier prediction of it is forgotten."""
        self._execute(
            # The score goes in the same statement: a row never has the score of a prediction that was replaced.
            "INSERT INTO tile VALUES (?, ?, ?, ?, ?, NULL, NULL) ON CONFLICT DO UPDATE SET outcome = excluded.outcome, "
            "message = excluded.message, model_seconds = excluded.model_seconds, "
            "prediction_sha256 = excluded.prediction_sha256, score = NULL, score_seconds = NULL",
            (row.tile, row.outcome, row.message, row.model_seconds, row.digests),
        )

    def set_scored(self, tile: str, scored: Scored, seconds: float) -> None:
        """Write the score of a tile that has a prediction or a failure."""
        self._execute(
            "UPDATE tile SET score = ?, score_seconds = ? WHERE tile = ?", (scored.model_dump_json(), seconds, tile)
        )

    def set_entries(self, entries: Iterable[Entry]) -> None:
        """Write the rows of another journal, over the former ones of their tiles: all or none, on the disk once."""
        rows = [
            (
                *(entry.predicted.tile, entry.predicted.outcome, entry.predicted.message),
                *(entry.predicted.model_seconds, entry.predicted.digests),
                None if entry.scored is None else entry.scored.model_dump_json(),
                entry.score_seconds,
            )
            for entry in entries
        ]
        # A commit waits for the disk. One for all rows makes a merge of 400 tiles one wait, not 400.
        self._execute("BEGIN IMMEDIATE")
        for row in rows:
            self._execute("INSERT OR REPLACE INTO tile VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self._execute("COMMIT")

    def entries(self) -> Mapping[str, Entry]:
        """Return every row, by tile, in the order of names."""
        rows = self._execute(
            "SELECT tile, outcome, message, model_seconds, prediction_sha256, score, score_seconds "
            "FROM tile ORDER BY tile"
        )
        try:
            return {str(row[0]): _entry(row) for row in rows}
        except (ValidationError, TypeError, ValueError) as error:
            raise self._damaged(error) from None

    def close(self) -> None:
        """Fold the write-ahead log into the file, so that the run is one file again."""
        with self._lock:
            self._database.close()
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _refuse_foreign_files(path: Path) -> None:
    """Refuse a journal whose files lead to others of this machine: a run may come from a stranger.

    Raises
    ------
    InvalidArtefactError
        for anything but regular files, and for a rollback journal that names a further one. None of ours does: that is
        for a transaction over several databases.
    """
    remedy = "such a run was not made by this harness: remove it"
    for ending in _BESIDE:
        file = path.with_name(f"{path.name}{ending}")
        if file.is_symlink() or (file.exists() and not file.is_file()):
            raise InvalidArtefactError("a file of the journal is not a regular file", where=file, remedy=remedy)
    pending = path.with_name(f"{path.name}-journal")
    if pending.is_file():
        with pending.open("rb") as stream:
            stream.seek(max(0, pending.stat().st_size - len(_NAMES_ANOTHER)))
            if stream.read() == _NAMES_ANOTHER:
                what = "what it would roll back names a further file, which would be removed"
                raise InvalidArtefactError(what, where=pending, remedy=remedy)


def _entry(row: tuple[object, ...]) -> Entry:
    tile, outcome, message, seconds, sha256, score, score_seconds = row
    if len(str(message)) > _LONGEST_MESSAGE:
        raise ValueError(f"a message has more than {_LONGEST_MESSAGE:,} characters")
    first, *further = (None,) if sha256 is None else str(sha256).split()
    return Entry(
        Predicted(str(tile), str(outcome), str(message), _number(seconds), first, tuple(further)),
        None if score is None else Scored.model_validate_json(str(score)),
        None if score_seconds is None else _number(score_seconds),
    )


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"{value!r} is not a number")
