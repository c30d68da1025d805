"""One model, one row: a run beside the submission that was made of it is not an entry of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from worldstrat_bench.artefacts.tiles import TILES
from worldstrat_bench.site.entries import Entry, RejectedEntry


def without_duplicates(entries: Sequence[Entry]) -> tuple[list[Entry], list[RejectedEntry]]:
    """Return the entries without runs that have the tiles of a submission to the last byte, and these with the reason.

    Two submissions of the same tiles both stay: whose they are is for `submission check`.
    """
    # Maintainers build from the folder of submissions and their own runs: a run of a submission would stand on the
    # board twice.
    submitted = {_numbers(entry): entry for entry in entries if _is_submitted(entry)}
    kept, left = list[Entry](), list[RejectedEntry]()
    for entry in entries:
        twin = submitted.get(_numbers(entry))
        if twin is None or _is_submitted(entry):
            kept.append(entry)
        else:
            left.append(RejectedEntry(entry.source, f"the run of {twin.source}: the same numbers on every tile"))
    return kept, left


def _is_submitted(entry: Entry) -> bool:
    return "submission.toml" in entry.files


def _numbers(entry: Entry) -> tuple[str, str]:
    return entry.record.protocol.id, hashlib.sha256(entry.files[TILES]).hexdigest()
