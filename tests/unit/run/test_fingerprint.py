"""The fingerprint of a run's files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from run_helpers import small_dataset
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import DataError
from worldstrat_bench.run.fingerprint import files_sha256
from worldstrat_bench.run.selection import select


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 5)


def test_the_fingerprint_moves_with_the_data_and_not_with_its_place(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(data, moved)
    tiles = select(open_dataset(moved)).tiles
    before = files_sha256(select(open_dataset(data)).tiles)
    assert files_sha256(tiles) == before
    content = bytearray(tiles[3].hr.read_bytes())
    content[len(content) // 2] ^= 1
    tiles[3].hr.write_bytes(content)
    assert files_sha256(tiles) != before


def test_a_file_that_cannot_be_read_is_a_fault_of_the_data(data: Path, tmp_path: Path) -> None:
    hole = Path(shutil.copytree(data, tmp_path / "hole"))
    tile = select(open_dataset(hole)).tiles[0]
    size = tile.hr.stat().st_size
    tile.hr.unlink()
    tile.hr.mkdir()  # a folder has a size and cannot be opened, whoever asks
    assert size
    with pytest.raises(DataError, match="cannot be read"):
        files_sha256([tile])
