from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from worldstrat_bench.data import split, tables
from worldstrat_bench.data.continent import continent_of
from worldstrat_bench.errors import UsageError


def test_lists_have_the_published_sizes_and_contain_each_other() -> None:
    full, clean, strict, never = (set(split.list_tiles(name)) for name in split.LISTS)
    assert (len(full), len(clean), len(strict), len(never)) == (394, 334, 302, 38)
    assert strict < clean < full
    assert not never & full


def test_lists_follow_the_leaks() -> None:
    facts = split.official_facts()
    clean, strict = set(split.list_tiles("clean")), set(split.list_tiles("strict"))
    for tile in split.list_tiles("full"):
        leak = facts[tile].leak
        assert leak in ("", "duplicate", "sibling", "same-acquisition")
        assert (tile in clean) == (leak not in ("duplicate", "sibling"))
        assert (tile in strict) == (leak == "")


def test_the_lists_never_change() -> None:
    # These digests are in every record; a change here orphans every published run.
    digests = {name: split.list_sha256(split.list_tiles(name)) for name in split.LISTS}
    assert digests == {
        "full": "dc002bcc0a400e62daf2621b2fe0a51023bcc98330ad39c9bb01e7b6ef22d892",
        "clean": "afb1c63ed770cd022c155a825684becfaa8172081e33c0bc7431c2c906bacd1c",
        "strict": "861af845f890364b61ea2ca41b5a63f720409357db76807ae2ab02e49bdcae59",
        "never-split": "3ffeb5a55052b28752d72b28167a27b0be0ca6134d976aedadc439e8760b38e8",
    }


def test_list_digest_is_of_sorted_lines() -> None:
    assert split.list_sha256(["b", "a"]) == hashlib.sha256(b"a\nb\n").hexdigest()
    assert split.list_sha256([]) == hashlib.sha256(b"").hexdigest()


def test_strata_of_the_fixed_tiles() -> None:
    facts = [split.official_facts()[tile] for tile in split.list_tiles("full")]
    assert {f.ipcc for f in facts} == {*split.IPCC_CLASSES, "unlabelled"}
    assert sum(f.ipcc == "unlabelled" for f in facts) == 8
    assert {f.smod for f in facts} == set(split.SMOD_CLASSES.values())
    assert {f.source for f in facts} == {"Landcover", "UNHCR", "ASMSpotter", "Amnesty"}
    assert sum(f.continent == "unlocated" for f in facts) == 60
    assert all((f.lon is None) == (f.continent == "unlocated") for f in facts)


def test_continents_in_the_package_are_those_computed_now() -> None:
    for facts in split.official_facts().values():
        assert continent_of(facts.lon, facts.lat) == facts.continent, facts.tile


def test_tiles_in_no_split_are_unlabelled() -> None:
    for tile in split.list_tiles("never-split"):
        facts = split.official_facts()[tile]
        assert (facts.ipcc, facts.smod, facts.continent, facts.leak) == ("unlabelled", "unlabelled", "unlocated", "")


@pytest.mark.parametrize(
    ("tile", "group"),
    [
        ("Amnesty POI-10-1-2", "Amnesty POI-10"),
        ("ASMSpotter-14-1-1", "ASMSpotter-14"),
        ("Landcover-771942", "Landcover-771942"),
        ("UNHCR-NGAs035354", "UNHCR-NGAs035354"),
        ("UNHCR-7977", "UNHCR-7977"),
    ],
)
def test_group_is_the_parent_order_of_a_sub_tile(tile: str, group: str) -> None:
    assert split.group_of(tile) == group


def test_all_sub_tiles_among_the_test_tiles_have_an_order_in_common_or_leak() -> None:
    sub_tiles = [f for f in split.official_facts().values() if f.group != f.tile]
    assert len(sub_tiles) == 60
    assert {f.leak for f in sub_tiles} == {"sibling", "duplicate"}


@pytest.mark.parametrize(
    ("cell", "label"),
    [("11", "Very low density rural"), ("30.0", "Urban centre"), ("", "unlabelled"), ("Water", "Water")],
)
def test_settlement_codes_have_names(cell: str, label: str) -> None:
    assert split.smod_label(cell) == label


def test_sublists() -> None:
    full = split.list_tiles("full")
    assert {k: len(v) for k, v in split.sublists("full", full).items()} == {"full": 394, "clean": 334, "strict": 302}
    assert set(split.sublists("clean", split.list_tiles("clean"))) == {"clean", "strict"}
    assert split.sublists("test", ["x"]) == {"test": frozenset({"x"})}
    assert split.sublists("full", full[:3])["strict"] <= set(full[:3])


def test_an_unknown_list_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="never-split"):
        split.list_tiles("everything")


def test_the_package_data_is_what_the_facts_say(shared: Path) -> None:
    with (shared / "facts" / "worldstrat_test_tiles.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["tile"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(split.list_tiles("full"))
    for tile, row in rows.items():
        facts = split.official_facts()[tile]
        assert facts.ipcc == (row["ipcc"] or "unlabelled")
        assert (facts.source, facts.leak) == (row["source"], row["leak"])
        assert facts.lon == (float(row["lon"]) if row["lon"] else None)


def test_the_published_split_file_has_the_published_md5(shared: Path) -> None:
    content = (shared / "facts" / "worldstrat_split_v1.0.csv").read_bytes()
    assert tables.md5(content) in {release.split_md5 for release in split.releases()}


def test_importing_the_split_imports_nothing_heavy() -> None:
    code = (
        "import sys, worldstrat_bench.data.split, worldstrat_bench.data.layout as l; "
        "print([m for m in ('torch', 'pandas', 'scipy', 'rasterio', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
