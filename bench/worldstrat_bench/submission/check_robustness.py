"""Checks of the ``robustness.json`` beside a record: its schema, and what it repeats of that record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.stats.robustness import disagreements
from worldstrat_bench.submission.faults import CheckFinding, from_error

_REMEDY = "submit what `worldstrat-bench evaluate ... --robustness` wrote beside this record"


def robustness_faults(folder: Path, record: Record) -> Iterator[CheckFinding]:
    """What is wrong with the file; nothing if there is none.

    The points of other runs cannot be computed again from a submission: they name the records of those runs.
    """
    path = folder / Robustness.FILE
    if not path.exists():
        return
    try:
        stated = Robustness.load(path)
    except InvalidArtefactError as error:
        yield from_error("robustness", error)
        return
    for reason in disagreements(stated, record):
        yield CheckFinding("robustness", f"{Robustness.FILE}: {reason}", where=path, remedy=_REMEDY)
