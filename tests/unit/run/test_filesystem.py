"""Locks, and telling a network file system by its mount."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.filesystem import NETWORK_FILE_SYSTEMS, file_system_of, is_network, locked, make_folder

MOUNTS = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /data rw - nfs4 server:/export rw
31 30 8:1 / /data/local rw - xfs /dev/sda rw
32 22 0:41 / /my\040share rw - cifs //server/share rw
34 22 0:43 / /daten/Müller rw - nfs server:/m rw
33 22 0:42 / /home/u/remote rw - fuse.sshfs u@h:/ rw
not a line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/run", "ext4"),
        ("/data", "nfs4"),
        ("/data/runs/1", "nfs4"),
        ("/data/local/runs", "xfs"),
        ("/database", "ext4"),
        ("/my share/run", "cifs"),
        ("/daten/Müller/run", "nfs"),
        ("/home/u/remote/run", "fuse.sshfs"),
    ],
)
def test_the_longest_mount_point_decides(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_an_overlaid_mount_is_the_last_one() -> None:
    assert file_system_of(Path("/a"), "1 0 0:1 / /a rw - nfs x rw\n2 1 0:2 / /a rw - ext4 y rw\n") == "ext4"


def test_the_temporary_folder_is_local_and_nfs_is_not(tmp_path: Path) -> None:
    assert {"nfs", "nfs4", "lustre", "gpfs", "cifs"} <= NETWORK_FILE_SYSTEMS
    assert is_network(tmp_path) is False


def test_one_process_at_a_time(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path\nfrom worldstrat_bench.run.filesystem import locked\n"
        f"locked(Path({str(tmp_path)!r})).__enter__()"
    )
    with locked(tmp_path):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "another process is working on this run" in done.stderr
        with pytest.raises(UsageError), locked(tmp_path):
            pass
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UsageError, match="a file where a folder"):
            make_folder(path)
    assert make_folder(tmp_path / "a" / "b").is_dir()
    assert os.access(tmp_path / "a" / "b", os.W_OK)
