"""CPU and GPU agree: every protocol to 1e-4 dB, with the same shift."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from scoring_scenes import blurred, enlarged, land, target_of
from worldstrat_bench.data.target import TargetImage
from worldstrat_bench.metrics.optional import load_optional
from worldstrat_bench.metrics.stlpips_metric import load_stlpips
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring import Frame, make_scorer
from worldstrat_bench.scoring.wsb import WsbScorer

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: not run"),
]

TOLERANCES = {"psnr": 1e-4, "psnr_raw": 1e-4, "psnr_unregistered": 1e-4, "psnr_bicubic": 1e-4}


@pytest.mark.parametrize("name", ["wsb-1", "worldstrat-2022", "worldstrat-2022-fixed", "probav"])
@pytest.mark.parametrize("holed", [False, True])
def test_scores_agree(name: str, holed: bool) -> None:
    side = 500 if name.startswith("worldstrat") else 632
    image = land(side)
    clear = torch.ones(side // 4, side // 4, dtype=torch.bool).numpy()
    valid = torch.ones(side, side, dtype=torch.bool).numpy()
    if holed:
        clear[:40] = valid[200:230, 100:150] = False
    small = image.reshape(3, side // 4, 4, side // 4, 4).mean(axis=(2, 4))
    protocol = load_protocol(name)
    results = []
    for device in ("cpu", "cuda"):
        scorer = make_scorer(protocol, device=device)
        prepared = scorer.prepare(target_of(image, valid), Frame(small, clear))
        results.append(scorer.score(enlarged(image)[:, :-4, :-8], prepared))
    cpu, gpu = results
    assert (cpu.shift_y, cpu.shift_x, cpu.shift_at_edge) == (gpu.shift_y, gpu.shift_x, gpu.shift_at_edge)
    assert cpu.nulls == gpu.nulls
    assert cpu.clipped == pytest.approx(gpu.clipped, abs=1e-6)
    for key, value in cpu.metrics.items():
        assert gpu.metrics[key] == (None if value is None else pytest.approx(value, abs=TOLERANCES.get(key, 1e-6))), key


def test_learned_metrics_agree() -> None:
    """TF32 is off inside them."""
    on_cpu, on_gpu = load_stlpips("cpu"), load_stlpips("cuda")
    assert callable(on_cpu)
    assert callable(on_gpu)
    target = torch.from_numpy(land(256).copy())[None]
    prediction = torch.from_numpy(blurred(land(256), 1.5))[None]
    torch.testing.assert_close(
        on_gpu(prediction.cuda(), target.cuda()).cpu(), on_cpu(prediction, target), rtol=1e-4, atol=1e-6
    )


def scenes(side: int, count: int, holed: bool) -> list[tuple[Any, TargetImage, Frame]]:
    """Predictions, each off by a part of a pixel, with their targets and frames."""
    valid = np.ones((side, side), dtype=bool)
    valid[60:90, 50:100] = not holed
    made = []
    for seed in range(count):
        image = land(side, seed)
        small = image[:, : side // 4 * 4, : side // 4 * 4].reshape(3, side // 4, 4, side // 4, 4).mean(axis=(2, 4))
        shift = (0, 0.4 * seed - 1, 1 - 0.7 * seed)
        prediction = ndimage.shift(blurred(image, 1.0), shift, order=3, mode="nearest").astype(np.float32)
        made.append((prediction, target_of(image, valid), Frame(small, np.ones(small.shape[1:], dtype=bool))))
    return made


@pytest.mark.parametrize("side", [200, 203, 632])
@pytest.mark.parametrize("holed", [False, True])
def test_a_batch_gives_the_scores_of_single_tiles_and_no_bit_depends_on_the_neighbours(side: int, holed: bool) -> None:
    optional = load_optional(["spectral", "stlpips"], "cpu")
    protocol = load_protocol("wsb-1")
    cpu, alone, many = (
        make_scorer(protocol, device=device, optional=optional if device == "cuda" else None, batch=size)
        for device, size in (("cpu", 1), ("cuda", 1), ("cuda", 8))
    )
    assert isinstance(many, WsbScorer)
    given = scenes(side, 5, holed)
    tiles = [many.prepare(target, frame) for _, target, frame in given]
    images = [image for image, _, _ in given]
    together = many.score_batch(images, tiles)
    assert together == many.score_batch(images[::-1], tiles[::-1])[::-1]
    assert together == [many.score_batch([image], [tile])[0] for image, tile in zip(images, tiles, strict=True)]
    for (image, target, frame), tile, found in zip(given, tiles, together, strict=True):
        single = alone.score(image, tile)
        on_cpu = cpu.score(image, cpu.prepare(target, frame))
        assert (found.shift_y, found.shift_x) == (single.shift_y, single.shift_x) == (on_cpu.shift_y, on_cpu.shift_x)
        for key in ("psnr", "ssim", "rmse", "psnr_raw", "psnr_unregistered", "sam", "lr_consistency"):
            assert found.metrics[key] == pytest.approx(single.metrics[key], abs=1e-6), key
            assert found.metrics[key] == pytest.approx(on_cpu.metrics[key], abs=TOLERANCES.get(key, 1e-6)), key


def test_kernels_and_waits_of_a_batch(capsys: pytest.CaptureFixture[str]) -> None:
    """A batch of the ranked protocol waits where its numbers come back. Kernels and copies are printed."""
    scorer = make_scorer(load_protocol("wsb-1"), device="cuda", optional=())
    assert isinstance(scorer, WsbScorer)
    given = scenes(632, 8, holed=False)
    tiles = [scorer.prepare(target, frame) for _, target, frame in given]
    images = [image for image, _, _ in given]
    scorer.score_batch(images, tiles)
    torch.cuda.synchronize()
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities, acc_events=True) as profile:
        scorer.score_batch(images, tiles)
    counts = {event.key: event.count for event in profile.key_averages()}
    launches = sum(n for key, n in counts.items() if key.startswith(("cudaLaunchKernel", "cuLaunchKernel")))
    copies = sum(n for key, n in counts.items() if key.startswith("cudaMemcpyAsync"))
    waits = sum(n for key, n in counts.items() if key.startswith(("cudaStreamSynchronize", "cudaDeviceSynchronize")))
    with capsys.disabled():
        name = torch.cuda.get_device_name(0)
        print(f"\n{name}, a tile of 8: {launches / 8:.1f} kernels, {copies / 8:.1f} copies; a batch: {waits} waits")
    # For the one copy back, and the profiler's own at its end.
    assert waits <= 2


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("size", [200, 150])
def test_bands_and_expected_errors_agree_and_change_no_bit_of_the_rest(batch: int, size: int) -> None:
    target = np.concatenate([land(200), land(200, 3)[:1]])
    image = np.roll(blurred(target, 1.2), (1, 2), (1, 2))[:, :size, :size].copy()
    error = (0.002 + 0.2 * np.abs(image[:1] - blurred(image[:1], 2.0))).astype(np.float32)
    found = []
    for device in ("cpu", "cuda"):
        scorer = WsbScorer(
            load_protocol("wsb-1"), torch.device(device), optional=load_optional((), device), batch=batch
        )
        whole, three = (scorer.prepare(target_of(part), None) for part in (target, target[:3]))
        (more,) = scorer.score_batch([image], [whole], [error])
        (plain,) = scorer.score_batch([image[:3]], [three])
        assert {name: more.metrics[name] for name in plain.metrics} == plain.metrics, device
        found.append(more)
    cpu, gpu = found
    for name, value in cpu.metrics.items():
        assert gpu.metrics[name] == (None if value is None else pytest.approx(value, rel=1e-4, abs=1e-4)), name
    for name, curve in cpu.curves.items():
        assert gpu.curves[name] == pytest.approx(curve, abs=1e-4), name
