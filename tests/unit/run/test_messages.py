"""What is kept of the messages of tiles: each once, most frequent first, nothing of the author's machine."""

from __future__ import annotations

from pathlib import Path

from worldstrat_bench.run.journal import Predicted
from worldstrat_bench.run.messages import MOST, NAMED, in_words, log_messages, published, tile_messages


def test_messages_that_differ_in_numbers_are_one_and_failures_come_first() -> None:
    rows = [Predicted(f"Tile-{n:02}", "model_error", f"RuntimeError: got {n} px\ntraceback {n}") for n in range(12)]
    rows += [Predicted("Odd", "ok", "values look like -1..1: undo the normalisation"), Predicted("Good", "ok")]
    rows += [Predicted(f"Slow-{n}", "timeout", "the model took more than 60 s") for n in range(2)]
    failed, slow, hint = tile_messages(reversed(rows))
    assert (failed.tiles, failed.message) == (12, "RuntimeError: got 0 px")
    assert failed.names == tuple(f"Tile-{n:02}" for n in range(NAMED))
    assert (slow.outcome, slow.tiles) == ("timeout", 2)
    assert (hint.outcome, hint.names) == ("ok", ("Odd",))
    lines = in_words((failed, slow, hint))
    assert lines[0] == "12 tiles (Tile-00, Tile-01, Tile-02, ...): model_error: RuntimeError: got 0 px"
    assert lines[2].startswith("1 tile (Odd): hint: values look like")


def test_no_more_are_kept_than_a_reader_reads() -> None:
    rows = [Predicted(f"T{chr(97 + n)}", "model_error", f"E: {chr(97 + n) * 3}") for n in range(26)]
    assert len(tile_messages(rows)) == MOST


def test_folders_addresses_and_controls_are_left_out() -> None:
    scratch = "/tmp/worldstrat-bench-worker-0a1b2c3d4e5f6071/scratch"
    said = f"OSError: '/home/ann/net/w.pt' and {scratch}/tmp/x at 0x7f00deadbeef"
    assert published(said) == "OSError: '.../w.pt' and SCRATCH/tmp/x at 0x..."
    assert published("see https://example.org/a/b\x1b[31m") == "see https://example.org/a/b [31m"
    assert len(published("y" * 9000)) <= 500


def test_a_log_that_cannot_be_written_spoils_nothing(tmp_path: Path) -> None:
    found = tile_messages([Predicted("A", "crash", "died of SIGSEGV")])
    log_messages(tmp_path, found)
    log_messages(tmp_path, ())
    assert (tmp_path / "log.txt").read_text() == "[worldstrat-bench] 1 tile (A): crash: died of SIGSEGV\n"
    (tmp_path / "other" / "log.txt").mkdir(parents=True)
    log_messages(tmp_path / "other", found)
