"""Addresses of a board: a stranger's row takes none that the pages and badges of others have."""

from __future__ import annotations

import operator
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from factories import COMMIT, official_facts
from forgery import forge, set_cells
from site_scenes import write_verification
from submission_factory import make_submission, record_of, rewrite_record, the_result
from worldstrat_bench.site import sorting
from worldstrat_bench.site.board_table import device_classes
from worldstrat_bench.site.builder import build
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.entries import read_entries
from worldstrat_bench.site.sorting import list_divisions
from worldstrat_bench.site.text import short_hash

HONEST = ("one-sr", "two-sr")


def badges(root: Path, *merged: str) -> dict[str, str]:
    """Build the site; slug to the folder of its badge."""
    shutil.rmtree(root / "site", ignore_errors=True)
    build([root / "submissions"], root / "site", config=BoardConfig(merged=merged))
    found = (path.relative_to(root / "site") for path in (root / "site").rglob("badge/*.svg"))
    return {path.stem: path.parts[0] for path in found}


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not listed yet"])
def test_a_row_of_other_facts_leaves_a_board_its_address(tmp_path: Path, listed: bool) -> None:
    """The digest of a record can be sought: one that comes before all others, on the same targets, took the address."""
    for slug in HONEST:
        make_submission(tmp_path, slug, gain_db=1.0)
    before = badges(tmp_path, *HONEST)
    assert len(set(before.values())) == 1
    folder = make_submission(tmp_path, "evil-sr", gain_db=9.0)
    forge(the_result(folder), set_cells("cloud", "0.5"))
    first = min(record_of(tmp_path / "submissions" / slug).record_id for slug in HONEST)
    for seed in range(1, 1000):
        rewrite_record(folder, lambda document, seed=seed: document.update(seed=seed))  # type: ignore[misc]
        if record_of(folder).record_id < first:
            break
    assert record_of(folder).record_id < first
    after = badges(tmp_path, *HONEST, *(["evil-sr"] if listed else []))
    assert {slug: after[slug] for slug in HONEST} == before
    assert after["evil-sr"] not in before.values()


def test_a_run_that_is_on_no_board_leaves_one_its_address(tmp_path: Path) -> None:
    """Whoever was merged first may add a record to it: a smoke test that states the board's targets moved all pages."""
    for slug in HONEST:
        make_submission(tmp_path, slug, gain_db=1.0)
    before = badges(tmp_path, *HONEST)
    folder = make_submission(tmp_path, "evil-sr", tiles=2)
    targets = record_of(tmp_path / "submissions" / "one-sr").dataset.targets_sha256
    rewrite_record(folder, lambda document: document["dataset"].update(targets_sha256=targets, limit=2))
    assert badges(tmp_path, "evil-sr", *HONEST) == before


def test_a_row_of_another_release_leaves_a_board_its_address(tmp_path: Path) -> None:
    """A board that awaits its reference takes rows of one claim; the release of the first one is in its address."""
    official: dict[str, Any] = {"tiles": official_facts("never-split"), "list_name": "never-split", "official": True}
    make_submission(tmp_path, "one-sr", gain_db=1.0, release="v1.1", **official)
    before = badges(tmp_path, "one-sr")
    make_submission(tmp_path, "evil-sr", gain_db=9.0, release="v1.0", **official)
    for merged in (("one-sr", "evil-sr"), ("evil-sr", "one-sr")):
        assert badges(tmp_path, *merged)["one-sr"] == before["one-sr"]


def test_what_a_board_says_of_its_tiles_is_what_the_first_row_says(tmp_path: Path) -> None:
    """Facts agree to 0.1 %: within that a later row, whose id comes first, moved what pages say of cloud."""
    make_submission(tmp_path, "one-sr", gain_db=1.0)
    folder = make_submission(tmp_path, "evil-sr", gain_db=9.0)
    forge(the_result(folder), set_cells("cloud", lambda value: value * 1.0005))
    for seed in range(1, 1000):
        rewrite_record(folder, lambda document, seed=seed: document.update(seed=seed))  # type: ignore[misc]
        if record_of(folder).record_id < record_of(tmp_path / "submissions" / "one-sr").record_id:
            break
    entries, _ = read_entries([tmp_path / "submissions"])
    (division,) = list_divisions(entries, config=BoardConfig(merged=("one-sr", "evil-sr")))
    first = next(entry for entry in entries if entry.title == "one-sr")
    assert np.array_equal(division.facts.numbers["cloud"], first.table.numbers["cloud"])


def test_a_row_that_agrees_with_two_boards_joins_neither_to_the_other(tmp_path: Path) -> None:
    """Facts agree within a tolerance: between two statements that do not, there is one that agrees with both."""
    for slug in HONEST:
        make_submission(tmp_path, slug, gain_db=1.0)
    make_submission(tmp_path, "evil-sr", gain_db=2.0)
    forge(the_result(tmp_path / "submissions" / "evil-sr"), set_cells("detail", lambda value: value * 1.0014))
    merged = ("evil-sr", *HONEST)
    before = badges(tmp_path, *merged)
    assert before["evil-sr"] != before["one-sr"] == before["two-sr"]
    for factor in (1.00006, 1.0007, 1.0013):
        folder = make_submission(tmp_path, "evil-too-sr", gain_db=3.0)
        forge(the_result(folder), set_cells("detail", partial(operator.mul, factor)))
        for order in (("evil-sr", "evil-too-sr", *HONEST), (*merged, "evil-too-sr")):
            after = badges(tmp_path, *order)
            assert after["one-sr"] == after["two-sr"]
            assert (after["one-sr"] == before["one-sr"]) or order[1] == "evil-too-sr"
        assert {slug: after[slug] for slug in before} == before
        shutil.rmtree(tmp_path / "submissions" / "evil-too-sr")


def test_targets_that_were_sought_move_no_other_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six digits of a digest are met in seconds: both boards whose addresses met were renamed, pages and badges."""
    # As if every stranger had sought targets of which the first eight digits are those of the other board.
    monkeypatch.setattr(sorting, "short_hash", lambda text, length=8: f"5ca1ab1e{short_hash(text, 64)}"[:length])
    make_submission(tmp_path, "one-sr", gain_db=1.0)
    before = badges(tmp_path, "one-sr")
    make_submission(tmp_path, "evil-sr", gain_db=9.0, targets_sha256="ab" * 32)
    after = badges(tmp_path, "one-sr", "evil-sr")
    assert after["one-sr"] == before["one-sr"] != after["evil-sr"]


def test_a_record_of_whatever_data_makes_no_first_page(tmp_path: Path) -> None:
    """One self-reported record under another group's rules, of invented targets, took the place of a verified board."""
    honest = make_submission(tmp_path, "one-sr", gain_db=1.0)
    write_verification(the_result(honest), record_of(honest))
    claims: dict[str, Any] = {"protocol": "probav", "tiles": None, "list_name": "full", "release": "v1.1"}
    make_submission(tmp_path, "evil-sr", gain_db=9.0, official=True, targets_sha256="ab" * 32, **claims)
    entries, _ = read_entries([tmp_path / "submissions"])
    config = BoardConfig(merged=("one-sr", "evil-sr"), commits=(COMMIT,))
    first, second = list_divisions(entries, config=config)
    assert [entry.title for entry in first.entries] == ["one-sr"]
    assert (second.kind, [entry.title for entry in second.reported]) == ("compatibility", ["evil-sr"])
    # Once maintainers verified it, a board of the real data comes before one of practice.
    write_verification(
        the_result(tmp_path / "submissions" / "evil-sr"), record_of(tmp_path / "submissions" / "evil-sr")
    )
    entries, _ = read_entries([tmp_path / "submissions"])
    assert [board.kind for board in list_divisions(entries, config=config)] == ["compatibility", "practice"]


def test_the_first_verified_row_decides_which_board_is_the_first_page(tmp_path: Path) -> None:
    """Two rows of a stranger that were verified later, on a smaller list say, took it with every address on it."""
    for slug, tiles, day in (("victim-sr", 12, 1), ("evil-sr", 13, 2), ("evil-too-sr", 13, 3)):
        folder = make_submission(tmp_path, slug, tiles=tiles, gain_db=tiles / 10)
        write_verification(the_result(folder), record_of(folder))
        file = the_result(folder) / "verification.json"
        file.write_text(file.read_text().replace("2026-02-03T", f"2026-03-0{day}T"))
    entries, _ = read_entries([tmp_path / "submissions"])
    for merged in (("victim-sr", "evil-sr", "evil-too-sr"), ("evil-sr", "evil-too-sr", "victim-sr")):
        first, second = list_divisions(entries, config=BoardConfig(merged=merged))
        assert [entry.slug for entry in first.shown] == ["victim-sr"]
        assert {entry.slug for entry in second.shown} == {"evil-sr", "evil-too-sr"}


@pytest.mark.parametrize("status", ["withdrawn", "disputed"])
def test_a_verified_row_that_is_taken_off_moves_no_board(tmp_path: Path, status: str) -> None:
    """Its owner can withdraw it at any time: the board of verified rows beside it kept its pages, badges and place."""
    for slug, tiles, day in (("evil-sr", 12, 1), ("two-sr", 12, 3), ("one-sr", 13, 2)):
        folder = make_submission(tmp_path, slug, tiles=tiles, gain_db=tiles / 10)
        write_verification(the_result(folder), record_of(folder))
        file = the_result(folder) / "verification.json"
        file.write_text(file.read_text().replace("2026-02-03T", f"2026-03-0{day}T"))

    def boards() -> list[tuple[str, set[str]]]:
        entries, _ = read_entries([tmp_path / "submissions"])
        merged = BoardConfig(merged=("evil-sr", "two-sr", "one-sr"))
        return [(d.prefix, {entry.slug for entry in d.entries}) for d in list_divisions(entries, config=merged)]

    (place, own), *rest = boards()
    assert own == {"evil-sr", "two-sr"}
    manifest = tmp_path / "submissions" / "evil-sr" / "submission.toml"
    state = f'[submission]\nstatus = "{status}"\nstatus_date = "2026-04-01"\nstatus_reason = "It is taken off."\n'
    manifest.write_text(manifest.read_text().replace("[submission]\n", state))
    assert boards() == [(place, {"two-sr"}), *rest]


def test_classes_of_devices_that_authors_name_take_no_column_of_one_timed_by_maintainers() -> None:
    def entry(device: str, confirmed: bool) -> Any:
        return SimpleNamespace(speed=[SimpleNamespace(device_class=device, confirmed=confirmed)])

    rows = [entry("H100", True), *(entry(f"A{i}", False) for i in (1, 2, 3, 3, 2, 1))]
    assert device_classes(rows) == ["H100", "A1", "A2"]
    assert device_classes(rows[1:]) == ["A1", "A2", "A3"]
