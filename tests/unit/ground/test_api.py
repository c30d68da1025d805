"""What model authors import."""

from __future__ import annotations

import pytest
import torch

from worldstrat_bench.api import BANDS, NIR, RGB, LowRes, pad_frames


def _low_res(frames: int) -> LowRes:
    images = torch.arange(frames, dtype=torch.float32).reshape(1, frames, 1, 1, 1).expand(2, frames, 12, 4, 5)
    days = torch.arange(frames).expand(2, frames)
    return LowRes(images, torch.ones(2, frames, 1, 4, 5, dtype=torch.bool), days)


def test_bands() -> None:
    assert [BANDS[i] for i in RGB] == ["B04", "B03", "B02"]
    assert BANDS[NIR] == "B08"


@pytest.mark.parametrize(("have", "want", "order"), [(3, 8, [0, 1, 2, 0, 1, 2, 0, 1]), (8, 3, [0, 1, 2]), (1, 1, [0])])
def test_pad_frames_repeats_or_cuts(have: int, want: int, order: list[int]) -> None:
    padded = pad_frames(_low_res(have), want)
    assert padded.images.shape == (2, want, 12, 4, 5)
    assert padded.clear.shape == (2, want, 1, 4, 5)
    assert padded.days[0].tolist() == order
    assert padded.images[0, :, 0, 0, 0].tolist() == order


def test_pad_frames_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="cannot make 0 frames"):
        pad_frames(_low_res(2), 0)


def test_rgb_is_red_green_blue() -> None:
    images = torch.arange(12, dtype=torch.float32).reshape(1, 1, 12, 1, 1)
    low_res = LowRes(images, torch.ones(1, 1, 1, 1, 1, dtype=torch.bool), torch.zeros(1, 1, dtype=torch.int64))
    assert low_res.rgb().flatten().tolist() == [3, 2, 1]
