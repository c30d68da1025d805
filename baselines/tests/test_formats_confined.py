"""Each kind of file that authors have, in a confined worker: it loads, predicts, and sees the tile as declared."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from baselines.tests.known_tiles import random_land
from safetensors.torch import save_file
from torch import Tensor, nn

from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import WorldstratBenchError
from worldstrat_bench.plugins.declared import declared_parameters
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.preprocessing import Value
from worldstrat_bench.worker import ModelSpec, Worker

LAND = random_land(6, 3, 24, 26, 0.0)

PACKAGE = """
import torch

class Net(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 1, bias=False)
        self.scale = float(scale)
    def forward(self, x):
        return torch.nn.functional.interpolate(self.conv(x), scale_factor=self.scale)
"""

LOADER = """
import torch
from safetensors.torch import load_file

def compiled_model(path, device="cpu", *args, **kwargs):
    gain = load_file(path / "model.safetensor")["gain"].to(device)
    return lambda x: torch.nn.functional.interpolate(x * gain, scale_factor=2.0)
"""


class PerBand(nn.Module):
    """(n, T, 1, h, w), one band a row of the batch, to (n, 1, 2h, 2w): the first frame."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x[:, 0], scale_factor=2.0)


def make(kind: str, folder: Path) -> tuple[str, dict[str, Value], Path]:
    """An entry point, its parameters, and the file or folder of a model that gives the first frame enlarged."""
    if kind == "one network for each band, several frames":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(PerBand()).save(str(folder / "net.pt"))
        return "torchscript", {"per_band": True, "frame_rule": "stack", "frames": 5}, folder / "net.pt"
    if kind == "mlstac folder":
        (folder / "mlm.json").write_text('{"properties": {"mlm:input": [{"bands": ["B02", "B03", "B04"]}]}}', "utf-8")
        (folder / "load.py").write_text(LOADER, "utf-8")
        save_file({"gain": torch.tensor([0.5])}, folder / "model.safetensor")
        return "mlstac", {"output_scale": 0.5}, folder
    content = {"state_dict": {"model.conv.weight": torch.eye(3).reshape(3, 3, 1, 1)}, "callbacks": Path("/")}
    torch.save(content, folder / "net.ckpt", _use_new_zipfile_serialization=kind != "old checkpoint of a package")
    given: dict[str, Value] = {"function": "their_net:Net", "arguments": '{"scale": 2}', "mean": 0.1, "std": 0.2}
    return "callable", {**given, "normalised_output": True}, folder / "net.ckpt"


KINDS = (
    "one network for each band, several frames",
    "mlstac folder",
    "Lightning checkpoint of a package",
    "old checkpoint of a package",
)


@pytest.mark.parametrize("level", [pytest.param("strong", marks=pytest.mark.soak), "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_confined(kind: str, level: str, tmp_path: Path) -> None:
    files, packages = tmp_path / "files", tmp_path / "packages"
    files.mkdir()
    packages.mkdir()
    (packages / "their_net.py").write_text(PACKAGE, "utf-8")
    entry_point, given, weights = make(kind, files)
    entry = find_model(entry_point)
    spec = ModelSpec(entry.target, declared_parameters(entry, given, weights), weights, (packages,))
    try:
        worker = Worker(spec, isolation=level)
    except WorldstratBenchError as error:
        if "isolation" in str(error):
            pytest.skip(f"no isolation {level} here: {error}")
        raise
    with worker:
        task = Task(LAND.images[:1].numpy(), LAND.clear[:1].numpy(), np.zeros((1, 3), np.int64), 48, 52)
        reply = worker.predict(task, seed=1)
        assert worker.hello.isolation.level == level
    assert reply.image is not None, reply.message
    expected = nn.functional.interpolate(LAND.rgb(0), scale_factor=2.0)[0]
    assert torch.allclose(torch.from_numpy(reply.image), expected, atol=1e-5)
