"""CPU and GPU agree: every protocol to 1e-4 dB, with the same shift."""

from __future__ import annotations

import pytest
import torch

from scoring_scenes import blurred, enlarged, land, target_of
from worldstrat_bench.metrics.stlpips_metric import load_stlpips
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring import Frame, make_scorer

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
