"""``--device`` and handing out tiles to several workers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from run_helpers import model_wheel, small_dataset
from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.run import run as opened
from worldstrat_bench.run.devices import resolve_devices
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.pipeline import evaluate_run
from worldstrat_bench.run.request import RunOptions, RunRequest


def test_words_for_devices() -> None:
    assert resolve_devices("cpu") == ("cpu",)
    for word in ("tpu", "cuda:", "cuda:x", "cpu,cpu", "", "cuda:0;cuda:1"):
        with pytest.raises(UsageError):
            resolve_devices(word)


def test_what_there_is_not_cannot_be_had() -> None:
    assert resolve_devices("auto") == ("cpu",) or torch.cuda.is_available()
    with pytest.raises(InfrastructureError, match="no CUDA device cuda:99"):
        resolve_devices("cuda:99")
    if not torch.cuda.is_available():
        with pytest.raises(InfrastructureError, match="no CUDA device"):
            resolve_devices("cuda")


def test_several_workers_share_the_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers on the one CPU stand for two GPUs: the same code hands out the tiles."""
    data = small_dataset(tmp_path / "mini", 5)
    wheel = model_wheel(tmp_path, "time.sleep(0.2); return bicubic(lr, target) + 0.01 * torch.rand(1, 3, 1, 1)")

    def run(name: str, devices: tuple[str, ...]) -> Path:
        monkeypatch.setattr(opened, "resolve_devices", lambda text: devices)
        request = RunRequest(ModelRequest(str(wheel)), data, tmp_path / name)
        record = evaluate_run(request, RunOptions(download=False))
        assert record.outcomes == {"ok": 5}
        return tmp_path / name

    one, two = run("one", ("cpu",)), run("two", ("cpu", "cpu"))
    assert (one / "tiles.csv").read_bytes() == (two / "tiles.csv").read_bytes()


def test_a_stop_in_one_worker_stops_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from worldstrat_bench.errors import ModelError

    data = small_dataset(tmp_path / "mini", 5)
    wheel = model_wheel(tmp_path, "raise ValueError('no')")
    monkeypatch.setattr(opened, "resolve_devices", lambda text: ("cpu", "cpu"))
    request = RunRequest(ModelRequest(str(wheel)), data, tmp_path / "run")
    with pytest.raises(ModelError, match="2 tiles in a row"):
        evaluate_run(request, RunOptions(download=False, max_failures=2))
    assert not (tmp_path / "run" / "record.json").exists()
