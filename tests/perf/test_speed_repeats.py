"""Whether the throughput of two models can be compared on a machine that is not quiet.

The aim: the ratio of two models' figures differs by less than 10 % over five sessions.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import pytest

from run_helpers import run_process

SESSIONS = 5
MODELS = ("bicubic", "shift-and-add")


@pytest.mark.timeout(3600)
def test_the_ratio_of_two_models_in_five_sessions(benchmark: Any, publish: Any) -> None:
    """By the reference that is interleaved, and by the milliseconds alone, which is what others publish."""
    timings: dict[str, list[dict[str, Any]]] = {model: [] for model in MODELS}

    def session() -> None:
        for model in MODELS:
            done = run_process("speed", model, "--scenario", "single", "--device", "cpu", "--json", timeout=1200)
            assert done.code == 0, done.err
            timings[model].append(done.json["timings"][0])

    benchmark.pedantic(session, rounds=SESSIONS)
    document: dict[str, Any] = {"sessions": timings}
    lines = []
    for key, what in (("times_reference", "times the reference"), ("latency_p50_ms", "milliseconds alone")):
        ratios = [slow[key] / fast[key] for fast, slow in zip(*(timings[model] for model in MODELS), strict=True)]
        document[key] = {"ratios": ratios, "spread": _spread(ratios)}
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        lines.append(f"{MODELS[1]} / {MODELS[0]} by {what}: {shown}; spread {_spread(ratios):.1%}")
    verdicts = {model: [timing["verdict"] for timing in timings[model]] for model in MODELS}
    publish("speed-repeats", document, [*lines, f"verdicts {verdicts}"])


def _spread(values: Sequence[float]) -> float:
    """(largest - smallest) / median."""
    return (max(values) - min(values)) / statistics.median(values)
