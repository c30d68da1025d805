"""Which records a submission competes with: those of other submissions, on disk or in a revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.tiles import TILES, TileTable
from worldstrat_bench.data import split
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.stats.boards import board_key, ranking_list
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.check_record import submitted_result
from worldstrat_bench.submission.git import open_checkout
from worldstrat_bench.submission.results import record_folders


@dataclass(frozen=True)
class Competitor:
    """One record of one submission."""

    slug: str
    record: Record
    table: TileTable


@dataclass(frozen=True)
class Board:
    """A submission's record and everybody else's on the same protocol, inputs and targets."""

    protocol: Protocol
    own: Competitor
    others: tuple[Competitor, ...]

    @property
    def list_name(self) -> str:
        """The list that ranks: `clean` where the record has it."""
        return ranking_list(self.own.record)

    @property
    def tiles(self) -> frozenset[str]:
        """The tiles of that list."""
        return split.sublists(self.own.record.dataset.list, self.own.table.tiles)[self.list_name]

    def tables(self, *, with_own: bool = True) -> Mapping[str, TileTable]:
        """Slug to tiles, of one record a submission."""
        tables = {other.slug: other.table for other in self.others}
        return {**tables, self.own.slug: self.own.table} if with_own else tables


def boards_of(slug: str, submissions: Path, base: str | None = None) -> tuple[Board, ...]:
    """The boards on which a submission has a record.

    Parameters
    ----------
    base : take the others from this revision instead of from disk.

    Raises
    ------
    UsageError
        if there is no such submission or revision.
    InvalidArtefactError
        if it has no readable record.
    """
    folder = submissions / slug
    if not folder.is_dir():
        raise UsageError(f"there is no submission {slug[:60]!r}", where=submissions, remedy="--submissions DIR")
    own = tuple(_read(folder))
    if not own:
        remedy = "worldstrat-bench submission check says why, if there is one"
        raise InvalidArtefactError("the submission has no readable record", where=folder, remedy=remedy)
    others = tuple(_from_revision(submissions, base) if base else _from_disk(submissions))
    boards = (_board(competitor, others) for competitor in own)
    return tuple(board for board in boards if board is not None)


def _board(own: Competitor, others: tuple[Competitor, ...]) -> Board | None:
    try:
        protocol = load_protocol(own.record.protocol.id)
    except UsageError:
        return None
    key, listed = board_key(own.record), ranking_list(own.record)
    rivals: dict[str, Competitor] = {}
    for other in others:
        if other.slug != own.slug and board_key(other.record) == key and other.record.rankable(listed):
            rivals.setdefault(other.slug, other)
    return Board(protocol, own, tuple(rivals[slug] for slug in sorted(rivals)))


def _read(folder: Path) -> Iterator[Competitor]:
    for path in record_folders(folder):
        found = submitted_result(path)
        if isinstance(found, Result):
            yield Competitor(folder.name, found.record, found.table)


def _from_disk(submissions: Path) -> Iterator[Competitor]:
    for folder in sorted(p for p in submissions.iterdir() if p.is_dir() and not p.is_symlink()):
        yield from _read(folder)


def _from_revision(submissions: Path, base: str) -> Iterator[Competitor]:
    checkout = open_checkout(submissions, base)
    for path in checkout.files(SUBMISSIONS):
        if path.name == Record.FILE and len(path.parts) == 6:
            try:
                record, tiles = (checkout.read(path.parent / name).encode() for name in (Record.FILE, TILES))
                found = Result.parse(record, tiles, Path(path.parent)).matching()
            except (InvalidArtefactError, UsageError):
                continue
            yield Competitor(path.parts[1], found.record, found.table)
