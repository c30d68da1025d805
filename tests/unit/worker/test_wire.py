from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worldstrat_bench.worker.inside.wire import (
    MAGIC,
    MAX_HEADER_BYTES,
    PREFIX,
    Wire,
    WireClosedError,
    WireError,
    WireTimeoutError,
    parse_header,
)


@pytest.fixture
def pair() -> Iterator[tuple[Wire, socket.socket]]:
    """A host's end, and the raw socket of whoever is at the other one."""
    ours, theirs = socket.socketpair()
    wire = Wire(ours, max_body_bytes=1 << 20)
    yield wire, theirs
    wire.close()
    theirs.close()


def soon() -> float:
    return time.monotonic() + 60


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()), st.binary())
def test_what_is_sent_arrives(header: dict[str, object], body: bytes) -> None:
    ours, theirs = socket.socketpair()
    one, other = Wire(ours, 1 << 20), Wire(theirs, 1 << 20)
    try:
        one.send(header, body, soon())
        message = other.receive(soon())
    finally:
        one.close()
        other.close()
    assert message.header == header
    assert bytes(message.body) == body


def test_large_bodies_arrive_whole(pair: tuple[Wire, socket.socket]) -> None:
    wire, other = pair
    body = bytes(range(256)) * 4096
    thread = threading.Thread(target=lambda: Wire(other, 0).send({"a": 1}, body))
    thread.start()
    assert bytes(wire.receive(soon()).body) == body
    thread.join()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not a message"),
        (PREFIX.pack(b"PK\x03\x04", 2, 0) + b"{}", "not a message"),
        (PREFIX.pack(MAGIC, MAX_HEADER_BYTES + 1, 0), "are allowed"),
        (PREFIX.pack(MAGIC, 2**32 - 1, 0), "are allowed"),
        (PREFIX.pack(MAGIC, 2, 2**64 - 1) + b"{}", "are allowed"),
        (PREFIX.pack(MAGIC, 2, (1 << 20) + 1) + b"{}", "are allowed"),
        (PREFIX.pack(MAGIC, 2, 0) + b"[]", "not a JSON object"),
        (PREFIX.pack(MAGIC, 2, 0) + b"\xff\xfe", "not JSON"),
    ],
)
def test_what_is_not_a_message_is_refused_before_it_is_read(
    pair: tuple[Wire, socket.socket], data: bytes, words: str
) -> None:
    wire, other = pair
    other.sendall(data)
    with pytest.raises(WireError, match=words):
        wire.receive(soon())


def test_hanging_up_is_told_from_silence(pair: tuple[Wire, socket.socket]) -> None:
    wire, other = pair
    with pytest.raises(WireTimeoutError):
        wire.receive(time.monotonic() + 0.05)
    with pytest.raises(WireTimeoutError):
        wire.receive(time.monotonic() - 1)
    other.sendall(PREFIX.pack(MAGIC, 20, 0))
    with pytest.raises(WireTimeoutError):
        wire.receive(time.monotonic() + 0.05)
    other.close()
    with pytest.raises(WireClosedError):
        wire.receive(soon())


def test_a_reader_that_does_not_read_is_a_timeout(pair: tuple[Wire, socket.socket]) -> None:
    wire, _ = pair
    with pytest.raises(WireTimeoutError):
        wire.send({}, bytes(1 << 26), time.monotonic() + 0.2)


def test_unasked_words_are_noticed(pair: tuple[Wire, socket.socket]) -> None:
    wire, other = pair
    assert not wire.pending()
    other.sendall(b"x")
    assert wire.pending()
    other.close()
    assert wire.pending()


@given(st.binary(max_size=200))
def test_any_header_is_a_dictionary_or_an_error(text: bytes) -> None:
    try:
        assert isinstance(parse_header(text), dict)
    except WireError:
        with pytest.raises((ValueError, AssertionError)):
            assert isinstance(json.loads(text.decode()), dict)


def test_deep_nesting_is_an_error() -> None:
    with pytest.raises(WireError):
        parse_header(b'{"a":' * 20_000)
    assert struct.calcsize("<4sIQ") == PREFIX.size == 16
