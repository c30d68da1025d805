"""What a worker that has loaded its model says about itself, as far as the host believes it."""

from __future__ import annotations

from typing import Any

from worldstrat_bench.artefacts.record import IsolationReport
from worldstrat_bench.plugins.discovery import installed_packages
from worldstrat_bench.plugins.interpreter import Interpreter
from worldstrat_bench.worker.inside.device import cpu_class, cpu_name, usable_cores
from worldstrat_bench.worker.replies import possible_seconds, short_text
from worldstrat_bench.worker.types import Hello


def make_hello(
    header: dict[str, Any],
    device: str,
    threads: int | None,
    interpreter: Interpreter,
    report: IsolationReport,
    start_seconds: float,
    wall_seconds: float,
) -> Hello:
    """The greeting: what the host knows itself it does not take from the worker.

    Parameters
    ----------
    header : as the worker sent it.
    device, threads : as the worker was asked to use them.
    wall_seconds : that the host waited for the greeting; no load can have taken longer.
    """
    said = header.get("device")
    told: dict[str, object] = said if isinstance(said, dict) else {}
    on_cuda = device.startswith("cuda")
    cores = min(threads or usable_cores(), usable_cores())
    return Hello(
        python=".".join(str(part) for part in interpreter.version),
        torch=short_text(header.get("torch")),
        cuda=(short_text(told.get("cuda")) or None) if on_cuda else None,
        device_type="cuda" if on_cuda else "cpu",
        device_name=short_text(told.get("name")) if on_cuda else cpu_name(),
        device_class=short_text(told.get("class")) if on_cuda else cpu_class(cores),
        packages=installed_packages(interpreter.site_paths),
        isolation=report,
        start_seconds=start_seconds,
        load_seconds=possible_seconds(header.get("load_seconds"), wall_seconds),
    )
