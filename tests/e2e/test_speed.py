"""`speed` from the command line to speed.json, with real workers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from run_helpers import Done, model_wheel, run_cli, small_dataset
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.speed.command import SpeedOptions, run_speed
from worldstrat_bench.worker.types import ModelSpec


def _speed(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from worldstrat_bench.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "speed", *arguments], capture_output=True, text=True, check=False
    )


def test_single_tiles_of_the_reference_model(tmp_path: Path) -> None:
    done = _speed("bicubic", "--scenario", "single", "--quick", "--frames", "1", "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (timing,) = report["timings"]
    assert timing["batch"] == 1
    assert timing["height"] == 632
    assert timing["blocks"] >= 6
    assert timing["calls"] >= 2 * timing["blocks"]
    assert timing["latency_p50_ms"] <= timing["latency_p90_ms"] <= timing["latency_p99_ms"]
    assert timing["km2_per_second"] == pytest.approx(1.581**2 / timing["call_ms"] * 1e3, rel=1e-6)
    assert timing["times_reference"] > 0
    assert timing["verdict"] == "INVALID"
    assert "it was a quick look (--quick): too few blocks to tell" in timing["reasons"]
    assert timing["transfer_ms"] is None
    assert report["nulls"]["transfer_ms"] == "a CPU reads its inputs where they are"
    assert report["nulls"]["parameters"].startswith("the model holds no torch module")
    assert "km2_per_kwh" in report["nulls"]
    assert report["peak_host_bytes"] > 50_000_000
    assert report["device"]["device_class"].startswith("CPU")


def test_unknown_words_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="unknown scenario"):
        run_speed(SpeedOptions(ModelRequest("bicubic"), scenario="triple"), print)
    with pytest.raises(UsageError, match="unknown precision"):
        run_speed(SpeedOptions(ModelRequest("bicubic"), precision="int4"), print)
    done = _speed("bicubic", "--precision", "int4")
    assert done.returncode == 2
    assert "declared, fp32, bf16, fp16" in done.stderr


def test_a_file_that_is_not_a_report(tmp_path: Path) -> None:
    from worldstrat_bench.errors import InvalidArtefactError

    with pytest.raises(InvalidArtefactError, match="no speed report"):
        SpeedReport.load(tmp_path / "speed.json")
    (tmp_path / "speed.json").write_text("{}")
    with pytest.raises(InvalidArtefactError, match="not a valid speed report"):
        SpeedReport.load(tmp_path / "speed.json")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset, and a finished run of bicubic on it."""
    folder = tmp_path_factory.mktemp("scored")
    data, run = small_dataset(folder / "mini"), folder / "run"
    done = run_cli(
        "evaluate", "bicubic", "--data", data, "--out", run, "--device", "cpu", "--no-download", "--frames", "1"
    )
    assert done.code == 0, done.err
    return data, run


def _time_run(run: Path, *more: object) -> Done:
    return run_cli(
        "speed", "bicubic", "--out", run, "--scenario", "single", "--quick", "--frames", "1", "--device", "cpu", *more
    )


def test_a_run_is_timed_compared_and_shown(scored: tuple[Path, Path], tmp_path: Path) -> None:
    data, run = scored
    done = _time_run(run, "--data", data)
    assert done.code == 0, done.err
    report = SpeedReport.load(run / "speed.json")
    assert report.record_id == load_record(run).record_id
    assert report.compared_tiles == 4
    (timing,) = report.timings
    assert 0 < (timing.run_tile_ms or 0) < 1000, "of the run's own timings.csv"
    # Reasons that rest on times depend on what else the machine does; the outputs do not.
    assert not any("scored" in reason for reason in timing.reasons), timing.reasons
    assert timing.km2_per_second == pytest.approx(0.24**2 * timing.tiles_per_second), "160 px of 1.5 m"
    document = json.loads((run / (report.benchmark_file or "")).read_text())
    assert document["single"]["machine_info"]["worldstrat_bench"]["device_class"] == report.device.device_class
    assert document["single"]["commit_info"] == {}, "nothing of the repository that the user stands in"

    steady = (timing.call_ms,) * 3  # whatever else the machine does
    valid = timing.model_copy(update={"verdict": "VALID", "reasons": (), "repeat_medians_ms": steady})
    shown = report.model_copy(update={"timings": (valid,)})
    (run / "speed.json").write_text(shown.dump(), encoding="utf-8")
    site = tmp_path / "site"
    assert run_cli("site", "build", run, "--out", site).code == 0
    page = (site / "index.html").read_text(encoding="utf-8")
    assert report.device.device_class in page
    assert "single tiles, self-reported" in page
    assert "PSNR against speed" not in page, "batches are drawn, and single tiles never among them"


def test_outputs_that_are_not_those_of_the_run_are_invalid(scored: tuple[Path, Path], tmp_path: Path) -> None:
    from worldstrat_bench.run.predictions import PredictionStore

    data, original = scored
    run = Path(shutil.copytree(original, tmp_path / "run"))
    (run / "speed.json").unlink(missing_ok=True)
    store = PredictionStore(run / "predictions")
    for path in store.folder.glob("*.safetensors"):
        answer = store.read(path.stem)
        answer.image[1, 3, 5] += 0.25
        store.write(path.stem, answer, {})
    done = _time_run(run, "--data", data)
    assert done.code == 0, done.err
    assert "INVALID: the timed outputs differ from the scored ones by 0.25 reflectance" in done.out
    before = (run / "speed.json").read_bytes()
    done = _time_run(run)
    assert done.code == 2
    assert "give --data DIR" in done.err
    shutil.rmtree(run / "predictions")
    done = _time_run(run, "--data", data)
    assert done.code == 2
    assert "no predictions" in done.err
    assert (run / "speed.json").read_bytes() == before, "a figure that was compared stays"


@pytest.mark.soak  # the comparison is that of the test above; a model that sniffs is in test_throughput.py
def test_a_model_that_works_only_while_it_may_be_looked_at_is_invalid(tmp_path: Path) -> None:
    """It counts its calls: honest for a run and a warm-up, cheap ever after."""
    data, run = small_dataset(tmp_path / "mini"), tmp_path / "run"
    source = """
    if self.calls > 8:
        return torch.nn.functional.interpolate(lr.rgb(), size=(target.height, target.width), mode="nearest")
    return bicubic(lr, target)
    """
    wheel = model_wheel(tmp_path, source)
    options = ("--out", run, "--data", data, "--device", "cpu", "--frames", "1")
    done = run_cli("evaluate", wheel, *options, "--no-download")
    assert done.code == 0, done.err
    done = run_cli("speed", wheel, *options, "--scenario", "single", "--quick")
    assert done.code == 0, done.err
    assert "INVALID: the timed outputs differ from the scored ones" in done.out


def test_a_run_of_other_options_is_refused_before_anything_is_timed(scored: tuple[Path, Path]) -> None:
    _, run = scored
    done = run_cli("speed", "bicubic", "--out", run, "--device", "cpu")
    assert done.code == 2
    assert "frames: 1, now 8" in done.err
    done = run_cli("speed", "nearest", "--out", run, "--device", "cpu", "--frames", "1")
    assert done.code == 2
    assert "another model" in done.err
    done = _time_run(run, "--protocol", "probav")
    assert done.code == 2
    assert "the run's inputs are those of wsb-1, not of probav" in done.err
    assert "give --protocol wsb-1" in done.err


MODEL = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)

    def predict(self, lr, target):
        if FAIL and lr.images.shape[0] > 1:
            raise RuntimeError("CUDA out of memory (made up)")
        up = torch.nn.functional.interpolate(self.conv(lr.rgb()), size=(target.height, target.width))
        return up

FAIL = {fail}

def load(weights, device, **parameters):
    return Net()
"""


def test_the_sweep_stops_where_memory_ends_and_counts_are_reported(tmp_path: Path) -> None:
    from worldstrat_bench.protocol import load_protocol
    from worldstrat_bench.speed.inputs import synthetic_tiles
    from worldstrat_bench.speed.plan import Plan
    from worldstrat_bench.speed.session import SpeedRequest, time_model

    (tmp_path / "tiny_net.py").write_text(MODEL.format(fail=True))
    tiles = synthetic_tiles(load_protocol(), frames=1, side=200)
    spec = ModelSpec("tiny_net:load", search_paths=(tmp_path,))
    plan = Plan(seconds=0.1, min_blocks=2, warm_up_seconds=0.5)
    result = time_model(SpeedRequest(spec, "tiny", tiles, scenarios=("offline",), plan=plan), lambda line: None)
    (timing,) = result.report.timings
    assert timing.batch == 1
    assert timing.sweep[2] is None
    assert result.report.parameters == 3 * 3 * 9 + 3
    assert (result.report.flops_per_tile or 0) > 0
    assert set(result.benchmarks) == {"offline"}
