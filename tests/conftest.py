"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


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
