"""The options of `evaluate` and `score` that name other machines, and the engine that they mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from worldstrat_bench.run.cluster.connect import ClusterOptions
    from worldstrat_bench.run.engine import Engine
    from worldstrat_bench.run.events import Listener

_PANEL = "Many machines (Dask)"
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS|FILE", rich_help_panel=_PANEL, help="A running Dask scheduler."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", min=1, max=256, rich_help_panel=_PANEL, help="Dask workers started here."),
]
TaskTilesOption = Annotated[
    int | None, typer.Option("--task-tiles", metavar="N", min=1, rich_help_panel=_PANEL, help="A task. [default: 24]")
]
DashboardOption = Annotated[
    bool, typer.Option("--dashboard", rich_help_panel=_PANEL, help="With --workers: serve Dask's page on 127.0.0.1.")
]
CaOption = Annotated[
    Path | None, typer.Option("--tls-ca", metavar="FILE", rich_help_panel=_PANEL, help="Of the scheduler.")
]
CertOption = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", rich_help_panel=_PANEL, help="For the scheduler.")
]
KeyOption = Annotated[
    Path | None, typer.Option("--tls-key", metavar="FILE", rich_help_panel=_PANEL, help="Of that certificate.")
]


def cluster_options(
    scheduler: str | None,
    workers: int | None,
    task_tiles: int | None,
    dashboard: bool,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
) -> ClusterOptions | None:
    """The machines that are asked for; None for this one alone.

    Raises
    ------
    UsageError
        for options that contradict each other.
    """
    from worldstrat_bench.errors import UsageError

    if scheduler is None and workers is None:
        if task_tiles or dashboard or tls_ca or tls_cert or tls_key:
            raise UsageError(
                "--task-tiles, --dashboard and --tls-... go with Dask", remedy="add --scheduler or --workers"
            )
        return None
    if scheduler is not None and (workers is not None or dashboard):
        raise UsageError(
            "--workers and --dashboard are of workers that are started here",
            where="--scheduler",
            remedy="give one of both; the dashboard of a scheduler is where that was started",
        )
    if workers is not None and (tls_ca or tls_cert or tls_key):
        raise UsageError("workers that are started here make keys of their own", where="--tls-...")
    from worldstrat_bench.run.cluster.connect import ClusterOptions

    return ClusterOptions(scheduler, workers, task_tiles or 24, dashboard, tls_ca, tls_cert, tls_key)


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
