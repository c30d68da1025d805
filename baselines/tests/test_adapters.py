"""Standard files give what the native plug-in gives, and say what is wrong with them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from baselines.tests.known_tiles import KnownTile, psnr
from safetensors.torch import save_file
from torch import Tensor, nn

from worldstrat_bench.api import LowRes, Target
from worldstrat_bench.preprocessing import declare
from worldstrat_bench.resampling import lanczos_resize
from worldstrat_bench.worker.causes import LONGEST_OF_LOADING, explained
from worldstrat_bench_baselines.adapters.filemodel import FileModel, prepare
from worldstrat_bench_baselines.adapters.onnx import load_onnx
from worldstrat_bench_baselines.adapters.spandrel import load_spandrel
from worldstrat_bench_baselines.adapters.torch_archive import load_exported, load_torchscript
from worldstrat_bench_baselines.trained import load_single

CPU = torch.device("cpu")
TARGET = Target(160, 160)
Loader = Callable[..., FileModel]

needs_onnx = pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
needs_spandrel = pytest.mark.skipif(importlib.util.find_spec("spandrel") is None, reason="spandrel is not installed")


def difference_db(model: FileModel, tile: KnownTile) -> float:
    """By how much a file scores otherwise than the native plug-in, on the target grid."""
    native = load_single(None, CPU).predict(tile.lr, TARGET)[0]
    answer = lanczos_resize(model.predict(tile.lr, TARGET), TARGET.height, TARGET.width)[0]
    return abs(psnr(answer, tile.truth) - psnr(native, tile.truth))


@needs_onnx
def test_onnx_scores_as_the_native_plugin(exported: Path, town: KnownTile) -> None:
    assert difference_db(load_onnx(exported / "net.onnx", CPU), town) < 1e-4


def test_torchscript_scores_as_the_native_plugin(exported: Path, town: KnownTile) -> None:
    assert difference_db(load_torchscript(exported / "net.pt", CPU), town) < 1e-4


def test_an_exported_archive_of_a_fixed_size_is_tiled(archive: Path, town: KnownTile) -> None:
    model = load_exported(archive, CPU, window=32, overlap=16, margin=4, fixed=True)
    answer = model.predict(town.lr, TARGET)
    assert answer.shape == (1, 3, 160, 160)
    # every window takes off its own mean, so windows are near the whole tile and not equal to it
    assert difference_db(model, town) < 0.2


@pytest.mark.parametrize(
    ("name", "loader"),
    [pytest.param("net.onnx", load_onnx, marks=needs_onnx), ("net.pt", load_torchscript)],
)
def test_scales_and_bands_are_undone(name: str, loader: Loader, exported: Path, town: KnownTile) -> None:
    plain = loader(exported / name, CPU).predict(town.lr, TARGET)
    # the network works on differences to the mean in units of reflectance: its residual does not scale, its base does
    scaled = loader(exported / name, CPU, input_scale=1.0001, output_scale=1.0001).predict(town.lr, TARGET)
    assert float((plain - scaled).abs().max()) < 1e-3
    reversed_bands = loader(exported / name, CPU, bands="B2,B3,B4").predict(town.lr, TARGET)
    assert float((reversed_bands - plain).mean((-2, -1)).abs().max()) < 2e-3  # red is still red


class Twice(nn.Module):
    """Doubles the size, for a stack of frames or for one."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.mean(dim=1) if x.ndim == 5 else x[:, :4]
        return x.repeat_interleave(2, -2).repeat_interleave(2, -1)


@pytest.mark.parametrize(
    ("rule", "shape"),
    [
        ("first", (1, 4, 40, 40)),
        ("median", (1, 4, 40, 40)),
        ("stack", (1, 16, 4, 40, 40)),
        ("channels", (1, 64, 40, 40)),
    ],
)
def test_frame_rules(rule: str, shape: tuple[int, ...], town: KnownTile) -> None:
    says = declare(bands="B02,B03,B04,B08", frame_rule=rule, frames=16, input_scale=10_000)
    prepared = prepare(town.lr, says)
    assert tuple(prepared.shape) == shape
    answer = FileModel(Twice(), says).predict(town.lr, TARGET)
    assert tuple(answer.shape) == (1, 3, 80, 80)
    assert float((answer.mean((-2, -1)) - town.lr.rgb(0).mean((-2, -1))).abs().max()) < 0.03


def test_batches_are_fed_one_by_one(exported: Path, town: KnownTile, farmland: KnownTile) -> None:
    both = LowRes(*(torch.cat([a, b]) for a, b in zip(vars(town.lr).values(), vars(farmland.lr).values(), strict=True)))
    model = load_torchscript(exported / "net.pt", CPU)
    together = model.predict(both, TARGET)
    assert torch.equal(together[1:], model.predict(farmland.lr, TARGET))


def test_an_answer_that_is_not_an_image(town: KnownTile) -> None:
    with pytest.raises(ValueError, match="answered"):
        FileModel(lambda x: x.mean((-2, -1)), declare()).predict(town.lr, TARGET)


def esrgan(factor: int = 4) -> dict[str, Tensor]:
    """A tiny network of a family that spandrel knows, in BasicSR's wrapping."""
    family = importlib.import_module("spandrel.architectures.Compact.__arch.SRVGG")
    torch.manual_seed(1)
    net = family.SRVGGNetCompact(num_feat=8, num_conv=2, upscale=factor)
    return {f"params.{name}": tensor for name, tensor in net.state_dict().items()}


@needs_spandrel
def test_an_unknown_network_is_told_every_family_in_a_line_that_is_not_cut(tmp_path: Path) -> None:
    names = {f"a_rather_long_name_of_a_layer_{i}.weight": torch.zeros(3) for i in range(9)}
    save_file(names, tmp_path / "a-file-with-a-rather-long-name.safetensors")
    with pytest.raises(ValueError, match="is not recognised") as caught:
        load_spandrel(tmp_path / "a-file-with-a-rather-long-name.safetensors", CPU)
    said = str(caught.value)
    loader = importlib.import_module("spandrel").ModelLoader()
    assert all(one.architecture.name in said for one in loader.registry.architectures())
    assert explained(f"ValueError: {said}", confined=True, longest=LONGEST_OF_LOADING) == f"ValueError: {said}"


@needs_spandrel
def test_spandrel_knows_a_state_dict_and_a_pickle_in_it_runs_nothing(town: KnownTile, tmp_path: Path) -> None:
    weights = esrgan()
    save_file(weights, tmp_path / "net.safetensors")
    torch.save(
        {"params": {k.removeprefix("params."): v for k, v in weights.items()}, "x": Path("/")}, tmp_path / "n.pth"
    )
    answers = [load_spandrel(tmp_path / n, CPU).predict(town.lr, TARGET) for n in ("net.safetensors", "n.pth")]
    assert answers[0].shape == (1, 3, 160, 160)
    assert torch.equal(answers[0], answers[1])


@needs_spandrel
def test_scale_of_eight_bit_networks(town: KnownTile, tmp_path: Path) -> None:
    save_file(esrgan(), tmp_path / "net.safetensors")
    model = load_spandrel(tmp_path / "net.safetensors", CPU, input_scale=3.0, clip=1.0)
    assert float(prepare(town.lr, model.declaration).max()) <= 1.0
    answer = model.predict(town.lr, TARGET)
    assert bool(torch.isfinite(answer).all())
