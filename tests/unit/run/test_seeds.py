"""The seed of a tile."""

from __future__ import annotations

import numpy as np

from worldstrat_bench.run.seeds import tile_seed


def test_seeds_of_tiles() -> None:
    images = np.linspace(0, 1, 2 * 12 * 5 * 6, dtype=np.float32).reshape(2, 12, 5, 6)
    clear, days = np.ones((2, 1, 5, 6), dtype=bool), np.array([0, -3])
    other, cloudy = images.copy(), clear.copy()
    other[1, 11, 4, 5] += 1e-6
    cloudy[0, 0, 0, 0] = False
    seeds = {
        tile_seed(run, *inputs)
        for run in range(100)
        for inputs in ((images, clear, days), (other, clear, days), (images, cloudy, days), (images, clear, days + 1))
    }
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert tile_seed(0, images, clear, days) == tile_seed(0, np.asfortranarray(images), clear.copy(), days.copy())
