"""The real imagery in ../shared, read as a run reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldstrat_bench.data.check import check_dataset
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.loading import load_tiles
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
    loaded = {x.tile.name: x for x in load_tiles(open_dataset(realdata).tiles("test"), WSB, 8)}
    shapes = {name: (x.inputs.task.images[0].shape, x.target.image.shape) for name, x in loaded.items()}
    assert shapes == {
        "Landcover-9000001": ((3, 12, 160, 160), (3, 632, 632)),
        "Landcover-9000004": ((8, 12, 80, 80), (3, 316, 316)),
        "Landcover-9000005": ((8, 12, 80, 80), (3, 316, 316)),
    }
    assert {name: x.inputs.revisits for name, x in loaded.items()} == {
        "Landcover-9000001": (1, 3, 2),
        "Landcover-9000004": (5, 6, 4, 7, 3, 8, 1, 2),
        "Landcover-9000005": (6, 4, 7, 3, 8, 2, 1, 5),
    }
    assert loaded["Landcover-9000001"].inputs.task.days[0].tolist() == [-25, -15, -20]
    means = {name: float(x.target.image.mean(dtype="float64")) for name, x in loaded.items()}
    assert means == pytest.approx(MEANS, abs=1e-6)
    assert all(x.target.valid.all() and x.target.usable for x in loaded.values())


def test_sub_tiles_and_names_with_spaces(realdata: Path) -> None:
    dataset = open_dataset(realdata)
    groups = {tile.name: tile.facts.group for tile in dataset.tiles("train")}
    assert groups["Amnesty POI-901-1-1"] == "Amnesty POI-901"
    assert groups["ASMSpotter-901-1-1"] == "ASMSpotter-901"
    assert dataset.facts("UNHCR-NLDs900002").continent == "Europe"
    assert dataset.facts("Landcover-9000008").continent == "North America"
