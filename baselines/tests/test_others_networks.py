"""Two networks that others trained, through the confined worker and by themselves: the same predictions.

Their files are not part of this repository. The tests skip, saying so, where they are absent.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from baselines.tests.known_tiles import random_land
from torch import Tensor

from worldstrat_bench.api import BANDS, RGB, LowRes, Target
from worldstrat_bench.data.task import Task
from worldstrat_bench.plugins.declared import declared_parameters
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.preprocessing import Value
from worldstrat_bench.worker import ModelSpec, Worker
from worldstrat_bench.worker.conformance import make_task
from worldstrat_bench.worker.fit import fit_of, mistake
from worldstrat_bench.worker.trials import Trials, Verdict, order_of_bands, other_units
from worldstrat_bench.worker.types import Reply

MODELS = Path(__file__).resolve().parents[2].parent / "shared" / "models"
LAND = random_land(11, 1, 48, 44, 0.0)
CARN_BANDS = "B02,B03,B04,B08,B05,B06,B07,B8A,B11,B12"


def theirs(name: str, package: str) -> Path:
    """The file, or a reason to skip."""
    pytest.importorskip(package, reason=f"{package} is not installed")
    path = MODELS / name
    if not path.is_file():
        pytest.skip(f"{name} is not there: ../shared/models of this repository")
    return path


def through_the_harness(entry_point: str, weights: Path, parameters: dict[str, Value], images: Tensor) -> Tensor:
    """The prediction (3, H, W) of a confined worker for one frame (1, 12, h, w)."""
    entry = find_model(entry_point)
    spec = ModelSpec(entry.target, declared_parameters(entry, parameters, weights), weights)
    height, width = images.shape[-2:]
    clear, days = np.ones((1, 1, height, width), bool), np.zeros(1, np.int64)
    with Worker(spec, isolation="auto") as worker:
        reply = worker.predict(Task.single(images.numpy(), clear, days, 4 * height, 4 * width), seed=1)
    assert reply.image is not None, reply.message
    return torch.from_numpy(reply.image)


def test_carn_is_what_onnxruntime_alone_gives() -> None:
    path = theirs("carn_light.onnx", "onnxruntime")
    session = importlib.import_module("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    bands = [BANDS.index(name) for name in CARN_BANDS.split(",")]
    (answer,) = session.run(None, {session.get_inputs()[0].name: LAND.images[0, :, bands].numpy() * 10_000})
    alone = torch.from_numpy(answer[0, [2, 1, 0]]) / 10_000
    ours = through_the_harness("onnx", path, {"bands": CARN_BANDS, "input_scale": 10_000}, LAND.images[0])
    assert ours.shape == (3, 96, 88)
    assert torch.allclose(ours, alone, atol=1e-5)


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_craft_is_what_spandrel_alone_gives() -> None:
    path = theirs("craft_x4.pth", "spandrel")
    network = importlib.import_module("spandrel").ModelLoader().load_from_file(path).model.eval()
    images = LAND.images[0][..., :16, :16].contiguous()  # a multiple of its windows, so that nothing is padded
    with torch.no_grad():
        alone = network(images[:, list(RGB)])[0]
    ours = through_the_harness("spandrel", path, {}, images)
    assert ours.shape == (3, 64, 64)
    assert torch.allclose(ours, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"bands": CARN_BANDS, "input_scale": 10_000}, ""),
        ({"bands": CARN_BANDS, "input_scale": 10_000, "output_scale": 1}, "10,000 times too large"),
        ({"bands": CARN_BANDS, "input_scale": 10_000, "output": "0,1,2"}, "BGR for RGB"),
        ({"bands": CARN_BANDS, "input_scale": 10_000, "input_offset": 1000, "output_offset": 0}, "+1000 in digital"),
        ({"bands": CARN_BANDS, "input_scale": 1}, "fed in the wrong scale"),
    ],
)
def test_a_wrong_declaration_of_carn_is_named(parameters: dict[str, Value], words: str) -> None:
    path = theirs("carn_light.onnx", "onnxruntime")
    entry = find_model("onnx")
    whole = declared_parameters(entry, parameters, path)
    load = importlib.import_module("worldstrat_bench_baselines.adapters.onnx").load_onnx
    images = torch.from_numpy(make_task(1).images)
    lr = LowRes(images, torch.ones(1, 1, 1, *images.shape[-2:], dtype=torch.bool), torch.zeros(1, 1).long())
    answer = load(path, torch.device("cpu"), **whole).predict(lr, Target(632, 632))[0].numpy()
    text = mistake(fit_of(answer, images[0, 0].numpy()), whole)
    assert bool(text) == bool(words)
    assert words in text


RED_FIRST = CARN_BANDS.replace("B02,B03,B04", "B04,B03,B02")


def trials_of(file: str, parameters: dict[str, Value]) -> Trials:
    """Scenes with a known truth for a network of others."""
    onnx = file.endswith("onnx")
    path = theirs(file, "onnxruntime" if onnx else "spandrel")
    entry = find_model("onnx" if onnx else "spandrel")
    whole = declared_parameters(entry, parameters, path)
    module, _, function = entry.target.partition(":")
    model = getattr(importlib.import_module(module), function)(path, torch.device("cpu"), **whole)

    def predict(task: Task) -> Reply:
        inputs = (torch.from_numpy(array) for array in (task.images, task.clear, task.days))
        with torch.no_grad():
            answer = model.predict(LowRes(*inputs), Target(task.height, task.width))
        return Reply("ok", answer[0].numpy(), "", 0.0)

    return Trials(predict, 1, whole)


def verdict(trials: Trials) -> Verdict:
    """What `models check` says after it fed a network in other ways."""
    units = other_units(trials)
    return units if units.hint else order_of_bands(trials)


CARN: dict[str, Value] = {"bands": CARN_BANDS, "input_scale": 10_000}
PHOTOGRAPHS: dict[str, Value] = {"input_scale": 3, "clip": "0,1"}
SLOW = pytest.mark.soak


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize(
    ("file", "parameters", "words"),
    [
        ("carn_light.onnx", CARN, ""),
        ("carn_light.onnx", {**CARN, "bands": RED_FIRST}, f"BGR for RGB: set bands={CARN_BANDS}"),
        ("carn_light.onnx", {**CARN, "input_scale": 255}, "which makes input_scale=10000"),
        ("carn_light.onnx", {**CARN, "input_scale": 1e8}, "divide input_scale and output_scale by 10,000"),
        ("carn_light.onnx", {**CARN, "input_offset": -1000}, "+1,000 in digital numbers: an offset is forgotten"),
        ("carn_light.onnx", {**CARN, "input_offset": 1000}, "-1,000 in digital numbers: an offset is forgotten"),
        pytest.param("craft_x4.pth", {}, "", marks=SLOW),
        pytest.param("craft_x4.pth", {"input_offset": -0.1}, "+1,000 in digital numbers: an offset", marks=SLOW),
        pytest.param("craft_x4.pth", PHOTOGRAPHS, "", marks=SLOW),
        pytest.param("craft_x4.pth", {**PHOTOGRAPHS, "bands": "B02,B03,B04"}, "BGR for RGB", marks=SLOW),
        pytest.param("craft_x4.pth", {"input_scale": 255}, "which makes input_scale=1", marks=SLOW),
        pytest.param("craft_x4.pth", {"input_scale": 10_000}, "which makes input_scale=1", marks=SLOW),
    ],
)
def test_a_mistake_that_only_costs_quality_is_named(file: str, parameters: dict[str, Value], words: str) -> None:
    found = verdict(trials_of(file, parameters))
    assert bool(found.hint) == bool(words)
    assert words in found.hint


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize(
    ("bands", "words"),
    [pytest.param("B04,B03,B02", "", marks=SLOW), ("B02,B03,B04", "BGR for RGB: set bands=B04,B03,B02")],
)
def test_blue_for_red_is_named_where_land_does_not_show_it(bands: str, words: str) -> None:
    found = order_of_bands(trials_of("craft_x4.pth", {"bands": bands}))
    assert bool(found.hint) == bool(words)
    assert words in found.hint
