"""Which list ranks a record, decided in one place."""

from __future__ import annotations

from pathlib import Path

from factories import make_run
from worldstrat_bench.stats.boards import ranking_list


def test_the_ranking_list_is_clean_where_there_is_one(tmp_path: Path) -> None:
    mini = make_run(tmp_path / "mini", tiles=24, release="mini", list_name="test")
    assert ranking_list(mini) == "test"
    full = make_run(tmp_path / "full", tiles=None, release="v1.1", list_name="full")
    assert ranking_list(full) == "clean"
    # A stranger may add a list that sorts before the one that was evaluated.
    added = mini.model_copy(update={"scores": {"another": mini.scores["test"], **mini.scores}})
    assert ranking_list(added) == "test"
