"""Probes of a model: does it super-resolve what it is given, or does it recognise what it has seen?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worldstrat_bench.audit.audit import AuditReport as AuditReport
    from worldstrat_bench.audit.audit import AuditRequest as AuditRequest
    from worldstrat_bench.audit.audit import run_audit as run_audit

__all__ = ["AuditReport", "AuditRequest", "run_audit"]


def __getattr__(name: str) -> Any:
    """Import the audit when it is first used: numpy's friends and the dataset's readers come with it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from worldstrat_bench.audit import audit

    return getattr(audit, name)
