from __future__ import annotations

import os
from pathlib import Path

from worldstrat_bench.worker.log import ModelLog


def write(log: ModelLog, *chunks: bytes) -> None:
    """Through a pipe, as a model does."""
    read_end, write_end = os.pipe()
    thread = log.follow(read_end)
    for chunk in chunks:
        while chunk:
            chunk = chunk[os.write(write_end, chunk) :]
    os.close(write_end)
    thread.join()


def test_short_output_is_kept_as_it_is(tmp_path: Path) -> None:
    log = ModelLog(tmp_path / "log.txt", 1000)
    write(log, b"one\n", "zwölf\n".encode())
    log.flush()
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "one\nzwölf\n"


def test_head_and_tail_of_long_output_are_kept(tmp_path: Path) -> None:
    log = ModelLog(tmp_path / "log.txt", 1000)
    lines = [f"{i:07d}\n".encode() for i in range(10_000)]
    write(log, b"".join(lines))
    log.flush()
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert text.startswith("0000000\n")
    assert text.endswith("0009999\n")
    assert f"{80_000 - 2000} bytes left out" in text
    assert len(text) < 2100


def test_later_output_follows_the_tail(tmp_path: Path) -> None:
    log = ModelLog(tmp_path / "log.txt", 10)
    write(log, b"0123456789")
    write(log, b"abc\n")
    log.flush()
    write(log, b"def\n")
    log.flush()
    assert (tmp_path / "log.txt").read_text(encoding="utf-8") == "0123456789abc\ndef\n"


def test_control_characters_do_not_reach_a_terminal(tmp_path: Path) -> None:
    log = ModelLog(tmp_path / "log.txt", 1000)
    write(log, b"\x1b[2J\x07a\tb\r\n\x00\x7f")
    assert (tmp_path / "log.txt").read_bytes() == b"[2Ja\tb\n"


def test_last_lines_leave_out_the_fault_handlers_list() -> None:
    log = ModelLog(None, 1000)
    write(log, b"\n".join(f"line {i}".encode() for i in range(50)) + b"\nExtension modules: a, b\n")
    assert log.last_lines(2) == "line 48\nline 49"
    log.flush()
