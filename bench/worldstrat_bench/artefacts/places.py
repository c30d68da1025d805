"""Where the records of a submission lie: one answer for its check, for comparisons and for the site."""

from __future__ import annotations

from pathlib import Path

RESULTS = "results"


def record_folders(slug_folder: Path) -> tuple[Path, ...]:
    """Return the folders under ``results/`` two levels down, sorted, whatever they hold."""
    results = slug_folder / RESULTS
    if results.is_symlink() or not results.is_dir():
        return ()
    return tuple(sorted(p for p in results.glob("*/*") if p.is_dir() and not p.is_symlink()))
