"""Snapshots: a stranger's board beside another one on the same targets changes nothing that is said of that."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from submission_factory import MANIFEST, make_submission
from worldstrat_bench.site.banner import banner_of_frozen
from worldstrat_bench.site.builder import build
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.snapshots import FrozenBoard, Snapshot, changes, digest_of, freeze, states_at
from worldstrat_bench.stats.boards import Kind

HONEST = ("one-sr", "two-sr")


def frozen(root: Path, name: str, *earlier: Snapshot) -> Snapshot:
    """Build the site with earlier snapshots in it, and freeze its boards."""
    site = root / name
    build([root / "submissions"], site, config=BoardConfig(merged=HONEST), snapshots=earlier)
    return freeze(site, name, f"{name}-01")


def submissions(root: Path) -> None:
    """Write two submissions on one board."""
    for gain, slug in enumerate(HONEST):
        manifest = MANIFEST.replace('"my-sr"', f'"{slug}"').replace("Ada Example", f"Author of {slug}")
        make_submission(root, slug, manifest=manifest, gain_db=gain)


def test_rows_do_not_leave_because_a_board_of_other_inputs_came(tmp_path: Path) -> None:
    """It had the key of the other board: the history said that all had left, and no site could be built any more."""
    submissions(tmp_path)
    first = frozen(tmp_path, "2026-11")
    make_submission(tmp_path, "evil-sr", inputs="synthetic")
    second = frozen(tmp_path, "2026-12", first)
    assert len({board.key for board in second.boards}) == 2
    (change,) = changes(first.boards, second.boards)
    assert change.only_in == "second"
    third = frozen(tmp_path, "2027-01", first, second)  # builds the history of both
    assert not changes(second.boards, third.boards)
    assert "only" in (tmp_path / "2027-01" / "history.html").read_text(encoding="utf-8")


def test_a_frozen_board_says_what_its_ranks_are_worth(tmp_path: Path) -> None:
    submissions(tmp_path)
    frozen(tmp_path, "2026-12", frozen(tmp_path, "2026-11"))
    page = (tmp_path / "2026-12" / "snapshot" / "2026-11.html").read_text(encoding="utf-8")
    assert page.count('<p class="banner" role="note">Practice on synthetic scenes, no satellite data. ') == 1


@pytest.mark.parametrize("kind", get_args(Kind))
def test_only_the_official_board_is_frozen_without_a_banner(tmp_path: Path, kind: Kind) -> None:
    submissions(tmp_path)
    (board,) = frozen(tmp_path, "2026-11").boards
    told = banner_of_frozen(board.model_copy(update={"kind": kind, "release": "v1.1"}))
    assert (told == "") == (kind == "official")
    assert ("ranked among themselves only" in told) == (kind in ("practice", "predictions"))


def test_what_happens_on_a_board_is_still_said(tmp_path: Path) -> None:
    submissions(tmp_path)
    first = frozen(tmp_path, "2026-11")
    make_submission(tmp_path, "new-sr", gain_db=3.0)
    (change,) = changes(first.boards, frozen(tmp_path, "2026-12", first).boards)
    assert (change.entered, change.left, change.only_in) == (("new-sr",), (), "")


def test_who_left_is_told_with_the_reason_and_a_new_title_with_the_old_one(tmp_path: Path) -> None:
    submissions(tmp_path)
    first = frozen(tmp_path, "2026-11")
    one, two = (tmp_path / "submissions" / slug / "submission.toml" for slug in HONEST)
    state = 'status = "disputed"\nstatus_date = "2026-11-26"\nstatus_reason = "The code differs."'
    one.write_text(one.read_text().replace("[submission]", f"[submission]\n{state}"))
    two.write_text(re.sub("(?m)^title = .*", 'title = "Two, truly"', two.read_text()))
    later = frozen(tmp_path, "2026-12")
    (change,) = changes(first.boards, later.boards, states_at(tmp_path / "2026-12"))
    assert change.left == ("one-sr: disputed on 2026-11-26: “The code differs.”",)
    assert change.renamed == ("Two, truly, formerly two-sr",)
    # What is frozen holds no reason.
    later.save(tmp_path / "2026-12.json")
    (change,) = changes(first.boards, later.boards, states_at(tmp_path / "2026-12.json"))
    assert change.left == ("one-sr",)


def test_a_file_from_before_boards_were_told_apart_is_read(tmp_path: Path) -> None:
    submissions(tmp_path)
    now = frozen(tmp_path, "2026-12")
    boards = tuple(board.model_copy(update={"board": ""}) for board in now.boards)
    older = [{k: v for k, v in board.model_dump(mode="json").items() if k != "board"} for board in boards]
    document = {"schema_version": 1, "name": "2026-11", "date": "2026-11-01", "boards": older}
    text = json.dumps(document | {"digest": digest_of(FrozenBoard.model_validate(board) for board in older)})
    first = Snapshot.parse(text).checked(tmp_path)
    assert not changes(first.boards, now.boards)
    frozen(tmp_path, "2027-01", first, now)
