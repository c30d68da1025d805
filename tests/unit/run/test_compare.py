"""``compare``: what may be compared, and what a failed tile does to a verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest

from factories import invented_facts, make_run, relabel
from run_helpers import run_cli
from worldstrat_bench.artefacts.record import DatasetRef, Record, build_record, load_record
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import measure
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.results.plot import board_of, differences, plotted_runs
from worldstrat_bench.results.table import make_table
from worldstrat_bench.run.compare import OF_THE_TARGET, compare_runs

pytestmark = pytest.mark.not_quick  # a second or more for most of these

FACTS = invented_facts(36)
FORTY = invented_facts(40)
mini: Callable[..., Record] = partial(make_run, tiles=FACTS, release="mini", list_name="test")


def change(folder: Path, **dataset: object) -> None:
    record = load_record(folder)
    content = record.model_dump(exclude={"record_id", "created", "schema_version"})
    content["dataset"] = DatasetRef.model_validate({**record.dataset.model_dump(), **dataset})
    build_record(created=record.created, **content).save(folder / "record.json")


def test_a_failed_tile_leaves_no_verdict_where_it_is(tmp_path: Path) -> None:
    mini(tmp_path / "a", model="a", gain_db=3.0)
    mini(tmp_path / "b", model="b")
    whole = compare_runs(tmp_path / "a", tmp_path / "b")
    assert {one.metric: one.verdict for one in whole.lists["test"]}["psnr"] == "a"
    mini(tmp_path / "c", model="b", failed={FACTS[3].tile: "crash"})
    found = compare_runs(tmp_path / "a", tmp_path / "c")
    assert {one.verdict for one in found.lists["test"]} == {"none"}
    assert {one.verdict for one in found.strata["ipcc"][FACTS[3].ipcc]} == {"none"}
    assert any("1 tile failed" in remark for remark in found.remarks)


@pytest.mark.parametrize("groups", [4, 7, 20, 40])
def test_the_limits_of_groups_are_the_same_in_terminal_table_and_plot(tmp_path: Path, groups: int) -> None:
    """Protocol 3.6 and 3.7: lists have verdicts from 5, strata from 30, both have intervals from 10."""
    tiles = relabel(FORTY[:groups], ipcc="Forest")
    runs = [tmp_path / name for name in "ab"]
    for run, gain in zip(runs, (9.0, 0.0), strict=True):
        mini(run, model=run.name, tiles=tiles, gain_db=gain, spread_db=0.1)
    found = compare_runs(*runs)
    ((whole, own),) = zip(found.lists["test"][:1], found.strata["ipcc"]["Forest"][:1], strict=True)
    assert whole.metric == own.metric == "psnr"
    assert (whole.verdict, own.verdict) == ("a" if groups >= 5 else "none", "a" if groups >= 30 else "none")
    assert [one.ci_low is not None for one in (whole, own)] == [groups >= 10] * 2
    assert (whole.p_value is not None, own.p_value is not None) == (groups >= 5, groups >= 10)
    table = make_table(runs, "psnr", "ipcc")
    assert [cell.best for cell in table.cells[0]] == [one.verdict == "a" for one in (whole, own)]
    assert [cell.interval is not None for cell in table.cells[0]] == [groups >= 10] * 2
    (row,) = differences(board_of(plotted_runs(runs), "psnr")[0], load_protocol("wsb-1"))
    assert (row.beaten, row.interval is not None) == (whole.verdict == "a", groups >= 10)
    text = shown(*runs, "--strata", "ipcc", "--metrics", "psnr")
    assert [line.split()[-1] for line in text.splitlines() if "PSNR" in line][:2] == [whole.verdict, own.verdict]


def test_other_inputs_and_other_targets_are_refused(tmp_path: Path) -> None:
    for name in "abcd":
        mini(tmp_path / name, model=name)
    change(tmp_path / "b", inputs="synthetic")
    given = {"id": "worldstrat-2022", "sha256": load_protocol("worldstrat-2022").sha256}
    change(tmp_path / "c", inputs_protocol=given)
    change(tmp_path / "d", targets_sha256="1" * 64)
    for name, words in (("b", "different inputs"), ("c", "different inputs"), ("d", "different targets")):
        with pytest.raises(UsageError, match=words):
            compare_runs(tmp_path / "a", tmp_path / name)


def test_parts_are_told_and_compared_if_their_tiles_are_the_same(tmp_path: Path) -> None:
    mini(tmp_path / "a", model="a")
    mini(tmp_path / "b", model="b", limit=20)
    found = compare_runs(tmp_path / "a", tmp_path / "b")
    assert (len(found.only_a), found.remarks) == (16, ("b is a smoke test of the first 20 tiles",))
    others = tuple(relabel([fact], detail=fact.detail * 2)[0] for fact in FACTS)  # type: ignore[arg-type]
    mini(tmp_path / "c", model="c", tiles=others, limit=20)
    with pytest.raises(UsageError, match="different targets"):
        compare_runs(tmp_path / "a", tmp_path / "c")


def test_another_version_of_an_optional_metric_is_not_compared_and_that_is_said(tmp_path: Path) -> None:
    for name, version in (("a", "1, package 1.0"), ("b", "1, package 1.0"), ("c", "1, package 1.1")):
        mini(tmp_path / name, model=name, optional={"stlpips": version, "opensr_omission": "1"})
    mini(tmp_path / "d", model="d")
    same, other, without = (compare_runs(tmp_path / "a", tmp_path / name) for name in "bcd")
    assert {"stlpips", "opensr_omission"} <= {one.metric for one in same.lists["test"]}
    assert same.remarks == ()
    found = {one.metric for one in other.lists["test"]}
    assert ("stlpips" in found, "opensr_omission" in found, "psnr" in found) == (False, True, True)
    assert other.remarks == ("ST-LPIPS is not compared: version 1, package 1.0 and version 1, package 1.1",)
    assert not {"stlpips", "opensr_omission"} & {one.metric for one in without.lists["test"]}


def shown(*words: object) -> str:
    done = run_cli("compare", *words)
    assert done.code == 0, done.err
    return done.out


def test_any_number_of_runs_is_compared_each_with_each(tmp_path: Path) -> None:
    runs = [tmp_path / name for name in "abc"]
    for run, gain in zip(runs, (3.0, 1.0, 0.0), strict=True):
        mini(run, model=f"model-{run.name}", gain_db=gain)
    text = shown(*runs)
    rows = [line.split() for line in text.splitlines() if line.startswith("model-")]
    pairs = [("model-a", "model-b"), ("model-a", "model-c"), ("model-b", "model-c")]
    ranked = load_protocol("wsb-1").ranking.metrics
    assert [(row[0], row[2]) for row in rows] == pairs * len(ranked)
    for (one, other), row in zip(pairs, rows[:3], strict=True):
        alone = compare_runs(tmp_path / one[-1], tmp_path / other[-1])
        psnr = next(row for row in alone.lists["test"] if row.metric == "psnr")
        assert float(row[5]) == pytest.approx(psnr.difference, abs=0.006)
        assert row[-1] == psnr.verdict == "a"
    assert "PSNR ↑ dB" in text
    documents = json.loads(shown(*runs, "--json"))
    assert [(found["a"], found["b"]) for found in documents] == [
        (load_record(a).record_id, load_record(b).record_id) for a, b in combinations(runs, 2)
    ]
    assert shown(*runs, "--metrics", "ssim").count("model-a - model-b") == 1
    assert shown(*runs, "--strata", "ipcc").count("model-a - model-b") > len(ranked)
    for words, fragment in (
        ((runs[0],), "compared with nothing"),
        ((*runs, "--metrics", "sharpness"), "sharpness"),
        ((*runs, runs[0]), "given twice"),
        ((*runs, "--strata", "colour"), "colour"),
    ):
        done = run_cli("compare", *words)
        assert (done.code, fragment in done.err) == (2, True), done.err


def test_rows_that_cannot_differ_are_left_out_unless_they_are_asked_for(tmp_path: Path) -> None:
    for name, gain in (("a", 1.0), ("b", 0.0)):
        mini(tmp_path / name, model=name, gain_db=gain)
    text = shown(tmp_path / "a", tmp_path / "b")
    labels = {name: measure(name).label for name in OF_THE_TARGET}
    printed = [line for line in text.splitlines() if line.lstrip().startswith(tuple(labels.values()))]
    assert printed == []
    assert "PSNR ↑ dB" in text
    assert labels["gain"] in shown(tmp_path / "a", tmp_path / "b", "--metrics", "gain")
