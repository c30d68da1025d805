"""JSON Schema of ``data/board-<list>.json``."""

from __future__ import annotations

from typing import Final

from worldstrat_bench.stats.boards import KINDS

_NUMBER = {"type": ["number", "null"]}
_SUMMARY = {
    "type": "object",
    "required": ["n", "effective_groups", "mean", "ci_low", "ci_high"],
    "properties": {
        "n": {"type": "integer", "minimum": 0},
        "effective_groups": {"type": "number", "minimum": 0},
        "mean": _NUMBER,
        "ci_low": _NUMBER,
        "ci_high": _NUMBER,
    },
}
_RANK = {
    "type": ["object", "null"],
    "required": ["position", "rank_low", "rank_high", "letters", "beats", "beaten_by"],
    "properties": {
        "position": {"type": "integer", "minimum": 1},
        "rank_low": {"type": "integer", "minimum": 1},
        "rank_high": {"type": "integer", "minimum": 1},
        "letters": {"type": "array", "items": {"type": "string"}},
        "beats": {"type": "integer", "minimum": 0},
        "beaten_by": {"type": "integer", "minimum": 0},
    },
}
_TEXT = {"type": "string"}
_ENTRY = {
    "type": "object",
    "required": ["slug", "title", "record_id", "status", "ranks", "scores"],
    "properties": {
        "slug": _TEXT,
        "title": _TEXT,
        "record_id": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "status": {"enum": ["verified", "self-reported"]},
        "family": _TEXT,
        "frames": {"type": ["integer", "null"]},
        "train_split": _TEXT,
        "failed": {"type": "integer"},
        "counts": {"type": "boolean"},
        "ranks": {"type": "object", "additionalProperties": _RANK},
        "scores": {"type": "object", "additionalProperties": _SUMMARY},
        "macro": {"type": "object", "additionalProperties": _NUMBER},
    },
}

BOARD_SCHEMA: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A board of worldstrat-bench: one protocol, one list, one set of decoded targets",
    "type": "object",
    "required": ["protocol", "kind", "release", "list", "tiles", "targets_sha256", "entries"],
    "properties": {
        "protocol": {"type": "object", "properties": {"id": _TEXT, "sha256": _TEXT}},
        "kind": {"enum": list(KINDS)},
        "ranks_may_be_cited": {"type": "boolean"},
        "release": _TEXT,
        "list": _TEXT,
        "tiles": {"type": "integer"},
        "targets_sha256": _TEXT,
        "board": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "effective_groups": {"type": "number", "minimum": 0},
        "detectable_difference": {"type": "object", "additionalProperties": _NUMBER},
        "entries": {"type": "array", "items": _ENTRY},
    },
}
"""Content of ``data/schema/board.schema.json``."""
