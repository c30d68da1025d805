"""Records that must have no rank, each with one reason, and the honest ones that keep theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factories import COMMIT, KNOWN, make_run, official_facts, references
from worldstrat_bench.artefacts.harness import KnownHarnesses
from worldstrat_bench.artefacts.record import Record, build_record
from worldstrat_bench.artefacts.result import read_result
from worldstrat_bench.stats.boards import kind_of
from worldstrat_bench.stats.eligibility import why_unranked

RELEASED = "a" * 64
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("official")
    make_run(folder)
    return folder


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("practice")
    make_run(folder, tiles=36, release="mini", list_name="test")
    return folder


def forged(folder: Path, change: Change) -> Record:
    """The record of a folder after a change of its content, with a right id."""
    content = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    change(content)
    created = content.pop("created")
    for key in ("record_id", "schema_version"):
        content.pop(key)
    return build_record(created=created, **content)


def rules(folder: Path, change: Change = lambda d: None, *, verified: bool = True, **asked: Any) -> list[str]:
    record = forged(folder, change)
    table = read_result(folder).table
    known = KnownHarnesses(frozenset({RELEASED}), frozenset({COMMIT}))
    asked |= {"kind": kind_of(record, references()), "known": known}
    return [why.rule for why in why_unranked(record, table, verified=verified, **asked)]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda d: d["isolation"].update(level="none"), "isolation"),
        (lambda d: d["isolation"].update(level="process"), "isolation"),
        (lambda d: d["isolation"]["held"].update(tcp=False), "isolation"),
        (lambda d: d["isolation"].update(level="full", held={"tcp": True, "stat_targets": False}), "isolation"),
        (lambda d: d["isolation"].update(held={}), "isolation"),
        (lambda d: d["harness"].update(dirty=True), "harness"),
        (lambda d: d["harness"].update(dirty=None), "harness"),
        (lambda d: d["harness"].update(commit=None, dirty=None), "harness"),
        (lambda d: d["harness"].update(commit="of nowhere"), "harness"),
        (lambda d: d["harness"].update(commit="1" * 40), "harness"),
        (lambda d: d["harness"].update(commit="1" * 40, code_sha256="b" * 64), "harness"),
        (lambda d: d["harness"].update(commit=None, dirty=None, code_sha256="b" * 64), "harness"),
        (lambda d: d["model"].update(train_split=None), "undeclared"),
        (lambda d: d["model"].update(train_split="worldstrat-random-2022"), "contaminated"),
        (lambda d: d["dataset"].update(limit=394), "partial"),
        (lambda d: d["dataset"].update(shard="1/2"), "partial"),
        (lambda d: d["dataset"].update(no_target=["Landcover-1"], list="never-split"), "tiles"),
    ],
)
def test_a_record_without_provenance_is_not_ranked_even_if_verified(official: Path, change: Change, rule: str) -> None:
    assert rule in rules(official, change)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: None,
        lambda d: d["isolation"].update(level="full", held={"tcp": True, "stat_targets": True}),
        lambda d: d["isolation"].update(level="strong", held={"tcp": True, "stat_targets": False}),
        lambda d: d["harness"].update(commit=None, dirty=None, code_sha256=RELEASED),
    ],
)
def test_an_honest_verified_record_is_ranked(official: Path, change: Change) -> None:
    assert rules(official, change) == []


def test_a_self_reported_record_has_no_rank_that_may_be_cited(official: Path, practice: Path) -> None:
    assert rules(official, verified=False) == ["self-reported"]
    assert rules(practice, verified=False) == []


def test_a_practice_board_ranks_what_its_banner_covers(practice: Path) -> None:
    unconfined = {"level": "process", "held": {}}
    assert rules(practice, lambda d: d["isolation"].update(unconfined), verified=False) == []


@pytest.mark.parametrize("metric", ["psnr", "lpips"])
def test_a_board_ranks_only_whole_columns(tmp_path: Path, metric: str) -> None:
    """The hard tiles are `ok` and have no value: a mean over the rest would be the best on the board."""
    make_run(tmp_path / "run")
    path, worst = tmp_path / "run" / "tiles.csv", official_facts("clean")[0].tile
    lines = path.read_text(encoding="utf-8").splitlines()
    column = lines[0].split(",").index(metric)
    for i, line in enumerate(lines):
        cells = line.split(",")
        if cells[0] == worst:
            cells[column] = ""
            lines[i] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result = read_result(tmp_path / "run")
    other = {"psnr": "lpips", "lpips": "psnr"}[metric]
    (why,) = why_unranked(result.record, result.table, verified=True, known=KNOWN, list_name="clean", metric=metric)
    assert why.text == f"no {metric} on 1 of 334 tiles of list clean"
    assert why_unranked(result.record, result.table, verified=True, known=KNOWN, list_name="clean", metric=other) == ()


def test_a_null_mean_is_not_ranked(official: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["scores"]["clean"]["micro"]["psnr"]["mean"] = None

    record, table = forged(official, change), read_result(official).table
    (why,) = why_unranked(record, table, verified=True, known=KNOWN, list_name="clean", metric="psnr")
    assert why.rule == "value"
