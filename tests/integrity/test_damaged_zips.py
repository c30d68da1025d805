"""A zip whose compressed bytes are damaged is refused in words by every reader, never a traceback."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.handed.archive import files_in
from worldstrat_bench.plugins.wheel import open_wheel
from worldstrat_bench.submission.check_code import read_code
from worldstrat_bench.submission.wheel import wheel_faults

METADATA = "Metadata-Version: 2.1\nName: m\nVersion: 1\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def written(path: Path, *, damaged: bool) -> Path:
    """Write a wheel of one module; damaged: the first block of its deflated bytes is of a type that does not exist."""
    members = {"m.py": "x = 1\n" * 200, "m-1.dist-info/METADATA": METADATA, "m-1.dist-info/WHEEL": WHEEL}
    records = "".join(f"{name},,\n" for name in (*members, "m-1.dist-info/RECORD"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**members, "m-1.dist-info/RECORD": records}.items():
            archive.writestr(name, text)
        start = [info.header_offset + 30 + len(info.filename) for info in archive.infolist()]
    if damaged:
        content = bytearray(path.read_bytes())
        for at in start:
            content[at] |= 0b110
        path.write_bytes(content)
    return path


def test_a_damaged_archive_is_refused_by_every_reader(tmp_path: Path) -> None:
    path = written(tmp_path / "m-1-py3-none-any.whl", damaged=True)
    assert read_code(path) is None
    assert ["damaged" in fault.what for fault in wheel_faults(path)] == [True]
    with pytest.raises(UsageError, match="cannot be unpacked"):
        open_wheel(path, tmp_path / "scratch")
    predictions = path.rename(tmp_path / "predictions.zip")
    with pytest.raises(InvalidArtefactError, match="cannot be read"), files_in(predictions):
        pass


def test_a_whole_archive_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "m-1-py3-none-any.whl", damaged=False)
    assert read_code(path) is not None
    assert open_wheel(path, tmp_path / "scratch").folder.is_dir()
