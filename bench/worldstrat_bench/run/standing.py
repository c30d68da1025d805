"""Remarks on runs that have no rank that may be cited, for tables and comparisons of runs."""

from __future__ import annotations

from typing import Final

from worldstrat_bench.artefacts.harness import NONE_KNOWN
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.state import ACTIVE, state_in
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.run.known import known_harnesses, repository_of
from worldstrat_bench.stats.boards import claimed_kind
from worldstrat_bench.stats.eligibility import Rule, cites, computed_in, why_unranked

_MANIFEST: Final = "submission.toml"
_MOST: Final = 64 * 1024
_SAID: Final[frozenset[Rule]] = frozenset({"withdrawn", "disputed", "contaminated", "inputs", "tiles", "self-reported"})


def standing_remarks(result: Result, name: str) -> tuple[str, ...]:
    """Return why a run has no rank that may be cited, by the rule of boards and checks; nothing if it has one.

    That a run is partial or has failed tiles is for the caller to say, who knows the list.

    Parameters
    ----------
    name : how the remark calls the run.
    """
    record, kind = result.record, claimed_kind(result.record)
    repository, state = repository_of(result.folder), ACTIVE
    known = NONE_KNOWN
    if repository is not None:
        try:
            known = known_harnesses(repository)
            manifest = read_plain(result.folder.resolve().parents[2] / _MANIFEST, _MOST)[:_MOST]
            state = state_in(manifest.decode("utf-8-sig", "replace"))
        except (OSError, InvalidArtefactError):
            pass  # what is wrong with the repository is for its own check to say
    verified = computed_in(result.folder, record)
    reasons = why_unranked(record, result.table, verified=verified, kind=kind, known=known, state=state)
    # Of a run that is its authors' word its provenance is, too; of a verified one it is what keeps it unranked.
    said = _SAID if not verified else _SAID | {"isolation", "harness"}
    return tuple(
        f"{name} has no rank that may be cited: {why.text}"
        for why in reasons
        if why.rule in said and (cites(kind) or why.rule in ("withdrawn", "disputed"))
    )
