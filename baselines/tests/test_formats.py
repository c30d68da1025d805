"""Files as authors have them: wrapped state dicts, old checkpoints, mlstac folders, packages, odd ONNX inputs."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from baselines.tests.known_tiles import random_land
from safetensors.torch import save_file
from torch import Tensor, nn

from worldstrat_bench.api import Target
from worldstrat_bench.preprocessing import declare
from worldstrat_bench_baselines.adapters.callables import load_callable
from worldstrat_bench_baselines.adapters.mlstac import load_mlstac
from worldstrat_bench_baselines.adapters.onnx import input_flaw, load_onnx, open_session
from worldstrat_bench_baselines.adapters.spandrel import load_spandrel
from worldstrat_bench_baselines.adapters.torch_archive import load_exported, load_torchscript
from worldstrat_bench_baselines.checkpoint import CheckpointError, load_tensors, read_checkpoint

CPU = torch.device("cpu")
LAND = random_land(5, 2, 24, 26, 0.0)
TARGET = Target(96, 104)

needs_spandrel = pytest.mark.skipif(importlib.util.find_spec("spandrel") is None, reason="spandrel is not installed")
needs_onnx = pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="onnx is not installed")


def compact() -> nn.Module:
    """A small network of a family that spandrel knows."""
    family = importlib.import_module("spandrel.architectures.Compact.__arch.SRVGG")
    torch.manual_seed(1)
    net: nn.Module = family.SRVGGNetCompact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=4)
    return net.eval()


def prefixed(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in weights.items()}


OTHERS = {"loss.weight": torch.ones(3), "discriminator.0.weight": torch.ones(2, 2)}
WRAPPINGS: dict[str, Callable[[dict[str, Tensor]], dict[str, Any]]] = {
    "plain": lambda w: w,
    "params_ema": lambda w: {"params": {n: t + 1 for n, t in w.items()}, "params_ema": w},
    "params-ema": lambda w: {"params-ema": w},
    "module": lambda w: prefixed("module.", w),
    "netG": lambda w: prefixed("netG.", w),
    "model": lambda w: {"model": w, "epoch": 3, "optimizer": {"state": {"step": torch.ones(1)}}},
    "model_state_dict": lambda w: {"model_state_dict": w, "loss": 0.1},
    "net": lambda w: {"net": w},
    "only key": lambda w: {"whatever": w},
    "lightning": lambda w: {"state_dict": {**OTHERS, **prefixed("model.", w)}, "epoch": 1},
    "lightning, compiled": lambda w: {"state_dict": {**OTHERS, **prefixed("net._orig_mod.", w)}},
    "generator_ema": lambda w: {
        "state_dict": {**prefixed("generator.", {n: t + 1 for n, t in w.items()}), **prefixed("generator_ema.", w)}
    },
}


@needs_spandrel
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("name", WRAPPINGS)
def test_state_dicts_as_training_scripts_write_them(name: str, old: bool, tmp_path: Path) -> None:
    net = compact()
    path = tmp_path / "net.pth"
    torch.save(WRAPPINGS[name](net.state_dict()), path, _use_new_zipfile_serialization=not old)
    with torch.no_grad():
        expected = net(LAND.rgb(0))
    assert torch.equal(load_spandrel(path, CPU).predict(LAND, TARGET), expected)


@needs_spandrel
def test_a_torchscript_archive_gives_its_state_dict(tmp_path: Path) -> None:
    net = compact()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(net, LAND.rgb(0)).save(str(tmp_path / "net.pt"))  # type: ignore[no-untyped-call]
        answer = load_spandrel(tmp_path / "net.pt", CPU).predict(LAND, TARGET)
    with torch.no_grad():
        assert torch.allclose(answer, net(LAND.rgb(0)), atol=1e-6)


@needs_spandrel
def test_what_spandrel_does_not_know_is_said(tmp_path: Path) -> None:
    torch.save({"state_dict": {"model.a.weight": torch.ones(2)}}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"model\.a\.weight"):
        load_spandrel(tmp_path / "net.pth", CPU)


KINDS = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool]


def test_every_kind_of_number_of_an_old_file(tmp_path: Path) -> None:
    tensors = {str(kind): torch.arange(12).reshape(3, 4).to(kind) for kind in KINDS}
    tensors["shared"] = tensors[str(KINDS[0])].T[1:]
    torch.save(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    found = load_tensors(tmp_path / "old.pth")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) and found[name].dtype == tensors[name].dtype for name in tensors)


class Payload:
    """Runs a command when it is unpickled by an ordinary reader."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def test_a_payload_in_an_old_file_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    content = {"a": torch.ones(2), "b": Payload(f"touch '{canary}'")}
    torch.save(content, tmp_path / "evil.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_checkpoint(tmp_path / "evil.pth")["a"], torch.ones(2))
    assert not canary.exists()


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_an_old_file_that_is_cut_short(cut: int, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(100)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "old.pth").read_bytes()
    (tmp_path / "old.pth").write_bytes(whole[:-cut])
    with pytest.raises(CheckpointError, match=r"cut short|cannot be read|longer than"):
        read_checkpoint(tmp_path / "old.pth")


PACKAGE = """
import torch

class Twice(torch.nn.Module):
    def __init__(self, gain=1.0):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 1, bias=False)
        torch.nn.init.dirac_(self.conv.weight)
        self.gain = gain
        self.drop = torch.nn.Dropout(0.5)
    def forward(self, x):
        return torch.nn.functional.interpolate(self.drop(self.conv(x)) * self.gain, scale_factor=2.0)

def build(device, gain=1.0):
    assert isinstance(device, torch.device)
    return Twice(gain)

def from_weights(weights, scale):
    return lambda x: x * scale * float(weights.read_text())

def nothing():
    return 3
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a package with functions that build networks."""
    (tmp_path / "their_net.py").write_text(PACKAGE, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "their_net"
    sys.modules.pop("their_net", None)


def mean_of(answer: Tensor) -> float:
    return float(answer.mean() / LAND.rgb(0).mean())


def test_a_function_of_a_package(package: str, tmp_path: Path) -> None:
    answer = load_callable(None, CPU, f"{package}:build").predict(LAND, TARGET)
    assert answer.shape == (1, 3, 48, 52)
    assert mean_of(answer) == pytest.approx(1.0, abs=1e-5)  # the dropout is off
    given = load_callable(None, CPU, f"{package}:Twice", arguments='{"gain": 3}', output_scale=3)
    assert mean_of(given.predict(LAND, TARGET)) == pytest.approx(1.0, abs=1e-5)
    (tmp_path / "w").write_text("0.25", "utf-8")
    scaled = load_callable(tmp_path / "w", CPU, f"{package}:from_weights", arguments='{"scale": 4}')
    assert mean_of(scaled.predict(LAND, TARGET)) == pytest.approx(1.0, abs=1e-5)


def test_weights_are_loaded_into_the_module_of_a_package(package: str, tmp_path: Path) -> None:
    weights = {"conv.weight": 2 * torch.eye(3).reshape(3, 3, 1, 1)}
    torch.save({"state_dict": {**OTHERS, **prefixed("model.", weights)}}, tmp_path / "net.ckpt")
    save_file(weights, tmp_path / "net.safetensors")
    for name in ("net.ckpt", "net.safetensors"):
        answer = load_callable(tmp_path / name, CPU, f"{package}:build").predict(LAND, TARGET)
        assert mean_of(answer) == pytest.approx(2.0, abs=1e-5)
    save_file({"conv.weight": torch.ones(3, 4, 1, 1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"conv\.weight"):
        load_callable(tmp_path / "other.safetensors", CPU, f"{package}:build")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        ("", "", "package.module:name"),
        ("their_net.build", "", "package.module:name"),
        ("their_net:missing", "", "no function 'missing'"),
        ("not_there:f", "", "not_there"),
        ("their_net:nothing", "", "returned int"),
        ("their_net:build", '{"size": 3}', "it takes device, gain"),
        ("their_net:build", "gain=3", "JSON"),
        ("their_net:build", "[3]", "JSON"),
    ],
)
def test_what_is_wrong_with_a_function_is_said(package: str, function: str, arguments: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_callable(None, CPU, function, arguments)


LOADER = """
import torch
from safetensors.torch import load_file
from shapes import side

def compiled_model(path, device: str = "cpu", *args, mode="plain", **kwargs):
    assert isinstance(device, str)
    weight = load_file(path / "model.safetensor")["gain"]
    gain = weight * (2 if mode == "twice" else 1)
    return lambda x: torch.nn.functional.interpolate(x * gain, scale_factor=float(side))
"""


@pytest.fixture
def mlstac_folder(tmp_path: Path) -> Path:
    """A folder as mlstac downloads it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "mlm.json").write_text('{"properties": {"mlm:input": [{"bands": ["B04", "B03", "B02"]}]}}', "utf-8")
    (folder / "load.py").write_text(LOADER, "utf-8")
    (folder / "shapes.py").write_text("side = 2\n", "utf-8")
    save_file({"gain": torch.tensor([0.5])}, folder / "model.safetensor")
    return folder


def test_an_mlstac_folder(mlstac_folder: Path) -> None:
    answer = load_mlstac(mlstac_folder, CPU, output_scale=0.5).predict(LAND, TARGET)
    assert answer.shape == (1, 3, 48, 52)
    assert mean_of(answer) == pytest.approx(1.0, abs=1e-5)
    twice = load_mlstac(mlstac_folder, CPU, arguments='{"mode": "twice"}').predict(LAND, TARGET)
    assert mean_of(twice) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("missing", ["mlm.json", "load.py"])
def test_an_mlstac_folder_that_is_not_whole(mlstac_folder: Path, missing: str) -> None:
    (mlstac_folder / missing).unlink()
    with pytest.raises(ValueError, match=missing):
        load_mlstac(mlstac_folder, CPU)


def test_an_mlstac_folder_without_a_network(mlstac_folder: Path) -> None:
    (mlstac_folder / "load.py").write_text("x = 1\n", "utf-8")
    with pytest.raises(ValueError, match="compiled_model"):
        load_mlstac(mlstac_folder, CPU)


@pytest.mark.parametrize(
    ("shape", "parameters", "words"),
    [
        ([1, 3, "h", "w"], {}, ""),
        (["n", 3, None, None], {}, ""),
        ([1, 3, 64, 64], {}, "window = 64"),
        ([1, 3, 64, 64], {"window": 64, "fixed": True, "overlap": 16}, ""),
        ([1, 3, 64, 32], {}, "not square"),
        ([1, "h", "w", 3], {}, "come last"),
        ([4, 3, "h", "w"], {}, "batch of 4"),
        ([1, 10, "h", "w"], {}, "10 channels"),
        ([1, 13, "h", "w"], {}, "without B10"),
        ([1, 8, 3, "h", "w"], {}, "5 axes"),
        ([1, 8, 3, "h", "w"], {"frame_rule": "stack"}, "frames = 8"),
        ([1, 8, 3, "h", "w"], {"frame_rule": "stack", "frames": 8}, ""),
        ([3, 1, "h", "w"], {"per_band": True}, ""),
        ([1, 24, "h", "w"], {"frame_rule": "channels", "frames": 8}, ""),
        ([1, 1, "h", "w"], {"per_band": True}, "of 1"),
    ],
)
def test_inputs_of_onnx_files(shape: list[int | str | None], parameters: dict[str, Any], words: str) -> None:
    flaw = input_flaw(shape, declare(**parameters))
    assert words in flaw
    assert bool(flaw) == bool(words)


def write_onnx(path: Path, kind: str) -> None:
    """A network that gives its three channels back."""
    onnx = importlib.import_module("onnx")
    types = {"half": onnx.TensorProto.FLOAT16, "double": onnx.TensorProto.DOUBLE, "whole": onnx.TensorProto.INT32}
    shape = [1, 3, "h", "w"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", types[kind], shape)],
        [onnx.helper.make_tensor_value_info("y", types[kind], shape)],
    )
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.mark.parametrize(
    ("name", "suffix", "load"), [("onnxruntime", "onnx", load_onnx), ("spandrel", "pth", load_spandrel)]
)
def test_a_missing_reader_is_named_with_the_way_to_get_it(
    name: str, suffix: str, load: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"net.{suffix}").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=f"takes {name}.*`pip install {name}`"):
        load(tmp_path / f"net.{suffix}", CPU)


@needs_onnx
@pytest.mark.parametrize("kind", ["half", "double"])
def test_onnx_files_of_other_precision(kind: str, tmp_path: Path) -> None:
    write_onnx(tmp_path / "net.onnx", kind)
    answer = load_onnx(tmp_path / "net.onnx", CPU).predict(LAND, TARGET)
    assert answer.dtype == torch.float32
    assert torch.allclose(answer, LAND.rgb(0), atol=1e-3)


@needs_onnx
def test_onnx_files_of_whole_numbers_are_refused(tmp_path: Path) -> None:
    write_onnx(tmp_path / "net.onnx", "whole")
    with pytest.raises(ValueError, match="int32"):
        load_onnx(tmp_path / "net.onnx", CPU)


@pytest.mark.parametrize(
    ("available", "in_use", "message"),
    [
        ([], [], "onnxruntime-gpu"),
        (["CUDAExecutionProvider"], ["CPUExecutionProvider"], "could not start"),
        (["CUDAExecutionProvider"], ["CUDAExecutionProvider", "CPUExecutionProvider"], ""),
    ],
)
def test_a_gpu_that_onnxruntime_cannot_use_is_said(
    available: list[str], in_use: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its libraries onnxruntime runs on the CPU and only logs it; a stand-in does the same here."""
    asked: list[Any] = []

    def start(path: str, sess_options: object, providers: list[Any]) -> object:
        asked.extend(providers)
        return SimpleNamespace(get_providers=lambda: in_use)

    fake = SimpleNamespace(
        SessionOptions=SimpleNamespace, InferenceSession=start, get_available_providers=lambda: available
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", fake)
    if message:
        with pytest.raises(ValueError, match=message):
            open_session(Path("net.onnx"), torch.device("cuda:1"))
        return
    open_session(Path("net.onnx"), torch.device("cuda:1"))
    assert asked == [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]


class Trained(nn.Module):
    """A network with what differs between training and inference."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer = {"dropout": nn.Dropout(0.5), "batch_norm": nn.BatchNorm2d(3), "none": nn.Identity()}[kind]

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.layer(x), scale_factor=2.0, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("kind", ["dropout", "batch_norm", "none"])
@pytest.mark.parametrize("training", [True, False])
def test_programs_exported_in_training_mode_are_refused(kind: str, training: bool, tmp_path: Path) -> None:
    net, x = Trained(kind).train(training), torch.rand(1, 3, 24, 26)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(net, (x,)), tmp_path / "net.pt2")
        torch.jit.trace(net, x, check_trace=False).save(str(tmp_path / "net.pt"))  # type: ignore[no-untyped-call]
        torch.jit.script(net).save(str(tmp_path / "scripted.pt"))
    for load, name in ((load_exported, "net.pt2"), (load_torchscript, "net.pt")):
        if training and kind != "none":
            with pytest.raises(ValueError, match=f"training mode: {kind}"):
                load(tmp_path / name, CPU)
        else:
            load(tmp_path / name, CPU).predict(LAND, TARGET)
    model = load_torchscript(tmp_path / "scripted.pt", CPU)  # a script follows eval(), however it was saved
    assert torch.equal(model.predict(LAND, TARGET), model.predict(LAND, TARGET))


class Half(nn.Module):
    """A network whose numbers are of another precision."""

    def __init__(self, kind: torch.dtype) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.dirac_(self.conv.weight)
        self.to(kind).eval()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return y


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_of_other_precision(kind: torch.dtype, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Half(kind)).save(str(tmp_path / "net.pt"))
        torch.export.save(torch.export.export(Half(kind), (LAND.rgb(0).to(kind),)), tmp_path / "net.pt2")
    for load, name in ((load_torchscript, "net.pt"), (load_exported, "net.pt2")):
        answer = load(tmp_path / name, CPU).predict(LAND, TARGET)
        assert answer.dtype == torch.float32
        assert torch.allclose(answer, LAND.rgb(0), atol=4e-3)
