"""worldstrat-bench: a fixed, shift-aware benchmark of Sentinel-2 super-resolution on WorldStrat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.record import Record as Record
    from worldstrat_bench.artefacts.record import load_record as load_record
    from worldstrat_bench.data.layout import open_dataset as open_dataset
    from worldstrat_bench.results.frames import read_runs as read_runs
    from worldstrat_bench.results.frames import read_scores as read_scores
    from worldstrat_bench.results.predicted import read_prediction as read_prediction
    from worldstrat_bench.run import evaluate as evaluate
    from worldstrat_bench.run.request import RunOptions as RunOptions
    from worldstrat_bench.scoring.many import Scorer as Scorer
    from worldstrat_bench.scoring.pair import score_pair as score_pair
    from worldstrat_bench.worker.types import Limits as Limits

__version__ = "0.1.0"
__all__ = [
    "Limits",
    "Record",
    "RunOptions",
    "Scorer",
    "__version__",
    "evaluate",
    "load_record",
    "open_dataset",
    "read_prediction",
    "read_runs",
    "read_scores",
    "score_pair",
]

_HOMES = {
    "Limits": "worldstrat_bench.worker.types",
    "Record": "worldstrat_bench.artefacts.record",
    "RunOptions": "worldstrat_bench.run.request",
    "Scorer": "worldstrat_bench.scoring.many",
    "load_record": "worldstrat_bench.artefacts.record",
    "evaluate": "worldstrat_bench.run",
    "open_dataset": "worldstrat_bench.data.layout",
    "read_prediction": "worldstrat_bench.results.predicted",
    "read_runs": "worldstrat_bench.results.frames",
    "read_scores": "worldstrat_bench.results.frames",
    "score_pair": "worldstrat_bench.scoring",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that the package itself costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
