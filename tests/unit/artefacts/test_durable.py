"""A file holds its former content or the new one, whatever happens while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldstrat_bench.artefacts.durable import remove_temporary, write_durably
from worldstrat_bench.errors import InfrastructureError


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
