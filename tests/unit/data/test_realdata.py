"""The real imagery in ../shared, read as a run reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldstrat_bench.data.check import check_dataset
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.data.target import read_target
from worldstrat_bench.protocol import load_protocol

WSB = load_protocol("wsb-1")

MEANS = {"Landcover-9000001": 0.09809815, "Landcover-9000004": 0.14951949, "Landcover-9000005": 0.08506907}
"""Mean reflectance of the targets."""

pytestmark = pytest.mark.shared


def test_no_file_is_at_fault(realdata: Path) -> None:
    dataset = open_dataset(realdata)
    for name in ("test", "train", "val"):
        report = check_dataset(dataset, name, deep=True)
        assert [str(fault) for fault in report.faults] == []
        assert report.release == "unrecognised"


def test_inputs_and_targets(realdata: Path) -> None:
    tiles = open_dataset(realdata).tiles("test")
    inputs = {tile.name: read_inputs(tile, WSB, 8) for tile in tiles}
    targets = {tile.name: read_target(tile, WSB) for tile in tiles}
    shapes = {name: (inputs[name].task.images[0].shape, targets[name].image.shape) for name in inputs}
    assert shapes == {
        "Landcover-9000001": ((3, 12, 160, 160), (3, 632, 632)),
        "Landcover-9000004": ((8, 12, 80, 80), (3, 316, 316)),
        "Landcover-9000005": ((8, 12, 80, 80), (3, 316, 316)),
    }
    assert {name: x.revisits for name, x in inputs.items()} == {
        "Landcover-9000001": (1, 3, 2),
        "Landcover-9000004": (5, 6, 4, 7, 3, 8, 1, 2),
        "Landcover-9000005": (6, 4, 7, 3, 8, 2, 1, 5),
    }
    assert all(
        (x.task.height, x.task.width, x.task.name) == (*targets[name].image.shape[1:], name)
        for name, x in inputs.items()
    )
    assert inputs["Landcover-9000001"].task.days[0].tolist() == [-25, -15, -20]
    means = {name: float(x.image.mean(dtype="float64")) for name, x in targets.items()}
    assert means == pytest.approx(MEANS, abs=1e-6)
    assert all(x.valid.all() and x.usable for x in targets.values())


def test_sub_tiles_and_names_with_spaces(realdata: Path) -> None:
    dataset = open_dataset(realdata)
    groups = {tile.name: tile.facts.group for tile in dataset.tiles("train")}
    assert groups["Amnesty POI-901-1-1"] == "Amnesty POI-901"
    assert groups["ASMSpotter-901-1-1"] == "ASMSpotter-901"
    assert dataset.facts("UNHCR-NLDs900002").continent == "Europe"
    assert dataset.facts("Landcover-9000008").continent == "North America"
