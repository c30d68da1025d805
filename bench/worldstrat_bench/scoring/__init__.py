"""Scoring: from a prediction and a target to the metrics of a protocol.

The package imports torch only when something is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worldstrat_bench.scoring.factory import make_scorer as make_scorer
    from worldstrat_bench.scoring.pair import score_pair as score_pair
    from worldstrat_bench.scoring.types import Frame as Frame
    from worldstrat_bench.scoring.types import Prepared as Prepared
    from worldstrat_bench.scoring.types import Scorer as Scorer
    from worldstrat_bench.scoring.types import TileScore as TileScore

__all__ = ["Frame", "Prepared", "Scorer", "TileScore", "make_scorer", "score_pair"]

_HOMES = {
    "Frame": "types",
    "Prepared": "types",
    "Scorer": "types",
    "TileScore": "types",
    "make_scorer": "factory",
    "score_pair": "pair",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
