"""Whether the model of this machine is the one of a record that is verified."""

from __future__ import annotations

from worldstrat_bench.artefacts.identity import model_differences
from worldstrat_bench.artefacts.record import ModelRef, Record
from worldstrat_bench.submission.faults import CheckFinding


def model_faults(record: Record, model: ModelRef) -> tuple[CheckFinding, ...]:
    """Return how the model that runs differs from the record's; a record that names no code differs, too."""
    faults = [
        CheckFinding(
            "model", f"model.{key} differs from the record's", where=record.model.name, remedy="verify the same model"
        )
        for key in model_differences(record.model, model, partial=True)
    ]
    digests = [(getattr(record.model, key), getattr(model, key)) for key in ("wheel_sha256", "code_sha256")]
    if not any(ours is not None and theirs is not None for ours, theirs in digests):
        what = "nothing shows that this is the record's code: no digest of it is known to both"
        remedy = "verify the wheel, or the installed package, with which the record was made"
        faults.append(CheckFinding("model", what, where=record.model.name, remedy=remedy))
    return tuple(faults)
