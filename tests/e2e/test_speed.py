"""`speed` from the command line to speed.json, with real workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.speed.command import SpeedOptions, run_speed
from worldstrat_bench.speed.report import load_speed
from worldstrat_bench.worker.types import ModelSpec


def _speed(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from worldstrat_bench.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "speed", *arguments], capture_output=True, text=True, check=False
    )


def test_single_tiles_of_the_reference_model(tmp_path: Path) -> None:
    done = _speed("bicubic", "--scenario", "single", "--seconds", "0.2", "--frames", "1", "--device", "cpu", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    (timing,) = report["timings"]
    assert timing["batch"] == 1
    assert timing["height"] == 632
    assert timing["calls"] >= 27
    assert timing["latency_p50_ms"] <= timing["latency_p90_ms"] <= timing["latency_p99_ms"]
    assert timing["km2_per_second"] == pytest.approx(632 * 632 * 6.25e-3 / timing["latency_p50_ms"], rel=1e-6)
    assert 0.3 < timing["times_reference"] < 3, "bicubic against bicubic"
    assert timing["verdict"] in ("VALID", "INVALID")
    assert (timing["verdict"] == "VALID") == (not timing["reasons"])
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


def test_a_report_that_is_none(tmp_path: Path) -> None:
    from worldstrat_bench.errors import InvalidArtefactError

    with pytest.raises(InvalidArtefactError, match="no speed report"):
        load_speed(tmp_path / "speed.json")
    (tmp_path / "speed.json").write_text("{}")
    with pytest.raises(InvalidArtefactError, match="not a speed report"):
        load_speed(tmp_path / "speed.json")


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
    from worldstrat_bench.speed.session import SpeedRequest, time_model
    from worldstrat_bench.speed.stopwatch import Plan

    (tmp_path / "tiny_net.py").write_text(MODEL.format(fail=True))
    tiles = synthetic_tiles(load_protocol(), frames=1, side=200)
    spec = ModelSpec("tiny_net:load", search_paths=(tmp_path,))
    plan = Plan(seconds=0.05, min_rounds=9, warm_up_seconds=0.5)
    result = time_model(SpeedRequest(spec, "tiny", tiles, scenarios=("offline",), plan=plan), lambda line: None)
    (timing,) = result.report.timings
    assert timing.batch == 1
    assert timing.sweep[2] is None
    assert result.report.parameters == 3 * 3 * 9 + 3
    assert (result.report.flops_per_tile or 0) > 0
    assert set(result.benchmarks) == {"offline"}
