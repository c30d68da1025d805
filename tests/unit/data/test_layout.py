"""One test for each trap of the data."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldstrat_bench.data import layout, split, tables
from worldstrat_bench.data.check import check_dataset
from worldstrat_bench.data.layout import Dataset, folders_of_targets, open_dataset
from worldstrat_bench.errors import DataError, UsageError
from worldstrat_folder import FolderBuilder


def test_names_with_spaces(builder: FolderBuilder) -> None:
    builder.add_tile("Amnesty POI-10-1-2")
    (tile,) = open_dataset(builder.finish()).tiles("test")
    assert tile.facts.group == "Amnesty POI-10"
    assert tile.hr.is_file()
    assert all(r.data.is_file() and r.cloud_mask.is_file() for r in tile.revisits)


def test_revisits_sort_as_numbers(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1", days=range(0, 60, 5))
    (tile,) = open_dataset(builder.finish()).tiles("test")
    assert [r.n for r in tile.revisits] == list(range(1, 13))


def test_days_are_computed_from_the_dates_and_not_from_delta(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1", days=(-20, 7))  # the builder writes delta with the other sign
    (tile,) = open_dataset(builder.finish()).tiles("test")
    assert [r.days for r in tile.revisits] == [-20, 7]


@pytest.mark.parametrize("named", [False, True], ids=["v1.0", "v1.1"])
def test_first_column_of_the_metadata_is_unnamed_or_called_tile(builder: FolderBuilder, named: bool) -> None:
    builder.named_first_column = named
    builder.add_tile("Landcover-1")
    assert [t.name for t in open_dataset(builder.finish()).tiles("test")] == ["Landcover-1"]


def test_kaggle_has_one_level_more(builder: FolderBuilder) -> None:
    builder.kaggle = True
    builder.add_tile("Landcover-1")
    (tile,) = open_dataset(builder.finish()).tiles("test")
    assert tile.hr.is_file()
    assert "12bit" in tile.hr.parts


def test_the_orphan_folder_is_in_no_list(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    root = builder.finish()
    (root / "hr_dataset" / "testing on one Amnesty POI").mkdir()
    dataset = open_dataset(root)
    assert dataset.folders == ("Landcover-1",)
    assert dataset.names("test") == ("Landcover-1",)


@pytest.mark.parametrize("name", ["Landcover-9", "./Landcover-1", "", "../Landcover-1"])
def test_a_name_that_no_tile_has_is_said_at_once(builder: FolderBuilder, name: str) -> None:
    builder.add_tile("Landcover-1")
    dataset = open_dataset(builder.finish())
    with pytest.raises(DataError, match="has no tile"):
        dataset.tile(name)


@pytest.mark.parametrize("name", [3, None, Path("Landcover-1")])
def test_the_name_of_a_tile_is_a_text(builder: FolderBuilder, name: Any) -> None:
    builder.add_tile("Landcover-1")
    dataset = open_dataset(builder.finish())
    with pytest.raises(UsageError, match="not text"):
        dataset.tile(name)


def test_a_tile_listed_twice_is_one_tile_and_its_leak_is_named(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    builder.add_split_row("Landcover-1", "test")
    builder.add_tile("Landcover-2")
    builder.add_split_row("Landcover-2", "train")
    builder.metadata.extend(list(builder.metadata))  # the metadata repeats them, too
    dataset = open_dataset(builder.finish())
    assert dataset.names("test") == ("Landcover-1", "Landcover-2")
    assert dataset.names("train") == ("Landcover-2",)
    assert [dataset.facts(name).leak for name in dataset.names("test")] == ["", "duplicate"]
    assert len(dataset.tile("Landcover-1").revisits) == 2


def test_sub_tiles_of_one_order_in_test_and_train_are_siblings(builder: FolderBuilder) -> None:
    builder.add_tile("ASMSpotter-3-1-1")
    builder.add_tile("ASMSpotter-3-1-2", split="train")
    assert open_dataset(builder.finish()).facts("ASMSpotter-3-1-1").leak == "sibling"


def test_an_empty_class_is_unlabelled_and_a_missing_place_unlocated(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1", ipcc="", place=("", ""))
    facts = open_dataset(builder.finish()).facts("Landcover-1")
    assert (facts.ipcc, facts.continent, facts.lon) == ("unlabelled", "unlocated", None)


def test_kaggle_has_eight_revisits_of_the_sixteen_in_the_metadata(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1", days=range(0, 80, 5))
    for n in range(9, 17):
        for kind in ("L2A_data", "CLM"):
            builder.lr_path("Landcover-1", n, kind).unlink()
    builder.lr_path("Landcover-1", 3).unlink()
    (tile,) = open_dataset(builder.finish()).tiles("test")
    # 9..16 are not in that copy; 3 is missing, which must not make a shorter tile of it
    assert [r.n for r in tile.revisits] == list(range(1, 9))


def test_a_revisit_that_the_metadata_does_not_name(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    builder.metadata.pop()
    with pytest.raises(DataError, match="does not name revisit 2"):
        open_dataset(builder.finish()).tiles("test")


def test_missing_tiles_are_counted_and_named(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    for k in range(2, 8):
        builder.add_split_row(f"Landcover-{k}", "test")
    dataset = open_dataset(builder.finish())
    with pytest.raises(DataError, match=r"6 of 7 tiles .* Landcover-2, Landcover-3, Landcover-4, \.\.\.") as caught:
        dataset.tiles("test")
    assert caught.value.exit_code == 4
    assert len(dataset.tiles("test", limit=1)) == 1


def test_lists_of_an_unrecognised_folder(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1")
    dataset = open_dataset(builder.finish())
    assert (dataset.release, dataset.official_release) == ("unrecognised", False)
    assert dataset.resolve_list("auto") == "test"
    with pytest.raises(UsageError, match="unknown list"):
        dataset.tiles("tset")
    with pytest.raises(DataError, match="'val'"):
        dataset.tiles("val")


def test_a_release_is_recognised_by_the_md5_of_both_files(tmp_path: Path) -> None:
    one, two = split.releases()
    assert layout.release_of(tmp_path, one.metadata_md5, one.split_md5) == "v1.0"
    assert layout.release_of(tmp_path, two.metadata_md5, two.split_md5) == "v1.1"
    assert layout.release_of(tmp_path, one.metadata_md5, two.split_md5) == "unrecognised"


def test_on_a_recognised_release_the_package_says_what_a_tile_is(builder: FolderBuilder) -> None:
    name = split.list_tiles("strict")[0]
    builder.add_tile(name, ipcc="Wrong")
    never = split.list_tiles("never-split")[0]
    builder.add_tile(never, place=("100.5", "13.7"))
    found = open_dataset(builder.finish())
    dataset = Dataset(found.root, "v1.0", found.split_rows, found.metadata)
    assert dataset.official_release
    assert dataset.resolve_list("auto") == "full"
    assert dataset.facts(name) == split.official_facts()[name]
    assert found.facts(name).ipcc == "Wrong"
    assert (dataset.facts(never).continent, dataset.facts(never).ipcc) == ("Asia", "unlabelled")


def test_the_published_split_file(shared: Path) -> None:
    path = shared / "facts" / "worldstrat_split_v1.0.csv"
    _, cells = tables.read_table(path)
    rows = tables.parse_split(cells, path)
    dataset = Dataset(shared, "unrecognised", rows, tables.Metadata({}, {}))
    assert (len(rows), len({row.tile for row in rows})) == (3928, 3890)
    assert dataset.names("test") == split.list_tiles("full")
    assert len(set(dataset.names("test")) & set(dataset.names("train"))) == 4
    official = split.official_facts()
    for name in dataset.names("test"):
        expected = official[name].leak if official[name].leak != "same-acquisition" else ""
        assert dataset.facts(name).leak == expected, name


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "x" * 200, "a\nb", "a\0b"])
def test_names_that_are_paths_are_refused(builder: FolderBuilder, name: str) -> None:
    builder.add_tile("Landcover-1")
    builder.add_split_row(name, "test")
    with pytest.raises(DataError, match=r"not the name of a tile|not a CSV"):
        open_dataset(builder.finish())


def test_a_folder_that_is_not_a_dataset(tmp_path: Path, mini_folder: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="not in WorldStrat's layout") as caught:
        open_dataset(mini_folder.parent)
    assert "did you mean" in str(caught.value)


@pytest.mark.parametrize("file", [tables.METADATA_FILE, tables.SPLIT_FILE])
def test_a_missing_or_broken_table_is_named(builder: FolderBuilder, file: str) -> None:
    builder.add_tile("Landcover-1")
    root = builder.finish()
    content = (root / file).read_text()
    for damaged in ("", "a,b\n1\n", content.replace("split", "spl").replace("lowres_date", "x"), "\xff\xfe"):
        (root / file).write_text(damaged, encoding="latin-1")
        with pytest.raises(DataError) as caught:
            open_dataset(root)
        assert file in str(caught.value.where)
    (root / file).unlink()
    with pytest.raises(DataError, match=f"{file} is missing"):
        open_dataset(root)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    with contextlib.suppress(DataError):  # and nothing else
        _, rows = tables.read_table(path)
        tables.parse_split(rows, path)
        tables.parse_metadata(rows, path)


@pytest.mark.parametrize(
    ("column", "cell", "fault"),
    [
        ("lowres_date", "2020-13-01", "row 2: '2020-13-01' is not a date"),
        ("highres_date", "", "row 2: '' is not a date"),
        ("n", "x", "row 2, column n: 'x' is not the number of a revisit"),
        ("n", "0", "row 2, column n: '0' is not the number of a revisit"),
    ],
)
def test_a_row_that_makes_no_sense_spoils_its_tile_only(
    builder: FolderBuilder, column: str, cell: str, fault: str
) -> None:
    builder.add_tile("Landcover-1")
    builder.metadata[0][column] = cell
    builder.add_tile("Landcover-2")
    dataset = open_dataset(builder.finish())
    with pytest.raises(DataError, match=fault):
        dataset.tile("Landcover-1")
    assert len(dataset.tile("Landcover-2").revisits) == 2
    (found,) = check_dataset(dataset).faults
    assert str(found) == f"metadata.csv: {fault}"


def test_dates_with_a_time_of_day(builder: FolderBuilder) -> None:
    builder.add_tile("Landcover-1", days=(3,))
    builder.metadata[0]["lowres_date"] = f"{builder.metadata[0]['lowres_date']}T10:56:31"
    assert open_dataset(builder.finish()).tiles("test")[0].revisits[0].days == 3


def test_mini_is_recognised(mini_folder: Path) -> None:
    dataset = open_dataset(mini_folder)
    assert (dataset.release, dataset.official_release, dataset.resolve_list("auto")) == ("mini", False, "test")
    assert {len(tile.revisits) for tile in dataset.tiles()} == {8}
    assert np.unique([tile.name for tile in dataset.tiles()]).size == 9


def test_what_a_model_may_not_read_follows_links_to_targets(tmp_path: Path) -> None:
    """Whoever keeps tiles on several disks links their folders, and a model must not find them there."""
    root, disk = tmp_path / "data", tmp_path / "disk"
    (root / "hr_dataset" / "12bit" / "here").mkdir(parents=True)
    for name in ("one", "two"):
        (disk / name).mkdir(parents=True)
    (root / "hr_dataset" / "one").symlink_to(disk / "one")
    (root / "hr_dataset" / "12bit" / "two").symlink_to(disk / "two")
    forbidden = folders_of_targets(root)
    assert set(forbidden) == {
        root.resolve(),
        (root / "hr_dataset").resolve(),
        *(disk.resolve() / n for n in ("one", "two")),
    }
    assert folders_of_targets(tmp_path / "absent") == (
        (tmp_path / "absent").resolve(),
        (tmp_path / "absent" / "hr_dataset").resolve(),
    )
