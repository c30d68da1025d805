"""The engine that the options for many machines mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worldstrat_bench.run.cluster.connect import ClusterOptions
    from worldstrat_bench.run.engine import Engine
    from worldstrat_bench.run.events import Listener


@contextmanager
def engine(machines: ClusterOptions | None, device: str, tell: Listener) -> Iterator[Engine]:
    """What carries out a run: this machine, or those of a Dask cluster."""
    if machines is None:
        from worldstrat_bench.run.engine import ThisMachine

        yield ThisMachine()
        return
    from worldstrat_bench.run.cluster.engine import open_cluster

    with open_cluster(machines, device, tell) as cluster:
        yield cluster
