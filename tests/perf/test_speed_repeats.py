"""Whether `speed` says the same again, and the same as torch.utils.benchmark, on this machine.

``pytest tests/perf/test_speed_repeats.py --benchmark-enable --benchmark-only -p no:xdist -q -s`` takes about a quarter
of an hour on two quiet cores. It prints a line a session: the run, VALID or the reasons, ms a tile, the ratio to
bicubic; then what torch.utils.benchmark says of the same call in one process with the harness's block; last a table.

``WORLDSTRAT_BENCH_SPEED_DEVICE=cuda:0`` does it on a GPU. ``WORLDSTRAT_BENCH_SPEED_SESSIONS=1`` and
``WORLDSTRAT_BENCH_SPEED_MODELS=bicubic`` make one session of one model, to see that it works.
"""

from __future__ import annotations

import importlib
import os
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.utils.benchmark

from run_helpers import run_process
from worldstrat_bench.api import LowRes, Target
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.speed.inputs import Variations, synthetic_tiles
from worldstrat_bench.speed.plan import BLOCK_SECONDS
from worldstrat_bench.worker.inside.blocks import BlockPlan, Kept, Placed, run_block
from worldstrat_bench.worker.inside.timing import clock_for

SESSIONS = int(os.environ.get("WORLDSTRAT_BENCH_SPEED_SESSIONS", "5"))
MODELS = tuple(os.environ.get("WORLDSTRAT_BENCH_SPEED_MODELS", "bicubic,shift-and-add,trained-single").split(","))
DEVICE = os.environ.get("WORLDSTRAT_BENCH_SPEED_DEVICE", "cpu")
INPUTS = 4
RATIO_AIM = 0.03
"""The ratios to the reference of VALID sessions may differ by this much, relative."""
TORCH_AIM = 0.05 if DEVICE.startswith("cuda") else 0.10
"""A call may take this much longer or shorter by a block than by torch.utils.benchmark."""

Timings = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def found() -> Timings:
    """The timings of all sessions so far, by model."""
    return {model: [] for model in MODELS}


@pytest.fixture(scope="module")
def blocks() -> dict[str, float]:
    """A call by the harness's block over the same by torch.utils.benchmark, by model."""
    return {}


@pytest.mark.timeout(7200)
def test_five_sessions_of_three_models(benchmark: Any, publish: Any, found: Timings) -> None:
    """The aim: ratios of the VALID sessions within 3 %."""

    def session() -> None:
        for model in MODELS:
            done = run_process(
                "speed",
                model,
                "--scenario",
                "single",
                "--device",
                DEVICE,
                "--json",
                timeout=1200,
                OMP_NUM_THREADS=str(torch.get_num_threads()),
            )
            assert done.code == 0, done.err
            timing = done.json["timings"][0]
            found[model].append(timing)
            publish("speed-repeats", {"sessions": found}, [_line(model, len(found[model]), timing)])

    benchmark.pedantic(session, rounds=SESSIONS)
    assert all(len(timings) == SESSIONS for timings in found.values())


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("model", MODELS)
def test_a_block_beside_torch_utils_benchmark(
    model: str, benchmark: Any, publish: Any, blocks: dict[str, float]
) -> None:
    """Both in this process, on the same call, in turn."""
    pairs: list[tuple[float, float]] = []
    with torch.no_grad():
        call, inputs = _model(model), _inputs()
        call(inputs[0])
        benchmark.pedantic(lambda: pairs.append((_block(call, inputs), _torch(call, inputs))), rounds=9)
    ours, theirs = (statistics.median(values) * 1e3 for values in zip(*pairs, strict=True))
    ratio = blocks[model] = statistics.median(mine / other for mine, other in pairs)
    text = (
        f"{model}: block {ours:.3g} ms, torch.utils.benchmark {theirs:.3g} ms a call, ratio of neighbours {ratio:.3f}"
    )
    publish(f"speed-block-{model}", {"pairs_seconds": pairs, "device": DEVICE}, [text])


def test_a_table_of_both(benchmark: Any, publish: Any, found: Timings, blocks: dict[str, float]) -> None:
    """What the sessions and the blocks of this module say of each model, to be put into a note."""
    lines = [
        f"{SESSIONS} sessions of each model on {DEVICE}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "",
        f"| model | VALID | ms a tile | x bicubic | within {RATIO_AIM:.0%} | block / torch | within {TORCH_AIM:.0%} |",
        "|---|---|---|---|---|---|---|",
    ]
    benchmark.pedantic(lambda: lines.extend(_row(model, found[model], blocks.get(model)) for model in MODELS), rounds=1)
    for model, timings in found.items():
        reasons = Counter(reason.split(":")[0] for timing in timings for reason in timing["reasons"])
        lines += [f"INVALID {model}: {count} x {reason}" for reason, count in reasons.items()]
    publish("speed-table", {"sessions": found, "blocks": blocks}, lines)


def _row(model: str, timings: list[dict[str, Any]], block: float | None) -> str:
    """A line of the table; spreads are those of the VALID sessions."""
    valid = [timing for timing in timings if timing["verdict"] == "VALID"]
    cells = [model, f"{len(valid)} of {len(timings)}"]
    for key in ("call_ms", "times_reference"):
        values = [timing[key] for timing in valid or timings]
        cells.append(f"{statistics.median(values):.3g} (spread {_spread(values):.1%})" if values else "not measured")
    within = len(valid) > 1 and _spread([timing["times_reference"] for timing in valid]) <= RATIO_AIM
    cells.append(("yes" if within else "NO") if len(valid) > 1 else "fewer than two VALID")
    cells += ["not measured", ""] if block is None else [f"{block:.3f}", "yes" if abs(block - 1) <= TORCH_AIM else "NO"]
    return "| " + " | ".join(cells) + " |"


def _line(model: str, number: int, timing: dict[str, Any]) -> str:
    verdict = timing["verdict"] if not timing["reasons"] else "INVALID: " + "; ".join(timing["reasons"])
    return f"{model} {number}: {timing['call_ms']:.3g} ms a tile, {timing['times_reference']:.3f} x bicubic, {verdict}"


def _model(name: str) -> Any:
    module, _, attribute = find_model(name).target.partition(":")
    model = getattr(importlib.import_module(module), attribute)(None, torch.device(DEVICE))
    return lambda placed: model.predict(placed.lr, placed.target)


def _inputs() -> list[Placed]:
    supply = Variations(synthetic_tiles(load_protocol(), frames=8).tasks)
    tasks = [supply.task(1) for _ in range(INPUTS)]
    return [
        Placed(
            LowRes(*(torch.from_numpy(array).to(DEVICE) for array in (task.images, task.clear, task.days))),
            Target(task.height, task.width),
            None,
        )
        for task in tasks
    ]


def _block(call: Any, inputs: list[Placed]) -> float:
    """Seconds a call of a block as `speed` runs it, its copies of outputs included."""
    kept, clock = Kept(), clock_for(DEVICE)
    guess = run_block(call, inputs, BlockPlan(0, INPUTS, INPUTS, INPUTS, False), kept, clock)[0][-1] / INPUTS
    calls = INPUTS * max(2, round(BLOCK_SECONDS / guess / INPUTS))
    kept.prepare(max(1, calls // 4), call(inputs[0]))
    return run_block(call, inputs, BlockPlan(0, INPUTS, calls, INPUTS, False), kept, clock)[0][-1] / calls


def _torch(call: Any, inputs: list[Placed]) -> float:
    timer = torch.utils.benchmark.Timer(
        "for one in inputs:\n    call(one)",
        globals={"call": call, "inputs": inputs},
        num_threads=torch.get_num_threads(),
    )
    return float(timer.blocked_autorange(min_run_time=BLOCK_SECONDS).median) / INPUTS


def _spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median."""
    return (max(values) - min(values)) / statistics.median(values)
