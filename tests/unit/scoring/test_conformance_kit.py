"""The conformance kit: what the command writes, and that a second implementation from the text alone agrees with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F
from typer.testing import CliRunner

from plain_wsb1 import Rules, evaluate
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.filtering import correlate_columns, correlate_rows
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring.kit import comparing
from worldstrat_bench.scoring.kit.comparing import differences, read_numbers

pytestmark = pytest.mark.not_quick  # a second or more for most of these

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
    with np.load(folder / "inputs.npz") as inputs:
        return folder.name, dict(inputs), read_numbers(folder)


def disagreements(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What differs by more than the kit's README allows, and what only one of them has."""
    return [*(difference.field for difference in differences(expected, found)), *sorted(set(found) - set(expected))]


def test_two_implementations_agree_on_every_pair(pairs: list[Pair]) -> None:
    assert len(pairs) == 24
    assert {name: sorted(disagreements(expected, evaluate(inputs))) for name, inputs, expected in pairs} == {
        name: [] for name, _, _ in pairs
    }


def by_torch(frame: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """The reference bicubic, which the text defines as torch's."""
    image = torch.from_numpy(frame).float()[None]
    enlarged = F.interpolate(image, size=size, mode="bicubic", align_corners=False, antialias=False)
    return np.asarray(enlarged[0].double().numpy())


def adds_in_order() -> bool:
    """Whether a move adds its products here as 3.5 says: a BLAS may choose another order for other processors."""
    taps = torch.from_numpy(np.random.default_rng(1).normal(size=17)).tolist()
    image = torch.from_numpy(np.random.default_rng(2).random((3, 90, 90)).astype(np.float32))
    for found, lines in (
        (correlate_rows(image, taps), image.numpy()),
        (correlate_columns(image, taps).transpose(1, 2), image.transpose(1, 2).numpy()),
    ):
        total = np.zeros(found.shape)
        for k, tap in enumerate(np.array(taps, dtype=np.float32).astype(np.float64)):
            total = (total + tap * lines[:, k : k + total.shape[1]]).astype(np.float32).astype(np.float64)
        if not np.array_equal(found.numpy(), total):
            return False
    return True


def test_with_the_roundings_of_the_text_every_number_agrees_to_a_millionth(
    pairs: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decibels and degrees, too, as they are and not by their size."""
    monkeypatch.setattr(comparing, "MOST", 1)
    if not adds_in_order():
        pytest.skip("this machine's BLAS adds the products of a move in another order")
    apart = {
        name: disagreements(expected, evaluate(own, Rules(single=True), by_torch)) for name, own, expected in pairs
    }
    assert apart == {name: [] for name, _, _ in pairs}


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
        ({"absurd_above": 1e9}, "wild", "result"),
        ({"absurd_above": 2.3}, "wild", "result"),
        ({"absurd_below": -1e9}, "wild", "result"),
        ({"absurd_below": -1.3}, "wild", "result"),
        ({"absurd_at_once": True}, "offset", "offset"),
        ({"offset_over_clouds": True}, "clouds", "offset"),
        ({"offset_over_clouds": True}, "clouds", "shift_x"),
        ({"stride": 1}, "rows", "offset"),
        ({"ends_count": True}, "rows", "offset"),
        ({"steps": 0}, "saturation", "offset"),
        ({"steps": 4}, "saturation", "offset"),
        ({"steps": 7}, "saturation", "offset"),
        ({"vertex_max": 8.0}, "vertex", "shift_y"),
        ({"remove_bias": False}, "clouds", "psnr"),
        ({"sigma": 1.9}, "fraction", "mismatch"),
        ({"ssim_window": 9}, "fraction", "ssim"),
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
    assert numbers["no-frame"]["at_edge"]
    assert numbers["no-frame"]["shift_x"] == 8
    assert numbers["vertex"]["shift_y"] in (-0.5, 0.5)
    assert (numbers["rows"]["offset"] == 0).all()
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
    assert sorted(np.abs(numbers["offset"]["offset"]) > 1) == [False, True, True]
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
    assert ("is not a folder" in str(done.exception)) == (kind == "file")
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]
    assert (tmp_path / "note.txt").read_text() == "mine"


def check(kit: Path, results: Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and the pairs that differ, as the command reports them."""
    done = CliRunner().invoke(app, ["conformance", str(kit), "--check", str(results), "--json"])
    document = json.loads(done.stdout)
    assert document["agrees"] == (done.exit_code == 0)
    assert len(document["pairs"]) == 24
    return done.exit_code, [pair for pair in document["pairs"] if pair["differences"]]


@pytest.fixture
def results(kit: Path, tmp_path: Path) -> Path:
    """Results of an implementation that agrees."""
    return Path(shutil.copytree(kit, tmp_path / "results", ignore=shutil.ignore_patterns("inputs.npz", "kit.json")))


def test_check_accepts_what_agrees(kit: Path, results: Path) -> None:
    assert check(kit, results) == (0, [])
    done = CliRunner().invoke(app, ["conformance", str(kit), "--check", str(results)])
    assert (done.exit_code, done.stderr) == (0, "24 of 24 pairs agree\n")


@pytest.mark.parametrize("wrong", [float("nan"), 1e-3], ids=str)
def test_check_names_first_what_is_computed_first(kit: Path, results: Path, wrong: float) -> None:
    folder = results / "02-fraction"
    numbers = json.loads((folder / "expected.json").read_text())
    arrays = dict(np.load(folder / "expected.npz"))
    arrays["offset"][1] += wrong
    np.savez_compressed(folder / "expected.npz", **arrays)
    (folder / "expected.json").write_text(json.dumps({**numbers, "psnr": wrong, "ssim": None, "clipped": "none"}))
    code, pairs = check(kit, results)
    assert code == 5
    assert [pair["folder"] for pair in pairs] == ["02-fraction"]
    assert [found["field"] for found in pairs[0]["differences"]] == ["offset", "clipped", "psnr", "ssim"]
    assert pairs[0]["differences"][0]["what"].startswith("differs in 1 of 3 values, by up to")
    assert pairs[0]["differences"][3]["what"] == "is null, not a number"
    done = CliRunner().invoke(app, ["conformance", str(kit), "--check", str(results)])
    assert done.exit_code == 5
    assert done.stderr.splitlines()[0].startswith("02-fraction: offset differs in 1 of 3 values")
    assert done.stderr.splitlines()[0].endswith("; then clipped, psnr, ssim")
    assert done.stderr.splitlines()[1] == "23 of 24 pairs agree"


def test_check_takes_one_of_the_files_and_misses_the_rest(kit: Path, results: Path) -> None:
    (results / "01-identity" / "expected.npz").unlink()
    shutil.rmtree(results / "24-no-frame")
    code, pairs = check(kit, results)
    assert code == 5
    found = {pair["folder"]: {d["field"]: d["what"] for d in pair["differences"]} for pair in pairs}
    assert found["01-identity"] == dict.fromkeys(("target", "valid", "mask", "result"), "is missing")
    assert found["24-no-frame"] == {"expected.npz": "and expected.json are missing"}


@pytest.mark.parametrize(
    ("name", "content"), [("expected.npz", b"no"), ("expected.json", b"["), ("expected.json", b"1")]
)
def test_check_refuses_damaged_files(kit: Path, results: Path, name: str, content: bytes) -> None:
    (results / "03-stripes" / name).write_bytes(content)
    done = CliRunner().invoke(app, ["conformance", str(kit), "--check", str(results)])
    assert isinstance(done.exception, InvalidArtefactError)


def test_check_needs_a_kit_and_a_folder(kit: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for first, second, what in ((tmp_path, kit, "no conformance kit"), (kit, tmp_path / "file", "is not a folder")):
        done = CliRunner().invoke(app, ["conformance", str(first), "--check", str(second)])
        assert isinstance(done.exception, UsageError)
        assert what in str(done.exception)


def test_every_field_is_described(kit: Path, pairs: list[Pair]) -> None:
    fields = {name for _, _, expected in pairs for name in expected}
    for page in (kit / "README.md", Path(__file__).parents[3] / "docs" / "conformance.md"):
        text = page.read_text()
        assert sorted(name for name in fields if f"`{name}`" not in text) == []
