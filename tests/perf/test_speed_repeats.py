"""Whether `speed` says the same again, and the same as torch.utils.benchmark, on this machine.

``tox run -e perf -- -k speed_repeats`` prints a line a session: the run, VALID or the reasons, ms a tile, the ratio to
bicubic; then what torch.utils.benchmark says of the same call in one process with the harness's block.
``WORLDSTRAT_BENCH_SPEED_DEVICE=cuda:0`` does it on a GPU.
"""

from __future__ import annotations

import importlib
import os
import statistics
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
from worldstrat_bench.speed.stopwatch import BLOCK_SECONDS
from worldstrat_bench.worker.inside.blocks import BlockPlan, Kept, Placed, run_block
from worldstrat_bench.worker.inside.timing import clock_for

SESSIONS = 5
MODELS = ("bicubic", "shift-and-add", "trained-single")
DEVICE = os.environ.get("WORLDSTRAT_BENCH_SPEED_DEVICE", "cpu")
INPUTS = 4


@pytest.mark.timeout(7200)
def test_five_sessions_of_three_models(benchmark: Any, publish: Any) -> None:
    """The aim: ratios of the VALID sessions within 3 %, ms a tile within 10 % of torch.utils.benchmark (GPU: 5 %)."""
    timings: dict[str, list[dict[str, Any]]] = {model: [] for model in MODELS}

    def session() -> None:
        for model in MODELS:
            done = run_process("speed", model, "--scenario", "single", "--device", DEVICE, "--json", timeout=1200,
                               OMP_NUM_THREADS=str(torch.get_num_threads()))  # fmt: skip
            assert done.code == 0, done.err
            timing = done.json["timings"][0]
            timings[model].append(timing)
            publish("speed-repeats", {"sessions": timings}, [_line(model, len(timings[model]), timing)])

    benchmark.pedantic(session, rounds=SESSIONS)
    lines = []
    for model, found in timings.items():
        valid = [timing for timing in found if timing["verdict"] == "VALID"]
        spreads = ", ".join(
            f"{what} {_spread([timing[key] for timing in valid]):.1%}"
            for key, what in (("times_reference", "ratio"), ("call_ms", "ms a tile"))
            if len(valid) > 1
        )
        lines.append(f"{model}: {len(valid)} of {len(found)} VALID; spread among them: {spreads or 'not known'}")
    publish("speed-repeats", {"sessions": timings}, lines)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("model", MODELS)
def test_a_block_beside_torch_utils_benchmark(model: str, benchmark: Any, publish: Any) -> None:
    """Both in this process, on the same call, in turn."""
    pairs: list[tuple[float, float]] = []
    with torch.no_grad():
        call, inputs = _model(model), _inputs()
        call(inputs[0])
        benchmark.pedantic(lambda: pairs.append((_block(call, inputs), _torch(call, inputs))), rounds=9)
    ours, theirs = (statistics.median(values) * 1e3 for values in zip(*pairs, strict=True))
    ratio = statistics.median(mine / other for mine, other in pairs)
    text = (
        f"{model}: block {ours:.3g} ms, torch.utils.benchmark {theirs:.3g} ms a call, ratio of neighbours {ratio:.3f}"
    )
    publish(f"speed-block-{model}", {"pairs_seconds": pairs, "device": DEVICE}, [text])


def _line(model: str, number: int, timing: dict[str, Any]) -> str:
    verdict = timing["verdict"] if not timing["reasons"] else "INVALID: " + "; ".join(timing["reasons"])
    return f"{model} {number}: {timing['call_ms']:.3g} ms a tile, {timing['times_reference']:.3f} x bicubic, {verdict}"


def _model(name: str) -> Any:
    module, _, attribute = find_model(name).target.partition(":")
    model = getattr(importlib.import_module(module), attribute)(None, torch.device(DEVICE))
    return lambda placed: model.predict(placed.lr, placed.target)


def _inputs() -> list[Placed]:
    supply = Variations(synthetic_tiles(load_protocol(), frames=8))
    tasks = [supply.task(1) for _ in range(INPUTS)]
    return [
        Placed(
            LowRes(*(torch.from_numpy(array).to(DEVICE) for array in (task.images, task.clear, task.days))),
            Target(task.height, task.width), None,
        )
        for task in tasks
    ]  # fmt: skip


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
