"""Every usual mistake of the preprocessing is named, and no right answer is blamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from worldstrat_bench.preprocessing import Value, complete
from worldstrat_bench.worker.conformance import make_task
from worldstrat_bench.worker.fit import fit_of, mistake, seen

Image = NDArray[Any]
TILES = [make_task(1, seed=seed).images[0, 0] for seed in range(3)]


def enlarged(tile: Image, bands: tuple[int, ...] = (3, 2, 1), side: int = 632) -> Image:
    """What a right model answers: those bands, enlarged."""
    rgb = torch.from_numpy(tile[list(bands)])[None]
    answer: Image = torch.nn.functional.interpolate(rgb, (side, side), mode="bicubic")[0].numpy()
    return answer


def said(answer: Image, tile: Image, **declared: Value) -> str:
    return mistake(fit_of(answer, tile), complete(declared) if declared else {})


MEAN = np.array([0.14, 0.12, 0.1], np.float32)[:, None, None]
STD = np.array([0.05, 0.04, 0.045], np.float32)[:, None, None]
DECLARED: dict[str, Value] = {"mean": "0.14,0.12,0.1", "std": "0.05,0.04,0.045"}
SWAPPED: dict[str, Value] = {"mean": DECLARED["std"], "std": DECLARED["mean"]}


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("side", [158, 316, 632])
@pytest.mark.parametrize("declared", [{}, {"input_scale": 10_000}, {**DECLARED, "normalised_output": True}, DECLARED])
def test_a_right_answer_is_not_blamed(tile: Image, side: int, declared: dict[str, Value]) -> None:
    answer = enlarged(tile, side=side)
    assert said(answer, tile, **declared) == ""
    assert said(answer * 1.15 - 0.01, tile, **declared) == ""  # a network sharpens, and has a bias of its own
    assert said(answer * 0.93, tile, **declared) == ""  # or darkens a little
    noise = np.random.default_rng(1).normal(0, 0.02, answer.shape).astype(np.float32)
    assert said(answer + noise, tile, **declared) == ""
    assert said(np.roll(answer, 3, axis=-1), tile, **declared) == ""


MISTAKES: list[tuple[str, Callable[[Image], Image], str, str]] = [
    ("10,000 too small", lambda x: x / 10_000, "10,000 times too small: multiply", "divide output_scale by 10,000"),
    ("10,000 too large", lambda x: x * 10_000, "10,000 times too large: divide", "multiply output_scale by 10,000"),
    ("255 too small", lambda x: x / 255, "255 times too small", "divide output_scale by 255"),
    ("255 too large", lambda x: x * 255, "255 times too large", "multiply output_scale by 255"),
    ("8 bits for digital numbers", lambda x: x * 10_000 / 255, "39.2 times too large", "39.2"),
    ("offset forgotten", lambda x: x + 0.1, "+1000 in digital numbers", "input_offset"),
    ("offset taken off twice", lambda x: x - 0.1, "-1000 in digital numbers", "output_offset"),
    ("BGR", lambda x: x[::-1].copy(), "BGR for RGB: return", 'output = "2,1,0"'),
    ("BGR in another unit", lambda x: x[::-1].copy() * 1e4, "BGR for RGB", "BGR for RGB"),
    ("normalised", lambda x: (x - MEAN) / STD, "looks normalised", "declare mean, std"),
    ("mean not added", lambda x: x - MEAN * [[[1.0]], [[0.6]], [[0.4]]], "a mean is forgotten", "declare mean"),
    ("exchanged going in", lambda x: (x - STD) / MEAN * STD + MEAN, "were exchanged", "were exchanged"),
    ("exchanged coming out", lambda x: (x - MEAN) / STD * MEAN + STD, "were exchanged", "were exchanged"),
    ("constant", lambda x: 0 * x + 1, "hardly shows the tile", "set input_scale"),
    ("half the contrast", lambda x: x * 0.5 - 0.03, "contrast is off by 0.49", "output_scale"),
    ("half", lambda x: x * 0.5 + 0.001, "2 times too small: multiply it by 2", "divide output_scale by 2"),
    ("brightened", lambda x: x * 3, "3 times too large: divide it by 3", "multiply output_scale by 3"),
    ("brightened", lambda x: x * 2.5, "2.5 times too large", "2.5"),
    ("16 bits", lambda x: x * 65_535, "65,535 times too large", "65,535"),
    ("12 bits", lambda x: x / 4095, "4,095 times too small", "4,095"),
    ("no usual factor", lambda x: x * 210, "210 times too large (as measured", "multiply output_scale by 210"),
    ("no usual factor", lambda x: x / 8700, "times too small (as measured", "divide output_scale by 8,"),
    ("from -1 to 1", lambda x: 2 * x - 1, "from -1 to 1, not from 0: take", "set output_scale=2 and output_offset=-1"),
    ("bright, from -1 to 1", lambda x: 6 * x - 1, "from -1 to 1", "and output_offset=-1"),
    ("inputs from -1 to 1", lambda x: (x + 1) / 2, "expects inputs from -1 to 1: give", "input_offset=-1"),
]


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize(("name", "spoil", "words", "declared"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_named(name: str, spoil: Callable[[Image], Image], words: str, declared: str, tile: Image) -> None:
    answer = spoil(enlarged(tile)).astype(np.float32)
    assert words in said(answer, tile)
    assert declared in said(answer, tile, input_scale=1)


def test_a_grey_tile_blames_no_one() -> None:
    for tile in TILES:
        grey = np.repeat(tile[3:4], 12, axis=0)
        assert said(enlarged(grey), grey) == said(enlarged(grey), grey, input_scale=1) == ""


@pytest.mark.parametrize("tile", TILES)
def test_other_bands_are_named(tile: Image) -> None:
    assert "the channels are B08, B04, B03" in said(enlarged(tile, (7, 3, 2)), tile)
    assert seen(fit_of(enlarged(tile, (7, 3, 2)), tile)).startswith("R, G, B show B08, B04, B03")


def answer_of(network: Callable[[Image], Image], tile: Image, declared: dict[str, Value]) -> Image:
    """What an adapter makes of a network's answer, written out here."""
    whole = complete(declared)
    mean, std = (
        np.array(str(whole[key]).split(","), np.float32)[:, None, None] if whole[key] else np.float32(default)
        for key, default in (("mean", 0.0), ("std", 1.0))
    )
    scaled = enlarged(tile) * float(whole["input_scale"]) + float(whole["input_offset"])
    out = network((scaled - mean) / std)
    if whole["normalised_output"]:
        out = out * std + mean
    return ((out - float(whole["output_offset"])) / float(whole["output_scale"])).astype(np.float32)


NETWORKS: list[tuple[str, Callable[[Image], Image], dict[str, Value], dict[str, Value], str]] = [
    # name, network, what should be declared, what was declared instead, words of the hint
    ("undone inside", lambda z: z * STD + MEAN, DECLARED, SWAPPED, "mean and std look exchanged"),
    ("undone inside", lambda z: z * STD + MEAN, DECLARED, {**DECLARED, "normalised_output": True}, "second time"),
    ("normalised", lambda z: z, {**DECLARED, "normalised_output": True}, DECLARED, "normalised_output = true"),
    (
        "digital numbers in, reflectance out",
        lambda x: x / 10_000,
        {"input_scale": 10_000, "output_scale": 1},
        {"input_scale": 1},
        "times too small",
    ),
    ("0..255 out", lambda x: x * 255, {"output_scale": 255}, {}, "255 times too large"),
    (
        "offset inside",
        lambda x: (x - 1000) / 10_000,
        {"input_scale": 10_000, "input_offset": 1000, "output_scale": 1, "output_offset": 0},
        {"input_scale": 10_000, "output_scale": 1},
        "-1000 in digital numbers",
    ),
    ("answers BGR", lambda x: x[::-1], {"output": "2,1,0"}, {}, "BGR for RGB"),
]


@pytest.mark.parametrize(("name", "network", "right", "wrong", "words"), NETWORKS)
def test_a_wrong_declaration_is_named(
    name: str, network: Callable[[Image], Image], right: dict[str, Value], wrong: dict[str, Value], words: str
) -> None:
    tile = TILES[0]
    if name != "answers BGR":
        assert said(answer_of(network, tile, right), tile, **right) == ""
    assert words in said(answer_of(network, tile, wrong), tile, **(wrong or {"input_scale": 1}))


def test_small_tiles_and_answers_that_are_not_numbers_of_any_use() -> None:
    tile = make_task(1, 20, 17).images[0, 0]
    assert said(enlarged(tile, side=80), tile) == ""
    assert "hardly" in said(np.zeros((3, 80, 80), np.float32), tile)
