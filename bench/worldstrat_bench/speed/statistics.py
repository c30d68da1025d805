"""pytest-benchmark in the host: it keeps the statistics and the document, its timer advanced by measured durations.

What a round is, how long it is and when it happens is the harness's own (:mod:`stopwatch`): pytest-benchmark measures
functions of its own process, and a model runs in another, on its own device.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.speed.stopwatch import REPEATS, Rounds

TICK = 1e-9
PUBLISHED_OF_MACHINE = frozenset({"machine", "python_implementation", "python_version", "system", "cpu"})
"""Facts of the machine that a submission may publish, by pytest-benchmark's names."""


class VirtualTimer:
    """A clock that stands still until it is told how long something took."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def now(self) -> float:
        """Return seconds; every reading takes a tick, or pytest-benchmark could not find the clock's precision."""
        self._seconds += TICK
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds


def run_rounds(
    rounds: Rounds, machine: dict[str, Any], say: Callable[[int], None] = lambda repeat: None
) -> dict[str, Any]:
    """Let pytest-benchmark run the repeats; its JSON document."""
    import pytest

    with tempfile.TemporaryDirectory(prefix="wsb-speed-") as folder:
        settings = Path(folder, "pytest.ini")
        settings.write_text("[pytest]\n", encoding="utf-8")
        report = Path(folder, "benchmark.json")
        output = io.StringIO()
        plugin = RoundsPlugin(rounds, machine, _outside(say))
        # What pytest prints is shown only if it fails: it speaks of tests, and the user asked for a time.
        with (
            _no_other_plugins(),
            _no_programs(),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            code = pytest.main(
                [
                    "-c",
                    str(settings),
                    "--rootdir",
                    folder,
                    "--import-mode=importlib",
                    "-q",
                    "-s",
                    "-p",
                    "pytest_benchmark.plugin",
                    "-p",
                    "no:cacheprovider",
                    "-p",
                    "no:faulthandler",
                    f"--benchmark-json={report}",
                    f"--benchmark-storage=file://{folder}",
                    "--benchmark-quiet",
                    str(Path(__file__).with_name("rounds.py")),
                ],
                plugins=[plugin],
            )
        if code != 0 or len(rounds.pairs) != REPEATS * rounds.count:
            _raise(rounds, output.getvalue())
        document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return document


class RoundsPlugin:
    """The rounds, the machine and the clock for :mod:`rounds`, as a pytest plugin."""

    def __init__(self, rounds: Rounds, machine: dict[str, Any], say: Callable[[int], None]) -> None:
        self.rounds = rounds
        self._machine = machine
        self._say = say
        self._timer = VirtualTimer()

    def once(self) -> None:
        """Run one round, as long for pytest-benchmark as a call of the model was in it."""
        self._timer.advance(self.rounds.once())

    def start(self, repeat: int) -> None:
        """Say where we are."""
        self._say(repeat)

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Make one test a repeat."""
        metafunc.parametrize("repeat", range(1, REPEATS + 1))

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Return the synthetic time, for every repeat."""
        import pytest

        for item in items:
            item.add_marker(pytest.mark.benchmark(timer=self._timer.now, disable_gc=False))

    def pytest_benchmark_update_machine_info(self, config: Any, machine_info: dict[str, Any]) -> None:
        """Add device, driver and clocks to what is published of the machine; its name and its kernel stay private."""
        for key in set(machine_info) - PUBLISHED_OF_MACHINE:
            del machine_info[key]
        machine_info["worldstrat_bench"] = self._machine

    def pytest_benchmark_update_commit_info(self, config: Any, commit_info: dict[str, Any]) -> None:
        """Drop commit information: it describes the current directory, not the model."""
        commit_info.clear()


def _outside(say: Callable[[int], None]) -> Callable[[int], None]:
    """`say` with the stderr of now: while pytest runs, what it prints is held back."""
    stderr = sys.stderr

    def tell(repeat: int) -> None:
        with contextlib.redirect_stderr(stderr):
            say(repeat)

    return tell


def _raise(rounds: Rounds, output: str) -> None:
    if rounds.failure is not None:
        raise rounds.failure
    tail = "\n".join(output.strip().splitlines()[-15:])
    raise InfrastructureError("pytest-benchmark could not time the model", where=tail or None)


@contextlib.contextmanager
def _no_other_plugins() -> Iterator[None]:
    """Only pytest-benchmark: what else is installed, or runs around us, must not change how a model is timed.

    The processor it has described by ``python -m``, which looks for modules in the current directory: a stranger's.
    """
    settings = {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_XDIST_WORKER": None,
        "PYTEST_ADDOPTS": None,
        "PYTHONSAFEPATH": "1",
    }
    before = {name: os.environ.get(name) for name in settings}
    _set_environment(settings)
    try:
        yield
    finally:
        _set_environment(before)


@contextlib.contextmanager
def _no_programs() -> Iterator[None]:
    """Let pytest-benchmark start none: it asks git or hg of the current directory for what we drop.

    The directory may be a stranger's, and the settings of its repository name programs that git and hg start.
    """
    utils: Any = importlib.import_module("pytest_benchmark.utils")  # where it keeps subprocess.check_output

    def refused(*arguments: object, **more: object) -> str:
        raise FileNotFoundError(errno.ENOENT, "not started here")

    before = utils.check_output
    utils.check_output = refused
    try:
        yield
    finally:
        utils.check_output = before


def _set_environment(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
