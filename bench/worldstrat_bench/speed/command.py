"""From what the user asked for to a timing session, and its report onto the disk."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.durable import write_durably
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.data.layout import folders_of_targets
from worldstrat_bench.plugins.wheel import SCRATCH
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.run.devices import resolve_devices
from worldstrat_bench.run.model import ModelRequest, choose_model
from worldstrat_bench.speed.figures import Scenario
from worldstrat_bench.speed.inputs import TimedTiles, dataset_tiles, synthetic_tiles
from worldstrat_bench.speed.plan import QUICK, Plan
from worldstrat_bench.speed.scored import check_same, scored_of
from worldstrat_bench.speed.session import SCENARIOS, SpeedRequest, SpeedResult, time_model
from worldstrat_bench.worker.inside.timing import PRECISIONS


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
    seconds: float | None = None
    quick: bool = False


def run_speed(options: SpeedOptions, say: Callable[[str], None]) -> SpeedReport:
    """Time a model and, with a run given, write ``speed.json`` and pytest-benchmark's documents beside its record.

    Raises
    ------
    UsageError
        for an unknown scenario or precision, or a run of another model or of other options.
    """
    scenarios = _scenarios(options.scenario)
    precision = one_of(options.precision, PRECISIONS, "unknown precision", "--precision")
    options = replace(options, precision=precision)
    protocol = load_protocol(options.protocol)
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
        model, spec = choose_model(options.model, Path(scratch))
        scored, list_name = None, "auto"
        if options.run is not None:
            record = load_record(options.run)
            # Before minutes are spent: a figure beside the record of another model would be refused at the end.
            check_same(record, model, protocol.id)
            scored = scored_of(options.run, record, options.data, protocol)
            # Of other tiles the run has no predictions to compare with.
            list_name = record.dataset.list
        tiles = _tiles(options, protocol, list_name)
        device = resolve_devices(options.device)[0]
        result = time_model(
            SpeedRequest(
                spec,
                model.name,
                tiles,
                device,
                scenarios,
                options.precision,
                options.isolation,
                plan_of(device, options.seconds, quick=options.quick),
                scored=scored,
                forbidden=folders_of_targets(options.data) if options.data else (),
            ),
            say,
        )
    return _save(result, options.run) if options.run else result.report


def plan_of(device: str, seconds: float | None = None, *, quick: bool = False) -> Plan:
    """Return how long to time: a GPU is steadier than a CPU, and dearer, and gets half the time.

    Parameters
    ----------
    seconds : of timed calls in each repeat, whatever that takes; None keeps the budget.
    """
    if quick:
        return QUICK
    on_cuda = Plan(seconds=1.0, budget_seconds=10.0, total_seconds=48.0, warm_up_seconds=4.0)
    usual = on_cuda if device.startswith("cuda") else Plan()
    unbounded = replace(usual, seconds=seconds or usual.seconds, budget_seconds=math.inf, total_seconds=math.inf)
    return usual if seconds is None else unbounded


def _scenarios(word: str) -> tuple[Scenario, ...]:
    chosen = one_of(word, (*SCENARIOS, "both"), "unknown scenario", "--scenario")
    return tuple(scenario for scenario in SCENARIOS if chosen in (scenario, "both"))


def _tiles(options: SpeedOptions, protocol: Protocol, list_name: str) -> TimedTiles:
    if options.data is None:
        return synthetic_tiles(protocol, options.model.frames)
    return dataset_tiles(options.data, protocol, options.model.frames, list_name=list_name)


def _save(result: SpeedResult, run: Path) -> SpeedReport:
    name = "speed-benchmark.json"
    # The document first: where a speed.json is, the file that it names is whole.
    write_durably(run / name, (json.dumps(result.benchmarks, indent=1, sort_keys=True) + "\n").encode())
    report = SpeedReport.model_validate({**result.report.model_dump(), "benchmark_file": name})
    report.save(run / SpeedReport.FILE)
    return report
