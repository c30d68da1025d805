"""Texts that a file cannot hold, or a reader not follow: they stop neither a run nor the submissions of others."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from submission_factory import make_submission
from worldstrat_bench.submission.check import judged_folders
from worldstrat_bench.worker.inside.wire import WireError, parse_header


@pytest.mark.parametrize(
    ("said", "read"),
    [("a \ud800 b", "a ? b"), ("\udfff", "?"), ("tab\there, é, 😀", "tab\there, é, 😀"), ("\\ud800", "\\ud800")],
)
def test_what_a_worker_says_can_be_written_to_a_file(said: str, read: str) -> None:
    header = parse_header(json.dumps({"message": said, said: [said, {"deep": said}], "seconds": 1.5}).encode())
    assert header == {"message": read, read: [read, {"deep": read}], "seconds": 1.5}
    json.dumps(header, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("text", [b'["\\ud800"]', b'{"a": "\\ud8"}', b'{"\\u0061": ' + b"[" * 20_000])
def test_what_is_not_an_object_is_refused(text: bytes) -> None:
    with pytest.raises(WireError):
        parse_header(text)


@pytest.mark.parametrize("author", ["0x" + "f" * 5000, "[[[1]]]", "1979-05-27", "nan"])
def test_an_author_that_is_not_text_refuses_its_own_submission_alone(tmp_path: Path, author: str) -> None:
    """An integer of that many digits cannot be written out: whoever compared names with it was refused."""
    for slug, gain in (("early-sr", 1.0), ("late-sr", 2.0)):
        make_submission(tmp_path, slug, gain_db=gain)
    manifest = tmp_path / "submissions" / "early-sr" / "submission.toml"
    manifest.write_text(re.sub(r"(?m)^authors = .*$", f"authors = [{author}]", manifest.read_text()))
    verdicts = judged_folders([tmp_path / "submissions"])[tmp_path / "submissions"]
    found = {folder.name: verdict for folder, verdict in verdicts.items()}
    assert found["early-sr"].startswith("refused by the check: ")
    assert found["late-sr"] == ""


@pytest.mark.parametrize("statement", ["x = " + "[" * 20_000, "x = " + "{a=" * 10_000, "x = " + "9" * 9_000])
def test_a_manifest_that_cannot_be_followed_refuses_its_own_submission_alone(tmp_path: Path, statement: str) -> None:
    """It was merged without its check, and before the other one, which is compared with it."""
    for slug, gain in (("early-sr", 1.0), ("late-sr", 2.0)):
        make_submission(tmp_path, slug, gain_db=gain)
    manifest = tmp_path / "submissions" / "early-sr" / "submission.toml"
    manifest.write_text(f"{statement}\n{manifest.read_text()}")
    verdicts = judged_folders([tmp_path / "submissions"])[tmp_path / "submissions"]
    found = {folder.name: verdict for folder, verdict in verdicts.items()}
    assert found["early-sr"].startswith("refused by the check: ")
    assert found["late-sr"] == ""
