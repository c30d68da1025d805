"""Checks of a record against those of the other submissions beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.submission.check_git import SUBMISSIONS
from worldstrat_bench.submission.check_record import SCORE_AGAIN, submitted_result
from worldstrat_bench.submission.check_tiles import facts_differ
from worldstrat_bench.submission.faults import CheckFinding, relative
from worldstrat_bench.submission.results import record_folders


def others_faults(folder: Path, results: Sequence[Result]) -> Iterator[CheckFinding]:
    """Scores that were copied, and facts of tiles that contradict everybody else's on the same targets."""
    if not results:
        return
    siblings = folder.resolve().parent
    if siblings.name != SUBMISSIONS:
        return
    for other in other_results(siblings, folder.resolve().name):
        for result in results:
            yield from _pair_faults(result, other)


def other_results(submissions: Path, slug: str) -> Iterator[Result]:
    """The readable results of every submission but one."""
    for folder in sorted(p for p in submissions.iterdir() if p.is_dir() and not p.is_symlink() and p.name != slug):
        for path in record_folders(folder):
            found = submitted_result(path)
            if isinstance(found, Result):
                yield found


def _pair_faults(result: Result, other: Result) -> Iterator[CheckFinding]:
    where, who = result.tiles_file, relative(other.folder)
    if result.tiles_sha256 == other.tiles_sha256 and result.record.outcomes.get("ok"):
        what = f"tiles.csv is that of another submission: {who}"
        yield CheckFinding("copied", what, where=where, remedy=SCORE_AGAIN)
        return
    mine, theirs = result.record.dataset, other.record.dataset
    same = (mine.targets_sha256, mine.inputs) == (theirs.targets_sha256, theirs.inputs)
    if same and result.record.protocol.sha256 == other.record.protocol.sha256:
        difference = facts_differ(result.table, other.table)
        if difference:
            what = f"{difference} differs from the one in {who}, on the same targets"
            yield CheckFinding("facts", what, where=where, remedy=SCORE_AGAIN)
