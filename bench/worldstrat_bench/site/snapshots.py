"""Dated snapshots: the boards of a built site, frozen in one file with a digest, and what changed between two."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.artefacts.record import Sha256, canonical_json
from worldstrat_bench.artefacts.state import state_in
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.plain_files import LARGEST_DOCUMENT, read_plain
from worldstrat_bench.site.finding import MANIFEST
from worldstrat_bench.stats.boards import Kind

FOLDER = "snapshots"
"""Beside the board file, and in the ``data`` folder of a site: one ``<name>.json`` each."""
_NAME = re.compile(r"[0-9a-z][0-9a-z.-]{0,30}")
_MANIFEST_BYTES = 1 << 16
_BOARD = re.compile(r"(?:.*/)?data/board-[^/]+\.json")


class Rank(Part):
    """The place of a row by one metric."""

    position: int = Field(ge=1, description="in the order of the means")
    rank_low: int = Field(ge=1, description="best rank that the tests leave open")
    rank_high: int = Field(ge=1, description="worst rank that the tests leave open")


class Row(Part):
    """One entry of a frozen board."""

    slug: str = Field(max_length=80, description="its page's name at that time")
    title: str = Field(max_length=200, description="its name on pages")
    record_id: Sha256 = Field(description="of its record")
    status: Literal["verified", "self-reported"] = Field(description="who computed its numbers")
    means: Mapping[str, float | None] = Field(description="metric to its mean over the list")
    ranks: Mapping[str, Rank | None] = Field(description="ranked metric to its place")


class FrozenBoard(Part):
    """One list of one division as it was."""

    kind: Kind = Field(description="kind of board")
    protocol: str = Field(max_length=40, description="id of its protocol")
    protocol_sha256: Sha256 = Field(description="digest of its protocol")
    release: str = Field(max_length=200, description="of the data")
    list: str = Field(max_length=60, description="of tiles")
    tiles: int = Field(ge=0, description="number of tiles")
    targets_sha256: Sha256 = Field(description="digest of the decoded targets")
    board: str = Field(
        default="",
        pattern="^([0-9a-f]{16})?$",
        description="tells boards of the same targets apart, by inputs, release and facts of tiles; empty in files "
        "from before it was kept",
    )
    rows: tuple[Row, ...] = Field(description="best first by the first ranked metric")

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """Identity of the board: kind, protocol, list, targets, and what else parts boards."""
        return self.kind, self.protocol_sha256, self.list, self.targets_sha256, self.board

    @property
    def title(self) -> str:
        """Its name in lists of boards."""
        return f"{self.kind}, {self.release}, {self.protocol}, list {self.list}"


class Snapshot(Artefact):
    """The boards of a site on a day."""

    FILE: ClassVar = "snapshot.json"
    KIND: ClassVar = "snapshot"
    REMEDY: ClassVar = "worldstrat-bench site snapshot NAME --site DIR makes one"
    MAX_BYTES: ClassVar = 32_000_000

    schema_version: Literal[1] = Field(default=1, description="of this file")
    name: str = Field(pattern=_NAME.pattern, description="in addresses, such as 2026-12")
    date: str = Field(pattern=r"\d{4}-\d{2}-\d{2}", description="day on which it was made")
    boards: tuple[FrozenBoard, ...] = Field(description="all lists of all divisions")
    digest: Sha256 = Field(description="sha256 of the boards as canonical JSON")

    def checked(self, where: Path) -> Snapshot:
        """Return the snapshot.

        Raises
        ------
        InvalidArtefactError
            if its digest is not that of its boards: a snapshot never changes.
        """
        if self.digest != digest_of(self.boards):
            raise InvalidArtefactError("the digest is not that of the boards", where=where, remedy=self.REMEDY)
        return self


def digest_of(boards: Iterable[FrozenBoard]) -> str:
    """Return the digest of boards."""
    # A field that a file does not have yet is not in its digest.
    documents = [board.model_dump(mode="json", exclude=set() if board.board else {"board"}) for board in boards]
    text = canonical_json(documents)
    return hashlib.sha256(text.encode()).hexdigest()


def freeze(site: Path, name: str, date: str) -> Snapshot:
    """Freeze the boards of a built site.

    Parameters
    ----------
    date : today, as ISO 8601.

    Raises
    ------
    UsageError
        for a name that cannot be part of an address.
    InvalidArtefactError
        if the folder is not a built site.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name[:40]!r} cannot be part of an address", where="NAME", remedy="such as 2026-12")
    boards = boards_of(site)
    return Snapshot(name=name, date=date, boards=boards, digest=digest_of(boards))


def boards_of(site: Path) -> tuple[FrozenBoard, ...]:
    """Return the boards of a built site.

    Raises
    ------
    InvalidArtefactError
        if the folder is not a built site.
    """
    try:
        manifest = json.loads(read_plain(site / MANIFEST, LARGEST_DOCUMENT))
        paths = sorted(path for path in manifest["files"] if _BOARD.fullmatch(path))
        return tuple(_frozen(json.loads(read_plain(site / path, LARGEST_DOCUMENT))) for path in paths)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"this is not a built site: {str(error)[:200]}"
        raise InvalidArtefactError(what, where=site, remedy="worldstrat-bench site build PATH... --out DIR") from None


def _frozen(board: Mapping[str, object]) -> FrozenBoard:
    # A plain copy: nothing of the frozen board refers to the site that it was read from.
    document = json.loads(json.dumps(board))
    rows = [
        {
            **{key: entry[key] for key in ("slug", "title", "record_id", "status")},
            "means": {metric: summary["mean"] for metric, summary in entry["scores"].items()},
            "ranks": {
                metric: {key: rank[key] for key in Rank.model_fields} if rank else None
                for metric, rank in entry["ranks"].items()
            },
        }
        for entry in document["entries"]
    ]
    # Best first by the first ranked metric; rows without a rank come last.
    rows.sort(key=lambda row: (next((r["position"] for r in row["ranks"].values() if r), 10**6), row["slug"]))
    keys = ("kind", "release", "list", "tiles", "targets_sha256", "board")
    return FrozenBoard.model_validate(
        {
            **{key: document[key] for key in keys if key in document},
            "protocol": document["protocol"]["id"],
            "protocol_sha256": document["protocol"]["sha256"],
            "rows": rows,
        }
    )


def load_snapshots(folder: Path) -> tuple[Snapshot, ...]:
    """Return the snapshots in a folder, by date and name; none if there is no such folder.

    Raises
    ------
    InvalidArtefactError
        if a file is not a snapshot, or was changed after it was made.
    """
    found = [Snapshot.load(path).checked(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []
    return tuple(sorted(found, key=lambda one: (one.date, one.name)))


def boards_at(place: Path) -> tuple[FrozenBoard, ...]:
    """Return the boards of a snapshot file or of a built site.

    Raises
    ------
    InvalidArtefactError
        if it is neither.
    """
    return Snapshot.load(place).checked(place).boards if place.is_file() else boards_of(place)


class BoardChange(Part):
    """Changes on one board."""

    title: str
    entered: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    only_in: Literal["", "first", "second"] = ""


def states_at(place: Path) -> dict[str, str]:
    """Return slug to state in words of what is withdrawn or in dispute on a built site; a snapshot does not know."""
    if place.is_file():
        return {}
    found = {}
    for manifest in sorted(place.glob("**/data/runs/*/submission.toml")):
        with manifest.open("rb") as stream:
            state = state_in(stream.read(_MANIFEST_BYTES).decode("utf-8-sig", errors="replace"))
        if text := state.text:
            found[manifest.parent.name] = text
    return found


def changes(
    first: Iterable[FrozenBoard], second: Iterable[FrozenBoard], states: Mapping[str, str] | None = None
) -> tuple[BoardChange, ...]:
    """Return what changed from one set of boards to another; boards without a change are left out.

    Parameters
    ----------
    states : slug to why it is on no board any more, where that is known.
    """
    former, later = tuple(first), tuple(second)
    # What parts boards of the same targets is not in older files: the first of them stands for all.
    known_apart = all(board.board for board in (*former, *later))
    before, after = (_by_key(boards, whole=known_apart) for boards in (former, later))
    found = []
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old is None or new is None:
            known = old or new
            if known is not None:
                found.append(BoardChange(title=known.title, only_in="first" if new is None else "second"))
            continue
        change = _change(old, new, states or {})
        if change != BoardChange(title=change.title):
            found.append(change)
    return tuple(found)


def same_board(a: FrozenBoard, b: FrozenBoard) -> bool:
    """Return whether two frozen boards are one board at two times, as far as their files tell."""
    return a.key == b.key if a.board and b.board else a.key[:-1] == b.key[:-1]


def _by_key(boards: Iterable[FrozenBoard], *, whole: bool) -> dict[tuple[str, ...], FrozenBoard]:
    found: dict[tuple[str, ...], FrozenBoard] = {}
    for board in boards:
        found.setdefault(board.key if whole else board.key[:-1], board)
    return found


def _change(old: FrozenBoard, new: FrozenBoard, states: Mapping[str, str]) -> BoardChange:
    before, after = ({row.slug: row for row in board.rows} for board in (old, new))
    both = sorted(before.keys() & after.keys())
    moved = []
    for slug in both:
        for metric, rank in after[slug].ranks.items():
            earlier = before[slug].ranks.get(metric)
            if earlier != rank:
                moved.append(f"{after[slug].title}: {metric} rank {rank_text(earlier)} to {rank_text(rank)}")
    return BoardChange(
        title=new.title,
        entered=tuple(after[slug].title for slug in sorted(after.keys() - before.keys())),
        left=tuple(_gone(before[slug], states) for slug in sorted(before.keys() - after.keys())),
        renamed=tuple(
            f"{after[slug].title}, formerly {before[slug].title}"
            for slug in both
            if before[slug].title != after[slug].title
        ),
        replaced=tuple(after[slug].title for slug in both if before[slug].record_id != after[slug].record_id),
        moved=tuple(moved),
    )


def _gone(row: Row, states: Mapping[str, str]) -> str:
    why = states.get(row.slug)
    return f"{row.title}: {why}" if why else row.title


def rank_text(rank: Rank | None) -> str:
    """Return a rank as pages show it: "2", "3–5", "none"."""
    if rank is None:
        return "none"
    return f"{rank.rank_low}" if rank.rank_low == rank.rank_high else f"{rank.rank_low}–{rank.rank_high}"
