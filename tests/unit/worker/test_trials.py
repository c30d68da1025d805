"""A network that was fed in the wrong unit, or in another order, does better once that is undone, and is told so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from worldstrat_bench.api import RGB
from worldstrat_bench.data.task import Task
from worldstrat_bench.preprocessing import Value, complete, parse_bands
from worldstrat_bench.worker.trials import Trials, Verdict, order_of_bands, other_units
from worldstrat_bench.worker.types import Reply

Network = Callable[[Tensor], Tensor]


def sharp(x: Tensor) -> Tensor:
    """What a trained network does: four times the size, and sharper than bicubic."""
    fine = F.interpolate(x, scale_factor=4, mode="bicubic")
    return fine + 0.7 * (fine - F.avg_pool2d(F.pad(fine, (4, 4, 4, 4), mode="reflect"), 9, stride=1))


def of_digital_numbers(x: Tensor) -> Tensor:
    """Its constants are of the size of digital numbers: on smaller inputs they are all that is seen."""
    return sharp(x) + 10 * torch.sin(torch.arange(4.0 * x.shape[-1]))


def of_eight_bits(x: Tensor) -> Tensor:
    """It saturates beyond 255, and its noise is that of one step."""
    return 255 * torch.tanh(sharp(x) / 255) + 0.5 * torch.sin(torch.arange(4.0 * x.shape[-1]))


def of_reflectance(x: Tensor) -> Tensor:
    """It saturates beyond 2."""
    return 4 * torch.tanh(sharp(x) / 4)


def of_red_first(x: Tensor) -> Tensor:
    """It has learned that on land red is brighter than blue, and blurs what is not so."""
    right = bool(x[:, 0].mean() > x[:, 2].mean())
    return sharp(x) if right else F.interpolate(F.avg_pool2d(x, 2), scale_factor=8)


def with_the_offset(x: Tensor) -> Tensor:
    """It takes off the 1,000 that ESA adds, and knows no negative reflectance."""
    return sharp(torch.relu(x - 1000)) + 1000


def from_minus_one(x: Tensor) -> Tensor:
    """It was trained on inputs from -1 to 1, in which land is below 0, and blurs what is not so."""
    return sharp(x) if bool(x.mean() < 0) else F.interpolate(F.avg_pool2d(x, 2), scale_factor=8)


def of_normalised() -> Network:
    """It expects (x - mean) / std, answers likewise, and saturates at thirty standard deviations."""
    return lambda z: 30 * torch.tanh(sharp(z) / 30)


def found(network: Network, declared: dict[str, Value] | None = None, scale: float = 1.0) -> Verdict:
    """What `models check` says of a network; `scale` is what a plug-in without a declaration multiplies by."""
    whole = complete(declared) if declared is not None else {}
    factor = float(whole.get("input_scale", scale))
    mean, std = (float((declared or {}).get(name, usual)) for name, usual in (("mean", 0.0), ("std", 1.0)))
    bands = parse_bands(str(whole.get("bands", "B04,B03,B02")))
    rgb = [bands.index(band) for band in RGB]

    def predict(task: Task) -> Reply:
        images: NDArray[Any] = task.images[0, :1, list(bands)].transpose(1, 0, 2, 3)
        x = (torch.from_numpy(images.copy()) * factor - mean) / std
        y = network(x)
        y = y * std + mean if whole.get("normalised_output") else y
        return Reply("ok", (y / factor)[0, rgb].numpy(), "", 0.0)

    trials = Trials(predict, 1, whole)
    units = other_units(trials)
    return units if units.hint else order_of_bands(trials)


RIGHT: list[tuple[Network, dict[str, Value] | None, float]] = [
    (of_digital_numbers, {"input_scale": 10_000}, 1),
    (of_digital_numbers, None, 10_000),
    (of_eight_bits, None, 255),
    (of_reflectance, {}, 1),
    (of_red_first, None, 1),
    (with_the_offset, None, 10_000),
    (of_normalised(), {"mean": 0.15, "std": 0.06, "normalised_output": True}, 1),
    (lambda x: F.interpolate(x, scale_factor=2), None, 1),
]


@pytest.mark.parametrize(("network", "declared", "scale"), RIGHT)
def test_a_right_preprocessing_is_not_blamed(network: Network, declared: dict[str, Value] | None, scale: float) -> None:
    offset = 0.1 if network is with_the_offset else 0.0
    if offset:  # its plug-in adds what it wants
        assert found(lambda x: with_the_offset(x + 1000) - 1000, declared, scale).hint == ""
        return
    assert found(network, declared, scale).hint == ""


WRONG: list[tuple[Network, dict[str, Value] | None, float, str]] = [
    (of_digital_numbers, {"input_scale": 1}, 1, "multiply input_scale and output_scale by 10,000"),
    (of_digital_numbers, None, 1, "inputs 10,000 times larger"),
    (of_eight_bits, None, 1, "inputs 255 times larger"),
    (of_eight_bits, None, 10_000, "inputs 39.2 times smaller"),
    (of_reflectance, {"input_scale": 255}, 1, "times smaller, so that the scale is wrong"),
    (of_eight_bits, {"input_scale": 10_000}, 1, "which makes input_scale=255"),
    (of_eight_bits, {"input_scale": 255e4}, 1, "divide input_scale and output_scale by 10,000"),
    (from_minus_one, {"input_scale": 1}, 1, "set input_scale=2 and input_offset=-1"),
    (of_red_first, {"bands": "B02,B03,B04"}, 1, "BGR for RGB: set bands=B04,B03,B02"),
    (lambda x: of_red_first(x.flip(1)).flip(1), None, 1, "BGR for RGB: flip the channels"),
    (with_the_offset, None, 10_000, "+1,000 in digital numbers: an offset is forgotten"),
]


@pytest.mark.parametrize(("network", "declared", "scale", "words"), WRONG)
def test_a_wrong_one_is_named(network: Network, declared: dict[str, Value] | None, scale: float, words: str) -> None:
    verdict = found(network, declared, scale)
    assert words in verdict.hint
    assert verdict.sure


def test_mean_and_std_that_were_exchanged_are_named() -> None:
    declared: dict[str, Value] = {"mean": 0.02, "std": 0.15, "normalised_output": True}

    def trained(z: Tensor) -> Tensor:  # on (x - 0.15) / 0.02: its noise is of that size
        return 40 * torch.tanh(sharp(z) / 40) + 0.15 * torch.sin(torch.arange(4.0 * z.shape[-1]))

    verdict = found(trained, declared)
    assert "mean and std exchanged" in verdict.hint
    assert verdict.sure
    assert found(trained, {"mean": 0.15, "std": 0.02, "normalised_output": True}).hint == ""


def test_a_model_that_fails_is_left_to_other_checks() -> None:
    still = np.zeros((3, 8, 8), np.float32)
    for reply, frames in ((Reply("crash", None, "signal 11", 0.0), 1), (Reply("ok", still, "", 0.0), 3)):
        trials = Trials(lambda task, reply=reply: reply, frames, {})  # type: ignore[misc]
        assert other_units(trials).hint == order_of_bands(trials).hint == ""
        assert reply.outcome == "ok" or "crash: signal 11" in order_of_bands(trials).note


def test_the_near_infrared_of_an_answer_takes_no_part() -> None:
    def predict(task: Task) -> Reply:
        images: NDArray[Any] = task.images[0, :1, [3, 2, 1, 7]].transpose(1, 0, 2, 3)
        y = of_red_first(torch.from_numpy(images.copy()).flip(1)[:, 1:]).flip(1)
        return Reply("ok", torch.cat([y, 50 + y[:, :1]], dim=1)[0].numpy(), "", 0.0)

    assert "BGR for RGB" in order_of_bands(Trials(predict, 1, {})).hint


def test_of_a_model_that_is_worse_than_bicubic_no_order_is_told() -> None:
    trials = Trials(lambda task: Reply("ok", task.images[0, 0, list(RGB)].repeat(4, 1).repeat(4, 2), "", 0.0), 1, {})
    assert "no better than bicubic" in order_of_bands(trials).note
