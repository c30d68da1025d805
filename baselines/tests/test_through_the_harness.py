"""Model files through the whole of the harness: a submission without Python in it, and a hostile checkpoint."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from run_helpers import run_cli
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.cli.app import app
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.task import Task
from worldstrat_bench.preprocessing import NAMES, complete
from worldstrat_bench.submission.check_record import manifest_faults
from worldstrat_bench.submission.manifest import load_manifest
from worldstrat_bench.worker import ModelSpec, Worker
from worldstrat_bench_baselines.worldstrat import Shape, Srcnn, upstream_name

MANIFEST = """
schema_version = 1
protocols = ["wsb-1"]
[submission]
slug = "{slug}"
title = "A file"
authors = ["Test Author"]
licence = "Apache-2.0"
description = "The single-frame network of the baselines as a file."
[model]
entry_point = "{entry_point}"
distribution = "worldstrat-bench-baselines"
version = "0.1.0"
repository_folder = "baselines"
frames = 1
[model.parameters]
bands = "B04,B03,B02"
[weights]
path = "{file}"
sha256 = "{sha256}"
bytes = {bytes}
format = "{format}"
[training]
datasets = ["synthetic land of data mini, other seeds"]
train_split = "none"
selection_split = "none"
test_evaluations = 0
uses_test = false
[environment]
python = "3.11"
lock = "requirements.lock"
base = "harness"
"""


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini")
    write_mini(folder, test_tiles=2, train_tiles=0, size=160, seed=3)
    return folder


def submission(folder: Path, entry_point: str, source: Path, kind: str) -> Path:
    """A folder with a manifest, an empty lock and the file."""
    folder.mkdir(parents=True)
    content = source.read_bytes()
    (folder / source.name).write_bytes(content)
    (folder / "requirements.lock").write_text("", "utf-8")
    manifest = MANIFEST.format(
        slug=folder.name,
        entry_point=entry_point,
        file=source.name,
        format=kind,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    (folder / "submission.toml").write_text(manifest, "utf-8")
    return folder


def scores(model: str, mini: Path, out: Path) -> list[float]:
    """PSNR of every tile, as `evaluate` writes it."""
    arguments = ["evaluate", model, "--data", str(mini), "--out", str(out), "--device", "cpu", "--no-download"]
    arguments += ["--no-cache", "--no-keep", *(["--frames", "1"] if model == "trained-single" else [])]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    with (out / "tiles.csv").open(newline="", encoding="utf-8") as file:
        return [float(row["psnr"]) for row in csv.DictReader(file)]


def test_files_in_a_submission_without_python_score_as_the_plugin(exported: Path, mini: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    native = scores("trained-single", mini, tmp_path / "native")
    for entry_point, name, kind in (("onnx", "net.onnx", "onnx"), ("torchscript", "net.pt", "torchscript")):
        folder = submission(tmp_path / "submissions" / entry_point, entry_point, exported / name, kind)
        found = scores(str(folder), mini, tmp_path / f"run-{entry_point}")
        assert found == pytest.approx(native, abs=1e-4), entry_point
        result = load_result(tmp_path / f"run-{entry_point}")
        # the record holds more than the manifest says, and is of the same declaration
        assert len(result.record.model.parameters) == len(NAMES)
        assert [f.what for f in manifest_faults(result, load_manifest(folder), folder)] == []


def test_a_sidecar_counts_where_the_worker_cannot_see_it(exported: Path, mini: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("yaml")
    shutil.copy(exported / "net.onnx", tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text("bands: [B2, B3, B4]\nfactor: 4\nmargin: 0\n", "utf-8")
    arguments = ["evaluate", "onnx", "--weights", str(tmp_path / "net.onnx"), "--data", str(mini), "--device", "cpu"]
    arguments += ["--out", str(tmp_path / "run"), "--no-keep", "--no-cache", "--no-download", "--limit", "1"]
    result = CliRunner().invoke(app, [*arguments, "--frames", "1", "--param", "input_scale=2"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    recorded = json.loads((tmp_path / "run" / "record.json").read_text("utf-8"))["model"]["parameters"]
    whole = complete({"bands": "B02,B03,B04", "input_scale": 2})
    assert recorded == whole


class Enlarged(torch.nn.Module):
    """Twice the size, whatever the channels are."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(x, scale_factor=2.0)


@pytest.mark.parametrize(("wrong", "code"), [("output=2,1,0", 3), ("bands=B99", 2)])
def test_models_check_names_a_wrong_declaration(wrong: str, code: int, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the format is deprecated
        torch.jit.script(Enlarged()).save(str(tmp_path / "net.pt"))
    arguments = ["models", "check", "torchscript", "--weights", str(tmp_path / "net.pt"), "--frames", "1"]
    result = run_cli(*arguments, "--param", wrong)
    assert result.code == code, result.out + result.err
    assert ("BGR for RGB" if code == 3 else "there is no 'B99'") in result.out + result.err


class Payload:
    """Runs a command when it is unpickled by an ordinary reader."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def test_a_hostile_checkpoint_gives_its_weights_in_the_worker_and_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    net = Srcnn(Shape(12, 8, 1))
    weights = {f"backbone.{upstream_name(name)}": tensor for name, tensor in net.state_dict().items()}
    checkpoint = {"state_dict": weights, "callbacks": Payload(f"touch '{canary}'")}
    torch.save(checkpoint, tmp_path / "model.ckpt")
    spec = ModelSpec("worldstrat_bench_baselines.worldstrat:load_worldstrat", {}, tmp_path / "model.ckpt")
    with Worker(spec, isolation="process") as worker:  # not even the confinement is needed
        images = np.full((1, 12, 40, 42), 0.1, np.float32)
        task = Task.single(images, np.ones((1, 1, 40, 42), bool), np.zeros(1, np.int64), 160, 168)
        reply = worker.predict(task, seed=1)
    assert reply.outcome == "ok", reply.message
    assert not canary.exists()
