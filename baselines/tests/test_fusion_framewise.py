"""All frames and offsets at once give what one frame and one offset at a time gave, to 1e-5."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from baselines.tests import framewise_fusion as framewise
from baselines.tests.known_tiles import make_tile, random_land

from worldstrat_bench.api import NIR, RGB, LowRes, Target
from worldstrat_bench_baselines.fusion import ShiftAndAdd
from worldstrat_bench_baselines.registration import register
from worldstrat_bench_baselines.resampling import MOVE_MAX, move, resample

REALDATA = Path(__file__).resolve().parents[2].parent / "shared" / "realdata"


def assert_same(lr: LowRes, target: Target) -> None:
    difference = ShiftAndAdd().predict(lr, target) - framewise.predict(lr, target)
    assert float(difference.abs().max()) < 1e-5


@pytest.mark.parametrize(
    ("seed", "frames", "size", "target"),
    [
        (0, 1, (40, 40), (160, 160)),
        (1, 2, (41, 37), (123, 148)),
        (2, 8, (64, 51), (256, 204)),
        (3, 8, (33, 70), (131, 283)),  # a factor that is not whole
        (4, 3, (24, 90), (24, 90)),
        (5, 5, (12, 12), (48, 48)),  # too small to be registered
    ],
)
@pytest.mark.parametrize("cloud", [0.0, 0.15, 0.6, 1.1])
def test_shift_and_add_is_what_it_was(
    seed: int, frames: int, size: tuple[int, int], target: tuple[int, int], cloud: float
) -> None:
    assert_same(random_land(seed, frames, *size, cloud), Target(*target))


@pytest.mark.parametrize("seed", [11, 12])
def test_known_tiles_too(seed: int) -> None:
    assert_same(make_tile("Settlement", seed).lr, Target(160, 160))


def test_every_figure_of_a_fit_is_what_it_was() -> None:
    lr = random_land(7, 8, 60, 57, 0.15)
    images, clear = lr.images[0][:, [*RGB, NIR]], lr.clear[0].clone()
    clear[5] = False
    fits = register(images[0], images[1:], clear[0], clear[1:])
    for t in range(1, 8):
        one = framewise.register(images[0], images[t], clear[0], clear[t])
        assert bool(fits.found[t - 1]) == one.found
        assert fits.shift[t - 1].tolist() == pytest.approx(one.shift, abs=1e-5)
        for ours, theirs in ((fits.gain, one.gain), (fits.bias, one.bias), (fits.noise, one.noise)):
            assert ours[t - 1].tolist() == pytest.approx(theirs.tolist(), rel=1e-4, abs=1e-6)
    assert 4 <= int(fits.found.sum()) < 7  # both kinds were there


def test_a_spot_wider_than_a_block_keeps_all_of_it() -> None:
    lr, wide = random_land(8, 4, 40, 44, 0.0), ShiftAndAdd(spot=7.0)
    images = lr.images[0][:, [*RGB, NIR]]
    ours = wide.fuse(images, lr.clear[0], Target(120, 132))
    theirs = framewise.fuse(wide, images, lr.clear[0], Target(120, 132))
    assert torch.allclose(ours.image, theirs.image, atol=1e-5)
    assert torch.allclose(ours.weight, theirs.weight, rtol=1e-4)


def test_moving_is_resampling_at_an_offset() -> None:
    images = random_land(9, 5, 30, 41, 0.0).images[0]
    shifts = torch.tensor([[0, 0], [0.5, -0.25], [-3.7, 5.5], [6, -6], [-1, 2]], dtype=torch.float64)
    assert float(shifts.abs().max()) == MOVE_MAX
    for image, moved, (y, x) in zip(images, move(images, shifts), shifts.tolist(), strict=True):
        assert torch.allclose(moved, resample(image, 30, 41, (y, x)), atol=1e-6)


@pytest.mark.shared
def test_on_real_scenes() -> None:
    rasterio = pytest.importorskip("rasterio", reason="reading GeoTIFF needs rasterio")
    folders = sorted((REALDATA / "lr_dataset").glob("*/L2A"))
    if not folders:
        pytest.skip("../shared/realdata is not there")
    for folder in folders[::7]:
        frames = []
        for path in sorted(folder.glob("*-L2A_data.tiff"))[:5]:
            with rasterio.open(path) as file:
                frames.append(torch.from_numpy(file.read().astype("float32")))
        size = [min(sides) for sides in zip(*(frame.shape[-2:] for frame in frames), strict=True)]
        images = torch.stack([frame[:12, : size[0], : size[1]] for frame in frames])[None]
        images = images / max(1.0, float(images.max()))
        clear = (images.mean(2, keepdim=True) < 0.5).bool()
        lr = LowRes(images, clear, torch.zeros(1, len(frames), dtype=torch.int64))
        assert_same(lr, Target(2 * size[0], 2 * size[1]))
