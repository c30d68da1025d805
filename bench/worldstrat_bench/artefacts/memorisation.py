"""``memorisation.json``: a model's gain on tiles that it may have seen minus that on tiles that only maintainers have.

Maintainers measure it, the file lies beside a record and names it. It never says that a model has not seen a tile: a
difference that is small has other causes, too.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.artefacts.record import Record, Sha256
from worldstrat_bench.artefacts.verification import Commit, Line, is_past

_LARGEST = 200.0
"""dB: no gain over bicubic is beyond."""

Decibels = Annotated[float, Field(allow_inf_nan=False, ge=-_LARGEST, le=_LARGEST)]


class GainDifference(Part):
    """A model's mean gain over bicubic on known tiles minus that on unseen ones, with its interval."""

    known: int = Field(ge=1, description="tiles of the data set that were drawn")
    unseen: int = Field(ge=1, description="tiles that only maintainers have")
    value: Decibels = Field(description="dB")
    low: Decibels | None = Field(description="95 % interval by Welch's t, dB; null with one tile on a side")
    high: Decibels | None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        """Check that the interval holds the value."""
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError("value is outside of its interval")
        return self


class Memorisation(Artefact):
    """Known minus unseen of one record's model, and of reference models on the same tiles."""

    FILE: ClassVar = "memorisation.json"
    KIND: ClassVar = "memorisation report"
    REMEDY: ClassVar = (
        "a maintainer writes it: worldstrat-bench models check MODEL --audit --data DIR --unseen DIR --record RUN "
        "--maintainer NAME"
    )
    MAX_BYTES: ClassVar = 20_000

    schema_version: Literal[1] = 1
    record_id: Sha256 = Field(description="of the record beside this file")
    package_sha256: Sha256 | None = Field(
        description="of the package that ran: its wheel, else its installed files, computed by the harness from disk"
    )
    weights_sha256: Sha256 | None
    measured_by: Line = Field(description="the maintainer who ran it")
    measured_at: Line = Field(description="UTC, ISO 8601")
    harness_version: Line
    harness_commit: Commit | None = Field(description="of the harness that measured; null if it is not known")
    isolation: Line = Field(description="level that confined the model")
    unseen_sha256: Sha256 = Field(
        description="of the unseen tiles that were drawn: of a line '<tile> <sha256 of its decoded target>' for each"
    )
    unseen_is_real: bool = Field(
        default=True, description="false: they are scenes of `data mini`, on which anyone can train"
    )
    model: GainDifference
    references: dict[Line, GainDifference] = Field(
        min_length=1, max_length=20, description="reference models on the same tiles, by name"
    )

    def contradiction(self, record: Record) -> str:
        """Return what of the report is not so of the record beside it, in words; "" if all of it is."""
        digests = [digest for digest in (record.model.wheel_sha256, record.model.code_sha256) if digest is not None]
        if self.record_id != record.record_id:
            return "it names another record_id"
        if not is_past(self.measured_at):
            return f"it was measured at {self.measured_at[:40]!r}, which is not a time in the past"
        if self.package_sha256 is None or self.package_sha256 not in digests:
            return "the package that it names is not the record's"
        if self.weights_sha256 != record.model.weights_sha256:
            return "the weights that it names are not the record's"
        return ""


def memorisation_of(content: bytes | None, record: Record) -> Memorisation | None:
    """Return the report on a record; None without a file, or if it is not valid or not of the record.

    Parameters
    ----------
    content : of the ``memorisation.json`` beside the record; None if there is none.
    """
    found = Memorisation.parse_if_valid(content)
    return None if found is None or found.contradiction(record) else found
