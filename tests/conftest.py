"""Fixtures that every test may use."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would every command that they start;
# a handler of our own, whatever it does, is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
