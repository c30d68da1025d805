"""The shared folder as earlier runs of the same command left it."""

from __future__ import annotations

from pathlib import Path

from worldstrat_bench.errors import WorldstratBenchError
from worldstrat_bench.run.folder import read_run


def tiles_done(folder: Path) -> int:
    """Return how many tiles of a run directory need nothing more; 0 where there is no journal, or none to be read now.

    What the machine failed counts as missing, since such a tile is tried again.
    """
    try:
        with read_run(folder) as run:
            entries = run.journal.entries().values()
    # What is wrong with the folder is said by who goes on with it.
    except WorldstratBenchError:
        return 0
    return sum(entry.scored is not None and entry.predicted.outcome != "infra_error" for entry in entries)


def before_text(done: int, total: int) -> str:
    """Return in a line how far a run was when this one began."""
    rest = "; the run goes on with the others" if done < total else ""
    return f"{done} of {total} tiles were done before{rest}"
