"""What is printed where the encoding lacks a character: nothing of a finished command is lost."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from run_helpers import command, environment
from worldstrat_bench.cli import streams
from worldstrat_bench.cli.console import print_json, printable

SAMPLE = "PSNR \u2191 32.1 \u2013 \u0394 \u00e9\u00df \u65e5 \udcff \U0001f600"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "koi8-r", "shift_jis", "utf-8"])
def test_any_text_goes_to_any_stream(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    streams.write_anything()
    print(SAMPLE)
    stream.flush()
    written = stream.buffer.getvalue().decode(encoding)
    assert written.startswith("PSNR ")
    assert "32.1" in written
    assert "\\udcff" in written, "a byte of a file name that is not text"


def test_our_own_characters_have_plain_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    streams.write_anything()
    print("PSNR \u2191 LPIPS \u2193 1\u20138 2\u00d7 \u2026")
    stream.flush()
    assert stream.buffer.getvalue() == b"PSNR ^ LPIPS v 1-8 2x ..." + os.linesep.encode()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_stays_json(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    streams.write_anything()
    print_json({"name": "\u2191 \u65e5"})
    stream.flush()
    assert json.loads(stream.buffer.getvalue().decode(encoding)) == {"name": "\u2191 \u65e5"}


def test_json_does_not_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of a stranger's record, one with the control sequence introducer of C1, and one that turns a line round."""
    document = {"name": "a\x9b31m\u202eb\u2028\x7f", "other": "\u2191 \u65e5"}
    print_json(document)
    text = capsys.readouterr().out
    assert json.loads(text) == document
    assert all(character.isprintable() or character == "\n" for character in text)


@pytest.mark.parametrize("text", ["::error::forged", "boom\n  ::add-mask::e\n", "##[group]x"])
def test_no_line_of_a_stranger_is_a_command_of_a_workflow(text: str) -> None:
    shown = printable(text)
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("::") or "##[" in line]
    assert shown.replace(" ", "") == text.replace(" ", "")
    assert printable("Model::name\n a: b") == "Model::name\n a: b"


def test_a_folder_whose_name_the_terminal_lacks(tmp_path: Path) -> None:
    folder = tmp_path / "\u65e5\u672c"
    folder.mkdir()
    done = subprocess.run(
        command("data", "check", folder), env=environment(PYTHONIOENCODING="ascii"), capture_output=True, check=False
    )
    assert done.returncode == 4, done.stderr
    assert b"\\u65e5" in done.stderr
    assert b"bug" not in done.stderr
