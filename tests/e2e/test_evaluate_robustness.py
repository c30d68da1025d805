"""``evaluate --robustness``: every curve from one command, resumable, in ordinary run directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from run_helpers import run_cli, small_dataset
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.site.finding import find_runs
from worldstrat_bench.stats.robustness import disagreements


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", tiles=3)


def options(data: Path, out: Path) -> list[object]:
    return ["--data", data, "--out", out, "--no-download", "--isolation", "process", "--robustness"]


def test_the_curves_of_a_model(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "median"
    done = run_cli("evaluate", "median", "--frames", 3, *options(data, run), "--json")
    assert done.code == 0, done.err
    assert done.json["record"]["record_id"] == load_record(run).record_id
    assert sorted(path.name for path in (run / "robustness").iterdir()) == ["frames-1", "frames-2", "synthetic"]
    stated = Robustness.load(run / "robustness.json")
    assert disagreements(stated, load_record(run)) == ()
    assert [point.frames for point in stated.frames] == [1, 2, 3]
    for point in stated.frames[:-1]:
        below = load_record(run / "robustness" / f"frames-{point.frames}")
        assert point.record_id == below.record_id
        assert point.scores["psnr"] == below.scores["test"].micro["psnr"]
        assert below.model.frames == point.frames
    assert stated.synthetic is not None
    synthetic, real = load_result(run / "robustness" / "synthetic"), load_result(run)
    assert synthetic.record.dataset.inputs == "synthetic"
    assert stated.synthetic.record_id == synthetic.record.record_id
    gap = next(gap for gap in stated.synthetic.gaps if gap.metric == "psnr")
    difference = synthetic.table.numbers["psnr"].mean() - real.table.numbers["psnr"].mean()
    assert gap.difference == pytest.approx(difference, abs=1e-9)  # every tile of mini is a group of its own
    assert gap.tiles == 3
    assert list(find_runs(tmp_path / "runs")) == [run]  # the runs below are not entries of a board

    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")}
    text = (run / "robustness.json").read_bytes()
    (run / "robustness.json").unlink()
    (run / "robustness" / "frames-2" / "record.json").unlink()
    again = run_cli("evaluate", "median", "--frames", 3, *options(data, run))
    assert again.code == 0, again.err
    assert (run / "robustness.json").read_bytes() == text
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.safetensors")} == before


@pytest.mark.parametrize(
    ("more", "word"), [(["--shard", "1/2"], "shard"), (["--lr", "synthetic"], "--lr")], ids=["shard", "synthetic"]
)
def test_what_has_no_curves_is_refused_before_anything_is_computed(
    data: Path, tmp_path: Path, more: list[str], word: str
) -> None:
    done = run_cli("evaluate", "bicubic", *options(data, tmp_path / "run"), *more)
    assert done.code == 2
    assert word in done.err
    assert not (tmp_path / "run").exists()


def test_not_with_all(data: Path, tmp_path: Path) -> None:
    done = run_cli("evaluate", "--all", tmp_path, *options(data, tmp_path / "run"))
    assert done.code == 2
    assert "--robustness" in done.err
