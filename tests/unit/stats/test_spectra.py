"""Curves of a set of tiles and their bands, against leaving out groups and against simulated tiles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.spectra import banded, coherence_and_contrast

RULES = load_protocol("wsb-1").aggregation
Curves = dict[str, NDArray[np.float64]]


def invented(
    rng: np.random.Generator, count: int, bins: int, noise: float = 0.5
) -> tuple[tuple[Curves, Curves, Curves], dict[str, str]]:
    """Tiles of different energy whose prediction shows 0.6 of the target and noise; every fourth shares a group."""
    own: tuple[Curves, Curves, Curves] = ({}, {}, {})
    groups = {}
    for i in range(count):
        tile = f"t{i:03d}"
        groups[tile] = f"g{i // 4 * 4 if i % 4 == 3 else i}"
        energy = rng.gamma(4.0, 1.0, size=bins)
        gain, extra = 0.6 + 0.1 * rng.normal(size=bins), noise * rng.gamma(4.0, 0.25, size=bins)
        own[0][tile], own[1][tile], own[2][tile] = energy, energy * (gain**2 + extra), energy * gain
    return own, groups


def test_the_curves_are_those_of_the_sums() -> None:
    own, groups = invented(np.random.default_rng(0), 30, 12)
    coherence, contrast = banded(*own, groups, RULES)
    expected = coherence_and_contrast(*own, list(groups))
    np.testing.assert_allclose(coherence.value, expected[0], rtol=1e-12)
    np.testing.assert_allclose(contrast.value, expected[1], rtol=1e-12)
    assert ((coherence.low < coherence.value) & (coherence.value < coherence.high)).all()
    assert (coherence.high <= 1).all()


def test_the_error_is_that_of_leaving_out_one_group_after_the_other() -> None:
    from scipy.stats import t

    own, groups = invented(np.random.default_rng(1), 80, 6)
    bands = banded(*own, groups, RULES)
    names = sorted(set(groups.values()))
    left = [coherence_and_contrast(*own, [tile for tile, g in groups.items() if g != name]) for name in names]
    for kind in (0, 1):
        values = np.stack([one[kind] for one in left])
        error = np.sqrt((len(names) - 1) / len(names) * ((values - values.mean(axis=0)) ** 2).sum(axis=0))
        half = (bands[kind].high - bands[kind].low) / 2
        np.testing.assert_allclose(half / t.ppf(0.975, len(names) - 1), error, rtol=0.06)


def test_the_band_holds_the_truth_nineteen_times_of_twenty() -> None:
    rng, inside = np.random.default_rng(2), []
    for _ in range(40):
        own, groups = invented(rng, 24, 60)
        truth = 0.6 / np.sqrt(0.6**2 + 0.1**2 + 0.5), 0.6
        for band, true in zip(banded(*own, groups, RULES), truth, strict=True):
            inside.append(((band.low <= true) & (true <= band.high)).mean())
    assert 0.93 < float(np.mean(inside)) < 0.97


def test_few_groups_have_no_band_and_nothing_has_no_value() -> None:
    own, groups = invented(np.random.default_rng(3), 8, 4)
    for curves in own:
        for values in curves.values():
            values[3] = 0.0
    coherence, contrast = banded(*own, groups, RULES)
    assert np.isnan(coherence.low).all()
    assert np.isnan(contrast.high).all()
    assert np.isfinite(coherence.value[:3]).all()
    assert np.isnan([coherence.value[3], contrast.value[3]]).all()


def test_one_tile_with_nearly_all_energy_leaves_no_band() -> None:
    own, groups = invented(np.random.default_rng(4), 40, 3)
    for curves in own:
        curves["t000"] *= 1e6
    coherence, _ = banded(*own, groups, RULES)
    assert np.isnan(coherence.low).all()
