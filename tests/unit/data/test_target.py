from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.target import make_target, read_target, resize_antialiased
from worldstrat_bench.errors import DataError
from worldstrat_bench.protocol import load_protocol
from worldstrat_folder import FolderBuilder, write_tiff

WSB = load_protocol("wsb-1")


class MemoryCache:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, NDArray[Any]]] = {}
        self.hits = 0

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        self.hits += key in self.kept
        return self.kept.get(key)

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.kept[key] = {name: np.array(array) for name, array in arrays.items()}

    def accepts(self, size: int) -> bool:
        return True


def random_hr(side: int = 160, seed: int = 0) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(1, 9000, (4, side, side)).astype(np.uint16)


@pytest.mark.parametrize(("side", "target"), [(1054, 632), (527, 316), (320, 192), (336, 200), (200, 120), (160, 96)])
def test_side_of_the_target(side: int, target: int) -> None:
    made = make_target(np.full((4, side, side), 100, dtype=np.uint16), WSB)
    assert made.image.shape == (3, target, target)
    assert made.valid.shape == (target, target)
    assert made.image.dtype == np.float32


def test_it_is_torchs_antialiased_bicubic_in_float64() -> None:
    hr = random_hr()
    tensor = torch.from_numpy(hr[:3].astype(np.float64))[None] / 10_000
    expected = interpolate(tensor, size=(96, 96), mode="bicubic", antialias=True, align_corners=False)
    np.testing.assert_array_equal(make_target(hr, WSB).image, expected.clamp(0, 1)[0].float().numpy())


@given(st.integers(1, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_constant_stays_what_it_is(value: int) -> None:
    made = make_target(np.full((4, 160, 160), value, dtype=np.uint16), WSB)
    np.testing.assert_allclose(made.image, value / 10_000, atol=1e-7)
    assert made.valid.all()
    assert made.usable


def test_the_kernels_overshoot_stays_within_0_and_1() -> None:
    hr = np.full((4, 160, 160), 1, dtype=np.uint16)
    hr[:, :, 80:] = 65535
    image = make_target(hr, WSB).image
    assert image.min() >= 0
    assert image.max() == 1


def test_black_bars_mean_no_data_and_a_zero_in_one_band_does_not() -> None:
    hr = random_hr()
    hr[:, :3] = 0
    hr[:, :, :2] = 0
    hr[0, 100:110, 100:110] = 0
    made = make_target(hr, WSB)
    assert not made.valid[:2].any()
    assert not made.valid[:, 0].any()
    assert made.valid[6:, 6:].all()
    assert made.usable


def test_a_hole_marks_exactly_what_the_kernel_mixes_with_it() -> None:
    hr = random_hr()
    hr[:, 70:90, 70:90] = 0
    valid = make_target(hr, WSB).valid
    inside = np.zeros((160, 160))
    inside[70:90, 70:90] = 1
    share = interpolate(
        torch.from_numpy(inside)[None, None], size=(96, 96), mode="bicubic", antialias=True, align_corners=False
    )[0, 0].numpy()
    np.testing.assert_array_equal(valid, share <= 1e-6)
    assert 0 < (~valid).sum() < 400


@pytest.mark.parametrize(("rows", "usable"), [(70, True), (90, False), (160, False)])
def test_under_half_the_window_valid_there_is_no_target(rows: int, usable: bool) -> None:
    hr = random_hr()
    hr[:, :rows] = 0
    assert make_target(hr, WSB).usable is usable


def test_the_targets_of_2022_are_resized_and_then_clipped() -> None:
    """Nothing is clipped before: a value above 1 is averaged as it is. Within the range both are the same."""
    rules = load_protocol("worldstrat-2022")
    assert not rules.target.clip_before
    assert not load_protocol("worldstrat-2022-fixed").target.clip_before
    hr = random_hr(1054)
    hr[:, 500:520, 500:520] = 0
    hr[:, 505:509, 505:509] = 60_000
    resized = resize_antialiased(torch.from_numpy(hr[:3] / 10_000), 500, "bilinear-antialiased")
    assert resized.max() > 1
    made = make_target(hr, rules).image
    np.testing.assert_array_equal(made, resized.clamp(0, 1).float().numpy())
    before = rules.model_copy(update={"target": rules.target.model_copy(update={"clip_before": True})})
    other = make_target(hr, before).image
    assert (other != made).any()
    np.testing.assert_array_equal(other[:, :200], made[:, :200])


def test_digest_is_of_image_and_mask() -> None:
    hr = random_hr()
    again = make_target(hr.copy(), WSB)
    assert make_target(hr, WSB).sha256 == again.sha256
    other = hr.copy()
    other[0, 80, 80] += 500
    assert make_target(other, WSB).sha256 != again.sha256
    dark = hr.copy()
    dark[:3] = 0
    hole = dark.copy()
    hole[3] = 0
    assert make_target(dark, WSB).sha256 != make_target(hole, WSB).sha256  # same image, another mask


def test_the_cache_serves_the_same_target_and_is_keyed_by_file_and_protocol(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1", hr=random_hr())
    (tile,) = open_dataset(builder.finish()).tiles("test")
    cache = MemoryCache()
    first, second = read_target(tile, WSB, cache), read_target(tile, WSB, cache)
    assert (cache.hits, len(cache.kept)) == (1, 1)
    assert first.sha256 == second.sha256 == read_target(tile, WSB).sha256
    assert second.usable
    np.testing.assert_array_equal(first.image, second.image)
    wide = WSB.model_copy(update={"target": WSB.target.model_copy(update={"side": 100})})
    assert read_target(tile, wide, cache).image.shape == (3, 100, 100)
    write_tiff(tile.hr, random_hr(seed=1))
    assert read_target(tile, WSB, cache).sha256 != first.sha256
    assert len(cache.kept) == 3


def test_a_forged_entry_of_the_cache_has_another_digest(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1", hr=random_hr())
    (tile,) = open_dataset(builder.finish()).tiles("test")
    cache = MemoryCache()
    honest = read_target(tile, WSB, cache)
    ((key, arrays),) = cache.kept.items()
    cache.kept[key] = {**arrays, "image": np.roll(arrays["image"], 1, axis=2)}
    forged = read_target(tile, WSB, cache)
    assert forged.sha256 != honest.sha256
    cache.kept[key] = {**arrays, "valid": ~arrays["valid"]}
    assert read_target(tile, WSB, cache).sha256 != honest.sha256
    assert not read_target(tile, WSB, cache).usable


def test_the_compatibility_protocols_take_full_tiles_only(builder: FolderBuilder) -> None:
    old = load_protocol("worldstrat-2022")
    builder.add_tile("Landcover-1", hr=random_hr())
    builder.add_tile("Landcover-2", hr=random_hr(1054))
    small, full = open_dataset(builder.finish()).tiles("test")
    with pytest.raises(DataError, match="takes 1054 px only"):
        read_target(small, old)
    image = read_target(full, old).image
    tensor = torch.from_numpy(random_hr(1054)[:3].astype(np.float64))[None] / 10_000
    expected = interpolate(tensor, size=(500, 500), mode="bilinear", antialias=True, align_corners=False)
    np.testing.assert_allclose(image, expected[0].numpy(), atol=1e-7)


def test_a_missing_file_with_a_cache(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    (tile,) = open_dataset(builder.finish()).tiles("test")
    tile.hr.unlink()
    with pytest.raises(DataError, match=r"Landcover-1_ps\.tiff"):
        read_target(tile, WSB, MemoryCache())


def test_the_digest_does_not_see_the_last_bits() -> None:
    """Another instruction set changes the last bits of the resampling; a board must not split for that."""
    hr = np.random.default_rng(0).integers(1, 6000, (4, 320, 320)).astype(np.uint16)
    target = make_target(hr, load_protocol())
    nudged = np.nextafter(target.image, np.float32(2))
    assert not np.array_equal(nudged, target.image)
    same = np.mean(_digest_steps(nudged) != _digest_steps(target.image))
    assert same < 1e-3, "almost no value changes its step even for a whole float32 step, 1e8 times what happens"
    hr[:, 160:200, 160:200] += 3
    assert make_target(hr, load_protocol()).sha256 != target.sha256


def _digest_steps(image: NDArray[np.float32]) -> NDArray[np.float64]:
    from worldstrat_bench.data.target import HASH_OFFSET, HASH_STEPS

    steps: NDArray[np.float64] = np.floor(image.astype(np.float64) * HASH_STEPS + HASH_OFFSET)
    return steps
