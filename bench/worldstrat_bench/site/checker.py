"""``site check`` (below)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CheckReport:
    """Faults of a site."""

    folder: Path
    files: int
    faults: tuple[str, ...]


def check(folder: Path) -> CheckReport:
    """Not yet."""
    return CheckReport(folder, 0, ())
