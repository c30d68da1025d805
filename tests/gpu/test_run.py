"""Runs on CUDA: the same scores as on the CPU, and no truth in the process while a model has the device."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import worldstrat_bench
from run_helpers import run_cli, small_dataset
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.run.events import Event, Progress

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: there is no CUDA device"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 4, 320)


def test_cuda_and_cpu_agree(data: Path, tmp_path: Path) -> None:
    for device in ("cpu", "cuda:0"):
        run = tmp_path / device[:4]
        done = run_cli("evaluate", "bicubic", "--data", data, "--out", run, "--device", device, "--no-download")
        assert done.code == 0, done.err
    cpu, cuda = (parse_tiles((tmp_path / name / "tiles.csv").read_bytes()) for name in ("cpu", "cuda"))
    for name in ("psnr", "psnr_raw", "psnr_unregistered"):
        np.testing.assert_allclose(cuda.numbers[name], cpu.numbers[name], atol=1e-4)
    np.testing.assert_array_equal(cuda.numbers["shift_y"], cpu.numbers["shift_y"])
    record = load_record(tmp_path / "cuda")
    assert record.device.type == "cuda"
    assert record.environment.cuda
    assert record.environment.driver


def test_shards_merge_to_the_bytes_of_the_whole(tmp_path: Path) -> None:
    """Tiles share batches with others in a shard than in the whole run: no byte of the scores shows it."""
    data = small_dataset(tmp_path / "mini", 11, 320)
    words = ("evaluate", "bicubic", "--data", data, "--device", "cuda:0", "--no-download")
    runs = [("whole",), ("shards", "--shard", "1/2"), ("shards", "--shard", "2/2")]
    for name, *shard in runs:
        done = run_cli(*words, "--out", tmp_path / name, *shard)
        assert done.code == 0, done.err
    done = run_cli("merge", tmp_path / "shards", "--data", data, "--out", tmp_path / "merged")
    assert done.code == 0, done.err
    assert (tmp_path / "merged" / "tiles.csv").read_bytes() == (tmp_path / "whole" / "tiles.csv").read_bytes()


@pytest.mark.parametrize("isolation", ["auto", "full", "strong"])
def test_a_run_is_confined(data: Path, tmp_path: Path, isolation: str) -> None:
    run = tmp_path / "run"
    words = ("bicubic", "--data", data, "--out", run, "--isolation", isolation, "--no-download", "--limit", 1)
    done = run_cli("evaluate", *words, "--device", "cuda:0")
    if "is not available on this machine" in done.err:
        pytest.skip(f"isolation {isolation!r} is not available here, and the GPU was NOT tested at it")
    assert done.code == 0, done.err
    report = load_record(run).isolation
    assert report.level in (("full", "strong") if isolation == "auto" else (isolation,))
    assert report.profile == "cuda"


def test_doctor_finds_the_gpu_usable(tmp_path: Path) -> None:
    done = run_cli("doctor", "--json", "--out", tmp_path)
    found = {one["name"]: one for one in done.json if one["name"].startswith("GPU at ")}
    assert set(found) == {"GPU at full", "GPU at strong", "GPU at process"}
    for one in found.values():
        assert one["state"] == "ok" or "was not tried" in one["text"], one
    assert found["GPU at process"]["state"] == "ok"


def test_scoring_waits_until_the_worker_is_gone(data: Path, tmp_path: Path) -> None:
    """Device memory is not scrubbed between processes: the truth must not be there while the model is."""
    events: list[Event] = []
    worldstrat_bench.evaluate(
        "bicubic", data=data, out=tmp_path / "run", device="cuda:0", download=False, progress=events.append
    )
    tiles = [event.stage for event in events if isinstance(event, Progress) and event.tile]
    assert tiles == ["predict"] * 4 + ["score"] * 4


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="not run: there is one CUDA device or none")
def test_several_devices_share_the_tiles(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = run_cli("evaluate", "bicubic", "--data", data, "--out", run, "--device", "cuda", "--no-download")
    assert done.code == 0, done.err
    assert load_record(run).outcomes == {"ok": 4}


def test_how_long_a_further_tile_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """48 tiles of WorldStrat's size with warm caches: the figure is printed, with the card's name, not asserted."""
    from worldstrat_bench.data.mini import write_mini

    monkeypatch.setenv("WORLDSTRAT_BENCH_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "full"
    write_mini(data, test_tiles=48, train_tiles=0, size=1054)
    lines = []
    for name in ("nearest", "bicubic"):  # the first fills the cache
        times: dict[str, list[float]] = {"predict": [], "score": []}

        def tell(event: Event, times: dict[str, list[float]] = times) -> None:
            if isinstance(event, Progress) and event.tile:
                times[event.stage].append(time.perf_counter())

        record = worldstrat_bench.evaluate(
            name, data=data, out=tmp_path / name, device="cuda:0", download=False, progress=tell
        )
        assert record.outcomes == {"ok": 48}
        each = {stage: (ends[-1] - ends[0]) / (len(ends) - 1) * 1e3 for stage, ends in times.items()}
        text = ", ".join(f"{stage} {value:.1f} ms" for stage, value in each.items())
        lines.append(
            f"{torch.cuda.get_device_name(0)}, {name}: a further tile takes {sum(each.values()):.1f} ms: {text}"
        )
    with capsys.disabled():
        print("\n" + "\n".join(lines))
