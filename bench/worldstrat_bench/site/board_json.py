"""The JSON that a board offers for download: its ranked runs with their ranks and scores."""

from __future__ import annotations

from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.text import short_hash
from worldstrat_bench.stats.ranking import RankedBoard


def board_document(division: Division, name: str) -> dict[str, object]:
    """Return the content of ``data/board-LIST.json``, as ``data/schema/board.schema.json`` describes it."""
    return {
        "protocol": {"id": division.protocol.id, "sha256": division.protocol.sha256},
        "kind": division.kind,
        "release": division.release,
        "list": name,
        "tiles": len(division.lists[name]),
        "targets_sha256": division.targets_sha256,
        "board": short_hash(division.key, 16),
        "ranks_may_be_cited": division.cited,
        "entries": [_downloaded(division, entry, name) for entry in division.entries],
        "effective_groups": division.effective_groups(division.lists[name]),
        "detectable_difference": {m: division.boards[name, m].detectable for m in division.protocol.ranking.metrics},
    }


def _downloaded(division: Division, entry: Entry, name: str) -> dict[str, object]:
    """Return what the JSON of a board says of a ranked run."""
    ranked = division.protocol.ranking.metrics if division.shows_ranks(name) else ()
    scores = division.scores(entry, name)
    return {
        "slug": entry.slug,
        "title": entry.title,
        "record_id": entry.record.record_id,
        "status": entry.status,
        "counts": division.counts(entry),
        "family": entry.family,
        "frames": entry.frame_count,
        "train_split": entry.declaration.title,
        "ranks": {m: _standing(division.boards[name, m], entry.slug) for m in ranked},
        "scores": {k: v.model_dump(mode="json") for k, v in scores.micro.items()},
        "macro": scores.macro,
        "failed": scores.failed,
    }


def _standing(board: RankedBoard, slug: str) -> dict[str, object] | None:
    row = board.order.get(slug)
    if row is None:
        return None
    s = board.standings[row]
    return {
        "position": row + 1,
        "rank_low": s.rank_low,
        "rank_high": s.rank_high,
        "letters": list(s.letters),
        "beats": s.beats,
        "beaten_by": s.beaten_by,
    }
