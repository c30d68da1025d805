"""The sensor model does what it says, and many of its frames are worth more than one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, cg

from worldstrat_bench.api import NIR, RGB
from worldstrat_bench.data.sensor import RATIO, Revisits, Sky, sample, sampling_weights, simulate_revisits
from worldstrat_bench.data.synthetic.scenes import make_scene

CLEAR = Sky(cloudiness=0.0, haze=0.0)
Image = NDArray[np.float64]


def town(side: int = 264, seed: int = 3) -> Image:
    return make_scene("Settlement", 0, side, np.random.default_rng(seed))


@pytest.mark.parametrize(("cycles", "modulation"), [(0.5, 0.3), (0.25, 0.3**0.25)])
def test_modulation_is_0_3_at_the_nyquist_frequency(cycles: float, modulation: float) -> None:
    fine = 8
    place = (np.arange(64 * fine) + 0.5) / fine
    wave = np.cos(2 * np.pi * cycles * (place - 0.5))
    seen = sample(np.broadcast_to(wave, (1, 64 * fine, 64 * fine)), (64, 64))[0, 32, 16:48]
    expected = modulation * np.cos(2 * np.pi * cycles * np.arange(16, 48))
    np.testing.assert_allclose(seen, expected, atol=2e-3)


@given(st.floats(0.01, 1.0), st.floats(-0.5, 0.5), st.integers(7, 30))
@settings(max_examples=25, deadline=None)
def test_a_constant_is_seen_as_it_is(value: float, shift: float, size: int) -> None:
    seen = sample(np.full((2, 70, 90), value), (size, size + 1), shift=(shift, -shift))
    np.testing.assert_allclose(seen, value, rtol=1e-12)


def test_a_shift_of_one_pixel_moves_the_grid_by_one_pixel() -> None:
    scene = town()
    still = sample(scene, (40, 40), margin=12)
    moved = sample(scene, (40, 40), margin=12, shift=(1.0, 0.0))
    np.testing.assert_allclose(moved[:, :-1], still[:, 1:], atol=1e-12)


def test_shapes_types_and_order() -> None:
    made = simulate_revisits(town(), 1, 8)
    side = round(264 / RATIO)
    assert made.images.shape == (8, 12, side, side)
    assert made.images.dtype == np.float32
    assert made.clear.shape == (8, 1, side, side)
    assert made.clear.dtype == np.bool_
    assert made.days.tolist() == sorted(set(made.days.tolist()))
    assert np.abs(made.shifts).max() <= 0.5
    assert simulate_revisits(town(), 1, 2, shape=(30, 31)).images.shape == (2, 12, 30, 31)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    scene = town()
    one, two, other = (simulate_revisits(scene, seed, 3) for seed in (7, 7, 8))
    assert one.images.tobytes() == two.images.tobytes()
    assert one.images.tobytes() != other.images.tobytes()


def test_bands_of_20_and_60_metres_are_blocks() -> None:
    image = simulate_revisits(town(), 1, 1, sky=CLEAR).images[0]
    for band, block in ((4, 2), (8, 2), (11, 2), (0, 6), (9, 6)):
        size = image.shape[1] // block * block
        corners = image[band, :size:block, :size:block]
        np.testing.assert_array_equal(image[band, :size, :size], corners.repeat(block, 0).repeat(block, 1))
    assert len(np.unique(image[3])) > 0.3 * image[3].size


def test_bands_are_where_the_interface_says() -> None:
    scene = np.empty((4, 132, 132))
    scene[:] = np.array([0.3, 0.2, 0.1, 0.5])[:, None, None]
    image = simulate_revisits(scene, 1, 1, sky=CLEAR).images[0]
    assert image[list(RGB)].mean(axis=(1, 2)) == pytest.approx([0.3, 0.2, 0.1], rel=0.2)
    assert image[NIR].mean() == pytest.approx(0.5, rel=0.2)


def test_clouds_are_bright_and_masked() -> None:
    made = simulate_revisits(town(), 1, 8, sky=Sky(cloudiness=1.0))
    red = made.images[:, 3]
    clear = made.clear[:, 0]
    assert 0.05 < 1 - clear.mean() < 0.95
    assert red[made.opacity > 0.9].mean() > 0.7
    assert red[clear].mean() < 0.3
    assert not clear[made.opacity > 0.4].any()
    assert simulate_revisits(town(), 1, 8, sky=CLEAR).clear.all()


@pytest.mark.parametrize(
    ("shape", "margin", "frames"), [((3, 64, 64), 0, 8), ((4, 64, 64), 32, 8), ((4, 64, 64), 0, 0)]
)
def test_what_cannot_be_simulated(shape: tuple[int, ...], margin: int, frames: int) -> None:
    with pytest.raises(ValueError, match="cannot simulate"):
        simulate_revisits(np.zeros(shape), 0, frames, margin=margin)


@pytest.mark.parametrize("ipcc", ["Settlement", "Agriculture", "Water"])
def test_fusing_shifted_frames_beats_one_frame_and_frames_in_one_place(ipcc: str) -> None:
    # Not a test of a fusion method: least squares with known shifts shows what the frames contain.
    scene = make_scene(ipcc, 0, 264, np.random.default_rng(3))
    truth = sample(scene, (104, 104))[0]
    one = _psnr(_reconstruct(simulate_revisits(scene, 1, 1, sky=CLEAR)), truth)
    many = _psnr(_reconstruct(simulate_revisits(scene, 1, 8, sky=CLEAR)), truth)
    still = _psnr(_reconstruct(simulate_revisits(scene, 1, 8, sky=Sky(0.0, 0.0, jitter=0.0))), truth)
    assert many > one + 1.0
    assert many > still + 0.5


def _reconstruct(made: Revisits, side: int = 104, smooth: float = 2e-3) -> Image:
    """Least squares: the image that, seen at the known shifts, gives the red bands."""
    red = [band - band.mean() for band in made.images[:, 3].astype(np.float64)]
    pairs = list(zip(red, made.shifts, strict=True))
    rows = [sampling_weights(frame.shape[0], side, 0, dy) for frame, (dy, _) in pairs]
    columns = [sampling_weights(frame.shape[1], side, 0, dx) for frame, (_, dx) in pairs]

    def normal(flat: Image) -> Image:
        x = flat.reshape(side, side)
        laplace = 4 * x - np.roll(x, 1, 0) - np.roll(x, -1, 0) - np.roll(x, 1, 1) - np.roll(x, -1, 1)
        seen = sum(r.T @ (r @ x @ c.T) @ c for r, c in zip(rows, columns, strict=True)) / len(rows)
        result: Image = (seen + smooth * laplace).ravel()
        return result

    right = sum(r.T @ frame @ c for frame, r, c in zip(red, rows, columns, strict=True)) / len(rows)
    solved: Image = cg(LinearOperator((side**2, side**2), normal), np.asarray(right).ravel(), maxiter=60)[0]
    return solved.reshape(side, side)


def _psnr(image: Image, truth: Image) -> float:
    difference = (image - truth)[8:-8, 8:-8]
    return float(-10 * np.log10(np.mean((difference - difference.mean()) ** 2)))
