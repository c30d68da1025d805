"""A stochastic model: several predictions a tile, their mean score, what is kept of them, and how they are verified."""

from __future__ import annotations

import csv
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from run_helpers import Done, model_wheel, run_cli, small_dataset
from worldstrat_bench.artefacts.draws import DRAWS
from worldstrat_bench.artefacts.record import Record, load_record, record_id
from worldstrat_bench.run import draws as run_draws
from worldstrat_bench.site.provenance import Source, reproduce
from worldstrat_bench.worker.isolation import LevelUnavailableError

TILES, K = 3, 5
SAMPLER = """
draw = torch.randn(1, 3, target.height, target.width)
return bicubic(lr, target) + 0.01 * draw
"""
FAILS = """
if self.calls == 7:  # the second tile; a new process begins to count again
    raise ValueError("no luck")
return bicubic(lr, target)
"""
GROWS = "return torch.rand(1, 3, target.height + 8 * (self.calls % 2), target.width)"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", TILES)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_wheel(tmp_path_factory.mktemp("wheel"), SAMPLER, name="sampler")


def evaluated(wheel: Path, data: Path, out: Path, *more: object, level: str = "auto") -> Done:
    return run_cli(
        *("evaluate", wheel, "--data", data, "--out", out, "--no-download", "--device", "cpu", "--draws", K),
        *("--isolation", level, *more),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path, wheel: Path) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    done = evaluated(wheel, data, out)
    assert done.code == 0, done.err
    assert f"means over {K} draws a tile; between draws PSNR has a standard deviation" in done.out
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_scores_are_means_over_draws_and_the_file_holds_each(run: Path, wheel: Path, data: Path) -> None:
    record, tiles, drawn = load_record(run), rows(run / "tiles.csv"), rows(run / DRAWS)
    assert (record.model.draws, len(drawn)) == (K, TILES * (K + 1))
    assert set(record.files) == {"tiles.csv", DRAWS}
    spreads, of_mean = [], []
    for tile in tiles:
        own = [row for row in drawn if row["tile"] == tile["tile"]]
        assert [row["draw"] for row in own] == [*(str(number) for number in range(1, K + 1)), "mean"]
        for name in ("psnr", "ssim", "rmse", "shift_y", "clipped"):
            values = [float(row[name]) for row in own[:K]]
            assert float(tile[name]) == pytest.approx(statistics.fmean(values), rel=2e-6, abs=1e-9)
        psnr = [float(row["psnr"]) for row in own[:K]]
        assert len(set(psnr)) == K  # every draw has another seed
        spreads.append(statistics.stdev(psnr))
        of_mean.append(float(own[K]["psnr"]))
        assert of_mean[-1] > max(psnr)  # the noise averages out
    assert record.draws is not None
    (scores,) = record.draws.values()
    assert scores.spread["psnr"] == pytest.approx(statistics.fmean(spreads), rel=1e-5)
    assert scores.mean_image["psnr"].mean == pytest.approx(statistics.fmean(of_mean), rel=1e-6)
    assert "psnr_bicubic" not in scores.spread
    assert not any("best" in key for key in json.dumps(record.model_dump(mode="json")).split('"'))


def test_a_table_and_the_command_that_repeats_a_run_say_how_many_draws(run: Path) -> None:
    done = run_cli("table", run)
    assert done.code == 0, done.err
    assert f"its scores are means over {K} draws a tile" in done.out
    assert any(f"--draws {K}" in line for line in reproduce(load_record(run), Source()))


def test_the_first_draw_is_the_prediction_of_a_run_without_draws(
    run: Path, wheel: Path, data: Path, tmp_path: Path
) -> None:
    one = tmp_path / "one"
    done = run_cli("evaluate", wheel, "--data", data, "--out", one, "--no-download", "--device", "cpu")
    assert done.code == 0, done.err
    assert load_record(one).draws is None
    assert not (one / DRAWS).exists()
    firsts = {row["tile"]: row["psnr"] for row in rows(run / DRAWS) if row["draw"] == "1"}
    assert {row["tile"]: row["psnr"] for row in rows(one / "tiles.csv")} == firsts
    for path in (one / "predictions").iterdir():
        assert path.read_bytes()[-1000:] == (run / "predictions" / path.name).read_bytes()[-1000:]


def test_further_draws_stay_only_on_request(run: Path, wheel: Path, data: Path, tmp_path: Path) -> None:
    assert not list((run / "predictions").glob("draw-*/*.safetensors"))
    refused = run_cli("score", run, "--data", data, "--out", tmp_path / "again")
    assert refused.code == 5
    assert "the first draw only of 3 tiles" in refused.err
    assert "--keep-draws" in refused.err
    kept, halves = tmp_path / "kept", tmp_path / "halves"
    assert evaluated(wheel, data, kept, "--keep-draws").code == 0
    assert len(list((kept / "predictions").glob("draw-*/*.safetensors"))) == TILES * (K - 1)
    done = run_cli("score", kept, "--data", data, "--out", tmp_path / "again", "--no-download")
    assert done.code == 0, done.err
    for shard in ("1/2", "2/2"):
        assert evaluated(wheel, data, halves, "--shard", shard, "--keep-draws").code == 0
    merged = run_cli("merge", halves, "--data", data, "--out", halves)
    assert merged.code == 0, merged.err
    assert len(list((halves / "predictions").glob("draw-*/*.safetensors"))) == TILES * (K - 1)
    for other in (kept, tmp_path / "again", halves):
        for name in ("tiles.csv", DRAWS):
            assert (other / name).read_bytes() == (run / name).read_bytes()
        assert load_record(other).draws == load_record(run).draws


def test_predict_keeps_all_draws_for_score(wheel: Path, data: Path, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    done = run_cli("predict", wheel, "--data", data, "--out", out, "--device", "cpu", "--draws", K)
    assert done.code == 0, done.err
    (lost,) = list((out / "predictions" / "draw-3").iterdir())[:1]
    lost.unlink()  # a run that lost one draw of a tile predicts that tile again
    assert run_cli("predict", wheel, "--data", data, "--out", out, "--device", "cpu", "--draws", K).code == 0
    assert lost.is_file()
    done = run_cli("score", out, "--data", data, "--no-download")
    assert done.code == 0, done.err
    assert (out / DRAWS).read_bytes() == (run / DRAWS).read_bytes()
    assert lost.is_file()


def test_a_failed_draw_fails_the_tile(data: Path, tmp_path: Path) -> None:
    done = evaluated(model_wheel(tmp_path, FAILS, name="fails"), data, tmp_path / "run")
    assert done.code == 3
    record = load_record(tmp_path / "run")
    assert record.outcomes["model_error"] == 1
    assert any("draw 2: ValueError: no luck" in one.message for one in record.messages)
    assert record.draws is not None
    (scores,) = record.draws.values()
    assert (scores.spread["psnr"], scores.mean_image["psnr"].mean) == (None, None)
    assert run_cli("verify", tmp_path / "run").code == 0


def test_draws_of_different_sizes_fail_the_tile(data: Path, tmp_path: Path) -> None:
    done = evaluated(model_wheel(tmp_path, GROWS, name="grows"), data, tmp_path / "run")
    assert done.code == 3
    assert "draws 1 and 2 have different shapes" in done.err
    assert load_record(tmp_path / "run").draws is None
    assert run_cli("verify", tmp_path / "run").code == 0


def test_a_model_without_chance_is_told_so(data: Path, tmp_path: Path) -> None:
    done = evaluated(model_wheel(tmp_path, "return bicubic(lr, target)", name="still"), data, tmp_path / "run")
    assert done.code == 0
    assert f"the {K} draws of every tile are alike" in done.out


@pytest.mark.parametrize(("draws", "words"), [("0", "--draws"), ("33", "--draws"), ("two", "--draws")])
def test_odd_numbers_of_draws_are_refused(draws: str, words: str, data: Path, wheel: Path, tmp_path: Path) -> None:
    done = run_cli("evaluate", wheel, "--data", data, "--out", tmp_path / "run", "--draws", draws)
    assert done.code == 2
    assert words in done.err


def test_another_number_of_draws_does_not_continue_a_run(run: Path, wheel: Path, data: Path) -> None:
    done = run_cli("evaluate", wheel, "--data", data, "--out", run, "--no-download", "--device", "cpu", "--draws", 2)
    assert done.code == 2
    assert "draws" in done.err


def forged(run: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a run whose record has other values and its own id; a text for draws.csv is hashed."""
    shutil.copytree(run, folder)
    document = json.loads((folder / Record.FILE).read_text())
    text = changes.pop("text", None)
    if text is not None:
        import hashlib

        (folder / DRAWS).write_text(text)
        document["files"][DRAWS] = hashlib.sha256(text.encode()).hexdigest()
    document |= changes
    document["record_id"] = record_id(document)
    (folder / Record.FILE).write_text(json.dumps(document))
    return folder


def test_forged_draws_are_found(run: Path, tmp_path: Path) -> None:
    assert run_cli("verify", run).code == 0
    text, document = (run / DRAWS).read_text(), json.loads((run / Record.FILE).read_text())
    lines = text.splitlines()
    cells = lines[1].split(",")
    position = lines[0].split(",").index("psnr")
    better = ",".join([*cells[:position], f"{float(cells[position]) + 0.5:.7g}", *cells[position + 1 :]])
    (name,) = document["draws"]
    spread = json.loads(json.dumps(document["draws"]))
    spread[name]["spread"]["psnr"] *= 0.5
    image = json.loads(json.dumps(document["draws"]))
    image[name]["mean_image"]["psnr"]["mean"] += 1
    last = "\n".join(lines[: -(K + 1)]) + "\n"
    short = "\n".join(line for line in lines if f",{K}," not in line[:60]) + "\n"
    for index, (changes, words) in enumerate(
        [
            ({"text": "\n".join([lines[0], better, *lines[2:]]) + "\n"}, "psnr of tiles.csv is not the mean over"),
            ({"draws": spread}, "draws.mini-test" if name == "mini-test" else f"draws.{name}"),
            ({"draws": image}, "does not follow from draws.csv"),
            ({"text": last}, "other tiles than those"),
            ({"text": short}, f"has {K - 1} draws a tile, the record says {K}"),
            ({"text": "tile,draw\n"}, "not a valid draws.csv"),
            ({"draws": None}, "lacks scores of draws"),
            ({"model": {**document["model"], "draws": 1}}, "has scores of draws"),
        ]
    ):
        done = run_cli("verify", forged(run, tmp_path / str(index), **changes))
        assert done.code == 5, words
        assert words in done.out


def test_verify_makes_all_draws_again(
    run: Path, wheel: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("verify", run, "--data", data, "--model", wheel, "-k", TILES, "--device", "cpu", "--json")
    done = run_cli(*arguments)
    assert done.code == 0, done.out
    assert all(tile["prediction_difference"] == 0 == tile["order_difference"] for tile in done.json["tiles"])
    assert done.json["columns"]["psnr"]["tolerance"] == 0.01
    # On another class of device a model draws other numbers: here by another seed for every draw.
    worker_draws = run_draws.worker_draws
    monkeypatch.setattr(run_draws, "worker_draws", lambda w, task, seed, n: worker_draws(w, task, seed + 1, n))
    assert run_cli(*arguments).code == 5
    other = json.loads((run / Record.FILE).read_text())["device"] | {"device_class": "H100-80GB"}
    elsewhere = forged(run, tmp_path / "elsewhere", device=other)
    done = run_cli("verify", elsewhere, *arguments[2:])
    assert done.code == 0, done.out
    psnr = done.json["columns"]["psnr"]
    assert 0 < psnr["largest"] <= psnr["tolerance"]
    assert all(tile["prediction_difference"] is None for tile in done.json["tiles"])
    # A mean that is too good by far more than its standard error does not pass.
    cleaner = model_wheel(tmp_path, SAMPLER.replace("0.01", "0.02"), name="sampler")
    done = run_cli("verify", elsewhere, *arguments[2:4], "--model", cleaner, *arguments[6:], "--other-model")
    assert done.code == 5
    assert any("psnr differs" in fault for fault in done.json["faults"])


@pytest.mark.parametrize("level", ["strong", "full"])
def test_a_sampler_runs_confined(level: str, wheel: Path, data: Path, tmp_path: Path) -> None:
    try:
        done = evaluated(wheel, data, tmp_path / "run", "--limit", 1, level=level)
    except LevelUnavailableError as error:  # pragma: no cover
        pytest.skip(str(error))
    if done.code == 6 and "isolation" in done.err:
        pytest.skip(f"no isolation {level} here")
    assert done.code == 0, done.err
    record = load_record(tmp_path / "run")
    assert (record.isolation.level, record.model.draws) == (level, K)
