"""LPIPS and ST-LPIPS: the packages' own numbers, from weights that were checked."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import lpips
import pytest
import torch
from torch import Tensor

from scoring_scenes import blurred, land
from worldstrat_bench.errors import DataError
from worldstrat_bench.metrics import lpips_metric
from worldstrat_bench.metrics.lpips_metric import BACKBONE_FILE, LearnedDistance, build_network, load_perceptual
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.metrics.stlpips_metric import load_stlpips


@pytest.fixture(scope="module")
def backbone() -> dict[str, Tensor]:
    """AlexNet's features with seeded random weights, as torchvision names them."""
    generator = torch.Generator().manual_seed(0)
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    state: dict[str, Tensor] = {}
    for layer, shape in shapes.items():
        scale = (shape[1] * shape[2] * shape[3]) ** -0.5
        state[f"features.{layer}.weight"] = scale * torch.randn(shape, generator=generator)
        state[f"features.{layer}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    return state


@pytest.fixture
def weights(backbone: dict[str, Tensor], tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / BACKBONE_FILE
    torch.save(backbone, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    images = [torch.from_numpy(land(96, seed).copy()) for seed in (0, 1)]
    soft = [torch.from_numpy(blurred(land(96, seed), 1.5)) for seed in (0, 1)]
    return torch.stack(soft), torch.stack(images)


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torchvision's cache in a folder of its own."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_equals_the_lpips_package(
    weights: tuple[Path, str], pair: tuple[Tensor, Tensor], backbone: dict[str, Tensor]
) -> None:
    metric = load_perceptual(weights[0], sha256=weights[1])
    assert not isinstance(metric, Unavailable)
    assert (metric.name, metric.sha256) == ("lpips", weights[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    package.net.load_state_dict({key: backbone[f"features.{key.split('.', 1)[1]}"] for key in package.net.state_dict()})
    with torch.no_grad():
        expected = package(*pair, normalize=True).flatten()
    torch.testing.assert_close(metric(*pair), expected, rtol=0, atol=1e-7)
    assert float(expected.min()) > 1e-4
    assert metric(pair[1], pair[1]).tolist() == [0.0, 0.0]


def test_the_state_of_the_random_generator_is_left_alone(backbone: dict[str, Tensor]) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build_network(backbone)
    assert torch.equal(before, torch.get_rng_state())


def test_without_weights_there_is_no_metric_and_a_reason() -> None:
    found = load_perceptual()
    assert isinstance(found, Unavailable)
    assert BACKBONE_FILE in found.reason


def test_weights_in_torchvisions_cache_are_found_and_checked(weights: tuple[Path, str], no_cache: Path) -> None:
    no_cache.mkdir(parents=True)
    (no_cache / BACKBONE_FILE).write_bytes(weights[0].read_bytes())
    assert not isinstance(load_perceptual(sha256=weights[1]), Unavailable)
    found = load_perceptual()
    assert isinstance(found, Unavailable)
    assert "sha256" in found.reason


@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_a_file_that_was_named_must_be_the_right_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(DataError, match="sha256"):
        load_perceptual(path)
    with pytest.raises(DataError):
        load_perceptual(path, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(DataError):
        load_perceptual(tmp_path / "absent.pth")


def test_a_backbone_that_lacks_a_layer_is_refused(backbone: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({key: value for key, value in backbone.items() if "10" not in key}, path)
    with pytest.raises(DataError, match="set up"):
        load_perceptual(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def test_code_in_a_weights_file_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"features.0.weight": Trap(str(tmp_path / "sprung"))}, path)
    with pytest.raises(DataError):
        load_perceptual(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path(self.path),)  # type: ignore[return-value]


def test_a_download_is_checked_and_leaves_all_or_nothing(
    weights: tuple[Path, str], no_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lpips_metric, "URL", weights[0].as_uri())
    found = load_perceptual(download=True)
    assert isinstance(found, Unavailable)
    assert "sha256" in found.reason
    assert list(no_cache.iterdir()) == []
    assert not isinstance(load_perceptual(download=True, sha256=weights[1]), Unavailable)
    assert [path.name for path in no_cache.iterdir()] == [BACKBONE_FILE]


def test_a_download_that_fails_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpips_metric, "URL", "http://127.0.0.1:9/weights.pth")
    found = load_perceptual(download=True)
    assert isinstance(found, Unavailable)
    assert found.reason == (
        "LPIPS weights cannot be had: no connection to 127.0.0.1; --lpips-weights FILE takes a copy of " + BACKBONE_FILE
    )


def test_a_host_without_an_address_is_named_and_no_number_of_the_system_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpips_metric, "URL", "http://nowhere.invalid/weights.pth")
    found = load_perceptual(download=True)
    assert isinstance(found, Unavailable)
    assert "nowhere.invalid" in found.reason
    assert "--lpips-weights FILE" in found.reason
    assert "Errno" not in found.reason


def test_stlpips_runs_offline_with_its_real_weights() -> None:
    metric = load_stlpips()
    if isinstance(metric, Unavailable):
        pytest.skip(metric.reason)
    sharp = torch.from_numpy(land(96).copy())[None] * 3
    soft = torch.from_numpy(blurred(land(96), 1.0))[None] * 3
    softer = torch.from_numpy(blurred(land(96), 3.0))[None] * 3
    assert float(metric(sharp, sharp)) == 0.0
    assert 0.005 < float(metric(soft, sharp)) < float(metric(softer, sharp))
    assert len(metric.sha256) == 64
    moved = sharp.roll((1, 1), (2, 3))
    assert float(metric(moved, sharp)) < 0.25 * float(metric(softer, sharp))


def test_a_network_goes_to_the_device_when_it_is_first_called() -> None:
    class Sum(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1), requires_grad=False)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (self.weight * (a - b)).mean(dim=(1, 2, 3))

    network = Sum()
    metric = LearnedDistance("lpips", "0" * 64, network)
    image = torch.zeros(2, 3, 8, 8)
    assert metric(image, image).tolist() == [0, 0]
    assert network.weight.device.type == "cpu"
    assert metric(image.to("meta"), image.to("meta")).shape == (2,)
    assert network.weight.device.type == "meta"
