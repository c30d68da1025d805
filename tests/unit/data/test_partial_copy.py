"""A copy that holds some of the revisits or lists, or no targets: of use for what it holds, never a whole one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from run_helpers import run_cli, small_dataset
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.data.check import check_dataset
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.reading import refuse_few_revisits
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_bench.run.compare import compare_runs
from worldstrat_bench.run.selection import select
from worldstrat_bench.stats.boards import board_key


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "whole", 3)


def part(whole: Path, folder: Path, frames: int) -> Path:
    """A copy without the revisits above `frames`, as ``rsync`` makes it: no trace of how it was made."""
    shutil.copytree(whole, folder)
    for path in folder.glob("lr_dataset/*/L2A/*"):
        if int(path.name.rsplit("-", 2)[1]) > frames:
            path.unlink()
    return folder


@pytest.mark.parametrize("frames", [2, 5, 7])
def test_a_copy_of_some_revisits_is_one_without_faults(whole: Path, tmp_path: Path, frames: int) -> None:
    dataset = open_dataset(part(whole, tmp_path / "part", frames))
    report = check_dataset(dataset)
    assert report.faults == ()
    assert report.revisits == frames
    assert any(f"revisits 1..{frames} of 8" in note for note in report.notes)
    assert all(len(tile.revisits) == frames for tile in dataset.tiles())
    assert refuse_few_revisits(dataset, "test", frames) == frames
    with pytest.raises(UsageError, match=f"revisits 1 to {frames}"):
        refuse_few_revisits(dataset, "test", frames + 1)
    assert not select(dataset).official


def test_a_hole_in_one_tile_is_a_fault_and_no_smaller_copy(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "hole"))
    name = open_dataset(folder).names()[0]
    for n in (6, 7, 8):
        (folder / "lr_dataset" / name / "L2A" / f"{name}-{n}-L2A_data.tiff").unlink()
        (folder / "lr_dataset" / name / "L2A" / f"{name}-{n}-CLM.tiff").unlink()
    report = check_dataset(open_dataset(folder))
    assert report.revisits is None
    assert len(report.faults) == 6
    cut = part(whole, tmp_path / "cut", 4)
    (cut / "lr_dataset" / name / "L2A" / f"{name}-3-CLM.tiff").unlink()
    report = check_dataset(open_dataset(cut))
    assert (report.revisits, len(report.faults)) == (4, 1)


def test_each_list_may_have_revisits_of_its_own(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "mixed"))
    for name in open_dataset(folder).names("train"):
        for n in range(2, 9):
            for kind in ("L2A_data", "CLM"):
                (folder / "lr_dataset" / name / "L2A" / f"{name}-{n}-{kind}.tiff").unlink()
    dataset = open_dataset(folder)
    assert (select(dataset, "train").revisits, select(dataset, "test").revisits) == (1, None)
    assert check_dataset(dataset, "train").faults == check_dataset(dataset, "test").faults == ()


def test_fetched_frames_are_evaluated_named_and_compared_with_their_like_only(whole: Path, tmp_path: Path) -> None:
    got = tmp_path / "got"
    assert run_cli("data", "fetch", got, "--source", whole, "--list", "test", "--frames", "3").code == 0
    asked = ("evaluate", "bicubic", "--no-download", "--isolation", "process", "--limit", "2")
    too_many = run_cli(*asked, "--data", got, "--frames", "8", "--out", tmp_path / "none")
    assert (too_many.code, "--frames 3" in too_many.err) == (2, True)
    assert not (tmp_path / "none").exists()
    runs = {}
    for name, data, frames in (("got", got, "3"), ("again", got, "2"), ("whole", whole, "3")):
        runs[name] = tmp_path / name / "run"
        done = run_cli(*asked, "--data", data, "--frames", frames, "--out", runs[name])
        assert done.code == 0, done.err
    a, b = load_record(runs["got"]), load_record(runs["whole"])
    assert (a.dataset.revisits, a.dataset.official, b.dataset.revisits) == (3, False, None)
    assert board_key(a) != board_key(b)
    assert board_key(a) == board_key(load_record(runs["again"]))
    with pytest.raises(UsageError, match="revisits 1 to 3 and all revisits"):
        compare_runs(runs["got"], runs["whole"])
    compare_runs(runs["got"], runs["again"])
    checked = json.loads(run_cli("data", "check", got, "--json").out)
    assert (checked["revisits"], checked["faults"]) == (3, [])
    verified = run_cli(
        "verify", runs["whole"], "--data", got, "--model", "bicubic", "--isolation", "process", "-k", "1"
    )
    assert "revisits 1 to 3" in verified.out + verified.err


def test_a_copy_of_one_list_says_which(whole: Path, tmp_path: Path) -> None:
    got = tmp_path / "train"
    assert run_cli("data", "fetch", got, "--source", whole, "--list", "train").code == 0
    with pytest.raises(DataError, match="are not here") as error:
        open_dataset(got).tiles("test")
    assert "--list train" in str(error.value)
    assert any("holds all tiles of train" in note for note in check_dataset(open_dataset(got), "test").notes)


def test_a_copy_without_targets_says_so(whole: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "blind"))
    names = open_dataset(folder).names("test")
    shutil.rmtree(folder / "hr_dataset" / names[0])
    with pytest.raises(DataError, match="1 of 3 tiles") as error:
        open_dataset(folder).tiles("test")
    assert "lacks their high-resolution images" in str(error.value)
    notes = check_dataset(open_dataset(folder), "test").notes
    assert any("lacks the high-resolution images of 1 of 3 tiles" in note for note in notes)
    shutil.rmtree(folder / "hr_dataset")
    with pytest.raises(DataError, match="has no high-resolution images"):
        open_dataset(folder)
