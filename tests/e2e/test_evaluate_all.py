"""``evaluate --all``: a folder of submissions, one of them broken."""

from __future__ import annotations

import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from run_helpers import run_cli, small_dataset
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.measures import OPTIONAL

MANIFEST = """\
schema_version = 1
protocols = ["wsb-1"]
[submission]
slug = "{slug}"
title = "{slug}"
authors = ["Ada Example"]
licence = "Apache-2.0"
description = "A reference model."
[model]
entry_point = "{entry_point}"
distribution = "worldstrat-bench-baselines"
version = "{version}"
repository_folder = "baselines"
frames = {frames}
[training]
datasets = []
train_split = "none"
selection_split = "none"
test_evaluations = 1
uses_test = false
[environment]
python = "3.11"
lock = "requirements.lock"
base = "harness"
"""


def write_submission(folder: Path, slug: str, entry_point: str, frames: int = 8) -> None:
    place = folder / slug
    place.mkdir(parents=True, exist_ok=True)
    fields = {"slug": slug, "entry_point": entry_point, "frames": frames}
    text = MANIFEST.format(version=version("worldstrat-bench-baselines"), **fields)
    (place / "submission.toml").write_text(text)
    (place / "requirements.lock").write_text("")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 2)


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout" / "submissions"
    write_submission(folder, "plain", "bicubic", 1)
    write_submission(folder, "broken", "no-such-model")
    return folder


def states(cells: list[dict[str, str]]) -> dict[tuple[str, str], str]:
    return {(cell["name"], cell["protocol"]): cell["state"] for cell in cells}


def test_one_bad_model_does_not_end_the_matrix(submissions: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("evaluate", "--all", submissions, "--data", data, "--out", out, "--no-download", "--protocol")
    done = run_cli(*words, "wsb-1,probav", "--json")
    assert done.code == 3, done.err
    assert states(done.json) == {
        ("broken", "wsb-1"): "failed",
        ("broken", "probav"): "failed",
        ("plain", "wsb-1"): "ran",
        ("plain", "probav"): "scored again",
    }
    assert "no-such-model" in done.json[0]["reason"]
    record = load_record(out / "plain" / "wsb-1-auto")
    assert (record.model.submission, record.model.frames, record.model.train_split) == ("plain", 1, "none")
    again = run_cli(*words, "wsb-1,probav")
    assert again.code == 3
    assert again.out.count("done before") == 2
    assert "broken" in again.err
    write_submission(submissions, "plain", "bicubic", 2)
    changed = run_cli(*words, "wsb-1", "--json")
    assert states(changed.json)["plain", "wsb-1"] == "failed"
    assert "frames: 1, now 2" in changed.out


def test_records_of_other_data_and_predictions_that_are_gone_are_not_done(
    submissions: Path, data: Path, tmp_path: Path
) -> None:
    shutil.rmtree(submissions / "broken")
    words = ("evaluate", "--all", submissions, "--no-download", "--json", "--out", tmp_path / "out", "--data")
    assert run_cli(*words, data).code == 0
    run = tmp_path / "out" / "plain" / "wsb-1-auto"
    beside = submissions / "plain" / "results" / "wsb-1" / "mini-cpu"
    beside.mkdir(parents=True)
    for name in ("record.json", "tiles.csv"):
        shutil.copyfile(run / name, beside / name)
    other = small_dataset(tmp_path / "other", 2, seed=5)
    elsewhere = (*words[:-2], tmp_path / "elsewhere", "--data")
    assert states(run_cli(*elsewhere, data).json) == {("plain", "wsb-1"): "done before"}
    assert states(run_cli(*elsewhere, other).json) == {("plain", "wsb-1"): "ran"}
    shutil.rmtree(run / "predictions")
    done = run_cli(*words, data, "--protocol", "wsb-1,probav")
    assert states(done.json) == {("plain", "wsb-1"): "done before", ("plain", "probav"): "ran"}


def test_optional_metrics_are_of_the_wsb_cells_and_a_record_without_them_is_not_done(
    submissions: Path, data: Path, tmp_path: Path
) -> None:
    shutil.rmtree(submissions / "broken")
    words = ("evaluate", "--all", submissions, "--no-download", "--json", "--data", data, "--protocol", "wsb-1,probav")
    out = tmp_path / "out"
    done = run_cli(*words, "--out", out, "--metrics", "+spectral")
    assert done.code == 0, done.err
    assert set(states(done.json).values()) == {"ran", "scored again"}
    assert set(load_record(out / "plain" / "wsb-1-auto").optional) == set(OPTIONAL["spectral"].names)
    assert load_record(out / "plain" / "probav-auto").optional == {}
    again = run_cli(*words, "--out", out, "--metrics", "+spectral")
    assert set(states(again.json).values()) == {"done before"}
    beside = submissions / "plain" / "results" / "wsb-1" / "mini-cpu"
    beside.mkdir(parents=True)
    for name in ("record.json", "tiles.csv"):
        shutil.copyfile(out / "plain" / "wsb-1-auto" / name, beside / name)
    more = run_cli(*words, "--out", tmp_path / "more", "--metrics", "+spectral,+stlpips")
    assert states(more.json)["plain", "wsb-1"] == "ran"


def test_the_exit_code_says_whether_models_or_data_failed(submissions: Path, data: Path, tmp_path: Path) -> None:
    shutil.rmtree(submissions / "broken")
    hole = Path(shutil.copytree(data, tmp_path / "hole"))
    for file in (hole / "hr_dataset").rglob("*_ps.tiff"):
        file.write_bytes(b"no image")
    done = run_cli("evaluate", "--all", submissions, "--data", hole, "--out", tmp_path / "out", "--no-download")
    assert done.code == 4, done.err


def test_only_what_changed(submissions: Path, data: Path, tmp_path: Path) -> None:
    root = submissions.parent

    def git(*words: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True)

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "all")
    words = ("evaluate", "--all", submissions, "--changed-since", "HEAD", "--data", data, "--out", tmp_path / "out")
    nothing = run_cli(*words, "--no-download")
    assert (nothing.code, "no submission that changed" in nothing.err) == (2, True)
    write_submission(submissions, "plain", "nearest")
    done = run_cli(*words, "--no-download", "--json")
    assert done.code == 0, done.err
    assert states(done.json) == {("plain", "wsb-1"): "ran"}


def test_a_submission_alone(submissions: Path, data: Path, tmp_path: Path) -> None:
    one = submissions / "plain"
    done = run_cli("evaluate", one, "--data", data, "--out", tmp_path / "r", "--no-download", "--limit", "1", "--json")
    assert done.code == 0, done.err
    assert done.json["record"]["model"]["submission"] == "plain"
    refused = run_cli("evaluate", one, "--data", data, "--out", tmp_path / "r", "--frames", "3")
    assert (refused.code, "itself" in refused.err) == (2, True)


def test_options_that_make_no_sense_together(submissions: Path, data: Path, tmp_path: Path) -> None:
    common = ("--data", data, "--out", tmp_path / "out")
    for words in (
        ("evaluate",),
        ("evaluate", "bicubic", "--all", submissions),
        ("evaluate", "b", "--changed-since", "x"),
    ):
        done = run_cli(*words, *common)
        assert done.code == 2, done
        assert "fix:" in done.err
