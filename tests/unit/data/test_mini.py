from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio

from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.mini_plan import plan_tiles
from worldstrat_bench.data.raster import read_header, read_hr
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.data.split import IPCC_CLASSES, group_of, official_facts
from worldstrat_bench.data.synthetic.scenes import make_scene
from worldstrat_bench.data.target import read_target
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.protocol import load_protocol

WSB = load_protocol("wsb-1")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_mini(tmp_path / name, test_tiles=2, train_tiles=1, size=160, seed=seed)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert a == b
    tiffs = [name for name in a if name.endswith(("_ps.tiff", "L2A_data.tiff"))]
    assert len(tiffs) == 4 * 9
    assert {name for name in tiffs if name in c and a[name] == c[name]} == set()


def test_fewer_tiles_are_the_first_of_more(tmp_path: Path, mini_folder: Path) -> None:
    write_mini(tmp_path / "few", test_tiles=2, train_tiles=0, size=160, seed=5)
    few, many = digests(tmp_path / "few"), digests(mini_folder)
    images = [name for name in few if name.endswith((".tiff", ".png"))]
    assert images
    assert all(few[name] == many[name] for name in images)


def test_the_layout_is_worldstrats(mini_folder: Path) -> None:
    for tile in open_dataset(mini_folder).tiles():
        names = {path.name for path in tile.hr.parent.iterdir()}
        assert names == {f"{tile.name}_{kind}" for kind in ("ps.tiff", "pan.tiff", "rgbn.tiff", "rgb.png")}
        with rasterio.open(tile.hr) as hr:
            assert hr.crs.to_epsg() == 4326
            assert hr.transform.is_identity
            assert (hr.count, hr.shape, hr.dtypes[0]) == (4, (160, 160), "uint16")
        assert read_header(tile.hr.with_name(f"{tile.name}_rgbn.tiff")).shape == (40, 40)
        for revisit in tile.revisits:
            with rasterio.open(revisit.data) as lr, rasterio.open(revisit.cloud_mask) as clm:
                assert (lr.count, lr.dtypes[0], clm.count, clm.dtypes[0]) == (12, "float32", 1, "float32")
                assert lr.shape == clm.shape
                assert lr.crs.to_epsg() == 4326
                assert not lr.transform.is_identity
                assert np.isfinite(lr.read()).all()


def test_rows_and_columns_differ_in_number_on_some_tiles(mini_folder: Path) -> None:
    shapes = {read_header(tile.revisits[0].data).shape for tile in open_dataset(mini_folder).tiles()}
    assert {h - w for h, w in shapes} == {-1, 0, 1}


def test_one_revisit_has_another_shape(mini_folder: Path) -> None:
    shapes = [{read_header(r.data).shape for r in tile.revisits} for tile in open_dataset(mini_folder).tiles()]
    assert sorted(len(s) for s in shapes) == [1] * 8 + [2]
    for tile in open_dataset(mini_folder).tiles():
        assert read_inputs(tile, WSB, 8).task.frames == 8


def test_black_bars_on_one_tile_and_a_legal_zero_on_another(mini_folder: Path) -> None:
    bars, zeros = [], []
    for tile in open_dataset(mini_folder).tiles():
        hr = read_hr(tile.hr)
        target = read_target(tile, WSB)
        assert target.usable
        empty = (hr == 0).all(axis=0)
        if empty.any():
            bars.append(tile.name)
            assert empty[:3].all()
            assert empty[:, :2].all()
            assert not target.valid.all()
        elif (hr == 0).any():
            zeros.append(tile.name)
            assert target.valid.all()
    assert (len(bars), len(zeros)) == (1, 1)


def test_the_default_plan() -> None:
    plan = plan_tiles(36, 4, 0)
    test = [p for p in plan if p.split == "test"]
    assert [sum(p.split == s for p in plan) for s in ("test", "train", "val")] == [36, 4, 2]
    assert {p.ipcc for p in test} == {*IPCC_CLASSES, ""}
    counts = {name: sum(p.ipcc == name for p in test) for name in IPCC_CLASSES}
    assert sorted(counts.values())[-2:] == [10, 10]  # the macro mean needs two classes with ten tiles
    assert {p.source for p in test} == {"Landcover", "UNHCR", "Amnesty", "ASMSpotter"}
    assert len({p.name for p in plan}) == len(plan)
    assert len({group_of(p.name) for p in test}) < len(test)
    assert not {p.name for p in plan} & set(official_facts())
    groups = {s: {group_of(p.name) for p in plan if p.split == s} for s in ("test", "train", "val")}
    assert not groups["test"] & (groups["train"] | groups["val"])


def test_strata_are_varied_and_no_tile_leaks(mini_folder: Path) -> None:
    dataset = open_dataset(mini_folder)
    facts = [dataset.facts(name) for name in dataset.names("test")]
    assert {f.leak for f in facts} == {""}
    assert {f.ipcc for f in facts} == {*IPCC_CLASSES, "unlabelled"}
    assert len({f.continent for f in facts} - {"unlocated"}) >= 4
    assert "unlocated" in {f.continent for f in facts}
    for name, group in (("train", 2), ("val", 1)):
        assert len(dataset.tiles(name)) == group


def test_clouds_vary_and_are_in_the_masks(mini_folder: Path) -> None:
    clouds = [read_inputs(tile, WSB, 1).cloud for tile in open_dataset(mini_folder).tiles()]
    assert min(clouds) < 0.2
    assert max(clouds) > 0.2
    with (mini_folder / "metadata.csv").open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert header[0] == ""


def test_writing_again_changes_nothing_and_other_content_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_mini(folder, test_tiles=1, train_tiles=0, size=160)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    write_mini(folder, test_tiles=1, train_tiles=0, size=160)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    with pytest.raises(UsageError, match="something else"):
        write_mini(folder, test_tiles=1, train_tiles=0, size=160, seed=1)
    (folder / "mini.toml").unlink()
    with pytest.raises(UsageError, match="something else"):
        write_mini(folder, test_tiles=1, train_tiles=0, size=160)


def test_an_interrupted_writing_is_started_again(tmp_path: Path) -> None:
    folder = tmp_path / "set"

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_mini(folder, test_tiles=2, train_tiles=0, size=160, progress=interrupt)
    with pytest.raises(DataError, match=r"metadata\.csv is missing"):
        open_dataset(folder)
    write_mini(folder, test_tiles=2, train_tiles=0, size=160)
    write_mini(tmp_path / "other", test_tiles=2, train_tiles=0, size=160)
    assert digests(folder) == digests(tmp_path / "other")


@pytest.mark.parametrize("arguments", [{"size": 100}, {"test_tiles": 0}, {"train_tiles": -1}, {"seed": -1}])
def test_arguments_that_make_no_sense(tmp_path: Path, arguments: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        write_mini(tmp_path / "set", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "set").exists()


def test_progress_counts_every_tile(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_mini(tmp_path / "set", test_tiles=2, train_tiles=0, size=160, progress=lambda a, b: seen.append((a, b)))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("ipcc", [*IPCC_CLASSES, ""])
def test_scenes_are_reflectance_with_detail_below_ten_metres(ipcc: str) -> None:
    for variant in range(3):
        scene = make_scene(ipcc, variant, 96, np.random.default_rng(variant))
        assert scene.shape == (4, 96, 96)
        assert np.isfinite(scene).all()
        assert scene.min() > 0
        assert scene.max() < 1.7
        # what a 10 m pixel averages away is not nothing
        blocks = scene[:3, :90, :90].reshape(3, 15, 6, 15, 6)
        assert float(blocks.std(axis=(2, 4)).mean()) > 0.0005


def test_water_is_dark_plants_are_bright_in_the_infrared() -> None:
    forest = make_scene("Forest", 0, 96, np.random.default_rng(0)).mean(axis=(1, 2))
    assert forest[3] > 3 * forest[0]
    town = make_scene("Settlement", 1, 96, np.random.default_rng(0)).mean(axis=(1, 2))
    assert town[3] < 3 * town[0]


def test_names_have_upstreams_forms() -> None:
    forms = r"Landcover-\d+|UNHCR-[A-Z]{3}s\d{6}|(Amnesty POI|ASMSpotter)-\d+-\d-\d"
    assert all(re.fullmatch(forms, plan.name) for plan in plan_tiles(36, 4, 0))
