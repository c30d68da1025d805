"""Scores that must not move: upstream's own numbers, and those of wsb-1 on the real tiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scoring_scenes import REAL_TILES, real_tile
from worldstrat_bench import score_pair
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring import make_scorer

HERE = Path(__file__).parent


def golden(name: str) -> Any:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


UPSTREAM = golden("upstream_2022.json")
"""Made by running upstream's losses.py; see `made_by` in the file."""

REAL_UPSTREAM = sorted(UPSTREAM["real"])
IN_UPSTREAM = [REAL_UPSTREAM[0], *(pytest.param(name, marks=pytest.mark.soak) for name in REAL_UPSTREAM[1:])]
"""One real tile shows that this is upstream's code; a score of it takes seconds, and the others wait for the soak."""


def synthetic(seed: int, side: int = 500) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The pair whose scores by upstream's code are in upstream_2022.json."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    bands = [
        0.3 + 0.1 * np.sin(40 * x * (1 + b / 7) + 3 * y) + 0.08 * np.sign(np.sin(90 * y * (1 + b / 9))) * np.sin(21 * x)
        for b in range(3)
    ]
    truth = np.stack(bands) + 0.02 * rng.standard_normal((3, side, side))
    seen = np.roll(truth, (1, -2), (1, 2))
    seen = (seen + np.roll(seen, 1, 1) + np.roll(seen, 1, 2) + np.roll(seen, (1, 1), (1, 2))) / 4 + 0.03
    return seen.clip(0, 1).astype(np.float32), truth.clip(0, 1).astype(np.float32)


def assert_upstreams(prediction: NDArray[np.float32], target: NDArray[np.float32], expected: dict[str, float]) -> None:
    values = score_pair(prediction, target, "worldstrat-2022", metrics=list(expected))
    assert values == {name: pytest.approx(value, rel=1e-5) for name, value in expected.items()}


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_worldstrat_2022_is_upstreams_code_on_made_images(seed: int) -> None:
    assert_upstreams(*synthetic(seed), UPSTREAM["synthetic"][str(seed)])


@pytest.mark.shared
@pytest.mark.parametrize("name", IN_UPSTREAM)
def test_worldstrat_2022_is_upstreams_code_on_real_tiles(realdata: Path, name: str) -> None:
    tile = real_tile(realdata, name, "worldstrat-2022")
    target, prediction = tile.target.image, _from_native(realdata, name)
    expected = UPSTREAM["real"][name]
    assert_upstreams(prediction, target, expected["bicubic"])
    assert_upstreams(target, target, expected["identical"])
    assert_upstreams(np.roll(prediction, (-3, -3), (1, 2)), target, expected["bicubic moved"])
    assert expected["identical"]["psnr"] < 60  # upstream's crop: the truth is not perfect


def _from_native(realdata: Path, name: str) -> NDArray[np.float32]:
    """Bicubic from the native grid to 500 px, without the protocol's detour over 160."""
    import torch

    from worldstrat_bench.resampling import bicubic

    frame = real_tile(realdata, name).frame
    return bicubic(torch.from_numpy(np.ascontiguousarray(frame.rgb))[None], 500, 500)[0].numpy()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        *(("wsb-1", name) for name in REAL_TILES),
        ("probav", REAL_TILES[0]),
        *(pytest.param("probav", name, marks=pytest.mark.soak) for name in REAL_TILES[1:]),
    ],
)
def test_own_protocols_on_real_tiles(realdata: Path, name: str, protocol: str) -> None:
    """The reference bicubic: dB to a thousandth, the rest to its printed digits."""
    tile = real_tile(realdata, name)
    scorer = make_scorer(load_protocol(protocol))
    result = scorer.score(tile.bicubic, scorer.prepare(tile.target, tile.frame))
    expected = golden(f"{protocol.replace('-', '_')}.json")[name]
    found = {**result.metrics, "shift_y": result.shift_y, "shift_x": result.shift_x, "detail": result.detail}
    found["clipped"] = result.clipped
    for key, value in expected.items():
        tolerance = 1e-3 if key.startswith("psnr") else 0.0 if key.startswith("shift") else 2e-4 * abs(value)
        assert found[key] == pytest.approx(value, abs=tolerance), key
