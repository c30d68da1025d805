"""What pages say of a practice set without LPIPS: its licence, how to make it again, numbers and names in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from factories import make_run
from worldstrat_bench.site import build
from worldstrat_bench.site.licences import caption, footer


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a practice board of two models, none of which has LPIPS."""
    root = tmp_path_factory.mktemp("wording")
    for i, name in enumerate(("m0", "m1")):
        make_run(root / "runs" / name, model=name, tiles=30, release="mini", list_name="test", seed=i, lpips=False,
                 gain_db=float(i), resamples=20)  # fmt: skip
    build([root / "runs"], root / "out")
    return next((root / "out").glob("practice-*"))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_no_page_of_synthetic_data_names_a_satellites_owner(board: Path) -> None:
    for page in board.parent.rglob("*.html"):
        assert "Airbus" not in read(page), page
        assert "Imagery of the mini data set: synthetic, CC0" in read(page), page


def test_licences_follow_from_the_release() -> None:
    assert "Airbus" in footer(["v1.0", "v1.1"])
    assert "synthetic" not in footer(["v1.1"])
    assert "Airbus" in caption(["v1.1"])
    assert caption(["mini"]) == "Synthetic imagery, CC0."
    assert footer(["mini", "v1.0"]).count("CC0") == 1
    assert "<b>" not in footer(["<b>"])
    assert footer([]) == ""


def test_the_commands_make_the_mini_data_set(board: Path) -> None:
    page = read(board / "m" / "m0.html")
    assert "worldstrat-bench data mini mini --test-tiles 30\nworldstrat-bench evaluate m0 --data mini " in page
    assert "WORLDSTRAT" not in page
