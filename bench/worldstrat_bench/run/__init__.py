"""One run: plan, predict, score, store, resume, record. Every arrow between the stages is a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worldstrat_bench.run.pipeline import evaluate as evaluate

__all__ = ["evaluate"]


def __getattr__(name: str) -> Any:
    """Import :func:`evaluate` when it is first used: torch comes with it."""
    if name != "evaluate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from worldstrat_bench.run.pipeline import evaluate

    globals()[name] = evaluate
    return evaluate
