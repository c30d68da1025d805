"""``speed.json``: what was timed, how fast it was, and whether to believe it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.record import Device, Environment, Finite, IsolationReport, Name, Sha256, Text

SPEED_SCHEMA_VERSION: Final = 1
TIME_AGAIN: Final = "time the record's model again: worldstrat-bench speed MODEL --data DIR --out RUN"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Timing(_Part):
    """One scenario of one model."""

    scenario: Literal["single", "offline"]
    precision: Text = Field(description="declared, fp32, bf16 or fp16")
    batch: int = Field(ge=1)
    frames: int = Field(ge=1)
    height: int = Field(ge=1, description="of the output, px")
    width: int = Field(ge=1, description="of the output, px")
    calls: int = Field(ge=1, description="timed calls over all repeats")
    latency_p50_ms: Finite = Field(description="of a call, that is of a batch")
    latency_p90_ms: Finite
    latency_p99_ms: Finite
    tiles_per_second: Finite
    km2_per_second: Finite = Field(gt=0, description="ground that the high-resolution images cover")
    output_megapixels_per_second: Finite
    repeat_medians_ms: tuple[Finite, ...]
    reference_p50_ms: Finite = Field(description="of the reference bicubic, same batch, interleaved")
    times_reference: Finite = Field(description="median over the calls of model / reference")
    sweep: dict[int, Finite | None] = Field(
        default_factory=dict, description="tiles per second by batch; null: out of memory"
    )
    verdict: Literal["VALID", "INVALID"]
    reasons: tuple[Text, ...] = ()


class SpeedReport(_Part):
    """All timings of one session on one device."""

    schema_version: Literal[1] = SPEED_SCHEMA_VERSION
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


def format_speed(report: SpeedReport) -> str:
    """The text of ``speed.json``: indented, keys sorted, newline at the end."""
    return json.dumps(report.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def load_speed(path: Path) -> SpeedReport:
    """Read and check a ``speed.json``.

    Raises
    ------
    InvalidArtefactError
        if it is missing, no JSON, or does not follow the schema.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InvalidArtefactError("there is no speed report", where=path, remedy=TIME_AGAIN) from None
    except OSError as error:
        raise InvalidArtefactError(f"cannot be read: {error}", where=path) from None
    return parse_speed(data, where=path)


def parse_speed(data: bytes, *, where: object = "speed.json") -> SpeedReport:
    """Check the content of a ``speed.json``, which may come from anybody.

    Raises
    ------
    InvalidArtefactError
        if it is no JSON or does not follow the schema; says where in it.
    """
    try:
        return SpeedReport.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part)[:60] for part in first["loc"])
        what = f"not a speed report: {key}: {first['msg']}" if key else f"not a speed report: {first['msg']}"
        raise InvalidArtefactError(what, where=where, remedy=TIME_AGAIN) from None
