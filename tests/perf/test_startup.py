"""What the command line costs before it does anything: `--help` beside an empty Python, interleaved."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

ROUNDS = 10
PASS = [sys.executable, "-c", "pass"]
HELP = [sys.executable, "-c", "from worldstrat_bench.cli import main; main()", "--help"]


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def test_help_beside_an_empty_python(benchmark: Any, publish: Any) -> None:
    """The figure is the median difference of ten pairs; it is printed and written, not asserted."""
    for command in (PASS, HELP):
        _seconds(command)
    pairs = [(_seconds(PASS), _seconds(HELP)) for _ in range(ROUNDS)]
    benchmark.pedantic(_seconds, args=(HELP,), rounds=3)
    figures = {
        "python_pass_seconds": statistics.median(empty for empty, _ in pairs),
        "help_seconds": statistics.median(shown for _, shown in pairs),
        "difference_seconds": statistics.median(shown - empty for empty, shown in pairs),
    }
    publish("startup", figures, [f"{name:24} {value:.3f}" for name, value in figures.items()])
