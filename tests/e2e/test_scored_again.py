"""Runs whose predictions are gone, for whatever reason: said in one line, and no half-made folder is left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from run_helpers import Done, run_cli, small_dataset
from worldstrat_bench.artefacts.record import load_record

ASKED = ("--frames", "1", "--no-download", "--isolation", "process", "--device", "cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 2)


@pytest.fixture(scope="module")
def kept(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("kept") / "run"
    done = run_cli("evaluate", "bicubic", "--data", data, "--out", run, *ASKED)
    assert done.code == 0, done.err
    return run


@pytest.fixture
def run(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "run"))


def score(run: Path, data: Path, *more: object) -> Done:
    return run_cli("score", run, "--data", data, "--no-download", "--device", "cpu", *more)


@pytest.mark.parametrize(
    "more", [("--protocol", "probav"), ("--protocol", "worldstrat-2022-fixed"), ("--shard", "1/2"), ()]
)
def test_a_folder_of_predictions_that_was_deleted(run: Path, data: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    shutil.rmtree(run / "predictions")
    done = score(run, data, "--out", tmp_path / "again", *more)
    assert (done.code, "the run holds no predictions" in done.err) == (5, True), done.err
    assert not (tmp_path / "again").exists()


def test_a_single_prediction_that_was_deleted(run: Path, data: Path, tmp_path: Path) -> None:
    next((run / "predictions").iterdir()).unlink()
    done = score(run, data, "--out", tmp_path / "again", "--protocol", "probav")
    assert (done.code, "no prediction of 1 tile:" in done.err) == (5, True), done.err
    assert not (tmp_path / "again").exists()


def test_a_folder_that_was_there_before_stays_as_it_was(run: Path, data: Path, tmp_path: Path) -> None:
    shutil.rmtree(run / "predictions")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    assert score(run, data, "--out", tmp_path / "mine", "--protocol", "probav").code == 5
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_a_run_that_has_its_scores_needs_no_predictions_for_them(run: Path, data: Path) -> None:
    shutil.rmtree(run / "predictions")
    before = load_record(run).record_id
    done = score(run, data)
    assert done.code == 0, done.err
    assert load_record(run).record_id == before


def test_a_run_from_before_its_end_is_named_as_unfinished(run: Path, data: Path, tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(run / "run.sqlite") as journal:
        journal.execute("DELETE FROM tile WHERE tile = (SELECT min(tile) FROM tile)")
    journal.close()
    done = score(run, data, "--out", tmp_path / "again", "--protocol", "probav")
    assert (done.code, "finish it first" in done.err) == (5, True), done.err
