"""The file that pytest-benchmark runs inside :func:`worldstrat_bench.speed.statistics.run_rounds`; no test of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from worldstrat_bench.speed.statistics import RoundsPlugin


@pytest.fixture
def rounds(pytestconfig: pytest.Config) -> RoundsPlugin:
    """Return the state of the scenario that is being timed."""
    from worldstrat_bench.speed.statistics import RoundsPlugin

    return next(plugin for plugin in pytestconfig.pluginmanager.get_plugins() if isinstance(plugin, RoundsPlugin))


def test_repeat(benchmark: Any, rounds: RoundsPlugin, repeat: int) -> None:
    """Run one repeat: its blocks are the rounds."""
    pairs = rounds.rounds.pairs
    first = len(pairs)
    rounds.start(repeat)
    benchmark.extra_info["repeat"] = repeat
    benchmark.pedantic(rounds.once, rounds=rounds.rounds.count, iterations=1)
    benchmark.extra_info["calls"] = pairs[first][0].calls
    benchmark.extra_info["reference_seconds"] = [reference.per_call for _, reference in pairs[first:]]
