"""Which records a submission competes with: those of other submissions, on disk or in a revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from worldstrat_bench.artefacts.harness import KnownHarnesses
from worldstrat_bench.artefacts.owners import load_owners
from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.artefacts.result import Result, read_result
from worldstrat_bench.artefacts.state import state_in
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.artefacts.verification import Verification, verification_in
from worldstrat_bench.data import split
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.run.known import known_harnesses
from worldstrat_bench.stats.anchor import contradiction, reference_of
from worldstrat_bench.stats.boards import Kind, board_key, kind_of, ranking_list
from worldstrat_bench.stats.counting import Claim, claim_of, counting_rows
from worldstrat_bench.stats.eligibility import WhyUnranked, cites, why_unranked
from worldstrat_bench.stats.facts import same_facts
from worldstrat_bench.stats.order import shown_first
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.check_record import submitted_result
from worldstrat_bench.submission.elsewhere import board_at
from worldstrat_bench.submission.git import open_checkout
from worldstrat_bench.submission.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES
from worldstrat_bench.submission.siblings import folders_in

_LATER = "9999"
"""Comes after every date of a verification."""


@dataclass(frozen=True)
class Competitor:
    """One record of one submission.

    Attributes
    ----------
    verification : of the record; None if it is its authors' word.
    manifest : the text of its manifest; "" if it cannot be read.
    owners : logins that may change it; None where maintainers did not write them down.
    since : when maintainers first verified a record of its submission on this board; after all others if they did not.
    """

    slug: str
    record: Record
    table: TileTable
    verification: Verification | None
    manifest: str
    owners: tuple[str, ...] | None = None
    since: str = _LATER

    @property
    def verified(self) -> bool:
        """True if maintainers computed its numbers."""
        return self.verification is not None and self.verification.computed

    def claim(self) -> Claim:
        """Return what decides whether it counts; one that is not verified yet comes after all that are."""
        return claim_of(self.slug, self.record.model, self.manifest, self.since, self.owners)


@dataclass(frozen=True)
class Board:
    """A submission's record and the ranked ones of others on the same protocol, inputs and targets.

    Attributes
    ----------
    kind : official, practice, ...
    reasons : why the record has no rank yet.
    """

    protocol: Protocol
    kind: Kind
    own: Competitor
    others: tuple[Competitor, ...]
    reasons: tuple[WhyUnranked, ...]

    @property
    def cited(self) -> bool:
        """True if ranks of this board may be cited, so that only verified records have one."""
        return cites(self.kind)

    @property
    def list_name(self) -> str:
        """The list that ranks: `clean` where the record has it."""
        return ranking_list(self.own.record)

    @property
    def tiles(self) -> frozenset[str]:
        """The tiles of that list."""
        return split.sublists(self.own.record.dataset.list, self.own.table.tiles)[self.list_name]

    def tables(self, *, with_own: bool = True) -> Mapping[str, TileTable]:
        """Map slugs to tiles, of one record a submission."""
        tables = {other.slug: other.table for other in self.others}
        return {**tables, self.own.slug: self.own.table} if with_own else tables

    def counting(self, *, with_own: bool = True) -> frozenset[str] | None:
        """Return the slugs of the rows that count, with the record as if it were verified now; None: all of them."""
        if not self.cited:
            return None
        rows = (*self.others, self.own) if with_own else self.others
        return counting_rows(row.claim() for row in rows)


def boards_of(
    slug: str,
    submissions: Path,
    base: str | None = None,
    *,
    board: str | None = None,
    references: References | None = None,
    known: KnownHarnesses | None = None,
) -> tuple[Board, ...]:
    """Return the boards on which a submission has a record.

    Parameters
    ----------
    base : take the others from this revision instead of from disk.
    board : take the others from this site or checkout; see ``elsewhere.board_at``. What a site ranks is ranked.
    references : what official records are held against; None for those that the package ships.
    known : harnesses that others can get; None for those that the repository knows.

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
    if base and board:
        raise UsageError("--base and --board both say where the others are", where="--board", remedy="give one of them")
    ranked = None
    if board:
        others, ranked, its_own = _from_elsewhere(board)
        known = known or its_own
    else:
        others = tuple(_from_revision(submissions, base) if base else _from_disk(submissions))
    root = submissions.resolve().parent
    known = known or (open_checkout(submissions, base).known() if base else known_harnesses(root))
    owners = open_checkout(submissions, base).owners() if base else load_owners(root)
    own, others = (tuple(replace(row, owners=owners.by_slug.get(row.slug)) for row in rows) for rows in (own, others))
    judge = _Judge(known, references, owners.records, ranked)
    boards = (_board(competitor, others, judge) for competitor in own)
    return tuple(found for found in boards if found is not None)


def _from_elsewhere(place: str) -> tuple[tuple[Competitor, ...], frozenset[str] | None, KnownHarnesses | None]:
    """Return the records of another place, and the ids of those that it ranks, or the harnesses that it knows."""
    with board_at(place) as found:
        if found.submissions:
            known = known_harnesses(found.submissions[0].resolve().parents[1])
            return tuple(row for folder in found.submissions for row in _read(folder)), None, known
        return tuple(_of_site(path) for path in found.runs), found.ranked, None


def _of_site(folder: Path) -> Competitor:
    """Read the copy of a record that a site offers."""
    found = read_result(folder).matching()
    slug = found.record.model.submission or folder.name
    verification = verification_in(folder, found.record)
    return Competitor(slug, found.record, found.table, verification, _text(folder / MANIFEST_NAME))


@dataclass(frozen=True)
class _Judge:
    """Everything that decides which records have a rank beside the records themselves.

    Attributes
    ----------
    known : harnesses that others can get.
    references : what official records are held against; None for those that the package ships.
    merged : record ids in the order of their merges.
    ranked : ids of the records that a site ranks; None: the others are judged here.
    """

    known: KnownHarnesses
    references: References | None
    merged: tuple[str, ...]
    ranked: frozenset[str] | None = None

    def contradicts(self, row: Competitor) -> bool:
        """Return whether a row is refused, since the real data say otherwise."""
        reference = reference_of(row.record, self.references)
        return reference is not None and bool(contradiction(row.record, row.table, reference))

    def reasons(self, row: Competitor, kind: Kind, listed: str | None) -> tuple[WhyUnranked, ...]:
        """Return why a row has no rank."""
        return why_unranked(
            row.record,
            row.table,
            verified=row.verified,
            kind=kind,
            known=self.known,
            state=state_in(row.manifest),
            list_name=listed,
        )

    def ranks(self, row: Competitor, kind: Kind, listed: str) -> bool:
        """Return whether a row of another submission has a rank."""
        if self.contradicts(row):
            return False
        return not self.reasons(row, kind, listed) if self.ranked is None else row.record.record_id in self.ranked

    def place(self, row: Competitor) -> tuple[bool, str, int, str]:
        """Return a key: of several rows of a submission the one with the largest key is on the board."""
        verification = row.verification if row.verified else None
        return shown_first(row.record.record_id, verification, self.merged)


def _board(own: Competitor, others: tuple[Competitor, ...], judge: _Judge) -> Board | None:
    try:
        protocol = load_protocol(own.record.protocol.id)
    except UsageError:
        return None
    references = judge.references
    kind, key, listed = kind_of(own.record, references), board_key(own.record, references), ranking_list(own.record)
    rivals: dict[str, Competitor] = {}
    since: dict[str, str] = {}
    for other in sorted((*others, own), key=judge.place):
        # As on the site: rows that say other things of the tiles are on a board of their own.
        if board_key(other.record, references) != key or not same_facts(other.table, own.table):
            continue
        if other.verification is not None and other.verified:
            since[other.slug] = min(other.verification.verified_at, since.get(other.slug, _LATER))
        if other.slug != own.slug and judge.ranks(other, kind, listed):
            rivals[other.slug] = other
    dated = {row.slug: replace(row, since=since.get(row.slug, _LATER)) for row in (*rivals.values(), own)}
    ordered = tuple(dated[slug] for slug in sorted(rivals))
    return Board(protocol, kind, dated[own.slug], ordered, judge.reasons(own, kind, None))


def _read(folder: Path) -> Iterator[Competitor]:
    for path in record_folders(folder):
        found = submitted_result(path)
        if isinstance(found, Result):
            verification = verification_in(path, found.record)
            yield Competitor(folder.name, found.record, found.table, verification, _text(folder / MANIFEST_NAME))


def _text(path: Path) -> str:
    try:
        content = b"" if path.is_symlink() else read_plain(path, MAX_MANIFEST_BYTES)
        return content[:MAX_MANIFEST_BYTES].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return ""


def _from_disk(submissions: Path) -> Iterator[Competitor]:
    for folder in folders_in(submissions):
        yield from _read(folder)


def _from_revision(submissions: Path, base: str) -> Iterator[Competitor]:
    with TemporaryDirectory(prefix="worldstrat-base-") as place:
        open_checkout(submissions, base).export(SUBMISSIONS, Path(place))
        for folder in folders_in(Path(place) / SUBMISSIONS):
            yield from _read(folder)
