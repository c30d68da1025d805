"""What a user of a cluster is told: keys, workers that come and go, shards that are done, a scheduler that is gone."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from waiting import wait_until
from worldstrat_bench.errors import InfrastructureError, UsageError, WorldstratBenchError
from worldstrat_bench.run.cluster import connect, engine
from worldstrat_bench.run.cluster.connect import ClusterOptions, connected
from worldstrat_bench.run.cluster.watch import Watch
from worldstrat_bench.run.events import Event, Notice, Progress

pytestmark = pytest.mark.not_quick  # a second or more for most of these


def refused(scheduler: str) -> WorldstratBenchError:
    """The error that a connection ends with, at once."""
    pytest.importorskip("distributed")
    with pytest.raises((UsageError, InfrastructureError)) as caught:  # noqa: SIM117
        with connected(ClusterOptions(scheduler=scheduler), ("cpu",), lambda _: None):
            pytest.fail("there is no scheduler")
    return caught.value


def test_a_scheduler_that_wants_a_key_is_named_before_anything_is_tried(tmp_path: Path) -> None:
    file = tmp_path / "sched.json"
    file.write_text(json.dumps({"address": "tls://127.0.0.1:8786"}))
    for scheduler in (str(file), "tls://127.0.0.1:8786"):
        error = refused(scheduler)
        assert isinstance(error, UsageError)
        assert error.what == "the scheduler wants a key"
        assert "--tls-ca FILE --tls-cert FILE --tls-key FILE" in str(error.remedy)


def test_a_file_of_something_else_is_not_a_scheduler_file(tmp_path: Path) -> None:
    for text in ("", "[]", '{"type": "Worker"}', "tls://127.0.0.1:8786"):
        (tmp_path / "file").write_text(text)
        error = refused(str(tmp_path / "file"))
        assert isinstance(error, UsageError)
        assert error.what == "not a scheduler file"


def test_an_address_without_an_answer_ends_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connect, "_CONNECT_SECONDS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        error = refused(f"tcp://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(error, InfrastructureError)
    assert "cannot be reached" in error.what
    assert "Traceback" not in capfd.readouterr().err


def test_a_running_event_loop_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook; in a thread of its own, for a browser test of this process may have left a loop in this one."""
    monkeypatch.setattr(connect, "_CONNECT_SECONDS", 1)

    async def in_a_notebook() -> WorldstratBenchError:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            return refused(f"tcp://127.0.0.1:{taken.getsockname()[1]}")

    with ThreadPoolExecutor(max_workers=1) as pool:
        error = pool.submit(lambda: asyncio.run(in_a_notebook())).result()
    assert "cannot be reached" in error.what


def test_workers_that_come_and_go_are_told() -> None:
    states = [frozenset("ab"), frozenset("ab"), frozenset("b"), frozenset(), frozenset("cd")]
    heard: list[Event] = []
    with Watch(lambda: states.pop(0) if len(states) > 1 else states[0], heard.append, every=0.001):
        assert wait_until(lambda: len(heard) == 3)
    assert [event.text for event in heard if isinstance(event, Notice)] == [
        "1 Dask worker lost: 1 Dask worker now, and what they had begun goes on there",
        "1 Dask worker lost: none is left, waiting for one",
        "2 Dask workers joined: 2 Dask workers now",
    ]


def handout(monkeypatch: pytest.MonkeyPatch, heard: list[Event], outcomes: dict[str, str]) -> engine._Handout:
    """A run of eight tiles, of which a shard with these outcomes is done."""
    entries = {
        tile: SimpleNamespace(predicted=SimpleNamespace(outcome=outcome, message=""))
        for tile, outcome in outcomes.items()
    }

    @contextmanager
    def read_run(_: Path) -> Iterator[Any]:
        yield SimpleNamespace(journal=SimpleNamespace(entries=lambda: entries))

    monkeypatch.setattr(engine, "read_run", read_run)
    tasks: Any = [SimpleNamespace(request=SimpleNamespace(shard="1/2"), folder=Path())]
    client: Any = None
    return engine._Handout(client, tasks, 8, heard.append)


def test_tiles_are_counted_when_their_shard_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    shard = handout(monkeypatch, heard, {"a": "ok", "b": "crash", "c": "ok", "d": "ok"})
    shard._finished(shard._tasks[0])
    predicted = [event for event in heard if isinstance(event, Progress) and event.stage == "predict"]
    # No estimate is made of one tile after the start of everything: the first count is that of a whole shard.
    assert [(event.done, event.tile, event.outcome) for event in predicted] == [(0, "b", "crash"), (4, "d", "ok")]


@pytest.mark.parametrize("status", ["cancelled", "lost"])
def test_a_scheduler_that_is_gone_is_not_a_dead_worker(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    future: Any = SimpleNamespace(status=status, exception=lambda: None)
    with pytest.raises(InfrastructureError, match="the Dask scheduler is gone") as caught:
        handout(monkeypatch, [], {})._outcome(future, 0)
    assert "give the same command" in str(caught.value.remedy)
