"""What the tests with hostile models share: a scene to attack, and workers that hold such a model."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from worldstrat_bench.data.task import Task
from worldstrat_bench.worker import Limits, ModelSpec, Reply, Worker
from worldstrat_bench.worker.isolation import LevelUnavailableError, Profile


@dataclass(frozen=True)
class Confinement:
    """A level of isolation, and the profile of what it leaves open."""

    level: str
    profile: Profile

    def __str__(self) -> str:
        return self.level if self.profile == "cpu" else f"{self.level}-{self.profile}"


PLUGIN = Path(__file__).parent / "e2e" / "hostile" / "plugins" / "hostile.py"
STUB = PLUGIN.parent.parent / "stub"
CONFINEMENTS = (
    Confinement("full", "cpu"),
    Confinement("full", "cuda"),
    Confinement("strong", "cpu"),
    Confinement("strong", "cuda"),
    Confinement("process", "cpu"),
)
"""Every one that differs from the others: at `process` nothing is confined, whatever the profile."""
CUDA_IN_SOAK = [
    pytest.param(one, id=str(one), marks=[pytest.mark.soak] if one.profile == "cuda" else []) for one in CONFINEMENTS
]
"""The same, for what the profile should make no difference to: the CUDA profile waits for `tox -e soak`."""
REQUIRED = "WORLDSTRAT_BENCH_REQUIRE_ISOLATION"
"""Levels, separated by commas, whose absence fails the suite instead of skipping it: set where CI runs."""

MIB = 1 << 20
LIMITS = Limits(
    tile_seconds=20,
    load_seconds=60,
    memory_bytes=1400 * MIB,
    scratch_bytes=256 * MIB,
    processes=100,
    log_bytes=64 << 10,
)
SIDE = 16


def names_of(table: str) -> list[str]:
    """The methods of a class of the hostile module, read without importing it; their order is their number."""
    tree = ast.parse(PLUGIN.read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == table)
    functions = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    return [name for name in functions if not name.startswith("_")]


ATTACKS, BREAKS = names_of("Attacks"), names_of("Breaks")
GOOD = -1


def number_of(behaviour: str) -> int:
    """How a behaviour is asked for in the first frame's days."""
    if behaviour in ATTACKS:
        return ATTACKS.index(behaviour)
    return len(ATTACKS) + BREAKS.index(behaviour)


def ask(worker: Worker, number: int) -> Reply:
    """Let the model do what the number says, on a small tile."""
    images = np.full((1, 12, SIDE, SIDE + 2), 0.1, np.float32)
    images += np.linspace(0, 0.2, SIDE, dtype=np.float32)[:, None]
    clear = np.ones((1, 1, SIDE, SIDE + 2), bool)
    return worker.predict(Task.single(images, clear, np.array([number]), 4 * SIDE, 4 * SIDE), seed=1)


@dataclass
class Scene:
    """What is laid out for the model to reach, and the sockets that hear whether it did."""

    root: Path
    facts: dict[str, Any]
    sockets: dict[str, socket.socket]

    @property
    def forbidden(self) -> tuple[Path, ...]:
        return (self.root / "data", self.root / "run")


def processes_of(folder: Path, parent: int | None = None) -> list[psutil.Process]:
    """Return the processes started with something of this folder in their command line or environment.

    The parent's number restricts them to its children. It is asked for here, since a process that is returned may
    have ended by the time a test asks it anything.
    """
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline()) + " ".join(process.environ().values())
            if str(folder) not in words or process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if parent is None or process.ppid() == parent:
                found.append(process)
        except psutil.Error:  # it ended while it was looked at
            continue
    return found


def listening(family: int, kind: int, address: Any) -> socket.socket:
    """A socket that waits to be reached."""
    sock = socket.socket(family, kind)
    sock.bind(address)
    if kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
        sock.listen(5)
    sock.setblocking(False)
    return sock


def reached(sock: socket.socket) -> bool:
    """Whether a model did reach it."""
    try:
        if sock.type in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
            sock.accept()[0].close()
        else:
            sock.recv(16)
    except BlockingIOError:
        return False
    return True


def make_stub_environment(folder: Path) -> Path:
    """A virtual environment with a stub of torch, whose workers start in a tenth of the time; its interpreter."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    shutil.copytree(STUB, site, dirs_exist_ok=True)
    (site / "numpy.pth").write_text(f"{Path(np.__file__).parent.parent}\n", encoding="utf-8")
    return folder / "bin" / "python"


def or_skip(confinement: Confinement, python: Path) -> Confinement:
    """The same, if this machine has that level; else the test is skipped, and says so."""
    level = confinement.level
    spec = ModelSpec("worldstrat_bench.worker.inside.reference:load", python=python)
    try:
        with Worker(spec, isolation=level, granted=confinement.profile) as worker:
            report = worker.hello.isolation
            assert (report.level, report.profile) == (level, None if level == "process" else confinement.profile)
    except LevelUnavailableError as error:
        if level in os.environ.get(REQUIRED, "").split(","):
            raise
        pytest.skip(f"isolation {level!r} is not available on this machine and was NOT tested: {error.where}")
    return confinement


def hostile_worker(
    scene: Scene,
    confinement: Confinement,
    log: Path | None = None,
    limits: Limits = LIMITS,
    python: Path | None = None,
) -> Worker:
    """A worker with the hostile model, not yet started."""
    facts = {"facts": json.dumps(scene.facts)}
    spec = ModelSpec("hostile:load", facts, search_paths=(scene.root / "plugins",), python=python)
    return Worker(
        spec,
        isolation=confinement.level,
        limits=limits,
        forbidden=scene.forbidden,
        log=log,
        threads=1,
        granted=confinement.profile,
    )
