"""A file holds its former content or the new one, whatever happens while it is written."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from worldstrat_bench.artefacts.durable import remove_temporary, write_durably
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError


def test_a_write_is_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "tiles.csv"
    write_durably(file, b"old")
    write_durably(file, b"new")
    assert file.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["tiles.csv"]
    with pytest.raises(InfrastructureError, match="cannot write"):
        write_durably(tmp_path / "absent" / "file", b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    with pytest.raises(InfrastructureError):
        write_durably(tmp_path / "folder", b"a folder is in the way")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "tiles.csv"]


def test_the_leavings_of_a_killed_process_go(tmp_path: Path) -> None:
    (tmp_path / ".a.safetensors.tmp").write_bytes(b"half")
    (tmp_path / "a.tmp").write_bytes(b"another process's")
    remove_temporary(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tmp"]


def test_a_folder_by_the_name_of_a_temporary_file_is_told_with_its_place(tmp_path: Path) -> None:
    """The folder of a stranger's run may hold one, and whoever reads "check the disk" looks in the wrong place."""
    (tmp_path / ".a.csv.tmp").mkdir()
    for write in (partial(write_durably, tmp_path / "a.csv", b"new"), partial(remove_temporary, tmp_path)):
        with pytest.raises(InvalidArtefactError, match="a folder lies where") as caught:
            write()
        assert caught.value.where == str(tmp_path / ".a.csv.tmp")
        assert caught.value.remedy == "remove the folder"
    assert not (tmp_path / "a.csv").exists()
    (tmp_path / ".a.csv.tmp").rmdir()
    (tmp_path / ".a.csv.tmp").symlink_to(tmp_path)
    write_durably(tmp_path / "a.csv", b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv"]
