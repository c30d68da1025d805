"""The shares of opensr-test: the package's own numbers, without what it does to the process around it."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
import torch

from worldstrat_bench.measures import MEASURES
from worldstrat_bench.metrics.opensr import NAMES, OpenSr, load_opensr
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.resampling import bicubic, lanczos_resize


@pytest.fixture(scope="module")
def package() -> OpenSr:
    """The package; its tests are skipped without the extra, which is large."""
    loaded = load_opensr()
    if isinstance(loaded, Unavailable):
        pytest.skip(f"not run here: {loaded.reason}")
    return loaded


def scene(side: int = 160) -> tuple[torch.Tensor, torch.Tensor]:
    """A target of some structure and its frame on a grid of another size than a quarter."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, side // 5, side // 5, generator=generator)
    target = bicubic(coarse, side, side)[0].clamp(0.02, 1.0)
    return target, lanczos_resize(target, side // 4 - 1, side // 4 + 1)


def test_the_numbers_are_the_packages(package: OpenSr) -> None:
    opensr_test = pytest.importorskip("opensr_test")
    target, frame = scene()
    prediction = bicubic(frame[None], 160, 160)[0].clamp(0, 1)
    cut = slice(20, -20)
    found = package.shares(frame, prediction[:, cut, cut], target[:, cut, cut], 160, 160, border=20)
    coarse = lanczos_resize(frame, 40, 40)[:, 5:-5, 5:-5]
    expected = opensr_test.Metrics().compute(lr=coarse, sr=prediction[:, cut, cut], hr=target[:, cut, cut])
    assert set(found) == set(NAMES)
    for name, key in zip(NAMES, ("ha_metric", "im_metric", "om_metric"), strict=True):
        assert found[name] == pytest.approx(expected[key], abs=1e-6)
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-4)


def test_the_truth_improves_and_noise_hallucinates(package: OpenSr) -> None:
    target, frame = scene()
    smooth = bicubic(frame[None], 160, 160)[0].clamp(0, 1)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(1)) * 0.3
    truth, noisy, omitted = (
        package.shares(frame, image, target, 160, 160, 0) for image in (target, (smooth + noise).clamp(0, 1), smooth)
    )
    assert truth["opensr_improvement"] > omitted["opensr_improvement"]
    assert noisy["opensr_hallucination"] > truth["opensr_hallucination"]


def test_the_process_is_left_as_it_was(package: OpenSr) -> None:
    target, frame = scene()
    states = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # type: ignore[index]
    cudnn = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    package.shares(frame, target, target, 160, 160, 0)
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # type: ignore[index]
    assert torch.get_rng_state().tolist() == states[2]
    assert (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark) == cudnn


def test_without_the_package_the_reason_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensr_test", None)  # an import of it fails, as where it is not installed
    loaded = load_opensr()
    assert isinstance(loaded, Unavailable)
    assert "worldstrat-bench[opensr]" in loaded.reason


def test_every_column_is_a_measure() -> None:
    assert [MEASURES[name].direction for name in NAMES] == ["lower", "higher", "lower"]
