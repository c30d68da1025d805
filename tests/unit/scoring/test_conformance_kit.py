"""The conformance kit: what the command writes, and that a second implementation from the text alone agrees with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from plain_wsb1 import Rules, evaluate
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import load_protocol

EXACT = {"valid", "mask", "shift_y", "shift_x", "at_edge"}
Pair = tuple[str, dict[str, NDArray[Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit as the command writes it."""
    folder = tmp_path_factory.mktemp("kit") / "wsb-1"
    done = CliRunner().invoke(app, ["conformance", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {**json.loads((folder / "kit.json").read_text()), "folder": str(folder)}
    return folder


@pytest.fixture(scope="module")
def pairs(kit: Path) -> list[Pair]:
    """Name, inputs and expected numbers of every pair, read from the files alone."""
    return [read(folder) for folder in sorted(kit.iterdir()) if folder.is_dir()]


def read(folder: Path) -> Pair:
    """One pair."""
    with np.load(folder / "inputs.npz") as inputs, np.load(folder / "expected.npz") as expected:
        numbers = {**json.loads((folder / "expected.json").read_text()), **expected}
        return folder.name, dict(inputs), numbers


def disagreements(expected: Mapping[str, Any], found: Mapping[str, Any], tolerance: float = 1e-6) -> Iterator[str]:
    """What differs by more than the kit's README allows."""
    yield from sorted(set(expected) ^ set(found))
    for name in set(expected) & set(found):
        if expected[name] is None or found[name] is None:
            if expected[name] is not found[name]:
                yield name
            continue
        a, b = (np.asarray(numbers[name], dtype=np.float64) for numbers in (expected, found))
        if a.shape != b.shape:
            yield name
            continue
        size = np.maximum(np.abs(a), 0 if name == "detail" else 1)
        if name == "mismatch":
            size = np.abs(a).max()
        elif name == "gain":
            size = expected["psnr"]
        if (np.abs(a - b) > (0 if name in EXACT else tolerance * size)).any():
            yield name


def test_two_implementations_agree_on_every_pair(pairs: list[Pair]) -> None:
    assert len(pairs) == 24
    assert {name: sorted(disagreements(expected, evaluate(inputs))) for name, inputs, expected in pairs} == {
        name: [] for name, _, _ in pairs
    }


@pytest.mark.parametrize(
    ("wrong", "pair", "seen_in"),
    [
        ({"radius": 7}, "edge", "shift_y"),
        ({"tie_order": "dy, dx"}, "ties-by-length", "shift_y"),
        ({"tie_order": "length, dx, dy"}, "ties-by-order", "shift_y"),
        ({"tie": 0.3}, "hole", "shift_x"),
        ({"fraction": 8}, "fraction", "shift_y"),
        ({"border": 18}, "fraction", "psnr"),
        ({"clip_first": True}, "offset", "shift_x"),
        ({"offset_over_clouds": True}, "clouds", "offset"),
        ({"offset_over_clouds": True}, "clouds", "shift_x"),
        ({"steps": 0}, "saturation", "offset"),
        ({"remove_bias": False}, "clouds", "psnr"),
        ({"sigma": 1.9}, "fraction", "mismatch"),
        ({"ssim_window": 9}, "bias", "ssim"),
        ({"percentile": 99.0}, "snow", "white"),
        ({"white_min": 0.25}, "grey", "ssim"),
        ({"lobes": 7}, "fraction", "result"),
        ({"lobes": 7}, "native", "offset"),
        ({"mtf": 0.29}, "fraction", "lr_consistency"),
        ({"clear_min": 0.6}, "clouds", "mask"),
        ({"no_data_above": 0.01}, "hole", "valid"),
        ({"cubic": -0.75}, "hole", "target"),
        ({"floor": 1e-9}, "identity", "psnr"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
def test_one_wrong_rule_is_noticed(pairs: list[Pair], wrong: dict[str, Any], pair: str, seen_in: str) -> None:
    inputs, expected = next((inputs, expected) for name, inputs, expected in pairs if name[3:] == pair)
    assert seen_in in set(disagreements(expected, evaluate(inputs, replace(Rules(), **wrong))))


def test_the_pairs_are_what_they_say(pairs: list[Pair]) -> None:
    numbers = {name[3:]: expected for name, _, expected in pairs}
    assert numbers["identity"]["psnr"] == 100
    assert numbers["edge"]["at_edge"]
    assert numbers["edge"]["shift_y"] == 8
    assert numbers["edge"]["shift_x"] % 1
    assert numbers["beyond"]["at_edge"]
    assert np.ptp(numbers["flat"]["mismatch"]) < 1e-16
    for name in ("ties-by-length", "ties-by-order"):
        table = numbers[name]["mismatch"]
        assert (table <= table.min() * (1 + 1e-9)).sum() >= 4
    assert numbers["stripes"]["ssim"] is None
    assert numbers["overcast"]["lr_consistency"] is None
    assert numbers["overcast"]["mask"].all()
    assert 0.25 < numbers["clouds"]["mask"].mean() < 0.75
    assert (numbers["clouds"]["shift_y"], numbers["clouds"]["shift_x"]) == pytest.approx((2.2, 1.1), abs=0.125)
    assert 0.5 < numbers["hole"]["valid"].mean() < 1
    assert numbers["saturation"]["white"] == 1
    assert numbers["snow"]["white"] > 0.98
    assert np.abs(numbers["offset"]["offset"]).max() > 0.7
    assert numbers["wild"]["clipped"] > 0
    assert numbers["wild"]["psnr"] > 30
    assert numbers["four-bands"]["psnr_nir"] > 40
    assert numbers["no-frame"]["psnr_bicubic"] is None
    assert [name for name, expected in numbers.items() if "psnr_nir" in expected] == ["four-bands"]


def test_the_images_are_small_and_of_many_sizes(pairs: list[Pair]) -> None:
    sides = [inputs["hr"].shape[-1] for _, inputs, _ in pairs if "hr" in inputs]
    assert min(sides) == 160
    assert max(sides) == 330
    shapes = {inputs["prediction"].shape[1:] for _, inputs, _ in pairs}
    assert any(h != w for h, w in shapes)
    on_grid = {inputs["prediction"].shape[1:] == expected["valid"].shape for _, inputs, expected in pairs}
    assert on_grid == {True, False}


def test_the_kit_says_what_it_was_made_from(kit: Path) -> None:
    index = json.loads((kit / "kit.json").read_text())
    assert index["protocol"] == {"id": "wsb-1", "sha256": load_protocol("wsb-1").sha256}
    assert [pair["folder"] for pair in index["pairs"]] == sorted(p.name for p in kit.iterdir() if p.is_dir())
    readme = (kit / "README.md").read_text()
    assert all(f"`{pair['folder']}`" in readme for pair in index["pairs"])
    assert "{" not in readme
    assert sum(file.stat().st_size for file in kit.rglob("*") if file.is_file()) < 32e6


@pytest.mark.soak
def test_the_same_machine_writes_the_same_bytes(kit: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["conformance", str(tmp_path / "again")])
    assert "README.md" in done.stderr
    files = sorted(file.relative_to(kit) for file in kit.rglob("*") if file.is_file())
    assert files == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    assert [f for f in files if (kit / f).read_bytes() != (tmp_path / "again" / f).read_bytes()] == []


@pytest.mark.parametrize("kind", ["file", "full"])
def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, kind: str) -> None:
    target = tmp_path if kind == "full" else tmp_path / "note.txt"
    (tmp_path / "note.txt").write_text("mine")
    done = CliRunner().invoke(app, ["conformance", str(target)])
    assert isinstance(done.exception, UsageError)
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]
    assert (tmp_path / "note.txt").read_text() == "mine"
