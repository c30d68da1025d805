"""Publishing is not stopped by strangers' names that become one file, nor by more rows than a page holds."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factories import Facts, invented_facts, make_run
from site_scenes import write_manifest
from submission_factory import add_record, make_submission
from worldstrat_bench.artefacts.record import load_record, record_id
from worldstrat_bench.site import build
from worldstrat_bench.site.apart import FRONT
from worldstrat_bench.site.checker import INDEX_GZIPPED, check
from worldstrat_bench.site.text import distinct, file_names, short_hash, slugify
from worldstrat_bench.stats.boards import board_key
from worldstrat_bench.submission.check_files import MAX_RECORDS, folder_faults

PRACTICE = {"release": "unrecognised", "list_name": "test", "official": False, "tiles": 12}


def submit(root: Path, slug: str, name: str = "x", **run: Any) -> Path:
    result = root / slug / "results" / "wsb-1" / name
    make_run(result, **{"model": slug, "submission": slug, **PRACTICE, **run})
    write_manifest(root / slug, slug=slug, title=slug, authors=(f"Author of {slug}",))
    return result


def facts(edit: Callable[[Facts, str], Facts]) -> tuple[Facts, ...]:
    """Tiles of which two have names, or a label, that give the same name of a file."""
    first, second, *others = invented_facts(12)
    return tuple(sorted((edit(first, "A B"), edit(second, slugify("A B")), *others), key=lambda fact: fact.tile))


def two_tiles(root: Path) -> None:
    submit(root, "mal-sr", tiles=facts(lambda fact, name: replace(fact, tile=name, group=name)))


def two_strata(root: Path) -> None:
    submit(root, "mal-sr", tiles=facts(lambda fact, name: replace(fact, ipcc=name)))


def a_slug_that_a_run_apart_has(root: Path) -> None:
    runs = [submit(root, "mal-sr", f"x{i}", seed=i, device_class=f"GPU {i}") for i in range(2)]
    for run in runs:  # one of them is shown, the other listed apart
        submit(root, f"mal-sr-{load_record(run).record_id[:8]}")


def two_boards(root: Path) -> None:
    record = load_record(submit(root, "mal-sr"))
    key, seen = list(board_key(record)), dict[str, str]()
    place = key.index(record.dataset.targets_sha256)
    for number in range(100_000):
        key[place] = hashlib.sha256(str(number).encode()).hexdigest()
        digits = short_hash("/".join(key), 6)
        if digits in seen:
            submit(root, "mal-sr", "y", targets_sha256=seen[digits])
            submit(root, "mal-sr", "z", targets_sha256=key[place])
            return
        seen[digits] = key[place]
    raise AssertionError("no two keys meet")


ATTACKS: list[Callable[[Path], None]] = [two_tiles, two_strata, a_slug_that_a_run_apart_has, two_boards]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_names_that_meet_stop_nothing(tmp_path: Path, attack: Callable[[Path], None]) -> None:
    submit(tmp_path / "submissions", "one-sr", release="mini")
    attack(tmp_path / "submissions")
    report = build([tmp_path / "submissions"], tmp_path / "site")
    assert report.refused == ()
    assert check(tmp_path / "site").faults == ()


def test_only_names_that_meet_are_changed() -> None:
    assert file_names(["a", "b-000001", "Ä"]) == {"a": "a", "b-000001": "b-000001", "Ä": slugify("Ä")}
    met = file_names(["A B", slugify("A B")])
    assert len(set(met.values())) == 2
    assert distinct([("a", "1"), ("a", "2"), ("b", "3")]) == [f"a-{short_hash('1', 6)}", f"a-{short_hash('2', 6)}", "b"]
    assert distinct([("a", "1")], taken=["a"]) == [f"a-{short_hash('1', 6)}"]
    # Neither a name that takes the form of another one nor the first digits of two digests make two of them alike.
    assert len(set(distinct([("a", "1"), ("a", "2"), (f"a-{short_hash('1', 6)}", "3")]))) == 3


def test_many_failed_runs_with_long_words_leave_the_first_page_short(tmp_path: Path) -> None:
    root = tmp_path / "submissions"
    submit(root, "one-sr", release="mini")
    for number in range(FRONT + 5):
        failed = {fact.tile: "crash" for fact in invented_facts(12)}
        result = submit(root, "mal-sr", f"x{number}", failed=failed, seed=number)

        content = json.loads((result / "record.json").read_text("utf-8"))
        words = (secrets.token_urlsafe(370) for _ in range(3))
        said = {"outcome": "crash", "tiles": 4, "names": ["Mini-0000"]}
        content["messages"] = [said | {"message": word} for word in words]
        (result / "record.json").write_text(json.dumps(content | {"record_id": record_id(content)}), "utf-8")
    build([root], tmp_path / "site")
    report = check(tmp_path / "site")
    assert report.faults == ()
    assert report.index_gzipped < INDEX_GZIPPED * 0.8
    index, data = (tmp_path / "site" / name for name in ("index.html", "data.html"))
    assert index.read_text("utf-8").count("12 of 12 tiles failed") == FRONT
    assert "5 further runs, and reasons" in index.read_text("utf-8")
    assert data.read_text("utf-8").count("12 of 12 tiles failed") == FRONT + 5


def test_a_page_that_is_too_large_is_told_and_stops_nothing_where_rows_are_strangers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(tmp_path / "submissions", "one-sr")
    build([tmp_path / "submissions"], tmp_path / "site")
    monkeypatch.setattr("worldstrat_bench.site.checker.INDEX_GZIPPED", 100)
    assert [fault.split(":")[0] for fault in check(tmp_path / "site").faults] == ["index.html"]
    told = check(tmp_path / "site", sizes=False)
    assert (told.faults, [what.split(":")[0] for what in told.large]) == ((), ["index.html"])


@pytest.mark.parametrize(("records", "rules"), [(MAX_RECORDS, set()), (MAX_RECORDS + 1, {"size"})])
def test_a_submission_has_so_many_records_at_most(tmp_path: Path, records: int, rules: set[str]) -> None:
    folder = make_submission(tmp_path, record=False)
    for number in range(records):
        add_record(folder, device_class=f"GPU {number}")
    assert {fault.rule for fault in folder_faults(folder)} == rules
