"""Means of the metrics that rank: over every tile of a list or a stratum, or not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from worldstrat_bench.artefacts.record import ListScores, Summaries, Summary
from worldstrat_bench.site.entries import Entry


def with_whole_means(entry: Entry, ranking: Sequence[str]) -> Entry:
    """Return the entry without means of `ranking` metrics over a part of the tiles: leaving hard ones out would pay.

    Parameters
    ----------
    ranking : the metrics that rank; ``gain`` follows ``psnr``.
    """
    record = entry.record
    metrics = (*ranking, *(("gain",) if "psnr" in ranking else ()))
    scores = {name: _whole(own, metrics) for name, own in record.scores.items()}
    if all(scores[name] is own for name, own in record.scores.items()):
        return entry
    return replace(entry, record=record.model_copy(update={"scores": scores}))


def _whole(scores: ListScores, metrics: Sequence[str]) -> ListScores:
    partial = [name for name in metrics if name in scores.micro and 0 < scores.micro[name].n < scores.tiles]
    if not partial:
        return scores
    strata = {axis: {key: _of_stratum(own, partial) for key, own in s.items()} for axis, s in scores.strata.items()}
    macro = {name: None if name in partial else mean for name, mean in scores.macro.items()}
    micro = {name: _emptied(own) if name in partial else own for name, own in scores.micro.items()}
    return scores.model_copy(update={"micro": micro, "macro": macro, "strata": strata})


def _of_stratum(own: Summaries, partial: Sequence[str]) -> Mapping[str, Summary]:
    """Empty the metrics of a stratum that have fewer values than its fullest metric."""
    tiles = max((summary.n for summary in own.values()), default=0)
    return {name: _emptied(s) if name in partial and s.n < tiles else s for name, s in own.items()}


def _emptied(summary: Summary) -> Summary:
    return summary.model_copy(update={"mean": None, "ci_low": None, "ci_high": None})
