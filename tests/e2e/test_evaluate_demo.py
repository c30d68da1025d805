"""``demo``: from nothing to a leaderboard, and again without doing it again."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from run_helpers import run_cli
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.metrics.stlpips_metric import load_stlpips
from worldstrat_bench.run.demo import MODELS, REQUESTS
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.submission.manifest import load_manifest

SUBMISSIONS = Path(__file__).resolve().parents[2] / "submissions"


@pytest.mark.parametrize("request_", REQUESTS, ids=MODELS)
def test_a_reference_model_runs_as_its_submission_says(request_: ModelRequest) -> None:
    manifest = load_manifest(SUBMISSIONS / request_.name / "submission.toml")
    stated = (manifest.model.entry_point, manifest.model.frames, manifest.training.train_split)
    assert (request_.name, request_.frames, request_.train_split) == stated


def test_from_nothing_to_a_leaderboard(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    asked = () if isinstance(load_stlpips(), Unavailable) else ("--metrics", "+stlpips")
    done = run_cli("demo", "--out", out, "--tiles", "2", "--json", *asked)
    assert done.code == 0, done.err
    page = Path(done.json["page"])
    assert page == out / "site" / "index.html"
    assert page.is_file()
    assert set(done.json["records"]) == set(MODELS)
    assert len(MODELS) == 4
    for model in MODELS:
        assert (out / "runs" / model / "record.json").is_file()
    assert (">ST-LPIPS" in page.read_text(encoding="utf-8")) == bool(asked)
    board = "".join(path.read_text(encoding="utf-8").splitlines()[0] for path in (out / "site").rglob("*.csv"))
    assert ("stlpips" in board) == bool(asked)
    made = (out / "mini" / "metadata.csv").stat().st_mtime_ns
    again = run_cli("demo", "--out", out, "--tiles", "2", *asked)
    assert again.code == 0, again.err
    assert str(page) in again.out.replace("\n", "")
    assert "shift-and-add" in again.out
    assert (out / "mini" / "metadata.csv").stat().st_mtime_ns == made


def test_the_demonstration_of_the_repository_asks_for_a_perceptual_score() -> None:
    """Its environment brings the package: the board has the column without a network."""
    settings = configparser.ConfigParser()
    settings.read(SUBMISSIONS.parent / "tox.ini", encoding="utf-8")
    assert "--metrics +stlpips" in settings["testenv:demo"]["commands"]
    assert "stlpips" in settings["testenv"]["extras"]
    assert "extras" not in settings["testenv:demo"]
