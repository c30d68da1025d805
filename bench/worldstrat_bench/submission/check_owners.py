"""Check of a changed ``reports/owners.toml``: what it says now, against what it said where the branch began."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from worldstrat_bench.artefacts.owners import OWNERS_FILE, Owned, Owners, load_owners
from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.submission.check_changes import Author
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.check_record import submitted_result
from worldstrat_bench.submission.faults import CheckFinding, from_error, notice
from worldstrat_bench.submission.git import LINK, SUBMODULE, Change, Checkout
from worldstrat_bench.submission.siblings import folders_in


def owners_faults(checkout: Checkout, changes: Sequence[Change], author: Author) -> Iterator[CheckFinding]:
    """Find what is wrong with the list of owners, if a branch changes it, and say what it changes.

    Whether a login exists only the forge can tell: who merges reads the names in the notices.
    """
    change = next((change for change in changes if str(change.path) == OWNERS_FILE), None)
    if change is None:
        return
    if not author.maintainer:
        what = "only maintainers change the list of owners"
        yield CheckFinding("owner", what, where=OWNERS_FILE, remedy="leave it out: whoever merges enters the owners")
        return
    path = checkout.root / OWNERS_FILE
    # A link could lead to any file of the machine that reads it.
    if change.mode in (LINK, SUBMODULE) or path.is_symlink() or not path.is_file():
        what = "the list of owners is removed, or is not a file"
        yield CheckFinding("lists", what, where=OWNERS_FILE, remedy="entries are never removed: restore it")
        return
    try:
        now = load_owners(checkout.root)
        # Not as the base says today: others may have merged since the branch began.
        former = replace(checkout, base=checkout.merge_base).owners()
    except InvalidArtefactError as error:
        yield replace(from_error("lists", error), where=OWNERS_FILE)
        return
    yield from _order_faults(former, now)
    here = {folder.name for folder in folders_in(checkout.root / SUBMISSIONS)} | author.existing
    for entry in now.submission:
        yield from _entry_faults(entry, former, here, checkout)


def _order_faults(former: Owners, now: Owners) -> Iterator[CheckFinding]:
    """Keep the former entries at the front, in their order: of two that cannot both stand the later one is refused."""
    for slug in former.slugs:
        if slug not in now.slugs:
            what = f"the entry of {slug!r} is removed: its slug could be taken by another"
            remedy = "restore it; with owners = [] only maintainers change the submission"
            yield CheckFinding("lists", what, where=OWNERS_FILE, remedy=remedy)
    kept = tuple(slug for slug in former.slugs if slug in now.slugs)
    if now.slugs[: len(kept)] != kept:
        what = "former entries are moved, or new ones stand before them: the order is that of the merges"
        yield CheckFinding("lists", what, where=OWNERS_FILE, remedy="add new entries at the end")


def _entry_faults(entry: Owned, former: Owners, here: set[str], checkout: Checkout) -> Iterator[CheckFinding]:
    """Check an entry that is new or changed; one that is as it was may be of a submission that was taken out."""
    before = next((one for one in former.submission if one.slug == entry.slug), None)
    if entry == before:
        return
    if entry.slug not in here:
        what = f"{entry.slug!r} is not the slug of a submission here"
        yield CheckFinding(
            "lists", what, where=OWNERS_FILE, remedy=f"a folder of that name in {SUBMISSIONS}/ comes first"
        )
        return
    if len({login.casefold() for login in entry.owners}) < len(entry.owners):
        what = f"an owner of {entry.slug!r} is listed twice: forges do not tell case apart in a login"
        yield CheckFinding("lists", what, where=OWNERS_FILE, remedy="list each login once")
    yield from _record_faults(entry, checkout)
    if before is None or before.owners != entry.owners:
        was = "" if before is None else f"; before: {_logins(before)}"
        yield notice("lists", f"owners of {entry.slug!r}: {_logins(entry)}{was}", where=OWNERS_FILE)


def _record_faults(entry: Owned, checkout: Checkout) -> Iterator[CheckFinding]:
    """Find listed records that the submission does not have."""
    if not entry.records:
        return
    read = (submitted_result(folder) for folder in record_folders(checkout.root / SUBMISSIONS / entry.slug))
    known = {result.record.record_id for result in read if isinstance(result, Result)}
    for record in entry.records:
        if record not in known:
            what = f"{entry.slug!r} has no record {record[:12]}"
            remedy = "records are listed by the record_id in record.json"
            yield CheckFinding("lists", what, where=OWNERS_FILE, remedy=remedy)


def _logins(entry: Owned) -> str:
    return ", ".join(entry.owners) or "maintainers only"
