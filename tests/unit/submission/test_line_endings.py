"""A checkout that has turned LF into CRLF: refused, and the cause is named everywhere that a digest is compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import ROOT
from submission_factory import make_submission, the_result
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.digests import differs_in_line_endings
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.site.entries import read_entries
from worldstrat_bench.submission.check import check


def crlf(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    return make_submission(tmp_path)


def test_the_check_names_the_line_endings(submission: Path) -> None:
    crlf(the_result(submission) / "tiles.csv")
    faults = [fault for fault in check([submission]).faults if fault.rule == "record-files"]
    assert len(faults) == 1
    assert "only the line endings differ" in faults[0].what
    assert "autocrlf" in faults[0].remedy


def test_the_site_and_the_commands_name_them(submission: Path) -> None:
    folder = the_result(submission)
    crlf(folder / "tiles.csv")
    entries, refused = read_entries([submission])
    assert not entries
    assert "only the line endings differ" in refused[0].reason
    with pytest.raises(InvalidArtefactError, match="only the line endings differ"):
        load_result(folder)


@pytest.mark.parametrize("change", [lambda b: b[:-2] + b"\r\n", lambda b: b.replace(b"0", b"1"), lambda b: b + b"\n"])
def test_other_changes_are_not_called_so(submission: Path, change: Callable[[bytes], bytes]) -> None:
    path = the_result(submission) / "tiles.csv"
    path.write_bytes(change(path.read_bytes()))
    report = check([submission])
    assert not report.ok
    assert not [fault for fault in report.faults if "only the line endings" in fault.what]


def test_a_byte_order_mark_is_another_file(submission: Path) -> None:
    path = the_result(submission) / "tiles.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert any(fault.rule == "record-files" for fault in check([submission]).faults)


def test_a_byte_order_mark_in_the_manifest_is_read_over(submission: Path) -> None:
    path = submission / "submission.toml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert not [fault for fault in check([submission]).faults if fault.rule == "manifest"]


def test_a_file_without_crlf_never_differs_by_it() -> None:
    assert not differs_in_line_endings(b"a\nb\n", None)
    assert not differs_in_line_endings(b"a\r\nb\r\n", "0" * 64)


def test_this_repository_keeps_its_line_endings() -> None:
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
