"""Whether the model of this machine is the one of a record that is verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from worldstrat_bench.artefacts.identity import model_differences, short_value
from worldstrat_bench.artefacts.record import ModelRef, Record
from worldstrat_bench.plugins.wheel import SCRATCH
from worldstrat_bench.submission.faults import CheckFinding

if TYPE_CHECKING:
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.worker.types import ModelSpec


@contextmanager
def found_model(request: ModelRequest) -> Iterator[tuple[ModelRef, ModelSpec]]:
    """Yield the model that was asked for, unpacked while the context lasts."""
    from worldstrat_bench.run.model import choose_model

    with TemporaryDirectory(prefix=SCRATCH) as scratch:
        yield choose_model(request, Path(scratch))


def model_faults(record: Record, model: ModelRef) -> tuple[CheckFinding, ...]:
    """Return how the model that runs differs from the record's; a record that names no code differs, too."""
    remedy = "verify the record's model, with its weights and parameters"
    differing = model_differences(record.model, model, partial=True)
    faults = [
        CheckFinding("model", _difference(key, record.model, model), where=record.model.name, remedy=remedy)
        for key in differing
        if key != "editable"
    ]
    if "editable" in differing:
        faults.append(_editable(record.model, model))
    digests = [(getattr(record.model, key), getattr(model, key)) for key in ("wheel_sha256", "code_sha256")]
    if not any(ours is not None and theirs is not None for ours, theirs in digests):
        what = "nothing shows that this is the record's code: no digest of it is known to both"
        remedy = "verify the wheel, or the installed package, with which the record was made"
        faults.append(CheckFinding("model", what, where=record.model.name, remedy=remedy))
    return tuple(faults)


def _editable(recorded: ModelRef, here: ModelRef) -> CheckFinding:
    """Return the finding of other packages in editable mode, of whose code the model may have run some."""
    theirs, ours = recorded.editable, here.editable
    texts = [f"{name} is not the same" for name in sorted(theirs.keys() & ours.keys()) if theirs[name] != ours[name]]
    texts += [f"{name} is not here" for name in sorted(theirs.keys() - ours.keys())]
    texts += [f"{name} is here only" for name in sorted(ours.keys() - theirs.keys())]
    what = f"the model may run code of packages in editable mode, which are not those of the record: {', '.join(texts)}"
    remedy = "install the commit of each that the record was made with, or the model in an environment of its own"
    return CheckFinding("model", what, where=recorded.name, remedy=remedy)


def _difference(key: str, recorded: ModelRef, here: ModelRef) -> str:
    theirs, ours = short_value(getattr(recorded, key)), short_value(getattr(here, key))
    return f"model.{key} differs from the record's: {ours} here, {theirs} there"
