"""A record and its tiles enter together: one loader says what does not belong together, where, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from factories import make_run
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.artefacts.result import Result, changed_file, load_result, read_result
from worldstrat_bench.errors import InvalidArtefactError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    make_run(tmp_path / "run", tiles=12, release="mini", list_name="test")
    return tmp_path / "run"


def test_both_files_from_disk_and_from_their_content(run: Path) -> None:
    found = load_result(run)
    assert found.tiles_sha256 == load_result(run / "record.json").tiles_sha256 == found.record.files["tiles.csv"]
    assert found.mismatch is None
    assert found.record == load_record(run)
    assert len(found.table) == 12
    parsed = Result.parse((run / "record.json").read_bytes(), (run / "tiles.csv").read_bytes(), run).matching()
    assert (parsed.record, parsed.tiles_sha256) == (found.record, found.tiles_sha256)


def test_another_table_is_read_but_does_not_match(run: Path) -> None:
    path = run / "tiles.csv"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:-2], b""]))  # without the last tile
    found = read_result(run)
    assert len(found.table) == 11
    assert found.mismatch is not None
    assert "sha256 differs" in found.mismatch.what
    assert (found.mismatch.where, bool(found.mismatch.remedy)) == (str(path), True)
    with pytest.raises(InvalidArtefactError, match="not the file that the record names"):
        load_result(run)


def test_a_broken_table_is_told_with_its_line_and_why(run: Path) -> None:
    path = run / "tiles.csv"
    path.write_bytes(path.read_bytes() + b"one cell\n")
    with pytest.raises(InvalidArtefactError, match=r"sha256 differs; not a valid tiles\.csv: line 14") as caught:
        read_result(run)
    assert caught.value.where == str(path)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["record.json", "tiles.csv"])
def test_a_missing_file_is_named(run: Path, name: str) -> None:
    (run / name).unlink()
    with pytest.raises(InvalidArtefactError, match=f"there is no {name.removesuffix('.json')}") as caught:
        load_result(run)
    assert caught.value.where == str(run / name)
    assert caught.value.remedy
    with pytest.raises(InvalidArtefactError, match="no such run"):
        load_result(run / "absent")


def test_files_beside_the_tiles(run: Path) -> None:
    record, path = load_record(run), run / "spectra.csv"
    assert changed_file(record, None, path) is None
    for content, named, words in (
        (b"x", None, "does not name spectra.csv"),
        (None, "0" * 64, "is missing, and the record names it"),
        (b"x", "0" * 64, "sha256 differs"),
    ):
        files = {**record.files, **({} if named is None else {path.name: named})}
        problem = changed_file(record.model_copy(update={"files": files}), content, path)
        assert problem is not None
        assert words in problem.what
