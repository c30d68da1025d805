"""Words for a user on Dask workers that come and go while a run waits for shards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from worldstrat_bench.pace import Aside
from worldstrat_bench.run.events import Listener, Notice

_SECONDS: Final = 2.0


def workers_text(count: int) -> str:
    """Return a number of Dask workers in words."""
    return f"{count} Dask worker{'' if count == 1 else 's'}"


class Watch(Aside):
    """Says when Dask workers join or are lost: shards of lost ones go to others, and without any the run waits.

    Parameters
    ----------
    workers : returns the addresses of those that the scheduler knows; OSError or RuntimeError where it is gone.
    """

    def __init__(self, workers: Callable[[], frozenset[str]], tell: Listener, every: float = _SECONDS) -> None:
        self._workers, self._tell, self._every = workers, tell, every
        super().__init__("dask-workers")

    def _watch(self) -> None:
        try:
            known = self._workers()
            while not self._over.wait(self._every):
                now = self._workers()
                if now != known and not self._over.is_set():
                    self._tell(Notice(_change(known, now)))
                known = now
        # The run itself says that the scheduler is gone.
        except (OSError, RuntimeError, ValueError):
            return


def _change(known: frozenset[str], now: frozenset[str]) -> str:
    """Return what became of the workers, in a line."""
    lost, joined = known - now, now - known
    parts = [f"{workers_text(len(lost))} lost"] * bool(lost) + [f"{workers_text(len(joined))} joined"] * bool(joined)
    if not now:
        return f"{' and '.join(parts)}: none is left, waiting for one"
    after = ", and what they had begun goes on there" if lost else ""
    return f"{' and '.join(parts)}: {workers_text(len(now))} now{after}"
