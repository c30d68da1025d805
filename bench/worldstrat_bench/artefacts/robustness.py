"""``robustness.json``: how a model's score depends on the number of frames, on cloud, and on where its inputs are from.

The file lies beside a record and names it. What it repeats of that record can be checked against it; the points of
other runs name their records. Like everything from outside it is untrusted: strings have a length, numbers are finite.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.artefacts.record import Sha256, Summary

_LARGEST: Final = 1e6


def _bounded(scores: dict[str, Summary]) -> dict[str, Summary]:
    """Refuse numbers that no metric can have: figures are drawn of them."""
    values = (value for s in scores.values() for value in (s.mean, s.ci_low, s.ci_high))
    if any(value is not None and abs(value) > _LARGEST for value in values):
        raise ValueError(f"a value is beyond {_LARGEST:g}")
    return scores


Name = Annotated[str, Field(min_length=1, max_length=40)]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-_LARGEST, le=_LARGEST)]
Scores = Annotated[dict[Name, Summary], Field(max_length=20), AfterValidator(_bounded)]


class FramesPoint(Part):
    """The scores of a run with so many frames."""

    frames: int = Field(ge=1, le=16, description="revisits the model was given at most")
    record_id: Sha256 = Field(description="of the run with that many frames")
    scores: Scores


class CloudPoint(Part):
    """The scores on the tiles whose inputs are that cloudy, in the run of the record itself."""

    stratum: Name = Field(description="per cent of cloudy pixels over the offered frames, as in the record's strata")
    scores: Scores


class Gap(Part):
    """One metric on inputs made by a sensor model and on real ones, the same tiles."""

    metric: Name
    tiles: int = Field(ge=1)
    groups: int = Field(ge=1)
    effective_groups: Finite = Field(ge=1, description="how many groups of equal size would tell as much")
    real: Finite = Field(description="mean over tiles")
    synthetic: Finite = Field(description="mean over tiles")
    difference: Finite = Field(description="synthetic minus real, paired")
    ci_low: Finite | None = None
    ci_high: Finite | None = None


class SyntheticGap(Part):
    """The run on synthetic inputs and what separates it from the real one."""

    record_id: Sha256 = Field(description="of the run on synthetic inputs")
    gaps: Annotated[tuple[Gap, ...], Field(max_length=20)] = Field(
        description="empty if a tile failed in one of the runs"
    )


class Robustness(Artefact):
    """All curves of one record."""

    FILE: ClassVar = "robustness.json"
    KIND: ClassVar = "robustness report"
    REMEDY: ClassVar = "worldstrat-bench evaluate MODEL --data DIR --out RUN --robustness writes it again"
    MAX_BYTES: ClassVar = 100_000

    schema_version: Literal[1] = 1
    record_id: Sha256 = Field(description="of the record beside which the file lies")
    list: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="the list of all figures")
    frames: Annotated[tuple[FramesPoint, ...], Field(max_length=16)] = Field(description="ascending")
    cloud: Annotated[tuple[CloudPoint, ...], Field(max_length=10)] = Field(description="from clear to cloudy")
    synthetic: SyntheticGap | None = Field(default=None, description="null where there are no such inputs")
