"""What the tests of clusters share: processes of Dask on the loopback interface, and who is below whom."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from run_helpers import environment
from waiting import wait_until

LOOPBACK = "127.0.0.1"


def dask_workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The Dask workers that a ``--workers N`` process started, by its nannies."""
    try:
        children: list[psutil.Process] = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def confined_below(worker: psutil.Process) -> list[psutil.Process]:
    """The processes of the confined worker below a Dask worker."""
    try:
        below: list[psutil.Process] = worker.children(recursive=True)
        return below
    except psutil.Error:
        return []


def tls_files(folder: Path) -> dict[str, Path]:
    """A key and a certificate that signs itself, as files: the options of Dask's programs by name."""
    from distributed import Security

    made = Security.temporary()
    paths = {name: folder / f"{name}.pem" for name in ("ca", "cert", "key")}
    paths["ca"].write_text(made.tls_ca_file)
    paths["cert"].write_text(made.tls_scheduler_cert)
    paths["key"].write_text(made.tls_scheduler_key)
    return paths


@contextmanager
def scheduler_and_workers(folder: Path, tls: dict[str, Path], workers: int = 2) -> Iterator[Path]:
    """``dask scheduler`` and ``dask worker`` processes as a user starts them; the path of the scheduler file."""
    file = folder / "scheduler.json"
    keys = ["--tls-ca-file", tls["ca"], "--tls-cert", tls["cert"], "--tls-key", tls["key"]]
    own = ["--host", LOOPBACK, "--protocol", "tls", "--no-dashboard", "--dashboard-address", f"{LOOPBACK}:0", *keys]
    scheduler = _start("dask_scheduler", ["--port", "0", "--scheduler-file", file, *own], folder / "scheduler.log")
    started = [scheduler]
    try:
        assert wait_until(lambda: file.is_file() and file.stat().st_size > 0), f"{file} did not come"
        assert json.loads(file.read_text())["address"].startswith(f"tls://{LOOPBACK}")
        for index in range(workers):
            words = ["--scheduler-file", file, "--nthreads", "1", "--no-nanny", "--local-directory", folder, *own]
            started.append(_start("dask_worker", words, folder / f"worker-{index}.log"))
        yield file
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(program: str, words: list[object], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *map(str, words)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
