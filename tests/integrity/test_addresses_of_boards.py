"""Addresses of a board: a stranger's row takes none that the pages and badges of others have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from forgery import forge, set_cells
from submission_factory import make_submission, record_of, rewrite_record, the_result
from worldstrat_bench.site.builder import build
from worldstrat_bench.site.config import BoardConfig

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
