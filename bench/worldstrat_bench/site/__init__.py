"""The leaderboard as static pages, from records and ``tiles.csv``. Lazy: importing this costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worldstrat_bench.site.builder import build as build
    from worldstrat_bench.site.checker import CheckReport as CheckReport
    from worldstrat_bench.site.checker import check as check
    from worldstrat_bench.site.report import BuildReport as BuildReport

__all__ = ["BuildReport", "CheckReport", "build", "check"]

_HOMES = {"build": "builder", "BuildReport": "report", "check": "checker", "CheckReport": "checker"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
