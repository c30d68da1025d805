"""Fixtures that every test may use."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


# Two workers on two cores: a thread more of each, spinning while it waits, takes the core of the other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would every command that they start;
# a handler of our own, whatever it does, is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _working_directory() -> Generator[None]:
    """Fail the one test that leaves the process in another folder, instead of every test after it."""
    before = Path.cwd()
    yield
    # A folder that was removed has a name there, too.
    after = Path("/proc/self/cwd").readlink() if sys.platform == "linux" else Path.cwd()
    os.chdir(before)
    assert after == before, f"the test leaves the working directory at {after}"


@pytest.fixture(autouse=True)
def _state(_working_directory: None, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test verifies is taken for the user's own."""
    monkeypatch.setenv("WORLDSTRAT_BENCH_STATE", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of facts and real imagery beside the checkout; absent on a fresh machine."""
    if not (SHARED / "realdata").is_dir():
        pytest.skip("../shared is not here: the tests on real imagery were not run")
    return SHARED


@pytest.fixture(scope="session")
def realdata(shared: Path) -> Path:
    """Real imagery in WorldStrat's layout."""
    return shared / "realdata"


_OF_LIBRARIES = ("ldconfig", "gcc", "cc", "ld", "objdump", "file", "uname", "lscpu")
"""Programs that the standard library and a test's imports start to find libraries and to name the machine."""

_running = False


def _skip_if_a_process_starts(event: str, arguments: tuple[object, ...]) -> None:
    """Skip the running test when it starts a process: an audit hook, since there is one for every way to start one."""
    if not _running or event not in ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"):
        return
    program = Path(os.fsdecode(arguments[0])).name if arguments and isinstance(arguments[0], str | bytes) else event
    if program not in _OF_LIBRARIES:
        pytest.skip(f"starts a process ({program}): not one of the quick tests")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Say when a test runs, so that what pytest itself starts is not held against one."""
    global _running
    _running = True
    try:
        return (yield)
    finally:
        _running = False


if os.environ.get("WORLDSTRAT_BENCH_QUICK_TESTS"):
    sys.addaudithook(_skip_if_a_process_starts)


def _shared_scope(item: pytest.Item) -> bool:
    """Whether a test takes something that its whole file shares."""
    info = getattr(item, "_fixtureinfo", None)  # a test that is not a Python function has none
    return info is not None and any(found[-1].scope == "module" for found in info.name2fixturedefs.values())


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file that share a fixture on one worker, so that it is made once.

    Of the quick tests, leave out what is marked as long, or as starting processes where no audit hook can skip.
    """
    for item in items:
        if _shared_scope(item) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(ROOT))))
    if os.environ.get("WORLDSTRAT_BENCH_QUICK_TESTS"):
        skip = pytest.mark.skip(reason="marked `not_quick`")
        for item in items:
            if item.get_closest_marker("not_quick"):
                item.add_marker(skip)


@pytest.fixture
def own_git_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave git no settings of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "global").touch()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
