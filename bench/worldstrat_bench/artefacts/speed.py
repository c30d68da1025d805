"""``speed.json``: what was timed, how fast it was, and whether to believe it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.artefacts.record import Device, Environment, Finite, IsolationReport, Name, Record, Sha256, Text

SPEED_SCHEMA_VERSION: Final = 2
TIME_AGAIN: Final = "time the record's model again: worldstrat-bench speed MODEL --data DIR --out RUN"


Positive = Annotated[float, Field(ge=1e-9, le=1e12, allow_inf_nan=False)]
"""A duration or a rate that some machine can have: a page draws it on a logarithmic axis."""

SPREAD_MAX = 0.05
"""Largest spread of the medians of the repeats that a VALID timing has."""

RUN_FASTER_MAX = 3.0
"""A call may be so many times as fast as a tile of the run, in which the machine reads and scores other tiles ..."""

RUN_SECONDS_MIN = 0.020
"""... less this much of a run's tile: calls there are far apart, their memory and their caches cold, seconds."""

_ROUNDING = 0.01
_METRES_PER_PIXEL = (1.0, 15.0)


def spread(medians: Sequence[float]) -> float:
    """Return (largest - smallest) / median of some medians."""
    return (max(medians) - min(medians)) / statistics.median(medians)


def faster_than_run(call_seconds: float, run_seconds: float) -> bool:
    """Return whether a call, of one tile or more, is faster than a single tile of the run can make one believe."""
    return RUN_FASTER_MAX * call_seconds < run_seconds - RUN_SECONDS_MIN


class Timing(Part):
    """One scenario of one model."""

    scenario: Literal["single", "offline"]
    precision: Text = Field(description="declared, fp32, bf16 or fp16")
    batch: int = Field(ge=1)
    frames: int = Field(ge=1)
    height: int = Field(ge=1, description="of the output, px")
    width: int = Field(ge=1, description="of the output, px")
    blocks: int = Field(ge=1, description="timed blocks over all repeats")
    calls: int = Field(ge=1, description="timed calls over all blocks")
    call_ms: Positive = Field(description="a call, that is a batch: median over the blocks of their mean")
    latency_p50_ms: Positive | None = Field(description="of single calls, each waited for; null in offline")
    latency_p90_ms: Positive | None
    latency_p99_ms: Positive | None
    tiles_per_second: Positive
    km2_per_second: Positive = Field(description="ground that the high-resolution images cover")
    output_megapixels_per_second: Positive
    transfer_ms: Positive | None = Field(
        description="a tile's way from pinned memory to the device, in none of the other figures; null on a CPU"
    )
    run_tile_ms: Positive | None = Field(
        default=None, description="a tile in the run that the figure stands beside: lower quartile of its timings.csv"
    )
    repeat_medians_ms: tuple[Positive, ...] = Field(min_length=1, max_length=100)
    reference_ms: Positive = Field(description="a call of the reference bicubic, same batch, in neighbouring blocks")
    times_reference: Positive = Field(description="median over neighbouring blocks of model / reference")
    sweep: dict[int, Positive | None] = Field(
        default_factory=dict, description="tiles per second by batch; null: out of memory"
    )
    verdict: Literal["VALID", "INVALID"]
    reasons: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _figures_agree(self) -> Self:
        """Check that the figures follow from each other as in every report that was measured."""
        if (self.verdict == "VALID") != (not self.reasons):
            raise ValueError("VALID has no reasons, INVALID has some")
        latencies = (self.latency_p50_ms, self.latency_p90_ms, self.latency_p99_ms)
        known = [latency for latency in latencies if latency is not None]
        if len(known) != (3 if self.scenario == "single" else 0):
            raise ValueError("a single call has three percentiles of its latency, an offline one has none")
        if known != sorted(known):
            raise ValueError("the percentiles of the latency are not in order")
        low, high = min(self.repeat_medians_ms), max(self.repeat_medians_ms)
        if not low * (1 - _ROUNDING) <= self.call_ms <= high * (1 + _ROUNDING):
            raise ValueError("call_ms is not among the medians of the repeats")
        if self.verdict == "VALID" and spread(self.repeat_medians_ms) > SPREAD_MAX:
            raise ValueError(f"VALID, though the repeats differ by more than {SPREAD_MAX:.0%}")
        if self.verdict == "VALID" and faster_than_run(self.call_ms / 1e3, (self.run_tile_ms or 0.0) / 1e3):
            raise ValueError("VALID, though a tile took far longer in the run: call_ms, run_tile_ms")
        tiles = self.batch / self.call_ms * 1e3
        if not math.isclose(self.tiles_per_second, tiles, rel_tol=_ROUNDING):
            raise ValueError("tiles_per_second does not follow from batch and call_ms")
        megapixels = self.tiles_per_second * self.height * self.width / 1e6
        if not math.isclose(self.output_megapixels_per_second, megapixels, rel_tol=_ROUNDING):
            raise ValueError("output_megapixels_per_second does not follow from tiles_per_second and the size")
        pixel = math.sqrt(self.km2_per_second / self.output_megapixels_per_second)
        if not _METRES_PER_PIXEL[0] <= pixel <= _METRES_PER_PIXEL[1]:
            raise ValueError(f"km2_per_second would make a pixel of the output {pixel:.3g} m wide")
        return self


class SpeedReport(Artefact):
    """All timings of one session on one device."""

    FILE: ClassVar = "speed.json"
    KIND: ClassVar = "speed report"
    REMEDY: ClassVar = TIME_AGAIN
    MAX_BYTES: ClassVar = 1_000_000

    schema_version: Literal[2] = SPEED_SCHEMA_VERSION
    record_id: Sha256 | None = Field(default=None, description="of the run that the timed outputs were compared with")
    compared_tiles: int = Field(default=0, ge=0, description="of that run, drawn at random, predicted again")
    model: Name
    created: Text
    device: Device
    environment: Environment
    isolation: IsolationReport
    timings: tuple[Timing, ...] = Field(max_length=100)
    parameters: int | None = Field(default=None, description="trainable and fixed, if the model has torch modules")
    flops_per_tile: Finite | None = Field(default=None, description="as torch's own counter sees them")
    peak_host_bytes: int | None = None
    peak_device_bytes: int | None = None
    km2_per_kwh: Finite | None = None
    nulls: dict[str, Text] = Field(default_factory=dict, description="why a figure is null")
    benchmark_file: Text | None = Field(default=None, description="pytest-benchmark's own JSON beside this file")

    @model_validator(mode="after")
    def _beside_a_run(self) -> Self:
        """Check that a report beside a record was compared with it, and says on what kind of device."""
        if self.record_id and not self.compared_tiles and any(t.verdict == "VALID" for t in self.timings):
            raise ValueError("VALID beside a record takes a comparison with its predictions: compared_tiles is 0")
        if (self.device.type == "cpu") != self.device.device_class.startswith("CPU"):
            raise ValueError("device_class is not one of the device's type")
        return self

    def is_of(self, record: Record) -> bool:
        """Return whether it is the speed of a record's model, compared with that run; handed-in files have none."""
        return record.predictions is None and self.record_id == record.record_id and self.model == record.model.name

    @classmethod
    def _check_document(cls, document: object) -> None:
        """Tell the reports of schema version 1 apart: their figures mean something else."""
        if isinstance(document, dict) and document.get("schema_version") == 1:
            raise ValueError("schema version 1, which timed single calls with their transfer, is not read any more")
