"""A Dask worker has one GPU and sees no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from run_helpers import run_process, small_dataset
from worldstrat_bench.artefacts.record import load_record

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device: not run"),
]


def test_workers_on_gpus_give_what_one_process_gives(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    data = small_dataset(tmp_path / "mini", 4)
    words = ("evaluate", "bicubic", "--data", data, "--no-download", "--device")
    assert run_process(*words, "cuda:0", "--out", tmp_path / "local").code == 0
    workers = min(2, torch.cuda.device_count())
    done = run_process(*words, "auto", "--out", tmp_path / "dask", "--workers", workers, "--task-tiles", 2)
    assert done.code == 0, done.err
    assert "--device auto: cuda" in done.err
    assert (tmp_path / "dask" / "tiles.csv").read_bytes() == (tmp_path / "local" / "tiles.csv").read_bytes()
    assert load_record(tmp_path / "dask").device.type == "cuda"


def test_more_workers_than_gpus_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    data = small_dataset(tmp_path / "mini", 2)
    many = torch.cuda.device_count() + 1
    words = ("evaluate", "bicubic", "--data", data, "--out", tmp_path / "r", "--device", "cuda", "--workers", many)
    done = run_process(*words)
    assert (done.code, "GPUs" in done.err) == (2, True)
