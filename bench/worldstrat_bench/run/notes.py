"""Inputs of a run, which its journal notes when it starts and compares when it resumes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from worldstrat_bench.artefacts.base import Part, first_problem
from worldstrat_bench.artefacts.record import (
    Device,
    Environment,
    HandedIn,
    Harness,
    IsolationReport,
    LimitsRef,
    ModelRef,
    ProtocolRef,
)
from worldstrat_bench.data.split import list_sha256
from worldstrat_bench.data.task import InputSource
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.differences import differences
from worldstrat_bench.run.fingerprint import files_sha256
from worldstrat_bench.run.folder import RunFolder
from worldstrat_bench.run.journal import Journal
from worldstrat_bench.run.selection import Selection


class PredictInputs(Part):
    """Everything that decides which predictions a run makes. Kept in the journal when the run starts."""

    protocol: ProtocolRef
    release: str
    official: bool
    list: str
    list_sha256: str
    limit: int | None
    shard: str | None
    files_sha256: str
    inputs: InputSource
    model: ModelRef
    limits: LimitsRef = LimitsRef(tile_seconds=60.0)
    seed: int
    harness_version: str
    predictions: HandedIn | None = None

    def digest(self) -> str:
        """Return the sha256 of all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class ScoreInputs(Part):
    """Everything beside the predictions that decides the scores."""

    protocol: ProtocolRef
    lpips_backbone_sha256: str | None
    lpips_null: str | None
    optional: dict[str, str] = Field(default_factory=dict)
    device_type: str
    harness: Harness


class Machine(Part):
    """Machine that made the predictions, as the worker stated at its start."""

    environment: Environment
    device: Device
    isolation: IsolationReport


HARNESS_STATE = frozenset({"harness.commit", "harness.dirty", "harness.code_sha256"})
"""Facts that may differ between the processes of one run; the record says so if they do. The version may not."""

SAME_LEVEL_IS_ENOUGH = frozenset({"isolation.held", "isolation.notes", "isolation.requested"})
"""How a level of isolation came about may differ between them; the level may not."""


def predict_inputs(
    selection: Selection,
    protocol: Protocol,
    model: ModelRef,
    *,
    seed: int,
    inputs: InputSource,
    harness_version: str,
    limits: LimitsRef,
) -> PredictInputs:
    """Return the inputs of a run over those tiles; looks at the size and a few bytes of every file."""
    return PredictInputs(
        protocol=protocol_ref(protocol),
        release=selection.dataset.release,
        official=selection.official,
        list=selection.list_name,
        list_sha256=list_sha256(selection.list_tiles),
        limit=selection.limit,
        shard=str(selection.shard) if selection.shard else None,
        files_sha256=files_sha256(selection.tiles),
        inputs=inputs,
        model=model,
        limits=limits,
        seed=seed,
        harness_version=harness_version,
    )


def protocol_ref(protocol: Protocol) -> ProtocolRef:
    """Return how journals and records name a protocol."""
    return ProtocolRef(id=protocol.id, sha256=protocol.sha256)


def remember(
    journal: Journal, name: str, now: BaseModel, *, remedy: str, leave_out: frozenset[str] = frozenset()
) -> None:
    """Write a note at the first time and compare it at every later one.

    Raises
    ------
    UsageError
        naming everything that differs from what the run was started with.
    """
    # The first note binds all later processes, and is not replaced where they may differ: its digest is in the header
    # of every prediction.
    text = journal.note(name)
    if text is None:
        journal.set_note(name, now.model_dump_json())
        return
    changed = differences(read_note(journal, name, type(now)), now, leave_out=leave_out)
    if changed:
        raise UsageError(
            f"the run was started with other inputs: {'; '.join(changed)}", where=journal.path.parent, remedy=remedy
        )


N = TypeVar("N", bound=BaseModel)


def read_note(journal: Journal, name: str, kind: type[N]) -> N:
    """Return a note of the journal.

    Raises
    ------
    InvalidArtefactError
        if it is missing or not of that form.
    """
    text = journal.note(name)
    if text is None:
        words = {"predict": "it began", "machine": "its model ran", "score": "its scoring began"}
        raise InvalidArtefactError(
            f"the run ended before {words.get(name, f'it had its {name!r} note')}",
            where=journal.path.parent,
            remedy="give its command again: it continues, worldstrat-bench evaluate ... (of a shard with its --shard)",
        )
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        what = f"the journal's {name!r} note is damaged: {first_problem(error)}"
        raise InvalidArtefactError(what, where=journal.path, remedy="start the run again with another --out") from None


@dataclass(frozen=True)
class Notes:
    """Content of the journal beside the tiles."""

    predicting: PredictInputs
    scoring: ScoreInputs
    machine: Machine
    harness_changed: bool = False


def notes_of(run: RunFolder) -> Notes:
    """Return what the journal says of a run beside its tiles."""
    return Notes(
        read_note(run.journal, "predict", PredictInputs),
        read_note(run.journal, "score", ScoreInputs),
        read_note(run.journal, "machine", Machine),
        run.journal.note("harness_changed") is not None,
    )
