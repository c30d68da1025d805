from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from run_helpers import Done, run_cli, run_process
from worldstrat_bench.data.check import check_dataset
from worldstrat_bench.data.layout import Dataset, open_dataset
from worldstrat_bench.data.split import list_tiles, official_facts
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_folder import FolderBuilder, write_tiff


def run_check(*arguments: str) -> Done:
    return run_cli("data", "check", *arguments)


def broken_folder(builder: FolderBuilder) -> Path:
    """Seven tiles, the first sound, the others each with one fault or two."""
    for k in range(1, 8):
        builder.add_tile(f"Landcover-{k}", days=(0, 5))
    builder.add_split_row("Landcover-8", "test")
    root = builder.finish()
    hr, lr = builder.hr_path, builder.lr_path
    hr("Landcover-2").write_bytes(b"II*\0 not really")
    lr("Landcover-3", 2).unlink()
    lr("Landcover-3", 1, "CLM").unlink()
    noise = np.random.default_rng(0).uniform(0, 1, (12, 200, 200)).astype(np.float32)
    write_tiff(lr("Landcover-4", 1), noise)
    write_tiff(lr("Landcover-4", 1, "CLM"), np.zeros((1, 200, 200), np.float32))
    content = lr("Landcover-4", 1).read_bytes()
    lr("Landcover-4", 1).write_bytes(content[: len(content) - 5000])
    write_tiff(hr("Landcover-5"), np.ones((4, 160, 161), np.uint16))
    write_tiff(lr("Landcover-6", 2), np.zeros((12, 24, 25), np.float64))
    write_tiff(lr("Landcover-7", 1, "CLM"), np.full((1, 24, 20), 7, np.float32))
    return root


def test_all_faults_are_found_at_once_each_naming_its_file(builder: FolderBuilder) -> None:
    report = check_dataset(open_dataset(broken_folder(builder)))
    found = [(fault.file, fault.what) for fault in report.faults]
    expected = [
        ("hr_dataset/Landcover-2/Landcover-2_ps.tiff", "is damaged or not a TIFF"),
        ("lr_dataset/Landcover-3/L2A/Landcover-3-1-CLM.tiff", "the file is missing"),
        ("lr_dataset/Landcover-3/L2A/Landcover-3-2-L2A_data.tiff", "the file is missing"),
        ("lr_dataset/Landcover-4/L2A/Landcover-4-1-L2A_data.tiff", "is damaged or not a TIFF"),
        ("hr_dataset/Landcover-5/Landcover-5_ps.tiff", "is 160 x 161 px, expected a square"),
        ("lr_dataset/Landcover-6/L2A/Landcover-6-2-L2A_data.tiff", "has 12 bands of float64"),
        ("lr_dataset/Landcover-7/L2A/Landcover-7-1-CLM.tiff", "has the value 7"),
        ("Landcover-8", "the tile is missing from hr_dataset and lr_dataset"),
    ]
    assert [file for file, _ in found] == [file for file, _ in expected]
    for (_, what), (_, words) in zip(found, expected, strict=True):
        assert what.startswith(words)
        assert "\n" not in what


def test_a_sound_folder_has_no_fault(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    builder.add_tile("Landcover-2", split="val")
    for deep in (False, True):
        report = check_dataset(open_dataset(builder.finish()), deep=deep)
        assert report.faults == ()
        assert report.deep is deep
        assert {s.name: s.complete for s in report.lists} == {"test": True, "val": True}


def test_values_inside_a_file_need_a_deep_check(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    builder.add_tile("Landcover-2", hr=np.zeros((4, 160, 160), np.uint16))
    builder.add_tile("Landcover-3", hr=np.full((4, 160, 160), 50_000, np.uint16))
    image = np.zeros((12, 24, 25), np.float32)
    image[3, 4, 5] = np.inf
    write_tiff(builder.lr_path("Landcover-1", 1), image)
    dataset = open_dataset(builder.finish())
    assert check_dataset(dataset).faults == ()
    whats = [fault.what for fault in check_dataset(dataset, deep=True).faults]
    assert len(whats) == 3
    assert whats[0] == "has values that are not finite"
    assert whats[1].startswith("has no data")
    assert whats[2].startswith("has values up to 50000")


def test_a_mask_of_another_size_than_its_revisit(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    write_tiff(builder.lr_path("Landcover-1", 2, "CLM"), np.zeros((1, 24, 24), np.float32))
    (fault,) = check_dataset(open_dataset(builder.finish())).faults
    assert fault.what == "is 24 x 24 px, its revisit 24 x 25"


def test_the_split_on_disk_is_compared_with_the_fixed_one(builder: FolderBuilder) -> None:
    one, two = list_tiles("strict")[:2]
    builder.add_tile(one, ipcc="Moon")
    builder.add_tile(two, split="train", ipcc=official_facts()[two].ipcc)
    builder.add_tile("Landcover-1")
    found = open_dataset(builder.finish())
    notes = " | ".join(check_dataset(found).notes)
    assert "393 of the fixed test tiles are not test tiles here: " in notes
    assert "1 of the test tiles here are not in the fixed split: Landcover-1 |" in notes
    assert f"1 of the fixed test tiles have another IPCC class here: {one} |" in notes
    assert "metadata.csv is of no release (md5 " in notes
    assert "no run on this folder is official" in notes


def test_a_file_of_a_release_beside_one_that_is_not(builder: FolderBuilder, shared: Path) -> None:
    builder.add_tile(list_tiles("strict")[0])
    root = builder.finish()
    published = shared / "facts" / "worldstrat_split_v1.0.csv"
    (root / "stratified_train_val_test_split.csv").write_bytes(published.read_bytes())
    report = check_dataset(open_dataset(root), "strict")
    assert report.release == "unrecognised"
    assert any(note.startswith("stratified_train_val_test_split.csv is that of v1.0") for note in report.notes)
    assert len(report.faults) == 301


def test_an_incomplete_release_lists_its_missing_tiles(builder: FolderBuilder) -> None:
    names = list_tiles("never-split")
    for name in names[:2]:
        builder.add_tile(name)
    found = open_dataset(builder.finish())
    dataset = Dataset(found.root, "v1.1", found.split_rows, found.metadata)
    report = check_dataset(dataset, "never-split")
    assert len(report.faults) == 36
    states = {state.name: state for state in report.lists}
    assert (states["never-split"].present, states["never-split"].complete) == (2, False)
    assert states["full"].present == 0
    assert "Airbus" in report.licence


def test_unknown_and_empty_lists(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    dataset = open_dataset(builder.finish())
    with pytest.raises(UsageError):
        check_dataset(dataset, "everything")
    with pytest.raises(DataError):
        check_dataset(dataset, "val")


def test_the_command_exits_with_4_and_prints_one_line_a_fault(builder: FolderBuilder) -> None:
    done = run_check(str(broken_folder(builder)))
    assert done.code == 4
    lines = done.out.splitlines()
    assert sum(line.startswith("fault: ") for line in lines) == 8
    assert "list test: 8 tiles checked, 8 faults" in done.out
    assert done.err == ""


def test_json_is_one_document_on_stdout(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    done = run_check(str(builder.finish()), "--json", "--deep")
    assert done.code == 0
    document = json.loads(done.out)
    assert document["faults"] == []
    assert document["lists"]["test"] == {"complete": True, "present": 1, "tiles": 1}
    assert document["official_release"] is False


def test_a_folder_that_is_not_a_dataset_exits_with_4(tmp_path: Path) -> None:
    done = run_check(str(tmp_path / "nowhere"))
    assert (done.code, done.out) == (4, "")
    assert "no such folder" in done.err
    assert "fix:" in done.err


def test_mini_on_the_command_line(tmp_path: Path) -> None:
    command = ("data", "mini", tmp_path / "a b")
    done = run_process(*command, "--size", "160", "--test-tiles", "1", "--train-tiles", "1", "--seed", "4")
    assert (done.code, done.out) == (0, "")
    assert "1 test, 1 train and 1 val tiles" in done.err
    report = check_dataset(open_dataset(tmp_path / "a b"), deep=True)
    assert (report.release, report.faults) == ("mini", ())
    again = run_cli(*command, "--seed", "5")
    assert again.code == 2
    assert "something else" in again.err
