"""The networks that come with weights: size, and what they gain on land they were not trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from baselines.tests.known_tiles import KnownTile, make_tile, psnr

from worldstrat_bench.api import LowRes, SRModel, Target
from worldstrat_bench_baselines.fusion import ShiftAndAdd
from worldstrat_bench_baselines.interpolation import load_bicubic
from worldstrat_bench_baselines.nets import MultiFrameNet, SingleFrameNet, parameter_count
from worldstrat_bench_baselines.trained import WEIGHTS, load_multi, load_single

CPU = torch.device("cpu")
TARGET = Target(160, 160)
TRAINING = Path(__file__).resolve().parent.parent / "training"
CLASSES = ("Settlement", "Agriculture", "Forest", "Grassland", "Wetland", "Other")


@pytest.fixture(scope="module")
def held_out() -> tuple[KnownTile, ...]:
    """Land of other seeds than those of the training, seen by a sensor written apart from the training's."""
    return tuple(make_tile(ipcc, 40 + number) for number, ipcc in enumerate(CLASSES))


@pytest.mark.parametrize(("name", "net"), [("single", SingleFrameNet()), ("multi", MultiFrameNet())])
def test_networks_are_small_and_their_card_is_true(name: str, net: torch.nn.Module) -> None:
    assert parameter_count(net) < 400_000
    assert (WEIGHTS / f"{name}.safetensors").stat().st_size < 2_000_000
    facts = json.loads((TRAINING / f"{name}.json").read_text("utf-8"))
    assert facts["parameters"] == parameter_count(net)
    assert facts["train_seed"] != facts["validation_seed"]
    log = (TRAINING / f"{name}.log.csv").read_text("utf-8").splitlines()
    assert max(float(line.split(",")[3]) for line in log[1:]) == pytest.approx(facts["validation_db_best"])


def mean_db(model: SRModel, tiles: tuple[KnownTile, ...]) -> float:
    scores = [psnr(model.predict(t.lr, TARGET)[0], t.truth) for t in tiles]
    return sum(scores) / len(scores)


def test_they_gain_what_they_promise(held_out: tuple[KnownTile, ...]) -> None:
    bicubic = mean_db(load_bicubic(None, CPU), held_out)
    classical = mean_db(ShiftAndAdd(), held_out)
    single, multi = mean_db(load_single(None, CPU), held_out), mean_db(load_multi(None, CPU), held_out)
    assert single > bicubic + 1.0
    assert multi > bicubic + 1.5
    assert bicubic < classical < multi


def test_one_frame_is_enough_for_the_multi_frame_network(held_out: tuple[KnownTile, ...]) -> None:
    alone = tuple(
        KnownTile(LowRes(t.lr.images[:, :1], t.lr.clear[:, :1], t.lr.days[:, :1]), t.shifts, t.truth) for t in held_out
    )
    assert mean_db(load_multi(None, CPU), alone) > mean_db(load_bicubic(None, CPU), alone) + 0.8


def test_other_weights_can_be_given(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="state_dict"):
        load_single(WEIGHTS / "multi.safetensors", CPU)
