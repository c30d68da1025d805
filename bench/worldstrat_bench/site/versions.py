"""Optional metrics on a board: a column shows one version of its metric, and values of another are left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from worldstrat_bench.artefacts.record import ListScores, Record
from worldstrat_bench.measures import WEIGHTS, measure
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.text import clean


def shown_versions(records: Sequence[Record]) -> dict[str, str]:
    """Map a column to the version that most records with values have, of equally many that of the first record."""
    found: dict[str, Counter[str]] = {}
    for record in records:
        for name, version in record.optional.items():
            if any(scores.micro[name].n for scores in record.scores.values() if name in scores.micro):
                found.setdefault(name, Counter())[version] += 1
    # Of equal counts `most_common` gives the one that was counted first.
    return {name: counts.most_common(1)[0][0] for name, counts in sorted(found.items())}


def with_versions(entry: Entry, versions: Mapping[str, str]) -> Entry:
    """Return the entry without optional columns of other versions, and without those that have no values."""
    record = entry.record
    shown = {name: version for name, version in record.optional.items() if name not in WEIGHTS}
    other = frozenset(name for name, version in shown.items() if versions.get(name) != version)
    if not other:
        return entry
    scores = {name: _without(scores, other) for name, scores in record.scores.items()}
    lean = record.model_copy(update={"scores": scores})
    return replace(entry, record=lean, table=entry.table.without(other))


def version_notes(record: Record, versions: Mapping[str, str]) -> list[str]:
    """Return what a model's page says of the columns that its board does not show."""
    return [
        f"{measure(name).label} is not shown: the run has version {clean(version, 80)}, the board "
        f"{clean(versions[name], 80)}"
        for name, version in sorted(record.optional.items())
        if name in versions and versions[name] != version and "not computed" not in version
    ]


def _without(scores: ListScores, names: frozenset[str]) -> ListScores:
    def lean(summaries: Mapping[str, object]) -> dict[str, object]:
        return {name: summary for name, summary in summaries.items() if name not in names}

    strata = {axis: {stratum: lean(own) for stratum, own in strata.items()} for axis, strata in scores.strata.items()}
    return scores.model_copy(update={"micro": lean(scores.micro), "macro": lean(scores.macro), "strata": strata})
