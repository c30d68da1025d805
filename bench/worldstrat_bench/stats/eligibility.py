"""Why a record has no rank: one answer for the check of a submission, its comparison and every page of the site.

Ranks that may be cited belong to records whose numbers maintainers computed. Boards of practice data and of predictions
that were handed in rank all rows: their banner says that these are ranked among themselves only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from worldstrat_bench.artefacts.harness import NONE_KNOWN, KnownHarnesses
from worldstrat_bench.artefacts.record import ONLY_FULL, Record
from worldstrat_bench.artefacts.state import ACTIVE, State
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.artefacts.verification import verification_in
from worldstrat_bench.data import split
from worldstrat_bench.errors import UsageError
from worldstrat_bench.printed import counted, plain_reason
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.aggregate import metric_names, metric_values
from worldstrat_bench.stats.boards import Kind, claimed_kind, foreign_inputs, kind_of, ranking_list
from worldstrat_bench.stats.train_split import assess

Rule = Literal[
    "withdrawn",
    "disputed",
    "partial",
    "contaminated",
    "inputs",
    "undeclared",
    "failed",
    "tiles",
    "isolation",
    "harness",
    "self-reported",
    "value",
]

SELF_REPORTED: Final = "self-reported: maintainers have not computed its numbers"
CONFINED: Final = frozenset({"strong", "full"})
"""Levels of isolation at which a model cannot read the targets."""


@dataclass(frozen=True)
class WhyUnranked:
    """One reason.

    Attributes
    ----------
    rule : a stable, short name.
    text : for readers, without a full stop; it may hold foreign text.
    """

    rule: Rule
    text: str


def cites(kind: Kind) -> bool:
    """Return whether ranks of a kind of board may be cited, so that only verified records have one."""
    return kind not in ("practice", "predictions")


def computed_in(folder: Path, record: Record) -> bool:
    """Return whether the verification in the folder of a record says that maintainers computed its numbers."""
    found = verification_in(folder, record)
    return found is not None and found.computed


def why_unranked(
    record: Record,
    table: TileTable,
    *,
    verified: bool,
    kind: Kind | None = None,
    known: KnownHarnesses = NONE_KNOWN,
    state: State = ACTIVE,
    train_split: str | None = None,
    list_name: str | None = None,
    metric: str | None = None,
) -> tuple[WhyUnranked, ...]:
    """Return every reason why a record has no rank, the one that tells most first; nothing if it has one.

    Parameters
    ----------
    verified : maintainers computed the numbers of the record; see :attr:`Verification.computed`.
    kind : of the board that is asked about; None: of the one that the record goes to.
    known : harnesses that others can get.
    state : of the submission, as its manifest says.
    train_split : as the manifest declares it, if the record does not.
    list_name : the list of the board that is asked about; None: any list of the record.
    metric : that ranks this board; None: any metric that ranks one.
    """
    kind = kind or kind_of(record)
    reasons = [
        *_of_state(state),
        *of_run(record),
        *_of_model(record, claimed_kind(record), train_split),
        *_of_tiles(record, table, claimed_kind(record)),
        *(_of_provenance(record, known) if cites(kind) else ()),
    ]
    if cites(kind) and not verified:
        reasons.append(WhyUnranked("self-reported", SELF_REPORTED))
    failed = any(reason.rule == "failed" for reason in reasons)
    return (*reasons, *(() if failed else _of_values(record, table, list_name, metric)))


def _of_state(state: State) -> Iterator[WhyUnranked]:
    """Say that a submission was withdrawn or is in dispute."""
    if state.word != "active":
        yield WhyUnranked(state.word, state.text)


def of_run(record: Record) -> Iterator[WhyUnranked]:
    """Return why a run is only a part of one, which compares with nothing."""
    if record.dataset.limit is not None:
        yield WhyUnranked("partial", f"limited to {counted(record.dataset.limit, 'tile')}: a smoke test")
    if record.dataset.shard is not None:
        yield WhyUnranked("partial", f"shard {record.dataset.shard[:20]}: merge the shards first")


def _of_model(record: Record, kind: Kind, train_split: str | None) -> Iterator[WhyUnranked]:
    declared = assess(record.model.train_split or train_split)
    if declared.status == "contaminated":
        yield WhyUnranked("contaminated", f"contaminated: trained on {declared.title}. {declared.explanation}")
    if reason := foreign_inputs(record):
        yield WhyUnranked("inputs", reason)
    handed_in = kind == "predictions" and record.dataset.official
    if (kind == "official" or handed_in) and declared.status == "undeclared":
        yield WhyUnranked("undeclared", "the train list is not declared")


def _of_tiles(record: Record, table: TileTable, kind: Kind) -> Iterator[WhyUnranked]:
    failed = {name: count for name, count in sorted(record.outcomes.items()) if name != "ok" and count}
    if failed and all(scores.failed for scores in record.scores.values()):
        parts = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in failed.items())
        what = f"incomplete: {sum(failed.values())} of {counted(record.dataset.tiles, 'tile')} failed ({parts})"
        yield WhyUnranked("failed", what)
    if kind in ("official", "probe") or (kind == "predictions" and record.dataset.official):
        known = record.dataset.list in split.LISTS
        expected = set(split.list_tiles(record.dataset.list)) - set(record.dataset.no_target) if known else set()
        # The record's word "official" is only a claim; the fixed list in the package decides.
        if set(table.tiles) != expected:
            what = f"claims to be official, but its tiles are not those of list {record.dataset.list}"
            yield WhyUnranked("tiles", what)


def _of_provenance(record: Record, known: KnownHarnesses) -> Iterator[WhyUnranked]:
    """Check that what made the record is known, and could not read the answers."""
    isolation = record.isolation
    if isolation.level not in CONFINED:
        yield WhyUnranked("isolation", f"its model ran with isolation {isolation.level!r}, not strong or full")
    elif not isolation.held:
        yield WhyUnranked("isolation", f"nothing shows that isolation {isolation.level!r} held: no probe was run")
    allowed = ONLY_FULL if isolation.level == "strong" else frozenset[str]()
    if opened := sorted(name for name, stopped in isolation.held.items() if not stopped and name not in allowed):
        more = f" and {len(opened) - 3} more" if len(opened) > 3 else ""
        yield WhyUnranked("isolation", f"its isolation did not hold: {', '.join(o[:40] for o in opened[:3])}{more}")
    if unknown := known.why_unknown(record.harness):
        yield WhyUnranked("harness", unknown)


def _of_values(record: Record, table: TileTable, list_name: str | None, metric: str | None) -> tuple[WhyUnranked, ...]:
    """Return why the boards that are asked about lack a value; nothing if one of them has all."""
    try:
        metrics = (metric,) if metric else load_protocol(record.protocol.id).ranking.metrics
    except UsageError:  # a protocol of another package: nothing can be said of its metrics
        return ()
    # The list that ranks comes first: what it lacks is what readers look for.
    names = (list_name,) if list_name else tuple(sorted(record.scores, key=lambda name: name != ranking_list(record)))
    found = [_lacking(record, table, name, wanted) for name in names for wanted in metrics]
    return (WhyUnranked("value", found[0]),) if found and all(found) else ()


def _lacking(record: Record, table: TileTable, name: str, metric: str) -> str:
    """Return what a list lacks to be ranked by a metric; "" if it has a value on every tile."""
    tiles = split.sublists(record.dataset.list, table.tiles).get(name, frozenset())
    if name not in record.scores or not tiles:
        return f"it was not scored on list {name[:40]}"
    if failed := record.scores[name].failed:
        return f"{failed} of {counted(len(tiles), 'tile')} of list {name[:40]} failed"
    rows = table.index_of(sorted(tiles))
    known = metric in metric_names(table)
    missing = int(np.isnan(metric_values(table, metric)[rows]).sum()) if known else len(rows)
    summary = record.scores[name].micro.get(metric)
    if missing:
        why = f" ({plain_reason(record.nulls[metric])[:200]})" if metric in record.nulls else ""
        return f"no {metric} on {missing} of {counted(len(tiles), 'tile')} of list {name[:40]}{why}"
    return f"no mean of {metric} on list {name[:40]}" if summary is None or summary.mean is None else ""
