"""From what the user asked for to a timing session, and its report onto the disk."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.record import Record, load_record
from worldstrat_bench.run.devices import resolve_devices
from worldstrat_bench.run.folder import PREDICTIONS
from worldstrat_bench.run.model import ModelRequest, choose_model
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.speed.inputs import SpeedTile, dataset_tiles, synthetic_tiles
from worldstrat_bench.speed.report import SpeedReport, save_speed
from worldstrat_bench.speed.session import SCENARIOS, Scenario, SpeedRequest, SpeedResult, time_model
from worldstrat_bench.speed.stopwatch import Plan
from worldstrat_bench.worker.timing import PRECISIONS

COMPARED_TILES = 4


@dataclass(frozen=True)
class SpeedOptions:
    """The verb's arguments; see its help."""

    model: ModelRequest
    device: str = "auto"
    scenario: str = "both"
    precision: str = "declared"
    run: Path | None = None
    data: Path | None = None
    protocol: str = "wsb-1"
    isolation: str = "auto"
    seconds: float = 3.0


def run_speed(options: SpeedOptions, say: Callable[[str], None]) -> SpeedReport:
    """Time a model and, with a run given, write ``speed.json`` and pytest-benchmark's documents beside its record.

    Raises
    ------
    UsageError
        for an unknown scenario or precision, or a run of another model.
    """
    scenarios = _scenarios(options.scenario)
    if options.precision not in PRECISIONS:
        raise UsageError(f"unknown precision {options.precision[:40]!r}", where="--precision",
                         remedy=", ".join(PRECISIONS))  # fmt: skip
    protocol = load_protocol(options.protocol)
    record = load_record(options.run) if options.run else None
    with tempfile.TemporaryDirectory(prefix="wsb-speed-") as scratch:
        model, spec = choose_model(options.model, Path(scratch))
        if record is not None and record.model.entry_point != model.entry_point:
            raise UsageError(f"the run is of {record.model.name}, not of {model.name}", where=options.run,
                             remedy="name the model of the run, or leave --out away")  # fmt: skip
        tiles, scored = _tiles(options, protocol, record)
        result = time_model(
            SpeedRequest(
                spec, model.name, tiles, resolve_devices(options.device)[0], scenarios, options.precision,
                options.isolation, Plan(seconds=options.seconds), scored=scored,
                record_id=record.record_id if record else None,
                forbidden=(options.data,) if options.data else (),
            ),
            say,
        )  # fmt: skip
    return _save(result, options.run) if options.run else result.report


def _scenarios(word: str) -> tuple[Scenario, ...]:
    if word == "both":
        return SCENARIOS
    found = tuple(scenario for scenario in SCENARIOS if scenario == word)
    if not found:
        raise UsageError(f"unknown scenario {word[:40]!r}", where="--scenario", remedy="single, offline or both")
    return found


def _tiles(
    options: SpeedOptions, protocol: Protocol, record: Record | None
) -> tuple[tuple[SpeedTile, ...], dict[str, NDArray[np.float32]]]:
    """Tiles to time on, and what was scored for them where both the data and the run's predictions are there."""
    if options.data is None:
        return synthetic_tiles(protocol, options.model.frames), {}
    store = PredictionStore(options.run / PREDICTIONS) if options.run else None
    tiles = dataset_tiles(options.data, protocol, options.model.frames)
    if store is None or record is None:
        return tiles, {}
    names = [tile.name for tile in tiles if store.has(tile.name)][:COMPARED_TILES]
    return tiles, {name: store.read(name) for name in names}


def _save(result: SpeedResult, run: Path) -> SpeedReport:
    name = "speed-benchmark.json"
    temporary = run / f".{name}.{os.getpid()}.tmp"
    temporary.write_text(json.dumps(result.benchmarks, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    temporary.replace(run / name)
    report = SpeedReport.model_validate({**result.report.model_dump(), "benchmark_file": name})
    save_speed(report, run / "speed.json")
    return report
