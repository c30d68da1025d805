"""Changes to the manifest of a merged submission: its status, and statements that are corrected only in the open."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from worldstrat_bench.artefacts.state import corrections_of, state_of
from worldstrat_bench.stats.names import word_fault
from worldstrat_bench.submission.check_changes import Author
from worldstrat_bench.submission.faults import CheckFinding
from worldstrat_bench.submission.locate import line_of
from worldstrat_bench.toml_text import read_toml

STATED: Final = (
    ("submission", "title"),
    ("submission", "authors"),
    ("submission", "licence"),
    ("training",),
)
"""Statements that readers rely on: a change of one is a correction, and the manifest says so."""


OPEN: Final = frozenset({"title", "licence", "paper", "code", "description", "status", "status_date", "status_reason"})
"""Keys of the section of a submission that its owners may change after maintainers verified it."""


def manifest_change_faults(
    before: str | None, now: str, author: Author, *, verified: bool, where: str
) -> Iterator[CheckFinding]:
    """Find what a pull request must not do to a manifest.

    Parameters
    ----------
    before : the text on the base; None for a new submission, or a text that could not be read.
    now : the text in the pull request; one that is not TOML is refused by the check of the submission.
    verified : whether maintainers verified a record of the submission.
    where : path of the manifest, for messages.
    """
    new = _parsed(now)
    if new is None:
        return
    old = _parsed(before) if before is not None else {}
    yield from _status_faults(old or {}, new, author, now, where)
    folder = ("model", "repository_folder")
    if not author.maintainer and _at(new, folder) is not None and _at(new, folder) != _at(old or {}, folder):
        what = "repository_folder is for the models of this repository, which its maintainers submit"
        yield CheckFinding("repository", what, where=where, line=line_of(now, folder), remedy="remove the key")
    if old:
        yield from _correction_faults(old, new, now, where)
    elif corrections_of(new) and not author.maintainer:
        what = "a new submission has nothing to correct"
        yield CheckFinding("correction", what, where=where, line=line_of(now, ("correction",)), remedy="remove it")
    if old and verified and not author.maintainer and sealed(old) != sealed(new):
        what = "maintainers verified this submission, and what they ran is changed"
        remedy = "submit a new version under another slug; title, description, links and status can be changed"
        yield CheckFinding("verified", what, where=where, remedy=remedy)


def sealed(manifest: Mapping[str, Any]) -> str:
    """Return everything of a manifest that a verification vouches for, or that decides what counts, as one text.

    As a text, since 1, 1.0 and true are equal to Python, and a model that is given one or another may differ.
    """
    # By exception, not by name: a section that is added to manifests later is sealed without anyone thinking of it.
    rest = {key: value for key, value in manifest.items() if key not in ("submission", "correction")}
    about = manifest.get("submission")
    kept = {key: value for key, value in about.items() if key not in OPEN} if isinstance(about, Mapping) else about
    return json.dumps({**rest, "submission": kept}, sort_keys=True, default=str)


def _parsed(text: str) -> Mapping[str, Any] | None:
    try:
        return read_toml(text)
    except ValueError:
        return None


def _status_faults(
    old: Mapping[str, Any], new: Mapping[str, Any], author: Author, text: str, where: str
) -> Iterator[CheckFinding]:
    """Allow owners to withdraw what is theirs, and nothing else: all else that is said of a status maintainers say."""
    former, state = state_of(old), state_of(new)
    if state == former or author.maintainer:
        return
    line = line_of(text, ("submission", "status"))
    if not old:
        what, remedy = f"a new submission is {state.word}", "leave status out: a new submission is active"
    elif former.word == "active" and state.word == "withdrawn":
        # Whose submission it is has been checked. The reason stands on its page, and in the lists of others.
        fault = word_fault(state.reason)
        if not fault:
            return
        what, remedy = f"the reason cannot be shown: {fault}", "say why it is withdrawn in other words"
    else:
        what = (
            f"the reason or date of a {state.word} submission is changed"
            if former.word == state.word
            else f"the status is changed from {former.word} to {state.word}"
        )
        remedy = "owners withdraw a submission; ask a maintainer for every other change of a status"
    yield CheckFinding("status", what, where=where, line=line, remedy=remedy)


def _correction_faults(old: Mapping[str, Any], new: Mapping[str, Any], text: str, where: str) -> Iterator[CheckFinding]:
    """Check that a changed statement comes with a correction, and that former corrections stay."""
    former, corrections = corrections_of(old), corrections_of(new)
    line = line_of(text, ("correction",))
    if corrections[: len(former)] != former:
        what = "a former correction is changed or removed"
        yield CheckFinding("correction", what, where=where, line=line, remedy="keep it, and add another [[correction]]")
        return
    latest = (date.today() + timedelta(days=1)).isoformat()
    if late := next((entry.date for entry in corrections[len(former) :] if entry.date > latest), None):
        what = f"the correction of {late} is in the future"
        yield CheckFinding("correction", what, where=where, line=line, remedy="give the day of the correction")
    changed = [".".join(key) for key in STATED if _at(old, key) != _at(new, key)]
    if changed and len(corrections) == len(former):
        what = f"{' and '.join(changed)} changed without a correction that says so"
        remedy = 'add at the end: [[correction]] with date = "YYYY-MM-DD" and what = "..."; the page shows it'
        yield CheckFinding("correction", what, where=where, line=line_of(text, STATED[0]), remedy=remedy)


def _at(document: Mapping[str, Any], key: tuple[str, ...]) -> object:
    value: Any = document
    for part in key:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
