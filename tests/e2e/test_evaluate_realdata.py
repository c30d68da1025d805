"""The reference models on real imagery: the figures are pinned, so that no change of the chain goes unseen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from run_helpers import run_cli
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.artefacts.tiles import TileTable, parse_tiles

PSNR_DB = {"Landcover-9000001": 29.12239, "Landcover-9000004": 30.30166, "Landcover-9000005": 39.9344}
SSIM = {"Landcover-9000001": 0.5618098, "Landcover-9000004": 0.3949182, "Landcover-9000005": 0.7832594}
UNREGISTERED_DB = {"Landcover-9000001": 29.07345, "Landcover-9000004": 29.56178, "Landcover-9000005": 39.20853}
RAW_DB = {"Landcover-9000001": 26.40579, "Landcover-9000004": 30.19795, "Landcover-9000005": 39.48373}
SHIFTS_PX = {
    "Landcover-9000001": (0.0625, 0.8125),
    "Landcover-9000004": (1.1875, 1.3125),
    "Landcover-9000005": (1.3125, -1.125),
}
TEXTURED = 1e-4
"""Detail from which a tile has texture that shows a shift; the water tile has less."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, realdata: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    runs = {}
    for model in ("bicubic", "bicubic-shifted"):
        done = run_cli(
            "evaluate", model, "--data", realdata, "--out", folder / model, "--no-download", "--device", "cpu"
        )
        assert done.code == 0, done.err
        runs[model] = folder / model
    return runs


def column(table: TileTable, name: str) -> dict[str, float]:
    return dict(zip(table.tiles, map(float, table.numbers[name]), strict=True))


def test_the_figures_of_bicubic(runs: dict[str, Path]) -> None:
    table = parse_tiles((runs["bicubic"] / "tiles.csv").read_bytes())
    assert column(table, "psnr") == pytest.approx(PSNR_DB, abs=1e-3)
    assert column(table, "psnr_unregistered") == pytest.approx(UNREGISTERED_DB, abs=1e-3)
    assert column(table, "psnr_raw") == pytest.approx(RAW_DB, abs=1e-3)
    assert column(table, "ssim") == pytest.approx(SSIM, abs=1e-5)
    assert column(table, "shift_y") == {tile: shift[0] for tile, shift in SHIFTS_PX.items()}
    assert column(table, "shift_x") == {tile: shift[1] for tile, shift in SHIFTS_PX.items()}
    for name in ("rmse", "sam", "lr_consistency", "clipped", "cloud", "detail"):
        assert np.isfinite(table.numbers[name]).all(), name


def test_the_harness_holds_the_same_bicubic(runs: dict[str, Path]) -> None:
    table = parse_tiles((runs["bicubic"] / "tiles.csv").read_bytes())
    np.testing.assert_allclose(table.numbers["psnr"], table.numbers["psnr_bicubic"], atol=1e-6)
    assert load_record(runs["bicubic"]).scores["test"].micro["gain"].mean == pytest.approx(0, abs=1e-6)


def test_the_record_says_what_the_data_is(runs: dict[str, Path]) -> None:
    record = load_record(runs["bicubic"])
    assert (record.dataset.release, record.dataset.list, record.dataset.official) == ("unrecognised", "test", False)
    assert (record.dataset.tiles, record.outcomes, record.warnings) == (3, {"ok": 3}, ())


def test_a_known_offset_is_seen_through(runs: dict[str, Path]) -> None:
    plain, shifted = (parse_tiles((runs[name] / "tiles.csv").read_bytes()) for name in ("bicubic", "bicubic-shifted"))
    np.testing.assert_allclose(shifted.numbers["psnr"], plain.numbers["psnr"], atol=0.02)
    textured = plain.numbers["detail"] > TEXTURED
    assert textured.sum() == 2
    dy, dx = (shifted.numbers[name] - plain.numbers[name] for name in ("shift_y", "shift_x"))
    assert np.abs(np.abs(dy[textured]) - 1.25).max() <= 0.125
    assert np.abs(np.abs(dx[textured]) - 0.5).max() <= 0.125
    assert (np.sign(dy) == -np.sign(dx))[textured].all()
    assert (shifted.numbers["psnr_unregistered"] != plain.numbers["psnr_unregistered"]).all()


def test_the_same_bytes_again_on_other_cores(runs: dict[str, Path], realdata: Path, tmp_path: Path) -> None:
    """Scores do not depend on the number of threads, which torch's sums would."""
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.run.pipeline import evaluate_run
    from worldstrat_bench.run.request import RunOptions, RunRequest

    options = RunOptions(device="cpu", download=False, cache=False, threads=3)
    evaluate_run(RunRequest(ModelRequest("bicubic"), realdata, tmp_path / "run"), options)
    assert (tmp_path / "run" / "tiles.csv").read_bytes() == (runs["bicubic"] / "tiles.csv").read_bytes()


@pytest.mark.parametrize("model", ["bicubic"])
def test_synthetic_inputs_are_another_matter(runs: dict[str, Path], realdata: Path, tmp_path: Path, model: str) -> None:
    done = run_cli(
        "evaluate", model, "--data", realdata, "--out", tmp_path, "--lr", "synthetic", "--no-download", "--json"
    )
    assert done.code == 0, done.err
    assert done.json["record"]["dataset"]["inputs"] == "synthetic"
    assert done.json["record"]["dataset"]["official"] is False
    real = parse_tiles((runs["bicubic"] / "tiles.csv").read_bytes())
    made = parse_tiles((tmp_path / "tiles.csv").read_bytes())
    assert made.tiles == real.tiles
    assert not np.allclose(made.numbers["psnr"], real.numbers["psnr"], atol=0.1)
    refused = run_cli("evaluate", model, "--data", realdata, "--out", tmp_path, "--no-download")
    assert (refused.code, "--lr" in refused.err) == (2, True)
