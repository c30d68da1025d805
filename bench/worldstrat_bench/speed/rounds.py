"""The file that pytest-benchmark runs inside :func:`worldstrat_bench.speed.stopwatch.measure`; no test of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from worldstrat_bench.speed.stopwatch import Rounds


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> Rounds:
    """The state of the scenario that is being timed."""
    plugins = pytestconfig.pluginmanager.get_plugins()
    found: Rounds = next(p.pytest_rounds for p in plugins if hasattr(p, "pytest_rounds"))
    return found


def test_repeat(benchmark: Any, rounds: Rounds, repeat: int) -> None:
    """One repeat: as many calls as pytest-benchmark finds right."""
    benchmark.extra_info["repeat"] = repeat
    first = len(rounds.pairs)
    benchmark(rounds.once)
    benchmark.extra_info["reference_seconds"] = [reference for _, reference in rounds.pairs[first:]]
    rounds.keep(list(benchmark.stats.stats.data))
