"""``demo``: from nothing to a leaderboard, and again without doing it again."""

from __future__ import annotations

from pathlib import Path

from run_helpers import run_cli
from worldstrat_bench.run.demo import MODELS


def test_from_nothing_to_a_leaderboard(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = run_cli("demo", "--out", out, "--tiles", "2", "--json")
    assert done.code == 0, done.err
    page = Path(done.json["page"])
    assert page == out / "site" / "index.html"
    assert page.is_file()
    assert set(done.json["records"]) == set(MODELS)
    assert len(MODELS) == 4
    for model in MODELS:
        assert (out / "runs" / model / "record.json").is_file()
    made = (out / "mini" / "metadata.csv").stat().st_mtime_ns
    again = run_cli("demo", "--out", out, "--tiles", "2")
    assert again.code == 0, again.err
    assert str(page) in again.out.replace("\n", "")
    assert "shift-and-add" in again.out
    assert (out / "mini" / "metadata.csv").stat().st_mtime_ns == made
