"""Tiles whose truth is known, and exported copies of our own network."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
import torch

from worldstrat_bench_baselines.nets import SingleFrameNet
from worldstrat_bench_baselines.trained import WEIGHTS, load_net

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # for known_tiles, which tests share

from baselines.tests.known_tiles import KnownTile, make_tile


@pytest.fixture(scope="session")
def town() -> KnownTile:
    """Much fine detail."""
    return make_tile("Settlement", 1)


@pytest.fixture(scope="session")
def farmland() -> KnownTile:
    """Long edges."""
    return make_tile("Agriculture", 2)


@pytest.fixture(scope="session")
def our_net() -> SingleFrameNet:
    """The single-frame network with its published weights."""
    return load_net(SingleFrameNet(), WEIGHTS / "single.safetensors", torch.device("cpu"))


@pytest.fixture(scope="session")
def exported(our_net: SingleFrameNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network as net.onnx and net.pt (TorchScript)."""
    folder = tmp_path_factory.mktemp("exported")
    example = torch.rand(1, 3, 32, 32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two of the three exporters are deprecated, and are what people have used
        torch.jit.trace(our_net, example).save(str(folder / "net.pt"))  # type: ignore[no-untyped-call]
        sizes = {"input": {2: "h", 3: "w"}, "output": {2: "H", 3: "W"}}
        torch.onnx.export(
            our_net,
            (example,),
            str(folder / "net.onnx"),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            output_names=["output"],
            dynamic_axes=sizes,
        )
    return folder


@pytest.fixture(scope="session")
def archive(our_net: SingleFrameNet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network as a torch.export archive that takes 32 px windows only."""
    path = tmp_path_factory.mktemp("archive") / "net.pt2"
    torch.export.save(torch.export.export(our_net, (torch.rand(1, 3, 32, 32),), strict=False), path)
    return path
