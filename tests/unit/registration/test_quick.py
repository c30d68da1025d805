"""The quick search gives the shift of the whole table or none at all, and its bound holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from scoring_scenes import blurred, land
from worldstrat_bench.filtering import correlate, crop_or_pad, gaussian_taps
from worldstrat_bench.registration import SearchTarget, Shift, mismatch_smoothed, pick_shift, prepare_search, quick
from worldstrat_bench.registration.quick import QuickTarget, prepare_quick, quick_shift

TAPS, RADIUS, BORDER = gaussian_taps(2.0, 8), 8, 20
Image = NDArray[np.float32]


def answer(prediction: Image, target: QuickTarget) -> Shift | None:
    return quick_shift(around(prediction), target, tie=1e-9, fraction=16)


def by_table(prediction: Image, target: SearchTarget) -> Shift:
    return pick_shift(mismatch_smoothed(around(prediction), TAPS, target).numpy(), tie=1e-9, fraction=16)


def prepared(target: Image) -> tuple[SearchTarget, QuickTarget]:
    still = correlate(crop_or_pad(torch.from_numpy(target.copy()), BORDER - 8).double(), TAPS, TAPS)
    search = prepare_search(still, None, RADIUS)
    found = prepare_quick(still, search, TAPS)
    assert found is not None
    return search, found


def around(prediction: Image) -> Tensor:
    return crop_or_pad(torch.from_numpy(prediction.copy()), BORDER - RADIUS - 8)


def moved(seed: int, shift: tuple[int, int], blur: float, noise: float, side: int = 160) -> tuple[Image, Image]:
    """A target, and a soft and noisy prediction that is off by about that shift."""
    rng = np.random.default_rng(seed)
    target = land(side, seed % 4)
    prediction = blurred(np.roll(target, shift, (1, 2)), blur) + noise * rng.normal(size=target.shape)
    return target, prediction.clip(0, 1).astype(np.float32)


@pytest.fixture
def few_frequencies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Drop so many that what they add is seen."""
    monkeypatch.setattr(quick, "KEPT", 0.1)
    quick._geometry.cache_clear()
    yield
    quick._geometry.cache_clear()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 999),
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    st.floats(0.3, 4.0),
    st.sampled_from([0.0, 0.01, 0.2]),
    st.sampled_from([107, 160, 171]),
)
def test_an_answer_is_that_of_the_whole_table(
    seed: int, shift: tuple[int, int], blur: float, noise: float, side: int
) -> None:
    target, prediction = moved(seed, shift, blur, noise, side)
    search, own = prepared(target)
    found = answer(prediction, own)
    assert found in (None, by_table(prediction, search))


def test_nearly_every_pair_has_an_answer() -> None:
    """Else the search would cost half more instead of half as much."""
    rng = np.random.default_rng(0)
    shifts = rng.integers(-6, 7, (24, 2)).tolist()
    pairs = [moved(i, (y, x), rng.uniform(0.5, 2), 0.005) for i, (y, x) in enumerate(shifts)]
    answers = [answer(prediction, prepared(target)[1]) for target, prediction in pairs]
    assert answers.count(None) <= 2


def assert_within_doubt(target: Image, prediction: Image) -> float:
    """Hold the table less a constant against the bound; returns the greatest share of the bound that is used."""
    search, own = prepared(target)
    values, doubt, most = quick._differences(around(prediction), own)
    table = mismatch_smoothed(around(prediction), TAPS, search).numpy()
    off = values - table
    used = float((off.max() - off.min()) / (2 * doubt))
    assert used <= 1
    assert table.max() <= most
    return used


@pytest.mark.parametrize(("blur", "noise"), [(0.4, 0.0), (1.5, 0.01), (3.0, 0.2)])
def test_no_value_is_further_off_than_it_says(blur: float, noise: float) -> None:
    assert_within_doubt(*moved(5, (2, -3), blur, noise))


def test_the_bound_is_used_where_frequencies_are_missed(few_frequencies: None) -> None:
    """With a tenth of a cycle kept the table is visibly wrong: without the bound shifts would be, too."""
    used = [assert_within_doubt(*moved(seed, (1, 4), 0.6, 0.01)) for seed in range(4)]
    assert max(used) > 1e-3


def test_without_high_frequencies_there_is_no_answer_rather_than_a_wrong_one(few_frequencies: None) -> None:
    for seed in range(8):
        target, prediction = moved(seed, (seed - 4, 3), 0.8, 0.02)
        search, own = prepared(target)
        assert answer(prediction, own) in (None, by_table(prediction, search))


def test_ties_and_flat_images_ask_the_table() -> None:
    flat = np.full((3, 160, 160), 0.3, dtype=np.float32)
    wave = np.sin(2 * np.pi * np.arange(160) / 8)  # a period of 8 px: three shifts along x are equal
    stripes = (0.3 + 0.1 * np.broadcast_to(wave, (3, 160, 160))).astype(np.float32)
    for target, prediction in ((flat, flat), (land(160), flat), (stripes, stripes)):
        assert answer(prediction, prepared(target)[1]) is None


def test_the_target_itself_is_not_moved() -> None:
    assert answer(land(160), prepared(land(160))[1]) == Shift(0.0, 0.0, at_edge=False)


def test_an_optimum_at_the_edge_is_said() -> None:
    target, prediction = moved(1, (8, 3), 1.0, 0.005)
    found = answer(prediction, prepared(target)[1])
    assert found is not None
    assert (found.y, found.at_edge) == (8.0, True)


@pytest.mark.parametrize(
    ("line", "doubt", "expected"),
    [
        ([1.0, 0.0, 1.0], 1e-3, 0.0),
        ([1.0, 0.0, 0.5], 1e-3, 3 / 16),  # the vertex is at 1/6
        ([33.0, 1.0, 31.0], 1e-3, 0.0),  # at 1/62
        ([17.0, 0.0, 15.0], 1e-9, None),  # at 1/32, halfway between two steps
        ([17.0, 0.0, 15.2], 1e-9, 0.0),
        ([1.0, 0.0, 1.0], 0.6, None),  # as good as flat
    ],
)
def test_a_vertex_is_rounded_only_where_the_doubt_leaves_one_step(
    line: list[float], doubt: float, expected: float | None
) -> None:
    assert quick._vertex(np.array(line), 1, 16, doubt) == expected


@pytest.mark.parametrize("side", [40 + 32, 40 + 33])
def test_a_target_no_larger_than_the_rim_or_with_holes_has_none(side: int) -> None:
    still = correlate(crop_or_pad(torch.from_numpy(land(160)[:, :side, :side].copy()), 12).double(), TAPS, TAPS)
    assert (prepare_quick(still, prepare_search(still, None, RADIUS), TAPS) is None) == (side == 72)
    holes = torch.rand(still.shape[-2:]) < 0.5
    assert prepare_quick(still, prepare_search(still, holes, RADIUS), TAPS) is None


def test_the_smallest_target_is_right() -> None:
    target, prediction = moved(2, (1, -2), 1.0, 0.01)
    side = 40 + 33
    assert_within_doubt(target[:, :side, : side + 5], prediction[:, :side, : side + 5])
