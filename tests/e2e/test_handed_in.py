"""Predictions made elsewhere: inputs are exported, enlarged without the package, and score as the same model run."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import plain_bicubic as plain
from forgery import forge
from run_helpers import Done, leftovers, run_cli, small_dataset
from worldstrat_bench.artefacts.record import HANDED_IN_CLASS, NOT_KNOWN, Record
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.data.inputs import read_tile
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.protocol import load_protocol

Image = NDArray[np.float64]
CLOSE = 1e-4


@dataclass(frozen=True)
class Scene:
    """A small dataset, the run of `bicubic` on it, and what was made of its export without the package."""

    data: Path
    run: Path
    export: Path
    images: dict[str, Image]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    root = tmp_path_factory.mktemp("handed-in")
    data = small_dataset(root / "data", tiles=3)
    assert run_cli("evaluate", "bicubic", "--data", data, "--out", root / "run", "--no-download").code == 0
    done = run_cli("data", "export", root / "in", "--data", data, "--frames", 1)
    assert done.code == 0, done.err
    return Scene(data, root / "run", root / "in", plain.predictions(root / "in"))


def hand_in(scene: Scene, files: Path, out: Path, *more: object) -> Done:
    return run_cli("score", files, "--data", scene.data, "--name", "my-sr", "--out", out, "--no-download", *more)


def scored(scene: Scene, files: Path, out: Path, *more: object) -> Record:
    done = hand_in(scene, files, out, *more)
    assert done.code == 0, done.err
    return load_result(out).record


def differences(run: Path, other: Path) -> dict[str, float]:
    """Column of tiles.csv to the largest difference."""
    a, b = load_result(run).table, load_result(other).table
    assert a.tiles == b.tiles
    return {name: float(np.nanmax(np.abs(a.numbers[name] - b.numbers[name]), initial=0.0)) for name in a.numbers}


def _npy(path: Path, image: Image) -> None:
    np.save(path, np.moveaxis(image, 0, 2).astype(np.float32))  # as most programs hold an image


Write = Callable[[Path, Image], None]
WRITERS: dict[str, tuple[str, Write]] = {
    "geotiff": (".tif", lambda path, image: plain.write_raster(path, image.astype(np.float32))),
    "geotiff with a scale": (
        ".TIFF",
        lambda path, image: plain.write_raster(
            path, np.round((image + 0.1) * 1e8).astype(np.uint32), scale=1e-8, offset=-0.1, nodata=2**32 - 1
        ),
    ),
    "npz": (".npz", lambda path, image: np.savez_compressed(path, prediction=image, seconds=np.array(1.5))),
    "npy": (".npy", _npy),
    "safetensors": (".safetensors", lambda path, image: plain.write_safetensors(path, image.astype(np.float32))),
}


@pytest.mark.parametrize("form", WRITERS)
def test_every_number_is_that_of_the_model_that_was_run(scene: Scene, tmp_path: Path, form: str) -> None:
    suffix, write = WRITERS[form]
    (tmp_path / "files").mkdir()
    for name, image in scene.images.items():
        write(tmp_path / "files" / f"{name}{suffix}", image)
    scored(scene, tmp_path / "files", tmp_path / "out")
    assert max(differences(tmp_path / "out", scene.run).values()) <= CLOSE


def test_the_program_of_the_page_makes_the_baseline(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "predictions.md").read_text(encoding="utf-8")
    program = page.partition("## The bicubic baseline")[2].partition("```python\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    few = ("--frames", 1, "--limit", 2, "--anonymous", "the ids.json")
    done = run_cli("data", "export", "inputs", "--data", scene.data, "--format", "NPZ", *few)
    exec(compile(program, "docs/predictions.md", "exec"), {})  # noqa: S102  # the page is ours
    # The line that the export prints is given as it is, but for the three words that stand for the user's own.
    line = done.out.partition("next: worldstrat-bench ")[2].strip()
    assert line.endswith("--limit 2 --ids 'the ids.json'")
    words = {"PREDICTIONS": "predictions", "NAME": "mine", "RUN": "run"}
    again = run_cli(*(words.get(word, word) for word in shlex.split(line)), "--no-download")
    assert again.code == 0, again.err
    found = load_result(tmp_path / "run").table
    own = load_result(scene.run).table
    rows = own.index_of(found.tiles)
    for name, values in found.numbers.items():
        np.testing.assert_allclose(values, own.numbers[name][rows], atol=CLOSE, err_msg=name)


def test_pictures_of_sixteen_bits_score_within_their_rounding(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    scale = 40_000  # reflectance up to 1.6
    for name, image in scene.images.items():
        stored = np.round((image[::-1] + 0.01) * scale).astype(np.uint16)
        plain.write_raster(tmp_path / "files" / f"{name}.png", stored, driver="PNG")
    stated = ("--scale", scale, "--offset", -0.01 * scale, "--bands", "B,G,R")
    record = scored(scene, tmp_path / "files", tmp_path / "out", *stated)
    found = differences(tmp_path / "out", scene.run)
    # Rounding is noise of 1 / (sqrt(12) * 40,000): 7e-6 beside errors of a few hundredths.
    assert max(found[name] for name in ("psnr", "psnr_raw", "psnr_unregistered", "ssim", "rmse")) <= 2e-3
    assert found["sam"] <= 0.02
    assert record.predictions is not None
    assert (record.predictions.formats, record.predictions.bands) == (("png",), "B,G,R")
    assert (record.predictions.scale, record.predictions.offset) == (40_000, -400)


def _small(scene: Scene, folder: Path) -> Path:
    folder.mkdir()
    for name, image in scene.images.items():
        np.save(folder / f"{name}.npy", image.astype(np.float32))
    return folder


def test_the_record_says_what_is_not_known(scene: Scene, tmp_path: Path) -> None:
    record = scored(scene, _small(scene, tmp_path / "files"), tmp_path / "out")
    model = record.model
    assert (model.name, model.frames) == ("my-sr", 8)
    assert {model.distribution, model.entry_point, model.wheel_sha256, model.code_sha256, model.weights_sha256} == {
        None
    }
    assert (record.device.type, record.device.device_class, record.environment.torch) == (
        "unknown",
        HANDED_IN_CLASS,
        NOT_KNOWN,
    )
    assert (record.isolation.level, record.limits) == ("none", None)
    assert leftovers(tmp_path / "out") == []


def test_it_is_scored_again_and_not_run_again(scene: Scene, tmp_path: Path) -> None:
    files = _small(scene, tmp_path / "files")
    record = scored(scene, files, tmp_path / "out", "--limit", 2)
    again = run_cli("score", tmp_path / "out", "--data", scene.data, "--no-download", "--json")
    assert again.code == 0, again.err
    assert again.json["record"]["record_id"] == record.record_id
    same = scored(scene, files, tmp_path / "out", "--limit", 2)  # the same command continues, here to nothing more
    assert same.record_id == record.record_id
    told = ("--data", scene.data, "--no-download", "--out", tmp_path / "other")
    assert run_cli("score", tmp_path / "out", *told).code == 0
    assert load_result(tmp_path / "other").record.predictions == record.predictions
    run = run_cli("evaluate", "bicubic", "--data", scene.data, "--limit", 2, "--out", tmp_path / "out")
    assert run.code == 2
    assert "started with other inputs" in run.err
    verify = run_cli("verify", tmp_path / "out", "--data", scene.data, "--model", "bicubic")
    assert verify.code == 2
    assert "handed in" in verify.err


SUBMISSION = """\
schema_version = 1
protocols = ["wsb-1"]
[submission]
slug = "elsewhere"
title = "Elsewhere"
authors = ["Ada Example"]
licence = "Apache-2.0"
description = "Bicubic by NumPy and SciPy."
[predictions]
url = "https://example.org/predictions.zip"
sha256 = "{sha256}"
bytes = {size}
licence = "CC-BY-4.0"
[training]
datasets = []
train_split = "none"
selection_split = "none"
test_evaluations = 0
uses_test = false
"""


def test_a_submission_of_predictions_is_scored_checked_and_verified(scene: Scene, tmp_path: Path) -> None:
    archive = Path(
        shutil.make_archive(str(tmp_path / "predictions"), "zip", tmp_path, _small(scene, tmp_path / "a").name)
    )
    folder = tmp_path / "submissions" / "elsewhere"
    folder.mkdir(parents=True)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    text = SUBMISSION.format(sha256=sha256, size=archive.stat().st_size)
    (folder / "submission.toml").write_text(text, encoding="utf-8")
    told = ("--submission", folder, "--data", scene.data, "--no-download")
    done = run_cli("score", archive, *told, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert run_cli("submission", "add", tmp_path / "run", folder).code == 0
    checked = run_cli("submission", "check", folder)
    assert checked.code == 0, checked.out
    (result,) = folder.glob("results/wsb-1/*")
    assert re.fullmatch(r"mini-[0-9a-f]{8}-handed-in", result.name)
    verify = ("verify", result, "--data", scene.data, "--predictions")
    assert run_cli(*verify, archive).code == 0
    shutil.copytree(result, tmp_path / "as-scored")
    for column, forged in (("ipcc", "Forest"), ("group", "one")):
        forge(result, lambda rows, column=column, forged=forged: [row.update({column: forged}) for row in rows])  # type: ignore[misc]
        found = run_cli(*verify, archive)
        assert (found.code, f"{column} differs from tiles.csv" in found.out) == (5, True), found.out
        shutil.copytree(tmp_path / "as-scored", result, dirs_exist_ok=True)
    other = np.load(tmp_path / "a" / f"{min(scene.images)}.npy") * np.float32(1.01)
    np.save(tmp_path / "a" / f"{min(scene.images)}.npy", other)
    changed = run_cli(*verify, tmp_path / "a")
    assert changed.code == 5
    assert "not the files" in changed.out
    assert "differs from tiles.csv" in changed.out
    (folder / "submission.toml").write_text(text.replace(sha256, "0" * 64), encoding="utf-8")
    stale = run_cli(*verify, archive)
    assert stale.code == 5
    assert "another size or sha256" in stale.out
    assert run_cli("verify", scene.run, "--data", scene.data, "--predictions", archive).code == 2
    assert run_cli(*verify, archive, "--maintainer", "me").code == 2
    assert run_cli("evaluate", folder, "--data", scene.data, "--out", tmp_path / "never").code == 5
    assert not (tmp_path / "never").exists()


def test_changed_predictions_do_not_go_into_a_run_of_others(scene: Scene, tmp_path: Path) -> None:
    files = _small(scene, tmp_path / "files")
    scored(scene, files, tmp_path / "out", "--limit", 2)
    first = sorted(files.iterdir())[0]
    np.save(first, np.load(first) * np.float32(0.9))
    done = hand_in(scene, files, tmp_path / "out", "--limit", 2)
    assert done.code == 2
    assert "started with other inputs" in done.err


@pytest.mark.parametrize("more", [("--scale", 1), ("--bands", "R,G,B"), ("--name", "x"), ("--list", "test")])
def test_a_run_takes_no_option_of_files(scene: Scene, more: tuple[object, ...]) -> None:
    done = run_cli("score", scene.run, "--data", scene.data, *more)
    assert done.code == 2
    assert f"this is a run: {more[0]}" in done.err


def test_a_folder_of_files_needs_a_name(scene: Scene, tmp_path: Path) -> None:
    files = _small(scene, tmp_path / "files")
    for more, code in (((), 5), (("--scale", 2), 2)):
        done = run_cli("score", files, "--data", scene.data, "--out", tmp_path / "out", *more)
        assert done.code == code
        assert "--name NAME" in done.err
    assert not (tmp_path / "out").exists()


def test_an_export_holds_what_a_model_gets_and_nothing_of_the_truth(scene: Scene, tmp_path: Path) -> None:
    assert run_cli("data", "export", tmp_path / "in", "--data", scene.data, "--format", "npz").code == 0
    protocol, dataset = load_protocol("wsb-1"), open_dataset(scene.data)
    manifest = json.loads((tmp_path / "in" / "manifest.json").read_text())
    assert [tile["id"] for tile in manifest["tiles"]] == list(dataset.names("test"))
    for told in manifest["tiles"]:
        tile = dataset.tile(told["id"])
        task = read_tile(tile, protocol=protocol, frames=8).task
        with np.load(tmp_path / "in" / f"{told['id']}.npz") as file:
            assert np.array_equal(file["images"], task.images[0])
            assert np.array_equal(file["clear"], task.clear[0])
            assert np.array_equal(file["days"], task.days[0])
            assert set(file) == {"images", "clear", "days", "target_size", "crs", "transform"}
        assert (told["height"], told["width"], told["inputs_sha256"]) == (task.height, task.width, task.sha256)
        with (
            rasterio.open(scene.export / told["id"] / "frame-1.tif") as written,
            rasterio.open(tile.revisits[0].data) as source,
        ):
            assert (written.crs, written.bounds) == (source.crs, pytest.approx(source.bounds))
            assert written.descriptions[:2] == ("B01", "B02")
    assert not list(scene.data.parent.glob(".in.part"))


def test_an_anonymous_export_is_scored_by_its_ids(scene: Scene, tmp_path: Path) -> None:
    export, ids = tmp_path / "in", tmp_path / "ids.json"
    told = ("--data", scene.data, "--frames", 1, "--anonymous", ids)
    assert run_cli("data", "export", export, *told).code == 0
    text = (export / "manifest.json").read_text() + " ".join(str(path) for path in export.rglob("*"))
    assert not any(name in text for name in scene.images)
    with rasterio.open(next(export.rglob("frame-1.tif"))) as file:
        assert file.crs is None
    # Written in the order of the list, by which anyone could name them.
    assert len({path.stat().st_mtime_ns for path in export.rglob("*.tif")}) == 1
    (tmp_path / "files").mkdir()
    for key, image in plain.predictions(export).items():
        np.save(tmp_path / "files" / f"{key}.npy", image.astype(np.float32))
    assert hand_in(scene, tmp_path / "files", tmp_path / "out").code == 5
    assert not (tmp_path / "out").exists()
    scored(scene, tmp_path / "files", tmp_path / "out", "--ids", ids)
    assert max(differences(tmp_path / "out", scene.run).values()) <= CLOSE
    twice = run_cli("data", "export", tmp_path / "more", *told)
    assert twice.code == 2
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--format", "zarr"), "unknown format"),
        (("--list", "nowhere"), "unknown list"),
        (("--protocol", "x"), "protocol"),
    ],
)
def test_an_export_that_is_refused_leaves_nothing(
    scene: Scene, tmp_path: Path, more: tuple[Any, ...], says: str
) -> None:
    done = run_cli("data", "export", tmp_path / "in", "--data", scene.data, *more)
    assert done.code == 2
    assert says in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_export_of_damaged_data_leaves_nothing(scene: Scene, tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "data", tiles=2)
    last = open_dataset(data).tiles("test")[-1]
    last.revisits[0].data.write_bytes(b"II*\0")
    done = run_cli("data", "export", tmp_path / "in", "--data", data)
    assert done.code == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_an_export_goes_into_no_folder_that_holds_something(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run_cli("data", "export", tmp_path, "--data", scene.data).code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
