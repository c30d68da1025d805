"""Words of a record that pages show: a stranger's data set, device or tiles say nothing that only pages say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factories import invented_facts, make_run
from site_scenes import write_manifest
from submission_factory import make_submission, rewrite_record
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.site.builder import compose
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.entries import read_entries
from worldstrat_bench.submission.check import check

WORDS = ("verified by maintainers", "✔ H100-80GB", "Official", "certіfied")


def rules(folder: Path) -> set[str]:
    return {fault.rule for fault in check([folder]).errors}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "place",
    [
        "device.device_class",
        "device.name",
        "model.entry_point",
        "environment.torch",
        "harness.version",
        "nulls.lpips",
        "warnings",
    ],
)
def test_a_verdict_in_a_short_text_of_a_record_is_refused(tmp_path: Path, place: str, word: str) -> None:
    folder = make_submission(tmp_path)
    section, _, key = place.partition(".")

    def say(content: dict[str, Any]) -> None:
        if key:
            content[section][key] = word
        else:
            content[section] = [word]

    rewrite_record(folder, say)
    found = {fault.what.split(" ")[0] for fault in check([folder]).errors if fault.rule == "name"}
    assert found == {place}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("label", ["tile", "ipcc", "source"])
def test_a_verdict_in_a_name_or_label_of_a_tile_is_refused(tmp_path: Path, label: str, word: str) -> None:
    first, *others = invented_facts(12)
    texts: dict[str, Any] = {label: word, **({"group": word} if label == "tile" else {})}
    tiles = tuple(sorted((replace(first, **texts), *others), key=lambda facts: facts.tile))
    assert rules(make_submission(tmp_path, tiles=tiles)) == {"name"}


@pytest.mark.parametrize("word", ["=HYPERLINK(1)", "@x", "-1+1", "+x", "%x", "two\nlines", "bell\x07", "\u202eleft"])
@pytest.mark.parametrize("label", ["tile", "smod"])
def test_tables_that_are_published_as_they_are_hold_no_formula_and_no_hidden_character(
    tmp_path: Path, label: str, word: str
) -> None:
    first, *others = invented_facts(12)
    texts: dict[str, Any] = {label: word, **({"group": word} if label == "tile" else {})}
    tiles = tuple(sorted((replace(first, **texts), *others), key=lambda facts: facts.tile))
    assert rules(make_submission(tmp_path, tiles=tiles)) == {"name"}


def test_names_of_tiles_may_be_of_any_language(tmp_path: Path) -> None:
    first, *others = invented_facts(12)
    tiles = tuple(sorted((replace(first, tile="Zürich 1=2 (市)", group="市"), *others), key=lambda facts: facts.tile))
    assert rules(make_submission(tmp_path, tiles=tiles)) == set()


@pytest.mark.parametrize(
    ("stated", "rule"),
    [
        ({"release": "v1.1 (official)"}, {"labels"}),
        ({"release": "aaa"}, {"labels"}),
        ({"release": "unrecognised"}, set()),
        ({"release": "mini"}, set()),
        ({"list_name": "best"}, {"labels"}),
        ({"list_name": "val"}, set()),
    ],
    ids=str,
)
def test_a_data_set_and_a_list_are_ones_that_the_harness_writes(
    tmp_path: Path, stated: dict[str, Any], rule: set[str]
) -> None:
    assert rules(make_submission(tmp_path, **stated)) == rule


def test_honest_words_pass(tmp_path: Path) -> None:
    names: dict[str, Any] = {
        "device_class": "NVIDIA GeForce RTX 4090",
        "warnings": ("the model may move the image",),
    }
    assert rules(make_submission(tmp_path, **names)) == set()


def submitted(root: Path, slug: str, **run: Any) -> Record:
    write_manifest(root / slug, slug=slug, title=slug)
    options = {"model": slug, "submission": slug, "tiles": 12, "list_name": "test", "official": False, **run}
    return make_run(root / slug / "results" / "wsb-1" / "x", **options)


@pytest.mark.parametrize("order", [("late-sr", "first-sr"), ("first-sr", "late-sr")])
def test_the_first_board_is_that_of_what_was_merged_first(tmp_path: Path, order: tuple[str, ...]) -> None:
    submitted(tmp_path, "late-sr", release="mini", targets_sha256="0" * 64)
    submitted(tmp_path, "first-sr", release="unrecognised", targets_sha256="f" * 64)
    entries, _ = read_entries([tmp_path])
    _, divisions, _ = compose(entries, [], config=BoardConfig(merged=order))
    assert [division.shown[0].record.model.submission for division in divisions] == list(order)
