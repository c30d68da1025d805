"""Folders that the tests of reading share."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldstrat_bench.data.mini import write_mini
from worldstrat_folder import FolderBuilder


@pytest.fixture
def builder(tmp_path: Path) -> FolderBuilder:
    return FolderBuilder(tmp_path / "set")


@pytest.fixture(scope="session")
def mini_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mini dataset of small tiles; no test writes into it."""
    folder = tmp_path_factory.mktemp("mini") / "set"
    write_mini(folder, test_tiles=9, train_tiles=2, size=160, seed=5)
    return folder
