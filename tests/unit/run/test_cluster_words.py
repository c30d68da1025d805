"""What a user of a cluster is told: keys, workers that come and go, shards that are done, a scheduler that is gone."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dask_helpers import tls_files
from waiting import wait_until
from worldstrat_bench.errors import InfrastructureError, UsageError, WorldstratBenchError
from worldstrat_bench.run.cluster import connect, engine
from worldstrat_bench.run.cluster.connect import ClusterOptions, connected
from worldstrat_bench.run.cluster.watch import Watch
from worldstrat_bench.run.events import Event, Notice, Progress

pytestmark = pytest.mark.not_quick  # a second or more for most of these


def refused(scheduler: str, ca: Path | None = None, key: Path | None = None) -> WorldstratBenchError:
    """The error that a connection ends with, at once; `ca` and `key` are folders with the files of a key."""
    pytest.importorskip("distributed")
    files = (ca / "ca.pem" if ca else None, key / "cert.pem" if key else None, key / "key.pem" if key else None)
    options = ClusterOptions(scheduler=scheduler, tls_ca_file=files[0], tls_cert=files[1], tls_key=files[2])
    with pytest.raises((UsageError, InfrastructureError)) as caught:  # noqa: SIM117
        with connected(options, ("cpu",), lambda _: None):
            pytest.fail("there is no scheduler")
    met = caught.value
    told = type(met)(met.what, where=met.where, remedy=met.remedy)
    # Dask leaves the socket of a failed handshake to the collector, which would warn of it in whatever test comes next.
    del caught, met
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        gc.collect()
    return told


def test_a_scheduler_that_wants_a_key_is_named_before_anything_is_tried(tmp_path: Path) -> None:
    file = tmp_path / "sched.json"
    file.write_text(json.dumps({"address": "tls://127.0.0.1:8786"}))
    for scheduler in (str(file), "tls://127.0.0.1:8786"):
        error = refused(scheduler)
        assert isinstance(error, UsageError)
        assert error.what == "the scheduler wants a key"
        assert "--tls-ca FILE --tls-cert FILE --tls-key FILE" in str(error.remedy)


@contextmanager
def answering(speak: Callable[[socket.socket], None]) -> Iterator[str]:
    """HOST:PORT of what takes connections one after the other, and speaks to each; what it meets does not matter."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as taken:

        def serve() -> None:
            while True:
                try:
                    with server.accept()[0] as one:
                        taken.callback(_end, one)
                        speak(one)
                except (ssl.SSLError, ConnectionError):
                    continue
                except OSError:
                    return  # the server is closed

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            taken.close()
            thread.join(30)


def _end(one: socket.socket) -> None:
    """End a connection in which a thread may still wait for more."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders with two keys that do not know each other."""
    pytest.importorskip("distributed")
    folders = (tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs"))
    for folder in folders:
        tls_files(folder)
    return folders


@pytest.fixture(scope="module")
def with_key(keys: tuple[Path, Path]) -> Iterator[str]:
    """HOST:PORT of what wants the first of the keys."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(keys[0] / "ca.pem"))
    context.load_cert_chain(keys[0] / "cert.pem", keys[0] / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def speak(one: socket.socket) -> None:
        with context.wrap_socket(one, server_side=True) as secured:
            secured.recv(1)

    with answering(speak) as place:
        yield place


@pytest.mark.parametrize(
    ("ca", "key", "what"),
    [(1, 1, "certificate is not one of --tls-ca"), (1, 0, "certificate is not one of --tls-ca"), (0, 1, "a key that")],
)
def test_another_key_is_not_a_scheduler_that_cannot_be_reached(
    with_key: str, keys: tuple[Path, Path], ca: int, key: int, what: str
) -> None:
    # With a key HOST:PORT means tls://HOST:PORT.
    for scheduler in (f"tls://{with_key}", with_key):
        error = refused(scheduler, keys[ca], keys[key])
        assert isinstance(error, UsageError)
        assert what in error.what
        assert "give " in str(error.remedy)


def test_an_address_without_tls_is_named(keys: tuple[Path, Path]) -> None:
    error = refused("tcp://127.0.0.1:8786", keys[0], keys[0])
    assert (type(error), "tls://HOST:PORT" in str(error.remedy)) == (UsageError, True)
    assert "the address is one without TLS" in error.what


def test_a_scheduler_that_hangs_up_may_want_a_key() -> None:
    def hang_up(one: socket.socket) -> None:
        # With nothing to linger for, closing resets the connection, as TLS does at bytes that are not TLS.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with answering(hang_up) as place:
        error = refused(f"tcp://{place}")
    assert isinstance(error, UsageError)
    assert "as one that wants a key does" in error.what
    assert str(error.remedy).startswith("tls://HOST:PORT; ")


@pytest.mark.parametrize("first", [True, False])
def test_a_scheduler_without_a_key_says_so_whoever_speaks_first(keys: tuple[Path, Path], first: bool) -> None:
    def plain(one: socket.socket) -> None:
        if not first:
            one.recv(1)
        one.sendall(b"\x00" * 64)
        one.recv(1 << 16)

    with answering(plain) as place:
        error = refused(f"tls://{place}", keys[0], keys[0])
    assert (type(error), error.what) == (UsageError, "the scheduler has no key")


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
    tasks: Any = [SimpleNamespace(request=SimpleNamespace(shard="1/2"), folder=Path("shard"))]
    client: Any = None
    return engine._Handout(client, tasks, 8, heard.append, Path("no-run"))


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
