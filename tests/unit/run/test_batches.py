"""Tiles that wait for others of their kind: each is given out once, and not too many wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from run_helpers import run_cli, small_dataset
from worldstrat_bench import filtering
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.run.batches import Batches
from worldstrat_bench.scoring import wsb


def test_a_batch_is_given_out_when_it_is_full_and_by_kind() -> None:
    batches = Batches[int](3, 99)
    assert [batches.add(kind, i) for i, kind in enumerate("ababa")] == [[], [], [], [], [0, 2, 4]]
    assert batches.rest() == [[1, 3]]
    assert batches.rest() == []


def test_no_more_wait_than_may() -> None:
    batches = Batches[int](8, 4)
    given = [batches.add(kind, i) for i, kind in enumerate("aabbb")]
    assert given == [[], [], [], [], [2, 3, 4]]
    assert batches.rest() == [[0, 1]]


def test_threads_lose_nothing() -> None:
    batches = Batches[int](8, 20)
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda i: batches.add(i % 5, i), range(2000)))
    assert sorted(i for group in (*given, *batches.rest()) for i in group) == list(range(2000))


def test_a_run_in_batches_has_the_bytes_of_its_shards_and_the_scores_of_single_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of a GPU on a CPU: whole, in shards (so that other tiles share a batch), and tile by tile."""
    data = small_dataset(tmp_path / "mini", 5, 200)
    words = ("evaluate", "bicubic", "--data", data, "--no-download", "--device", "cpu")
    assert run_cli(*words, "--out", tmp_path / "single").code == 0
    used: list[int] = []
    original = wsb.WsbScorer.score_batch

    def score_batch(self: wsb.WsbScorer, predictions: list[object], *more: object) -> object:
        used.append(len(predictions))
        return original(self, predictions, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(wsb.WsbScorer, "score_batch", score_batch)
    monkeypatch.setattr(wsb, "usual_batch", lambda device: 3)
    monkeypatch.setattr(filtering, "on_gpu", lambda image: True)
    assert run_cli(*words, "--out", tmp_path / "whole").code == 0
    assert sum(used) == 5
    assert max(used) > 1
    for shard in ("1/2", "2/2"):
        assert run_cli(*words, "--out", tmp_path / "shards", "--shard", shard).code == 0
    assert sum(used) == 10
    assert run_cli("merge", tmp_path / "shards", "--data", data, "--out", tmp_path / "merged").code == 0
    # A shard of others: what a link leads to would be handed on with the merged run.
    stored = min((tmp_path / "shards").rglob("*.safetensors"))
    stored.rename(tmp_path / "kept")
    stored.symlink_to(tmp_path / "kept")
    refused = run_cli("merge", tmp_path / "shards", "--data", data, "--out", tmp_path / "other")
    assert (refused.code, "a link in a run" in refused.err) == (5, True)
    whole = (tmp_path / "whole" / "tiles.csv").read_bytes()
    assert (tmp_path / "merged" / "tiles.csv").read_bytes() == whole
    single, batched = (parse_tiles((tmp_path / name / "tiles.csv").read_bytes()) for name in ("single", "whole"))
    for name, numbers in single.numbers.items():
        assert batched.numbers[name] == pytest.approx(numbers, abs=1e-6, nan_ok=True), name
