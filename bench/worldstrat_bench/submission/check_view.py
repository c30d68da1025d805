"""Which submissions a check looks at, and what each is compared with: all on disk, or what changed against a base."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from worldstrat_bench.artefacts.harness import NONE_KNOWN, KnownHarnesses, released_harnesses
from worldstrat_bench.artefacts.owners import OWNERS_FILE, Owners, load_owners
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.verification import Verification, verification_in
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.run.known import with_history
from worldstrat_bench.submission.check_changes import (
    WRITTEN_ONCE,
    Author,
    Exempt,
    change_faults,
    changed_slugs,
    changes_owners,
    listed_changes,
    slug_of,
    united,
    unseen_faults,
)
from worldstrat_bench.submission.check_files import SUBMISSIONS, loose_faults
from worldstrat_bench.submission.check_manifest_changes import manifest_change_faults
from worldstrat_bench.submission.check_owners import owners_faults
from worldstrat_bench.submission.check_record import submitted_result
from worldstrat_bench.submission.faults import CheckFinding, from_error, notice
from worldstrat_bench.submission.git import Change, Checkout, open_checkout
from worldstrat_bench.submission.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES
from worldstrat_bench.submission.siblings import Siblings, folders_in
from worldstrat_bench.submission.verified_state import verified_state_faults

T = TypeVar("T")


@dataclass(frozen=True)
class Beside:
    """The repository around a submission: those that it is compared with, and the harnesses that others can get."""

    siblings: Siblings = field(default_factory=Siblings)
    harnesses: KnownHarnesses = NONE_KNOWN


@dataclass(frozen=True)
class View:
    """The submissions to look at, each with what is beside it, what is wrong before that, and the lists looked at.

    `removed` are slugs of submissions of which a pull request leaves nothing.
    """

    folders: dict[Path, Beside]
    faults: tuple[CheckFinding, ...] = ()
    lists: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Against:
    """Base that a pull request is compared with, and who opened it.

    Attributes
    ----------
    base : git revision.
    listed : the forge's list of changed files, which counts beside git's.
    login : on the forge; None: no submission is theirs.
    maintainer : whether they may change several submissions and what is maintainers' own.
    """

    base: str
    listed: Path | None = None
    login: str | None = None
    maintainer: bool = False


Judge = Callable[[Path, Beside], CheckFinding | None]
"""Returns the first fault for which a submission is refused; None if it passes."""


def view_against(against: Against, paths: Sequence[Path], folders: Sequence[Path], scratch: Path, judge: Judge) -> View:
    """Return the submissions that changed, compared with those of the base.

    Parameters
    ----------
    folders : of the submissions that `paths` mean.
    scratch : an empty folder for the submissions of the base.
    """
    checkout = open_checkout(paths[0] if paths[0].is_dir() else paths[0].parent, against.base)
    listed = listed_changes(against.listed) if against.listed else ()
    changes = united(checkout.changes(), listed)
    # The files of the base are exported and read, never checked out: the work tree is the pull request's.
    checkout.export(SUBMISSIONS, scratch)
    before = folders_in(scratch / SUBMISSIONS)
    names = frozenset(path.name for path in before)
    faults: list[CheckFinding] = []
    # Owners, released harnesses and verifications are those of the base: a pull request must not choose its own
    # judges.
    owners = _or_fault(checkout.owners, Owners(), faults)
    released = _or_fault(checkout.released, frozenset[str](), faults)
    verified = frozenset(
        path.parents[3].name for path in scratch.glob(f"{SUBMISSIONS}/*/results/*/*/{Verification.FILE}")
    )
    author = Author(against.login, against.maintainer, owners, names, verified)
    harnesses = with_history(released, checkout.root, checkout.base)
    passes = partial(_passes, judge, harnesses)
    exempt = Exempt()
    if author.maintainer:
        was = Beside(Siblings(before, owners, judge=passes), harnesses)
        refused = _refused_before(scratch, changes, partial(_judged, judge, was))
        exempt = Exempt(frozenset(_renewed(checkout, scratch, changes)), refused)
    found = (
        *change_faults(changes, author, exempt),
        *_manifest_faults(checkout, scratch, changed_slugs(changes), author),
        *owners_faults(checkout, changes, author),
        # Of others a verification is refused, and nothing of it is read.
        *(verified_state_faults(checkout, changes) if author.maintainer else ()),
    )
    faults += (replace(f, where=checkout.root / f.where) if f.where else f for f in found)
    # Submissions that are new beside this one are compared with it, too: a copy may come in the same pull request.
    new = (path for path in folders_in(checkout.root / SUBMISSIONS) if path.name not in names)
    beside = Beside(Siblings((*before, *new), owners, later_too=True, judge=passes), harnesses)
    touched = {(checkout.root / SUBMISSIONS / slug).resolve() for slug in changed_slugs(changes)}
    seen = {folder: beside for folder in folders if folder.resolve() in touched}
    if any(path.resolve() == (checkout.root / SUBMISSIONS).resolve() for path in paths):
        kept = {slug for change in changes if change.status != "D" and (slug := slug_of(change.path))}
        faults += unseen_faults(kept - {folder.name for folder in seen})
    gone = tuple(slug for slug in changed_slugs(changes) if not (checkout.root / SUBMISSIONS / slug).exists())
    if not seen and not gone and not faults:
        faults.append(notice("changes", f"what was named is as it is in {against.base}, so there is nothing to check"))
    return View(seen, tuple(faults), (OWNERS_FILE,) if changes_owners(changes) else (), gone)


def _passes(judge: Judge, harnesses: KnownHarnesses, folder: Path, siblings: Siblings) -> bool:
    return judge(folder, Beside(siblings, harnesses)) is None


def _judged(judge: Judge, beside: Beside, folder: Path) -> CheckFinding | None:
    return judge(folder, beside)


def _refused_before(
    before: Path, changes: Iterable[Change], judge: Callable[[Path], CheckFinding | None]
) -> dict[str, str]:
    """Return slug to why the base's submission is refused, of those whose records a pull request takes out."""
    removed = (change.path for change in changes if change.status == "D" and change.path.name in WRITTEN_ONCE)
    slugs = {slug for path in removed if (slug := slug_of(path))}
    folders = (before / SUBMISSIONS / slug for slug in sorted(slugs))
    faults = ((folder.name, judge(folder)) for folder in folders if folder.is_dir())
    return {slug: f"{fault.what} [{fault.rule}]" for slug, fault in faults if fault is not None}


def _renewed(checkout: Checkout, before: Path, changes: Iterable[Change]) -> Iterator[PurePosixPath]:
    """Yield the folders in which a full verification of the very record of the base has taken its place."""
    for change in changes:
        if change.path.name != Verification.FILE or change.status == "D":
            continue
        places = [place / change.path.parent for place in (checkout.root, before)]
        if not all(place.is_dir() for place in places):
            continue
        now, old = (submitted_result(place) for place in places)
        if isinstance(now, Result) and isinstance(old, Result):
            found = verification_in(now.folder, now.record)
            if found is not None and found.computed and found.submitted_record_id == old.record.record_id:
                yield change.path.parent


def view_on_disk(paths: Sequence[Path], folders: Sequence[Path], judge: Judge) -> View:
    """Return every submission, with those beside it in the order in which its repository says they were merged."""
    places = {folder: Path(os.path.abspath(folder)).parent for folder in folders}  # noqa: PTH100  # links stay
    faults = [fault for path in paths if path.resolve().name == SUBMISSIONS for fault in loose_faults(path)]
    beside: dict[Path, Beside] = {}
    for place in dict.fromkeys(places.values()):
        beside[place] = Beside()
        if place.name == SUBMISSIONS:
            root = place.resolve().parent
            owners = _or_fault(partial(load_owners, root), Owners(), faults)
            released = _or_fault(partial(released_harnesses, root), frozenset[str](), faults)
            harnesses = with_history(released, root)
            passes = partial(_passes, judge, harnesses)
            beside[place] = Beside(Siblings(folders_in(place), owners, judge=passes), harnesses)
    return View({folder: beside[place] for folder, place in places.items()}, tuple(faults))


def _or_fault(read: Callable[[], T], otherwise: T, faults: list[CheckFinding]) -> T:
    """Return what a maintainers' list says; where it cannot be used add a fault, and go on without it."""
    try:
        return read()
    except InvalidArtefactError as error:
        faults.append(from_error("lists", error))
        return otherwise


def _manifest_faults(checkout: Checkout, before: Path, slugs: Iterable[str], author: Author) -> Iterator[CheckFinding]:
    """Compare the manifests of the submissions that are changed with those of the base, exported to `before`."""
    for slug in slugs:
        path = PurePosixPath(SUBMISSIONS) / slug / MANIFEST_NAME
        old, now = manifest_text(before / path), manifest_text(checkout.root / path)
        if now is not None:
            yield from manifest_change_faults(old, now, author, verified=slug in author.verified, where=str(path))


def manifest_text(path: Path) -> str | None:
    """Return the text of a manifest; None if there is none that can be read, which its own check says."""
    try:
        content = None if path.is_symlink() else read_plain(path, MAX_MANIFEST_BYTES)
        return None if content is None else content[:MAX_MANIFEST_BYTES].decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
