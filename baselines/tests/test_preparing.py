"""The input of a network and the reading of its answer, against the formula written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from baselines.tests.known_tiles import random_land
from torch import Tensor

from worldstrat_bench.api import BANDS, LowRes, Target
from worldstrat_bench.preprocessing import Preprocessing, Value, declare, describe
from worldstrat_bench_baselines.adapters.filemodel import FileModel, prepare, reflectance_of

TARGET = Target(96, 88)


class Spy:
    """A network that keeps what it was fed, and answers with each image twice as large."""

    def __init__(self) -> None:
        self.fed: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.fed.append(x)
        image = x.mean(dim=1) if x.ndim == 5 else x
        return image.repeat_interleave(2, -2).repeat_interleave(2, -1)


def land() -> LowRes:
    return random_land(3, 4, 24, 22, 0.1)


def by_hand(
    lr: LowRes,
    frame: int,
    bands: list[str],
    scale: float,
    offset: float,
    clip: tuple[float, float],
    mean: list[float],
    std: list[float],
) -> Tensor:
    seen = []
    for band, m, s in zip(bands, mean, std, strict=True):
        image = lr.images[0, frame, BANDS.index(band)].numpy().astype(np.float64)
        seen.append((np.clip(image * scale + offset, *clip) - m) / s)
    return torch.from_numpy(np.stack(seen)).float()


MEAN, STD = [0.1, 0.2, 0.15, 0.4], [0.05, 0.06, 0.07, 0.2]
WHOLE: dict[str, Value] = {
    "bands": "B02,B04,B03,B08",
    "input_scale": 2.0,
    "input_offset": 0.01,
    "clip": "0.02,0.9",
    "mean": "0.1,0.2,0.15,0.4",
    "std": "0.05,0.06,0.07,0.2",
}


def expected(lr: LowRes, frame: int) -> Tensor:
    return by_hand(lr, frame, ["B02", "B04", "B03", "B08"], 2.0, 0.01, (0.02, 0.9), MEAN, STD)


@pytest.mark.parametrize("per_band", [False, True])
@pytest.mark.parametrize("rule", ["first", "stack", "channels"])
def test_every_step_in_its_order(rule: str, per_band: bool) -> None:
    lr = land()
    fed = prepare(lr, declare(**WHOLE, frame_rule=rule, frames=3, per_band=per_band))
    frames = [expected(lr, t) for t in range(1 if rule == "first" else 3)]
    shapes = {
        ("first", False): (1, 4, 24, 22),
        ("stack", False): (1, 3, 4, 24, 22),
        ("channels", False): (1, 12, 24, 22),
        ("first", True): (4, 1, 24, 22),
        ("stack", True): (4, 3, 1, 24, 22),
        ("channels", True): (4, 3, 24, 22),
    }
    assert tuple(fed.shape) == shapes[rule, per_band]
    for t, frame in enumerate(frames):
        for c in range(4):
            if per_band:
                seen = fed[c, t, 0] if rule == "stack" else fed[c, t]
            else:
                seen = fed[0, t, c] if rule == "stack" else fed[0, 4 * t + c]
            assert torch.allclose(seen, frame[c], atol=2e-5)


def test_the_median_is_taken_before_the_scaling() -> None:
    lr = land()
    plain = prepare(lr, declare(bands="B04,B03", frame_rule="median"))
    scaled = prepare(lr, declare(bands="B04,B03", frame_rule="median", input_scale=100, mean="1,2", std="3,4"))
    assert torch.allclose(scaled[0, 1], (plain[0, 1] * 100 - 2) / 4, atol=1e-4)


@pytest.mark.parametrize("per_band", [False, True])
def test_an_identity_network_gives_the_tile_back_whatever_is_declared(per_band: bool) -> None:
    lr = land()
    says = declare(
        bands="B03,B08,B02,B04",
        input_scale=10_000,
        input_offset=1000,
        mean="2000,3000,1500,2500",
        std="500,900,400,600",
        normalised_output=True,
        per_band=per_band,
    )
    spy = Spy()
    answer = FileModel(spy, says).predict(lr, TARGET)
    assert torch.allclose(answer[..., ::2, ::2], lr.rgb(0), atol=1e-5)
    assert spy.fed[0].shape == ((4, 1, 24, 22) if per_band else (1, 4, 24, 22))


def test_scale_and_offset_of_the_answer_are_its_own() -> None:
    lr = land()
    says = declare(input_scale=1, output_scale=255, output_offset=3)
    answer = FileModel(lambda x: x * 255 + 3, says).predict(lr, TARGET)
    assert torch.allclose(answer, lr.rgb(0), atol=1e-5)


def test_tiles_do_not_touch_each_other_in_a_batch() -> None:
    one, other = random_land(1, 3, 24, 22, 0.1), random_land(2, 3, 24, 22, 0.4)
    both = LowRes(*(torch.cat(pair) for pair in zip(vars(one).values(), vars(other).values(), strict=True)))
    model = FileModel(Spy(), declare(per_band=True, frame_rule="stack", frames=5))
    assert torch.equal(model.predict(both, TARGET)[1:], model.predict(other, TARGET))


@pytest.mark.parametrize(
    ("says", "network"),
    [
        (declare(), lambda x: x.mean((-2, -1))),
        (declare(), lambda x: x.repeat(2, 1, 1, 1)),
        (declare(per_band=True), lambda x: x.transpose(0, 1)),
        (declare(bands="B08"), lambda x: x),
        (declare(window=8, overlap=20), lambda x: x),
    ],
)
def test_answers_that_are_not_images(says: Preprocessing, network: object) -> None:
    with pytest.raises(ValueError, match=r"answer|window"):
        FileModel(network, says).predict(land(), TARGET)  # type: ignore[arg-type]


def test_a_fourth_channel_of_the_answer_is_near_infrared_and_normalised_as_its_own_band() -> None:
    says = declare(
        bands="B02,B03,B04,B08",
        output="2,1,0,3",
        input_scale=10_000,
        mean="100,200,300,400",
        std="10,20,30,40",
        normalised_output=True,
    )
    answer = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = reflectance_of(answer, says, (1, 4, 8, 8))
    for band, (channel, mean, std) in enumerate([(2, 300, 30), (1, 200, 20), (0, 100, 10), (3, 400, 40)]):
        torch.testing.assert_close(found[0, band], (answer[0, channel] * std + mean) / 10_000)
    assert declare(**says.parameters()) == says
    assert "R, G, B, NIR are channels 2,1,0,3" in str(describe(says.parameters()))
    with pytest.raises(ValueError, match="B08"):
        declare(bands="B02,B03,B04", output="2,1,0,0", normalised_output=True)


def test_windows_that_cannot_cover_an_image_are_refused_before_the_first_tile() -> None:
    with pytest.raises(ValueError, match="a window of 20 px"):
        FileModel(lambda x: x, declare(window=20, overlap=30))


def test_a_misspelt_parameter_is_told_what_it_may_be() -> None:
    with pytest.raises(ValueError, match=r"'bnads' \(is it bands\?\); there are bands"):
        declare(bnads="B02")
    with pytest.raises(ValueError, match=r"'zzz'; there are bands"):
        declare(zzz=1)
