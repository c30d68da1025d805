"""Which row counts after one is verified once more: not the copy that was verified in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from factories import COMMIT, KNOWN
from site_scenes import write_verification
from submission_factory import MANIFEST, add_record
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.site import build
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.submission.compare import compare_markdown
from worldstrat_bench.submission.results import result_folder

# Ranks of this board may be cited, and it needs no reference.
BOARD: dict[str, Any] = {
    "protocol": "worldstrat-2022",
    "tiles": None,
    "release": "v1.1",
    "list_name": "never-split",
    "official": True,
    "spread_db": 0.3,
}


def submit(root: Path, slug: str, author: str = "Ada Example") -> Path:
    folder = root / "submissions" / slug
    folder.mkdir(parents=True)
    text = MANIFEST.replace('"my-sr"', f'"{slug}"').replace('"wsb-1"', '"worldstrat-2022"')
    (folder / "submission.toml").write_text(text.replace("Ada Example", author), encoding="utf-8")
    return folder


def add(folder: Path, day: str | None, device: str = "CPU 2 cores x86-64") -> None:
    """Add a record, verified on a day of January 2026; None: not verified."""
    record = add_record(folder, folder.name, device_class=device, **BOARD)
    if day is not None:
        path = result_folder(folder, record) / Verification.FILE
        write_verification(path.parent, record)
        content = json.loads(path.read_text()) | {"verified_at": f"2026-01-{day}T00:00:00+00:00"}
        path.write_text(json.dumps(content))


def counting(root: Path, out: Path) -> set[str]:
    build([root / "submissions"], out, config=BoardConfig(commits=(COMMIT,)))
    (board,) = out.rglob("data/board-*.json")
    entries = json.loads(board.read_text(encoding="utf-8"))["entries"]
    return {entry["slug"] for entry in entries if entry["counts"]}


def test_a_row_that_is_verified_once_more_is_not_the_later_one(tmp_path: Path) -> None:
    own, copy = submit(tmp_path, "own"), submit(tmp_path, "copy")
    add(own, "01")
    add(copy, "02")
    assert counting(tmp_path, tmp_path / "before") == {"own"}
    add(own, "03", "CPU 64 cores x86-64")
    assert counting(tmp_path, tmp_path / "after") == {"own"}


def test_the_later_one_is_still_the_one_that_does_not_count(tmp_path: Path) -> None:
    own, copy = submit(tmp_path, "own"), submit(tmp_path, "copy")
    # A record that is its authors' word gives no row an earlier day.
    add(own, None)
    add(copy, "02")
    add(own, "03", "CPU 64 cores x86-64")
    assert counting(tmp_path, tmp_path / "out") == {"copy"}


@pytest.mark.parametrize(("days", "counts"), [((None, "01"), True), ((None, None), False), (("03", None), False)])
def test_compare_says_the_same(tmp_path: Path, days: tuple[str | None, str | None], counts: bool) -> None:
    own, copy = submit(tmp_path, "own"), submit(tmp_path, "copy")
    add(copy, "02")
    for day, device in zip(days, ("CPU 2 cores x86-64", "CPU 64 cores x86-64"), strict=True):
        add(own, day, device)
    text = compare_markdown("own", tmp_path / "submissions", known=KNOWN)
    assert ("This one would count" in text, "This one would not count" in text) == (counts, not counts)
