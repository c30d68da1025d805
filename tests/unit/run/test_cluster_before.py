"""A run on Dask that goes on: what was done before, and what another run left where its own is to be merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from run_helpers import small_dataset
from worldstrat_bench import __version__
from worldstrat_bench.artefacts.record import LimitsRef, ModelRef
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.cluster import engine
from worldstrat_bench.run.cluster.before import before_text, tiles_done
from worldstrat_bench.run.events import Event, Notice, Progress
from worldstrat_bench.run.folder import hold_run
from worldstrat_bench.run.journal import Journal, Predicted
from worldstrat_bench.run.merge import refuse_another_run
from worldstrat_bench.run.notes import PredictInputs, predict_inputs
from worldstrat_bench.run.selection import Shard, select
from worldstrat_bench.run.tile_score import Scored

SCORED = Scored(
    target_sha256="a" * 64,
    usable=True,
    cloud=0.0,
    days=1,
    detail=0.1,
    values={"psnr": 30.0},
    shift_y=0.0,
    shift_x=0.0,
    shift_at_edge=False,
    clipped=0.0,
)


def write(folder: Path, outcomes: dict[str, str], unscored: str = "") -> Path:
    """A run directory whose tiles have these outcomes, of which one has no score yet."""
    folder.mkdir(parents=True)
    with Journal(folder) as journal:
        for tile, outcome in outcomes.items():
            journal.set_predicted(Predicted(tile, outcome, "", 0.1, "b" * 64))
            if tile != unscored:
                journal.set_scored(tile, SCORED, 0.1)
    return folder


def test_a_tile_is_done_once_it_is_scored_unless_the_machine_failed_it(tmp_path: Path) -> None:
    run = write(tmp_path / "run", {"a": "ok", "b": "crash", "c": "infra_error", "d": "ok"}, unscored="d")
    assert tiles_done(run) == 2
    with hold_run(run):  # by a worker that lives on
        assert tiles_done(run) == 2


def test_where_no_run_can_be_read_nothing_is_done(tmp_path: Path) -> None:
    assert tiles_done(tmp_path / "none") == 0
    assert tiles_done(tmp_path) == 0
    (tmp_path / "run.sqlite").write_bytes(b"no journal" * 500)
    assert tiles_done(tmp_path) == 0


@pytest.mark.parametrize(
    ("done", "text"),
    [(12, "12 of 36 tiles were done before; the run goes on with the others"), (36, "36 of 36 tiles were done before")],
)
def test_it_is_said_in_a_line(done: int, text: str) -> None:
    assert before_text(done, 36) == text


def test_the_count_begins_with_what_was_done_and_no_tile_is_counted_twice(tmp_path: Path) -> None:
    folders = [write(tmp_path / "1-of-2", {"a": "ok"}), tmp_path / "2-of-2"]
    tasks: list[Any] = [type("Task", (), {"request": None, "folder": folder})() for folder in folders]
    heard: list[Event] = []
    client: Any = None
    handout = engine._Handout(client, tasks, 4, heard.append, tmp_path / "out")
    with Journal(folders[0]) as journal:
        journal.set_predicted(Predicted("b", "ok", "", 0.1, "b" * 64))
        journal.set_scored("b", SCORED, 0.1)
    write(folders[1], {"c": "ok", "d": "ok"})
    handout._show(handout._done)
    for task in tasks:
        handout._finished(task)
    counts = [event.done for event in heard if isinstance(event, Progress) and event.stage == "score"]
    assert counts == [1, 2, 4]


def test_tiles_of_a_run_without_dask_are_told_before_they_are_done_again(tmp_path: Path) -> None:
    write(tmp_path / "out", {"a": "ok", "b": "ok"})
    client: Any = None
    heard: list[Event] = []
    assert engine.Cluster(client, 2)._shards(tmp_path / "out", 4, heard.append) == [Shard(1, 2), Shard(2, 2)]
    text = "2 of 4 tiles were done without Dask before, and are done again in shards"
    assert [event.text for event in heard if isinstance(event, Notice)] == [
        f"{text}: leave out --scheduler and --workers to keep them"
    ]
    # What was merged is not a run by itself.
    (tmp_path / "out" / "shards" / "1-of-2").mkdir(parents=True)
    heard.clear()
    engine.Cluster(client, 2)._shards(tmp_path / "out", 4, heard.append)
    assert heard == []


def inputs_of(data: Path, name: str, shard: Shard | None = None) -> PredictInputs:
    limits = LimitsRef(tile_seconds=60.0)
    model = ModelRef(name=name, version="1.0", frames=8)
    tiles = select(open_dataset(data), shard=shard)
    return predict_inputs(
        tiles, load_protocol(), model, seed=0, inputs="real", harness_version=__version__, limits=limits
    )


def test_another_run_in_the_folder_is_refused_with_the_first_shard(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "mini", 2)
    out, shard = tmp_path / "out", tmp_path / "out" / "shards" / "1-of-2"
    refuse_another_run(shard, out)  # there is none
    for folder, inputs in ((out, inputs_of(data, "one")), (shard, inputs_of(data, "one", Shard(1, 2)))):
        write(folder, {})
        with Journal(folder) as journal:
            journal.set_note("predict", inputs.model_dump_json())
    refuse_another_run(shard, out)  # the same, cut
    with Journal(shard) as journal:
        journal.set_note("predict", inputs_of(data, "other", Shard(1, 2)).model_dump_json())
    with pytest.raises(UsageError, match="model: one, now other"):
        refuse_another_run(shard, out)
