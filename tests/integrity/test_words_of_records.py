"""Words of a record that pages show: a stranger's data set, device or tiles say nothing that only pages say."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factories import invented_facts, make_run
from forgery import forge
from site_scenes import write_manifest, write_speed
from submission_factory import MANIFEST, make_submission, record_of, rewrite_record, rewrite_tiles, the_result
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.measures import MEASURES
from worldstrat_bench.site.builder import compose
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.entries import read_entries
from worldstrat_bench.site.tables import rows_to_csv
from worldstrat_bench.stats.names import reserved_fault
from worldstrat_bench.stats.robustness import cloud_points, disagreements, frames_point
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.check_words import MOST_TEXTS

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
        "harness.commit",
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
@pytest.mark.parametrize("part", ["environment.packages", "isolation.held", "optional"])
def test_a_verdict_in_a_name_of_a_mapping_is_refused(tmp_path: Path, part: str, word: str) -> None:
    folder = make_submission(tmp_path)
    section, _, key = part.partition(".")

    def say(content: dict[str, Any]) -> None:
        mapping = content[section][key] if key else content[section]
        mapping[word] = True if key == "held" else "1.0"

    rewrite_record(folder, say)
    assert any(fault.rule == "name" and fault.what.startswith(part) for fault in check([folder]).errors)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("at", ["name", "value"])
def test_a_verdict_in_a_parameter_is_refused(tmp_path: Path, word: str, at: str) -> None:
    """Pages show the parameters of a record, which are those of the manifest."""
    line = f'"{word}" = 1' if at == "name" else f'mode = "{word}"'
    manifest = MANIFEST.replace("strength = 0.3", f"strength = 0.3\n{line}")
    folder = make_submission(tmp_path, manifest=manifest)
    given: dict[str, Any] = {word: 1} if at == "name" else {"mode": word}
    rewrite_record(folder, lambda content: content["model"]["parameters"].update(given))
    assert rules(folder) == {"name"}


def test_parameters_that_say_nothing_of_the_kind_pass(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("strength = 0.3", 'strength = 0.3\nmode = "fast"')
    folder = make_submission(tmp_path, manifest=manifest)
    rewrite_record(folder, lambda content: content["model"]["parameters"].update(mode="fast"))
    assert not rules(folder)


@pytest.mark.parametrize(
    "word", ["ᴠᴇʀɪꜰɪᴇᴅ", "🆅🅴🆁🅸🅵🅸🅴🅳", "v·e·r·i·f·i·e·d", "v|e|r|i|f|i|e|d", "verif|ed", "o~f~f~i~c~i~a~l"]
)
def test_letters_drawn_in_other_ways_are_read(word: str) -> None:
    assert reserved_fault(f"H100 {word}")


@pytest.mark.parametrize(
    "name", ["Intel(R) Core(TM) i9", "NVIDIA H100 80GB HBM3", "Åsa Ström", "Ρένα Δούρου", "李明", "ㄅㄆㄇ"]
)
def test_names_in_other_letters_are_not_such_words(name: str) -> None:
    assert not reserved_fault(name)


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


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("place", ["isolation", "nulls", "remark"])
def test_a_verdict_in_a_name_that_a_record_gives_to_something_is_refused(tmp_path: Path, place: str, word: str) -> None:
    folder = make_submission(tmp_path)

    def say(content: dict[str, Any]) -> None:
        if place == "remark":
            content["messages"] = [{"outcome": "ok", "message": word, "tiles": 1, "names": []}]
        elif place == "nulls":
            content["nulls"]["lpips"] = word
        else:
            content["isolation"]["held"][word] = True

    rewrite_record(folder, say)
    assert rules(folder) == {"name"}


@pytest.mark.parametrize("place", ["warnings", "nulls"])
def test_the_texts_of_a_record_have_a_length_together(tmp_path: Path, place: str) -> None:
    """Each of them is short enough, and all of them took the check half a minute."""
    folder = make_submission(tmp_path)
    text = "\ufdfa" * 2500
    for count, found in ((2, set()), (40, {"size"})):
        stated: Any = [text] * count if place == "warnings" else dict.fromkeys(list(MEASURES)[:count], text)
        rewrite_record(folder, lambda document, stated=stated: document.update({place: stated}))  # type: ignore[misc]
        assert rules(folder) == found


@pytest.mark.parametrize(("tiles", "found"), [(1000, set()), (1001, {"size"})])
def test_a_record_has_as_many_tiles_as_a_list(tmp_path: Path, tiles: int, found: set[str]) -> None:
    """A board has a page for each of them."""
    assert rules(make_submission(tmp_path, tiles=tiles)) - {"size"} == set()
    assert ("size" in rules(tmp_path / "submissions" / "my-sr")) == bool(found)


def test_a_reason_belongs_to_a_metric(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    rewrite_record(folder, lambda document: document.update(nulls={"lpips": "no weights", "n001": "another"}))
    assert rules(folder) == {"nulls"}


@pytest.mark.parametrize(
    "said",
    [
        {"outcome": "checked", "message": "Verified by the maintainers", "tiles": 2, "names": []},
        {"outcome": "infra_error", "message": "Verified by the maintainers", "tiles": 1, "names": []},
        {"outcome": "model_error", "message": "it broke", "tiles": 2, "names": ["Mini-0000"]},
        {"outcome": "model_error", "message": "it broke", "tiles": 1, "names": ["Mini-0001"]},
        {"outcome": "ok", "message": "the image is constant", "tiles": 1, "names": ["Mini-0000"]},
        {"outcome": "ok", "message": "the image is constant", "tiles": 1, "names": ["Atlantis"]},
    ],
    ids=str,
)
def test_a_message_is_of_tiles_with_its_outcome(tmp_path: Path, said: dict[str, Any]) -> None:
    """Under an outcome that no tile has, a page would show any sentence as that of a model."""
    folder = make_submission(tmp_path, failed={"Mini-0000": "model_error"})
    rewrite_record(folder, lambda content: content.update(messages=[said]))
    assert "messages" in rules(folder)
    honest = {"outcome": "ok", "message": "the image is constant", "tiles": 1, "names": ["Mini-0001"]}
    rewrite_record(folder, lambda content: content.update(messages=[honest]))
    assert rules(folder) == set()


def test_what_a_model_said_of_a_tile_that_failed_is_its_own(tmp_path: Path) -> None:
    folder = make_submission(tmp_path, failed={"Mini-0000": "model_error"})
    message = "RuntimeError: unverified HTTPS request"
    said = {"outcome": "model_error", "message": message, "tiles": 1, "names": ["Mini-0000"]}
    rewrite_record(folder, lambda content: content.update(messages=[said]))
    assert rules(folder) == set()


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("place", ["device", "precision", "reasons"])
def test_a_verdict_in_a_report_of_speed_is_refused(tmp_path: Path, place: str, word: str) -> None:
    """Its class of devices is the head of a column on every page of a board."""
    folder = make_submission(tmp_path)
    run = the_result(folder)
    write_speed(run, record_of(folder), 1.0, verdict="INVALID", device="H100" if place != "device" else word)
    assert rules(folder) == ({"name"} if place == "device" else set())
    content = json.loads((run / "speed.json").read_text(encoding="utf-8"))
    if place != "device":
        content["timings"][0][place] = word if place == "precision" else [word]
    (run / "speed.json").write_text(json.dumps(content), encoding="utf-8")
    assert rules(folder) == {"name"}


@pytest.mark.parametrize("column", ["verified by maintainers: rank 1", "=HYPERLINK(1)", "zz", "gain"])
def test_a_table_has_no_column_that_the_harness_does_not_write(tmp_path: Path, column: str) -> None:
    """Its name would be the head of a column of the board, and of its CSV."""
    folder = make_submission(tmp_path)

    def widen(rows: list[list[str]]) -> None:
        rows[0].append(column)
        for row in rows[1:]:
            row.append("1")

    rewrite_tiles(folder, widen)
    forge(the_result(folder))
    assert rules(folder) == {"columns"}
    entries, refused = read_entries([folder])
    assert not entries
    assert "column" in refused[0].reason


def test_heads_of_tables_are_made_safe_for_spreadsheets() -> None:
    assert rows_to_csv(["a", "=HYPERLINK(1)"], [["b", 1]]) == "a,'=HYPERLINK(1)\nb,1\n"


def test_curves_over_frames_are_of_known_metrics(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    record = record_of(folder)
    point = frames_point(record, "test")
    odd = point.model_copy(update={"frames": 1, "record_id": "a" * 64})
    stated = Robustness(
        record_id=record.record_id, list="test", frames=(odd, point), cloud=cloud_points(record, "test")
    )
    assert disagreements(stated, record) == ()
    named = odd.model_copy(update={"scores": {**odd.scores, "verified": odd.scores["psnr"]}})
    assert disagreements(stated.model_copy(update={"frames": (named, point)}), record)


@pytest.mark.parametrize("created", ["2026-01-02\u271403:04:05", "2026-01-02\u00e903:04:05"])
def test_a_date_is_of_plain_characters(tmp_path: Path, created: str) -> None:
    assert "created" in rules(make_submission(tmp_path, created=created))


@pytest.mark.parametrize("count", [400, 2_000])
def test_a_record_holds_no_more_texts_than_a_run_has(tmp_path: Path, count: int) -> None:
    folder = make_submission(tmp_path)
    rewrite_record(folder, lambda content: content.update(warnings=[f"warning {i}" for i in range(count)]))
    assert rules(folder) == ({"size"} if count > MOST_TEXTS else set())


def test_many_words_are_looked_at_in_no_time() -> None:
    """A stranger decides how many texts a record holds: 1 MB of them must not hold up the check of all others."""
    began = time.process_time()
    for text in ("x" * 400, "a " * 200, "veri" * 100, "ж" * 400, "vж" * 200):
        for number in range(200):
            reserved_fault(f"{text[:390]}{number}")
    assert time.process_time() - began < 1.0


def test_names_of_tiles_may_be_of_any_language(tmp_path: Path) -> None:
    first, *others = invented_facts(12)
    tiles = tuple(sorted((replace(first, tile="Zürich 1=2 (市)", group="市"), *others), key=lambda facts: facts.tile))
    assert rules(make_submission(tmp_path, tiles=tiles)) == set()


@pytest.mark.parametrize(
    ("stated", "rule"),
    [
        ({"release": "v1.1 (official)"}, {"labels", "name"}),
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
