"""``submission compare`` among verified records: a record that is not verified is placed, and moves none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from factories import KNOWN, references
from forgery import forge
from git_scene import commit, git
from site_scenes import write_verification
from submission_factory import MANIFEST, make_submission, record_of, the_result
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.submission.compare import compare_markdown

COMPATIBILITY: dict[str, Any] = {
    "protocol": "worldstrat-2022",
    "tiles": None,
    "release": "v1.1",
    "list_name": "never-split",
}


def submitted(root: Path, slug: str, gain_db: float, *, verified: bool, author: str) -> Path:
    """A submission on a board whose ranks may be cited and that needs no reference."""
    text = (
        MANIFEST.replace('"my-sr"', f'"{slug}"').replace('"wsb-1"', '"worldstrat-2022"').replace("Ada Example", author)
    )
    folder = make_submission(root, slug, manifest=text, official=True, gain_db=gain_db, spread_db=0.3, **COMPATIBILITY)
    if verified:
        write_verification(the_result(folder), record_of(folder))
    return folder


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    for slug, gain in (("low", 0.0), ("high", 2.0)):
        submitted(tmp_path, slug, gain, verified=True, author=f"Author of {slug}")
    for i in range(4):
        submitted(tmp_path, f"forged-{i}", 9.0, verified=False, author=f"Eve {i}")
    return tmp_path / "submissions"


def test_a_record_is_placed_among_the_verified_ones_and_its_reason_is_said(submissions: Path, tmp_path: Path) -> None:
    submitted(tmp_path, "mine", 1.0, verified=False, author="Ada")
    text = compare_markdown("mine", submissions, known=KNOWN)
    assert "Not ranked: self-reported" in text
    assert "This one would count" in text
    assert "rank 2 of 3" in text
    assert "forged" not in text


def test_a_second_entry_of_the_same_authors_would_not_count(submissions: Path, tmp_path: Path) -> None:
    submitted(tmp_path, "more", 1.0, verified=False, author="Author of high")
    text = compare_markdown("more", submissions, known=KNOWN)
    assert "This one would not count" in text
    rows = [line for line in text.splitlines() if line.startswith(("| low", "| high"))]
    assert rows
    assert all(line.split("|")[3] == line.split("|")[4] for line in rows)  # the same rank before and after


def test_owners_are_those_of_the_base_whatever_the_pull_request_lists(submissions: Path, tmp_path: Path) -> None:
    listed = '[[submission]]\nslug = "high"\nowners = ["vic"]\n'
    owners = tmp_path / "reports" / "owners.toml"
    owners.parent.mkdir()
    owners.write_text(listed)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    commit(tmp_path)
    mine = submitted(tmp_path, "mine", 1.0, verified=False, author="Author of high") / "submission.toml"
    mine.write_text(mine.read_text().replace("[submission]", "[submission]\nmain = true"))
    owners.write_text(listed + listed.replace('"high"', '"mine"'))
    assert "This one would count" in compare_markdown("mine", submissions, known=KNOWN)  # its checkout says so
    assert "This one would not count" in compare_markdown("mine", submissions, "main", known=KNOWN)


def test_a_row_of_other_facts_keeps_no_one_from_comparing(tmp_path: Path) -> None:
    """The site puts it on a board of its own; one such row made the comparison of every later submission fail."""
    for slug, gain in (("one-sr", 1.0), ("two-sr", 2.0), ("mine", 1.5)):
        make_submission(tmp_path, slug, gain_db=gain)
    before = compare_markdown("mine", tmp_path / "submissions")
    folder = make_submission(tmp_path, "evil-sr", gain_db=1.6)
    forge(the_result(folder), lambda rows: [row.update(group="g") for row in rows])
    assert compare_markdown("mine", tmp_path / "submissions") == before
    assert "one-sr" in before
    assert "two-sr" in before


@pytest.mark.parametrize(("known", "said"), [(True, "probe board"), (False, "official pending a reference")])
def test_the_reference_says_what_board_it_is_and_not_the_record(tmp_path: Path, known: bool, said: str) -> None:
    make_submission(tmp_path, "mine", tiles=None, release="v1.1", list_name="never-split", official=True)
    anchor = references() if known else References({})
    text = compare_markdown("mine", tmp_path / "submissions", known=KNOWN, references=anchor)
    heading = next(line for line in text.splitlines() if line.startswith("####"))
    assert said in heading
    assert ("practice" in heading) == (not known)
