"""Four bands and expected errors through the whole harness: confined, stored, scored, scored again, verified."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import uncertainty_reference as reference
from run_helpers import Done, model_wheel, run_cli, small_dataset
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.artefacts.uncertainty import CURVES, UNCERTAINTY
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.task import Answer
from worldstrat_bench.measures import OPTIONAL
from worldstrat_bench.submission.verify_tiles import answer_difference

NIR = ("psnr_nir", "sam4", "ndvi_mae")
SPREAD = OPTIONAL["uncertainty"].names

NETWORK = """
    bands = lr.images[:, 0, [3, 2, 1, 7]]
    size = (target.height, target.width)
    enlarged = torch.nn.functional.interpolate(bands, size=size, mode="bicubic", align_corners=False)
    if not hasattr(self, "network"):
        self.network = torch.nn.Conv2d(4, 4, 3, padding=1, padding_mode="replicate").to(lr.images.device).eval()
        with torch.no_grad():
            weight = torch.full((3, 3), -0.05)
            weight[1, 1] = 1.4
            self.network.bias.zero_()
            self.network.weight.zero_()
            for band in range(4):
                self.network.weight[band, band] = weight
    image = self.network(enlarged)
"""
EXPECTED = """
    from worldstrat_bench.api import Prediction
    fine = (image - torch.nn.functional.avg_pool2d(image, 9, 1, 4, count_include_pad=False)).abs()
    smooth = torch.nn.functional.avg_pool2d(fine, 9, 1, 4, count_include_pad=False)
    expected = float(self.parameters.get("trust", 1.0)) * (0.004 + 3.0 * smooth)
"""
MODELS = {
    "four": NETWORK + "    return image",
    "three": NETWORK + "    return image[:, :3]",
    "sure": NETWORK + EXPECTED + "    return Prediction(image, expected)",
    "odd": NETWORK + EXPECTED + "    return Prediction(image, expected) if self.calls == 1 else image[:, :3]",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", tiles=3)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    body = {name: "\n".join(line[4:] for line in source.splitlines()) for name, source in MODELS.items()}
    return {name: model_wheel(folder, source, name=name) for name, source in body.items()}


def evaluate(wheel: Path, data: Path, run: Path, *more: object) -> Done:
    done = run_cli("evaluate", wheel, "--data", data, "--out", run, "--no-download", "--device", "cpu", *more)
    if done.code == 6 and "is not available" in done.err:
        pytest.skip(f"not run here: {done.err.strip().splitlines()[0]}")
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def sure(wheels: dict[str, Path], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the network that knows its error."""
    run = tmp_path_factory.mktemp("runs") / "sure"
    evaluate(wheels["sure"], data, run)
    return run


def columns_of(run: Path) -> dict[str, list[str]]:
    """The columns of tiles.csv as written."""
    rows = list(csv.DictReader(io.StringIO((run / "tiles.csv").read_text(encoding="utf-8"))))
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("level", ["strong", "full"])
def test_a_four_band_network_runs_confined(level: str, wheels: dict[str, Path], data: Path, tmp_path: Path) -> None:
    evaluate(wheels["four"], data, tmp_path / "run", "--isolation", level, "--limit", 1)
    found = load_result(tmp_path / "run")
    assert found.record.isolation.level == level
    assert found.record.outcomes == {"ok": 1}
    assert all(np.isfinite(found.table.numbers[name]).all() for name in NIR)


def test_an_expected_error_comes_out_of_the_confinement(sure: Path) -> None:
    found = load_result(sure)
    if found.record.isolation.level not in ("strong", "full"):
        pytest.skip("not run here: no isolation level that confines")
    assert found.record.outcomes == {"ok": 3}
    assert all(np.isfinite(found.table.numbers[name]).all() for name in (*NIR, *SPREAD))


def test_red_green_and_blue_are_unchanged_to_the_bit(
    sure: Path, wheels: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    evaluate(wheels["three"], data, tmp_path / "three")
    plain = columns_of(tmp_path / "three")
    assert not set(plain) & {*NIR, *SPREAD}
    columns = columns_of(sure)
    assert set(columns) - set(plain) == {*NIR, *SPREAD}
    assert {name: columns[name] for name in plain} == plain
    record = load_result(sure).record
    assert record.dataset.targets_sha256 == load_result(tmp_path / "three").record.dataset.targets_sha256
    assert record.optional == dict.fromkeys((*NIR, *SPREAD), "1")


def test_the_target_of_the_near_infrared_is_the_files_fourth_band(sure: Path, data: Path) -> None:
    """The mean squared error by hand: NIR of the file by torch's own resampling, the stored shift, own bias."""
    import rasterio
    import torch

    found = load_result(sure)
    tile = found.table.tiles[0]
    file = open_dataset(data).tile(tile).hr
    with rasterio.open(file) as source:
        band = torch.from_numpy(source.read(4).astype(np.float64) / 10_000).clamp(0, 1)[None, None]
    prediction = safetensors.numpy.load_file(sure / "predictions" / f"{tile}.safetensors")["prediction"]
    side = prediction.shape[1]
    truth = torch.nn.functional.interpolate(band, (side, side), mode="bicubic", antialias=True)[0, 0].clamp(0, 1)
    y, x = (float(found.table.numbers[name][0]) for name in ("shift_y", "shift_x"))
    from scipy.ndimage import shift

    moved = shift(prediction[3].astype(np.float64), (-y, -x), order=5, mode="nearest")[20:-20, 20:-20]
    target = truth.numpy()[20:-20, 20:-20]
    error = np.clip(moved + (target - moved).mean(), 0, 1) - target
    assert found.table.numbers["psnr_nir"][0] == pytest.approx(-10 * np.log10(np.mean(error**2)), abs=0.05)


def test_scored_again_it_is_the_same(sure: Path, data: Path, tmp_path: Path) -> None:
    common = ("--data", data, "--no-download", "--device", "cpu")
    again = run_cli("score", sure, "--out", tmp_path / "again", *common)
    assert again.code == 0, again.err
    for name in ("tiles.csv", UNCERTAINTY):
        assert (sure / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    other = run_cli("score", sure, "--out", tmp_path / "probav", "--protocol", "probav", *common)
    assert other.code == 0, other.err
    assert not {*NIR, *SPREAD} & set(columns_of(tmp_path / "probav"))


@pytest.mark.soak
def test_shards_merge_to_the_bytes_of_the_whole(
    sure: Path, wheels: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    for shard in ("1/2", "2/2"):
        evaluate(wheels["sure"], data, tmp_path / "cut", "--shard", shard)
    merged = run_cli("merge", tmp_path / "cut", "--data", data, "--out", tmp_path / "merged")
    assert merged.code == 0, merged.err
    for name in ("tiles.csv", UNCERTAINTY):
        assert (sure / name).read_bytes() == (tmp_path / "merged" / name).read_bytes(), name


def test_it_is_verified_with_its_model_and_a_changed_file_is_found(
    sure: Path, wheels: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    ok = run_cli("verify", sure, "--data", data, "--model", wheels["sure"], "-k", 1, "--device", "cpu")
    assert ok.code == 0, ok.out + ok.err
    run = tmp_path / "run"
    shutil.copytree(sure, run)
    text = (run / UNCERTAINTY).read_text(encoding="utf-8")
    (run / UNCERTAINTY).write_text(text.replace(",0", ",1", 1), encoding="utf-8")
    changed = run_cli("verify", run)
    assert changed.code != 0
    assert UNCERTAINTY in changed.out + changed.err


def test_other_expected_errors_of_the_same_image_are_another_prediction() -> None:
    image, error = np.zeros((3, 4, 4), np.float32), np.full((1, 4, 4), 0.1, np.float32)
    assert answer_difference(Answer(image, error), Answer(image, error)) == 0
    assert answer_difference(Answer(image, error), Answer(image, 2 * error)) == pytest.approx(0.1)
    assert answer_difference(Answer(image, error), Answer(image)) > 1
    assert answer_difference(Answer(image), Answer(image + 1)) == 1


def test_calibrated_and_overconfident_runs_are_told_apart(
    sure: Path, wheels: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    evaluate(wheels["sure"], data, tmp_path / "bold", "--param", "trust=0.25")
    right, bold = (load_result(run) for run in (sure, tmp_path / "bold"))
    means = [{name: own.record.scores["test"].micro[name].mean or 0.0 for name in SPREAD} for own in (right, bold)]
    assert right.record.scores["test"].micro["psnr"] == bold.record.scores["test"].micro["psnr"]
    assert abs(means[0]["coverage_68"] - 0.68) < 0.06, means
    assert abs(means[0]["coverage_95"] - 0.95) < 0.04, means
    assert means[1]["coverage_68"] < 0.4, means
    assert means[0]["ence"] < 0.35 < 1 < means[1]["ence"], means
    assert means[0]["crps"] < means[1]["crps"], means
    assert means[0]["ause"] == pytest.approx(means[1]["ause"], abs=1e-6)
    rows = list(csv.DictReader(io.StringIO((sure / UNCERTAINTY).read_text(encoding="utf-8"))))
    assert {(row["tile"], row["curve"]) for row in rows} == {
        (tile, curve) for tile in right.table.tiles for curve in CURVES
    }
    curves = {(row["tile"], row["curve"]): np.array(list(row.values())[2:], float) for row in rows}
    for tile, ause in zip(right.table.tiles, right.table.numbers["ause"], strict=True):
        gap = curves[tile, "sparsification"] - curves[tile, "sparsification_oracle"]
        assert gap.mean() == pytest.approx(float(ause), abs=1e-3)
    assert len(reference.sparsification(np.arange(1.0, 41), np.arange(40.0))) == len(gap)


def test_a_model_that_says_it_of_some_tiles_only_is_warned_of(
    wheels: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    evaluate(wheels["odd"], data, tmp_path / "run")
    record = load_result(tmp_path / "run").record
    assert [warning for warning in record.warnings if "1 of 3 tiles" in warning] == [
        "the model returned the near infrared for 1 of 3 tiles; the means are of these alone",
        "the model returned an expected error for 1 of 3 tiles; the means are of these alone",
    ]
    assert record.nulls["crps"] == "2 of 3 tiles: the model did not return it"
    assert run_cli("verify", tmp_path / "run").code == 0


def test_files_handed_in_have_the_same_scores(sure: Path, data: Path, tmp_path: Path) -> None:
    """As the run stored them, and as NPZ in another order of bands and another unit."""
    packed = tmp_path / "packed"
    packed.mkdir()
    for file in (sure / "predictions").iterdir():
        held = safetensors.numpy.load_file(file)
        image, error = (held[name][[2, 1, 0, 3]] * 10_000 for name in ("prediction", "expected_error"))
        np.savez(packed / f"{file.stem}.npz", prediction=image, expected_error=error)
    asked = ("--data", data, "--no-download", "--device", "cpu", "--name", "x")
    plain = run_cli("score", sure / "predictions", "--out", tmp_path / "a", "--bands", "R,G,B,NIR", *asked)
    other = run_cli("score", packed, "--out", tmp_path / "b", "--bands", "B02,B03,B04,B08", "--scale", 10_000, *asked)
    assert (plain.code, other.code) == (0, 0), plain.err + other.err
    mine, first, second = (load_result(run).table.numbers for run in (sure, tmp_path / "a", tmp_path / "b"))
    for name in (*NIR, *SPREAD, "psnr", "ssim"):
        np.testing.assert_array_equal(first[name], mine[name], err_msg=name)
        np.testing.assert_allclose(second[name], mine[name], rtol=2e-4, atol=2e-4, err_msg=name)
    assert load_result(tmp_path / "b").record.predictions.bands == "B,G,R,NIR"  # type: ignore[union-attr]


@pytest.mark.soak
def test_the_model_passes_the_checks_for_authors(wheels: dict[str, Path]) -> None:
    """Among them two tiles in one timed call, as throughput is measured."""
    done = run_cli("models", "check", wheels["sure"], "--device", "cpu")
    assert "batch of two" in done.out
    assert done.code == 0, done.out + done.err
