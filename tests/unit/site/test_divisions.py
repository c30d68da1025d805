"""Which runs compete, which are listed apart, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import COMMIT, Facts, invented_facts, make_run, official_facts, references, relabel
from site_scenes import write_manifest, write_speed, write_verification
from worldstrat_bench.artefacts.record import ModelRef, Record, build_record
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.data.split import sublists
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.site import build
from worldstrat_bench.site.board_table import metrics_of
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import read_entries
from worldstrat_bench.site.sorting import list_divisions, unplaced
from worldstrat_bench.site.versions import version_notes
from worldstrat_bench.stats.aggregate import aggregate

mini = partial(make_run, tiles=36, release="mini", list_name="test")


def full(folder: Path, **run: Any) -> Record:
    """A verified run of the official list: others are not ranked."""
    record = make_run(folder, **{"release": "v1.1", "list_name": "full", **run})
    write_verification(folder, record)
    return record


def divisions(root: Path, records: tuple[str, ...] = ()) -> tuple[Division, ...]:
    entries, refused = read_entries([root], references=references())
    assert refused == []
    return list_divisions(entries, references(), BoardConfig(commits=(COMMIT,), records=records))


def change(folder: Path, edit: Callable[[dict[str, object]], None]) -> None:
    """Edit a record and give it a right id again, as a forger would."""
    content = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    edit(content)
    created = content.pop("created")
    for key in ("record_id", "schema_version"):
        content.pop(key)
    record = build_record(created=created, **content)
    record.save(folder / "record.json")
    if (folder / "verification.json").exists():
        write_verification(folder, record)


def test_official_and_practice_never_share_a_board(tmp_path: Path) -> None:
    full(tmp_path / "a")
    mini(tmp_path / "b")
    found = divisions(tmp_path)
    assert [(d.kind, d.prefix == "", len(d.entries)) for d in found] == [("official", True, 1), ("practice", False, 1)]
    assert list(found[0].lists) == ["clean", "full", "strict"]
    assert [len(tiles) for tiles in found[0].lists.values()] == [334, 394, 302]


def test_the_same_pixels_of_two_releases_share_a_board(tmp_path: Path) -> None:
    full(tmp_path / "a", model="a", release="v1.0")
    full(tmp_path / "b", model="b", release="v1.1")
    (found,) = divisions(tmp_path)
    assert len(found.entries) == 2
    assert found.release == "v1.0, v1.1"


def test_other_targets_protocols_and_inputs_are_other_boards(tmp_path: Path) -> None:
    mini(tmp_path / "a", model="a")
    mini(tmp_path / "b", model="b", targets_sha256="1" * 64)
    mini(tmp_path / "c", model="c", tiles=24)
    mini(tmp_path / "d", model="d")
    change(tmp_path / "d", lambda c: c["dataset"].update(inputs="synthetic"))  # type: ignore[attr-defined]
    found = divisions(tmp_path)
    assert [len(d.entries) for d in found] == [1, 1, 1, 1]
    assert len({d.prefix for d in found}) == 4


@pytest.mark.parametrize(
    ("train_split", "reason"),
    [("worldstrat-random-2022", "contaminated"), ("Worldstrat-All", "contaminated"), (None, "not declared")],
)
def test_contaminated_and_undeclared_records_are_not_ranked(tmp_path: Path, train_split: str, reason: str) -> None:
    full(tmp_path / "a", model="a", train_split=train_split)
    (division,) = divisions(tmp_path)
    assert division.entries == ()
    assert reason in division.apart[0].reason


@pytest.mark.parametrize(
    ("given", "reason"), [("worldstrat-2022", "given the inputs of worldstrat-2022"), ("probav", "")]
)
def test_a_run_that_was_given_other_inputs_is_not_ranked(tmp_path: Path, given: str, reason: str) -> None:
    full(tmp_path / "a", model="a")
    asked = {"id": given, "sha256": load_protocol(given).sha256}
    change(tmp_path / "a", lambda c: c["dataset"].update(inputs_protocol=asked))  # type: ignore[attr-defined]
    (division,) = divisions(tmp_path)
    assert len(division.entries) == (not reason)
    assert all(reason in apart.reason for apart in division.apart)


def test_a_failed_tile_leaves_the_lists_without_it_ranked(tmp_path: Path) -> None:
    facts = official_facts("full")
    clean = {fact.tile for fact in official_facts("clean")}
    outside = next(fact.tile for fact in facts if fact.tile not in clean)
    full(tmp_path / "a", model="a", failed={outside: "timeout"})
    full(tmp_path / "b", model="b")
    (division,) = divisions(tmp_path)
    assert len(division.boards["clean", "psnr"].standings) == 2
    assert len(division.boards["full", "psnr"].standings) == 1


def test_a_run_that_failed_in_every_list_is_apart(tmp_path: Path) -> None:
    mini(tmp_path / "a", model="a", failed={invented_facts(36)[0].tile: "crash"})
    (division,) = divisions(tmp_path)
    assert division.apart[0].reason == "incomplete: 1 of 36 tiles failed (1 crash)"


def test_limited_and_sharded_runs_are_unplaced(tmp_path: Path) -> None:
    mini(tmp_path / "a", model="a", limit=5)
    mini(tmp_path / "b", model="b", shard="1/4")
    entries, _ = read_entries([tmp_path])
    assert list_divisions(entries) == ()
    assert sorted(apart.reason.split()[0] for apart in unplaced(entries)) == ["limited", "shard"]


def test_a_claim_to_be_official_is_checked_against_the_list(tmp_path: Path) -> None:
    full(tmp_path / "a", tiles=official_facts("full")[:390])
    entries, refused = read_entries([tmp_path], references=references())
    assert entries == []
    assert "4 tiles of list 'full' are missing" in refused[0].reason


def test_one_run_of_a_submission_is_ranked_the_verified_one_first(tmp_path: Path) -> None:
    old = mini(tmp_path / "old", model="a", submission="a", created="2026-01-01T00:00:00Z")
    new = mini(tmp_path / "new", model="a", submission="a", created="2026-02-01T00:00:00Z", seed=1)
    ids = {"old": old.record_id, "new": new.record_id}
    for order in (("old", "new"), ("new", "old")):  # whatever dates the records state
        (division,) = divisions(tmp_path, records=tuple(ids[name] for name in order))
        assert division.entries[0].source.endswith(order[-1])
    (division,) = divisions(tmp_path, records=(old.record_id,))
    assert division.entries[0].source.endswith("old")  # a record that no maintainer listed replaces none
    write_verification(tmp_path / "old", old)
    (division,) = divisions(tmp_path)
    assert division.entries[0].source.endswith("old")
    assert division.entries[0].status == "verified"
    assert "another run of the same entry" in division.apart[0].reason


def test_runs_with_other_facts_of_their_tiles_are_another_board_however_many_they_are(tmp_path: Path) -> None:
    facts: tuple[Facts, ...] = invented_facts(36)
    for i in range(2):
        mini(tmp_path / f"m{i}", model=f"m{i}", tiles=facts)
    before = divisions(tmp_path)[0].boards["test", "psnr"].standings
    for i in range(3):
        mini(tmp_path / f"odd{i}", model=f"odd{i}", tiles=relabel(facts, ipcc="Water"))
    found = divisions(tmp_path)
    names = {tuple(entry.record.model.name for entry in division.entries) for division in found}
    assert names == {("m0", "m1"), ("odd0", "odd1", "odd2")}
    assert before in [division.boards["test", "psnr"].standings for division in found]
    assert len({division.prefix for division in found}) == 2


def test_slugs_of_equal_names_get_a_hash(tmp_path: Path) -> None:
    for i in range(2):
        mini(tmp_path / f"m{i}", model="same", seed=i, train_split=("worldstrat-train", "none")[i])
    (division,) = divisions(tmp_path)
    assert len({entry.slug for entry in division.entries}) == 2
    assert all(entry.slug.startswith("same-") for entry in division.entries)


def test_the_card_speed_and_verification_of_another_record_are_ignored(tmp_path: Path) -> None:
    record = mini(tmp_path / "s" / "results" / "p" / "d", submission="s")
    run = tmp_path / "s" / "results" / "p" / "d"
    write_manifest(tmp_path / "s", slug="s", title="A title", family="f", paper="javascript:alert(1)")
    write_speed(run, record, 12.5)
    entries, _ = read_entries([tmp_path])
    assert entries[0].title == "A title"
    assert entries[0].card.paper is None
    assert entries[0].speed[0].km2_per_second == 12.5
    other = Record.model_validate({**record.model_dump(), "record_id": "1" * 64})
    write_speed(run, other, 12.5)
    write_verification(run, other)
    entries, _ = read_entries([tmp_path])
    assert entries[0].speed == ()
    assert entries[0].status == "self-reported"
    (run / "speed.json").write_text('{"record_id": 1, "timings": [{"km2_per_second": 1e999}]}')
    assert read_entries([tmp_path])[0][0].speed == ()
    write_verification(run, record, passed=False)
    entries, _ = read_entries([tmp_path])
    assert entries[0].status == "self-reported"


def spoil_tiles(folder: Path) -> None:
    path = folder / "tiles.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",ok,", ",ok,", 1) + "\n", encoding="utf-8")


def spoil_mean(folder: Path) -> None:
    def edit(content: dict[str, object]) -> None:
        content["scores"]["test"]["micro"]["psnr"]["mean"] += 0.01  # type: ignore[index]

    change(folder, edit)


def spoil_interval(folder: Path) -> None:
    def edit(content: dict[str, object]) -> None:
        content["scores"]["test"]["micro"]["psnr"]["ci_low"] += 0.01  # type: ignore[index]

    change(folder, edit)


def spoil_stratum(folder: Path) -> None:
    def edit(content: dict[str, object]) -> None:
        content["scores"]["test"]["strata"]["smod"]["Invented"] = {}  # type: ignore[index]

    change(folder, edit)


def spoil_outcomes(folder: Path) -> None:
    change(folder, lambda content: content.update(outcomes={"ok": 35, "crash": 1}))


def spoil_protocol(folder: Path) -> None:
    change(folder, lambda content: content["protocol"].update(sha256="2" * 64))  # type: ignore[attr-defined]


def spoil_unknown_protocol(folder: Path) -> None:
    change(folder, lambda content: content["protocol"].update(id="wsb-99"))  # type: ignore[attr-defined]


def spoil_json(folder: Path) -> None:
    (folder / "record.json").write_text("[" * 5000, encoding="utf-8")


def remove_tiles(folder: Path) -> None:
    (folder / "tiles.csv").unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_tiles, "not the file that the record names"),
        (spoil_mean, "scores.test.micro.psnr.mean is"),
        (spoil_interval, "scores.test.micro.psnr.ci_low is"),
        (spoil_stratum, "scores.test.strata.smod.Invented"),
        (spoil_outcomes, "outcomes"),
        (spoil_protocol, "was made with another 'wsb-1'"),
        (spoil_unknown_protocol, "unknown protocol"),
        (spoil_json, "not JSON"),
        (remove_tiles, "missing"),
    ],
)
def test_a_record_that_does_not_hold_together_is_refused(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    mini(tmp_path / "good", model="good")
    mini(tmp_path / "bad", model="bad")
    spoil(tmp_path / "bad")
    entries, refused = read_entries([tmp_path])
    assert len(entries) == 1
    assert [r.source for r in refused] == [f"{tmp_path.name}/bad"]
    assert reason in refused[0].reason


def test_the_same_record_twice_and_an_empty_path_are_named(tmp_path: Path) -> None:
    mini(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "empty").mkdir()
    entries, refused = read_entries([tmp_path / "a", tmp_path / "b", tmp_path / "empty"])
    assert len(entries) == 1
    assert ["the same record" in refused[0].reason, refused[1].reason] == [True, "holds no record.json"]
    with pytest.raises(UsageError):
        read_entries([tmp_path / "nowhere"])


def test_importing_the_site_costs_no_torch() -> None:
    code = (
        "import sys, worldstrat_bench.site.builder\n"
        "print(*(name for name in ('torch', 'scipy', 'pandas', 'rasterio') if name in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_a_record_beyond_the_size_limit_is_refused(tmp_path: Path) -> None:
    mini(tmp_path / "a")
    with (tmp_path / "a" / "speed.json").open("wb") as stream:
        stream.truncate(9_000_000)
    _, refused = read_entries([tmp_path])
    assert "larger than" in refused[0].reason


def test_frames_offered_are_not_taken_for_frames_used(tmp_path: Path) -> None:
    reference = ModelRef(name="m", distribution="m", version="1", entry_point="m:load", frames=1)
    mini(tmp_path / "bare", model="bare")
    mini(tmp_path / "single", model="single", model_ref=reference)
    mini(tmp_path / "stated", model="stated", submission="stated")
    mini(tmp_path / "beside", model="beside")
    write_manifest(tmp_path / "beside", slug="beside", title="beside")
    entries, _ = read_entries([tmp_path])
    assert {e.source.split("/")[-1]: (e.frames, e.family) for e in entries} == {
        "bare": ("8 offered", ""),
        "single": ("1", "single-frame"),
        "stated": ("8", "multi-frame"),
        "beside": ("8", "multi-frame"),
    }
    build([tmp_path / "bare"], tmp_path / "out")
    page = next((tmp_path / "out").glob("practice-*/m/bare.html")).read_text(encoding="utf-8")
    assert "<dt>Family</dt><dd><bdi>–</bdi></dd>" in page
    assert "<dt>Frames</dt><dd><bdi>8 offered</bdi></dd>" in page


def test_a_board_shows_one_version_of_an_optional_metric(tmp_path: Path) -> None:
    for name, version in (("a", "1"), ("b", "2"), ("c", "2"), ("d", "1, not computed")):
        mini(tmp_path / name, model=name, optional={"stlpips": version})
    mini(tmp_path / "e", model="e")
    (division,) = divisions(tmp_path)
    assert division.versions == {"stlpips": "2"}
    values = dict(zip([entry.slug for entry in division.entries], division.matrix("stlpips"), strict=True))
    assert {slug for slug, own in values.items() if not np.isnan(own).all()} == {"b", "c"}
    for entry in division.entries:
        assert ("stlpips" in division.scores(entry).micro) == (entry.slug in "bc")
        assert ("stlpips" in division.scores(entry).macro) == (entry.slug in "bc")
    notes = version_notes(division.by_slug["a"].record, division.versions)
    assert notes == ["ST-LPIPS is not shown: the run has version 1, the board 2"]
    assert version_notes(division.by_slug["b"].record, division.versions) == []
    build([tmp_path], tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "optional, version 2" in page
    assert "ST-LPIPS is not shown" in "".join(p.read_text() for p in (tmp_path / "site").rglob("m/a.html"))


def test_a_column_without_a_value_is_not_drawn(tmp_path: Path) -> None:
    record = mini(tmp_path / "a", model="a", optional={"stlpips": "1, not computed"}, failed={})
    table = (tmp_path / "a" / "tiles.csv").read_text(encoding="utf-8")
    assert "stlpips" in record.scores["test"].micro
    assert "stlpips" in table.splitlines()[0]
    lines = [line if i == 0 else line.rpartition(",")[0] + "," for i, line in enumerate(table.splitlines())]
    empty = "\n".join(lines) + "\n"
    (tmp_path / "a" / "tiles.csv").write_text(empty, encoding="utf-8")
    scores = aggregate(parse_tiles(empty), sublists("test", parse_tiles(empty).tiles), load_protocol("wsb-1"))

    def edit(content: dict[str, object]) -> None:
        content["scores"] = {name: own.model_dump() for name, own in scores.items()}
        content["files"] = {"tiles.csv": hashlib.sha256(empty.encode()).hexdigest()}
        content["nulls"] = {"stlpips": "its weights are not on this machine"}

    change(tmp_path / "a", edit)
    (division,) = divisions(tmp_path)
    assert division.versions == {}
    assert "stlpips" not in metrics_of(division)
