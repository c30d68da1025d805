"""Checks of a pull request: which files of which submissions it may change, and who may."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from worldstrat_bench.artefacts.owners import OWNERS_FILE, Owners
from worldstrat_bench.artefacts.places import RESULTS
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.printed import counted
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.git import LINK, SUBMODULE, Change
from worldstrat_bench.submission.manifest import MANIFEST_NAME
from worldstrat_bench.submission.results import IMMUTABLE_FILES, MAINTAINERS_FILES

MOST_CHANGES: Final = 3000
"""A forge lists no more changed files of one pull request."""

_MAX_BYTES = 16 << 20
_STATUS = {"added": "A", "copied": "A", "renamed": "A", "removed": "D"}
WRITTEN_ONCE = (*IMMUTABLE_FILES, SpeedReport.FILE, "speed-benchmark.json", "timings.csv")
"""Files of a result that never change."""


@dataclass(frozen=True)
class Author:
    """Author of a pull request, and the state before it.

    Attributes
    ----------
    login : on the forge; None if it is not known, and then nothing is theirs.
    maintainer : whether they may change every submission and add verifications.
    owners : whose each submission is, as the base says.
    existing : slugs on the base.
    verified : slugs of which maintainers verified a record.
    """

    login: str | None = None
    maintainer: bool = False
    owners: Owners = field(default_factory=Owners)
    existing: frozenset[str] = frozenset()
    verified: frozenset[str] = frozenset()

    @property
    def taken(self) -> frozenset[str]:
        """Return the slugs that are taken: on the base now, or at some time."""
        return self.existing | frozenset(self.owners.slugs)


@dataclass(frozen=True)
class Exempt:
    """Files of records that maintainers may replace or take out.

    Attributes
    ----------
    renewed : folders of records that they replaced by their own of the same model.
    refused : slug to why the check refuses it on the base, where nothing of it is published.
    """

    renewed: Collection[PurePosixPath] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


def slug_of(path: PurePosixPath) -> str | None:
    """Return the slug whose folder holds a path of the repository."""
    return path.parts[1] if len(path.parts) > 2 and path.parts[0] == SUBMISSIONS else None


def changed_slugs(changes: Sequence[Change]) -> tuple[str, ...]:
    """Return the submissions that a pull request touches."""
    return tuple(sorted({slug for slug in (slug_of(change.path) for change in changes) if slug}))


def changes_owners(changes: Iterable[Change]) -> bool:
    """Return whether the list of owners is changed."""
    return any(str(change.path) == OWNERS_FILE for change in changes)


def listed_changes(path: Path) -> tuple[Change, ...]:
    """Read the changed files as a forge lists them: GitHub's "list pull request files", one page or an array of pages.

    Raises
    ------
    InvalidArtefactError
        if it is not such a list, or so long that the forge has cut it.
    """
    remedy = "gh api --paginate --slurp repos/OWNER/NAME/pulls/N/files > FILE"
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InvalidArtefactError("the list of changed files is too long", where=path, remedy=remedy)
        pages = json.loads(path.read_bytes().decode("utf-8-sig"))
        rows = [row for page in pages for row in (page if isinstance(page, list) else [page])]
        changes: list[Change] = []
        for row in rows:
            changes.append(Change(_STATUS.get(row["status"], "M"), PurePosixPath(row["filename"]), ""))
            if row["status"] == "renamed":
                changes.append(Change("D", PurePosixPath(row["previous_filename"]), ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        what = f"not a list of changed files: {type(error).__name__}"
        raise InvalidArtefactError(what, where=path, remedy=remedy) from None
    # A list that was cut would hide changes from every rule below.
    if len(rows) >= MOST_CHANGES:
        raise InvalidArtefactError("the forge has cut the list of changed files", where=path, remedy="change fewer")
    return tuple(changes)


def united(changes: Iterable[Change], listed: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes of git and those that a forge lists: git's where both have a path, for it knows modes."""
    # Both are needed: git cannot see what the forge merges differently, and the forge lists no modes.
    found = {change.path: change for change in (*listed, *changes)}
    return tuple(sorted(found.values(), key=lambda change: str(change.path)))


def change_faults(changes: Sequence[Change], author: Author, exempt: Exempt = Exempt()) -> Iterator[CheckFinding]:
    """Find everything about the changes that a pull request with a submission must not do."""
    slugs = changed_slugs(changes)
    loose = [change for change in changes if _is_loose(change)]
    yield from (_loose_fault(change) for change in loose)
    outside = [change for change in changes if slug_of(change.path) is None and change not in loose]
    if author.maintainer:  # the list of owners is checked as well
        outside = [change for change in outside if str(change.path) != OWNERS_FILE]
    if not slugs:
        if changes and not loose:
            what = "the list of owners alone is checked" if changes_owners(changes) else "there is nothing to check"
            yield notice("changes", f"no submission is changed, so {what}")
        return
    if not author.maintainer:
        yield from _scope_faults(outside, slugs)
        yield from _owner_faults(slugs, author)
    elif outside:
        what = f"{_outside(outside, SUBMISSIONS)}: this check judges submissions alone"
        yield notice("changes", what, where=str(outside[0].path))
    for slug, why in exempt.refused.items():
        what = (
            f"files of {slug!r} are taken out: on the base the check refuses it, so that none of it is published: {why}"
        )
        yield notice("taken-out", what, where=f"{SUBMISSIONS}/{slug}")
    for change in changes:
        if slug_of(change.path):
            yield from _changed_file_faults(change, author, exempt)


def unseen_faults(slugs: Iterable[str]) -> Iterator[CheckFinding]:
    """Refuse folders that are changed and that the check has not looked at, for whatever reason."""
    for slug in sorted(slugs):
        what = f"{ascii(slug)[1:-1][:80]!r} is changed, and is not the folder of a submission"
        remedy = "name the folder as the slug in its submission.toml: a-z, 0-9 and -"
        yield CheckFinding("files", what, where=SUBMISSIONS, remedy=remedy)


def _is_loose(change: Change) -> bool:
    """Return whether a path lies beside the folders of submissions, or in a folder that only looks like theirs."""
    top = change.path.parts[0]
    if top != SUBMISSIONS:
        return top.casefold() == SUBMISSIONS
    return len(change.path.parts) <= 2 and change.status != "D"


def _loose_fault(change: Change) -> CheckFinding:
    where = str(change.path)
    if change.mode in (LINK, SUBMODULE):
        what = "a link or submodule in place of a submission's folder"
        return CheckFinding("files", what, where=where, remedy="commit the folder and its files")
    what = f"a file that is in no submission's folder: {SUBMISSIONS}/SLUG/"
    return CheckFinding("files", what, where=where, remedy="move it into the folder of your submission, or remove it")


def _outside(changes: Sequence[Change], where: str) -> str:
    """Return in words how many files outside of a place are changed."""
    return f"{counted(len(changes), 'file')} outside of {where} {'is' if len(changes) == 1 else 'are'} changed as well"


def _scope_faults(outside: Sequence[Change], slugs: tuple[str, ...]) -> Iterator[CheckFinding]:
    if outside:
        what = _outside(outside, f"{SUBMISSIONS}/{slugs[0]}/")
        remedy = "put what is not of the submission into a separate pull request"
        yield CheckFinding("one-slug", what, where=str(outside[0].path), remedy=remedy)
    if len(slugs) > 1:
        what = f"files of {len(slugs)} submissions are changed: {', '.join(slugs[:5])}"
        yield CheckFinding("one-slug", what, where=f"{SUBMISSIONS}/{slugs[1]}", remedy="one submission a pull request")


def _owner_faults(slugs: Iterable[str], author: Author) -> Iterator[CheckFinding]:
    for slug in slugs:
        if slug in author.taken and not author.owners.owns(author.login, slug):
            who = f"{author.login[:60]!r} is not" if author.login else "who changes it is not known to be"
            what = f"the submission {slug!r} is there already, and {who} one of its owners"
            remedy = (
                "submit under another slug; its owners (reports/owners.toml; --author LOGIN) and maintainers change it"
            )
            yield CheckFinding("owner", what, where=f"{SUBMISSIONS}/{slug}", remedy=remedy)


def _changed_file_faults(change: Change, author: Author, exempt: Exempt) -> Iterator[CheckFinding]:
    where, name, existed = str(change.path), change.path.name, change.status not in ("A", "?")
    if change.mode in (LINK, SUBMODULE):
        what = "links and submodules are not accepted"
        yield CheckFinding("files", what, where=where, remedy="commit the file itself")
    # Wherever it lies: a file of that name says that maintainers measured what is in it.
    if name.casefold() in MAINTAINERS_FILES and not author.maintainer:
        what = f"only maintainers add or change {name[:80]}"
        yield CheckFinding("verification", what, where=where, remedy="remove it")
    if change.path.parts[2] != RESULTS:
        yield from _sealed_file_faults(change, author)
        return
    # A full verification replaces the authors' numbers by the maintainers', and says so beside them.
    taken_out = change.status == "D" and slug_of(change.path) in exempt.refused
    if name in WRITTEN_ONCE and existed and not taken_out and change.path.parent not in exempt.renewed:
        verb = "removed" if change.status == "D" else "altered"
        what = f"an existing record is {verb}: {name}" if name in IMMUTABLE_FILES else f"{name} is {verb}"
        remedy = "records never change; submit a new version under another slug, or set this one to withdrawn"
        yield CheckFinding("immutable", what, where=where, remedy=remedy)


def _sealed_file_faults(change: Change, author: Author) -> Iterator[CheckFinding]:
    """Keep the lock, the wheel and the weights of a submission as they were when maintainers ran them."""
    # The manifest itself, and not whatever has its name in another folder.
    described = change.path.parts[2:] == (MANIFEST_NAME,) or change.path.suffix == ".md"
    if slug_of(change.path) in author.verified and not author.maintainer and not described:
        what = f"maintainers verified this submission with other files: {change.path.name[:80]}"
        remedy = "submit a new version under another slug"
        yield CheckFinding("verified", what, where=str(change.path), remedy=remedy)
