"""Predictions that were handed in stand on boards of their own: nothing ranks them among models that were run."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from factories import make_run
from run_helpers import run_cli
from site_scenes import write_speed
from worldstrat_bench.artefacts.record import Record, build_record
from worldstrat_bench.artefacts.result import read_result
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.site.builder import compose
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import read_entries
from worldstrat_bench.stats.boards import board_key, kind_of
from worldstrat_bench.stats.eligibility import cites, why_unranked
from worldstrat_bench.stats.robustness import cloud_points, frames_point

mini = partial(make_run, tiles=36, release="mini", list_name="test")

RUN, HANDED = ("run-a", "run-b"), ("handed-a", "handed-b", "handed-c")


def build(root: Path, config: tuple[str, ...] = ()) -> tuple[Mapping[str, bytes], tuple[Division, ...]]:
    entries, refused = read_entries([root])
    assert refused == []
    output, divisions, _ = compose(entries, refused)
    return output.files, divisions


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, bytes], tuple[Division, ...]]:
    """A site of both kinds; those handed in are by far the better ones."""
    root = tmp_path_factory.mktemp("both")
    for name in RUN:
        mini(root / name, model=name, gain_db=1.0 + 0.3 * RUN.index(name))
    for name in HANDED:
        mini(root / name, model=name, gain_db=9.0, handed_in=True)
    return build(root)


def test_they_never_share_a_board(apart: tuple[Mapping[str, bytes], tuple[Division, ...]]) -> None:
    found = {d.kind: sorted(d.by_slug) for d in apart[1]}
    assert found == {"practice": sorted(RUN), "predictions": sorted(HANDED)}


def test_no_rank_table_badge_or_feed_mixes_them(apart: tuple[Mapping[str, bytes], tuple[Division, ...]]) -> None:
    files, divisions = apart
    for division in divisions:
        own, others = (RUN, HANDED) if division.kind == "practice" else (HANDED, RUN)
        table = files[f"{division.prefix}data/board-test.csv"].decode()
        shown = {cell for row in csv.reader(io.StringIO(table)) for cell in row}
        assert set(own) <= shown
        assert not set(others) & shown
        board = json.loads(files[f"{division.prefix}data/board-test.json"])
        assert board["kind"] == division.kind
        ranks = [entry["ranks"]["psnr"] for entry in board["entries"]]
        assert all(rank["position"] <= len(own) and rank["beats"] < len(own) for rank in ranks)
        for slug in own:
            badge = files[f"{division.prefix}badge/{slug}.svg"].decode()
            assert f"of {len(own)}" in badge
            assert ("predictions" in badge) == (division.kind == "predictions")
        pages = [
            text.decode()
            for path, text in files.items()
            if path.startswith(f"{division.prefix}")
            and path.endswith(".html")
            and (division.prefix or not path.startswith("predictions"))
        ]
        assert pages
        if division.kind == "predictions":
            assert all("ran no model" in page for page in pages)
            assert not any(f"m/{slug}.html" in page for page in pages for slug in others)
    feed = files["feed.xml"].decode()
    assert feed.count("<summary>predictions,") == len(HANDED)
    assert feed.count("<summary>practice,") == len(RUN)


def test_what_was_run_is_shown_as_if_nothing_had_been_handed_in(
    apart: tuple[Mapping[str, bytes], tuple[Division, ...]], tmp_path: Path
) -> None:
    for name in RUN:
        mini(tmp_path / name, model=name, gain_db=1.0 + 0.3 * RUN.index(name))
    alone, (division,) = build(tmp_path)
    for path in [f"{division.prefix}badge/{slug}.svg" for slug in RUN] + [f"{division.prefix}data/board-test.csv"]:
        assert apart[0][path] == alone[path]


def test_a_model_page_says_what_is_not_known(apart: tuple[Mapping[str, bytes], tuple[Division, ...]]) -> None:
    files, divisions = apart
    prefix = next(d.prefix for d in divisions if d.kind == "predictions")
    page = files[f"{prefix}m/{HANDED[0]}.html"].decode()
    assert "worldstrat-bench score PREDICTIONS" in page
    assert "code, weights and speed are not known" in page
    assert "pip install" not in page
    assert "<dt>Isolation</dt>" not in page


@pytest.mark.parametrize("release", ["mini", "v1.1"])
def test_the_kind_is_the_first_part_of_the_key(tmp_path: Path, release: str) -> None:
    where = {"tiles": 12, "list_name": "test"} if release == "mini" else {"list_name": "full"}
    ran = make_run(tmp_path / "a", release=release, **where)
    handed = make_run(tmp_path / "b", release=release, handed_in=True, **where)
    assert kind_of(handed) == "predictions"
    assert kind_of(ran) != "predictions"
    assert board_key(ran)[1:] == board_key(handed)[1:]
    assert board_key(ran) != board_key(handed)


def test_a_record_cannot_be_of_both(tmp_path: Path) -> None:
    record = mini(tmp_path / "a", handed_in=True)
    changes: tuple[dict[str, object], ...] = (
        {"predictions": None},
        {"device": {"type": "cpu", "name": "x", "device_class": "x"}},
        {"isolation": {"level": "full"}},
        {"model": {"name": "x", "frames": 8, "weights_sha256": "0" * 64}},
    )
    for change in changes:
        document = {**record.model_dump(mode="json"), **change}
        with pytest.raises(InvalidArtefactError, match="handed in"):
            Record.parse(json.dumps(document))


def test_no_rank_of_theirs_may_be_cited(tmp_path: Path) -> None:
    """Ranks stand under a banner, as those of practice do; on the official list its rules hold all the same."""
    assert not cites("predictions")
    mini(tmp_path / "a", handed_in=True)
    for train_split, rules in (("worldstrat-train", []), (None, ["undeclared"])):
        folder = tmp_path / f"official-{len(rules)}"
        make_run(folder, handed_in=True, train_split=train_split)
        found = read_result(folder)
        assert [why.rule for why in why_unranked(found.record, found.table, verified=False)] == rules
    found = read_result(tmp_path / "a")
    assert why_unranked(found.record, found.table, verified=False) == ()


def test_a_site_of_one_division_alone(tmp_path: Path) -> None:
    mini(tmp_path / "runs" / "a", model="run-a")
    mini(tmp_path / "runs" / "b", model="handed-b", handed_in=True)
    for kind, shown in (("predictions", "handed-b"), ("practice", "run-a")):
        out = tmp_path / kind
        done = run_cli("site", "build", tmp_path / "runs", "--out", out, "--no-previews", "--division", kind, "--json")
        assert done.code == 0, done.err
        assert [board["kind"] for board in done.json["boards"]] == [kind]
        assert [path.stem for path in out.rglob("m/*.html")] == [shown]
    assert run_cli("site", "build", tmp_path / "runs", "--out", tmp_path / "x", "--division", "all").code == 2


def test_frames_are_not_known(apart: tuple[Mapping[str, bytes], tuple[Division, ...]]) -> None:
    files, divisions = apart
    division = next(d for d in divisions if d.kind == "predictions")
    assert {entry.frames for entry in division.entries} == {"not known"}
    board = json.loads(files[f"{division.prefix}data/board-test.json"])
    assert {entry["frames"] for entry in board["entries"]} == {None}


def test_files_have_neither_speed_nor_curves(tmp_path: Path) -> None:
    for name, handed_in in (("handed", True), ("run", False)):
        record = mini(tmp_path / name, model=name, handed_in=handed_in)
        write_speed(tmp_path / name, record, 100.0)
        curves = Robustness(
            record_id=record.record_id,
            list="test",
            frames=(frames_point(record, "test"),),
            cloud=cloud_points(record, "test"),
        )
        curves.save(tmp_path / name / Robustness.FILE)
    entries, refused = read_entries([tmp_path])
    assert refused == []
    shown = {entry.record.model.name: (bool(entry.speed), entry.robustness is not None) for entry in entries}
    assert shown == {"handed": (False, False), "run": (True, True)}


def test_files_of_one_name_are_entries_of_their_own(tmp_path: Path) -> None:
    """All that is known of what made them is a name: newer files do not displace others."""
    for seed in (1, 2):
        made = mini(tmp_path / str(seed), model="same", seed=seed, handed_in=True, gain_db=float(seed))
        content = {**made.model_dump(mode="json"), "predictions": {"files_sha256": str(seed) * 64, "formats": ["npy"]}}
        for key in ("record_id", "created", "schema_version"):
            content.pop(key)
        build_record(created=made.created, **content).save(tmp_path / str(seed) / "record.json")
    (division,) = build(tmp_path)[1]
    assert len(division.entries) == 2
