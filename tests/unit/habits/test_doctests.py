"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import worldstrat_bench

PACKAGE = Path(worldstrat_bench.__file__).parent
WITH_EXAMPLES = sorted(
    ".".join(("worldstrat_bench", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in PACKAGE.rglob("*.py")
    # Examples that need a data set are marked to be skipped; doctest does not count them as tried.
    if any(">>> " in line and "+SKIP" not in line for line in path.read_text(encoding="utf-8").splitlines())
)


def test_there_are_examples() -> None:
    assert {"worldstrat_bench.metrics.psnr", "worldstrat_bench.measures"} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name))
    assert tried > 0
    assert failed == 0
