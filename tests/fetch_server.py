"""A real HTTP server on loopback that knows ranges and, when told to, misbehaves in every way that servers do."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

FAULTS = (
    "ignore_range",
    "cut",
    "stall",
    "wrong_bytes",
    "html",
    "429",
    "429_date",
    "500",
    "503",
    "no_answer",
    "other_range",
    "no_length",
    "drip_cut",
    "encoded",
)
"""Every way of misbehaving that an attempt can get over."""

LOSING = frozenset({"ignore_range", "html", "other_range", "encoded", "no_length"})
"""Faults whose bytes are of no use at all; of wrong bytes only the members hit are lost."""


@dataclass
class Entry:
    """One request as the server saw it: body bytes handed to the socket, and places in the file that were falsified."""

    name: str
    start: int
    end: int
    status: int
    fault: str
    ranged: bool
    sent: int = 0
    flips: list[int] = field(default_factory=list)


@dataclass
class State:
    """What the server serves, how it misbehaves, and what it has done."""

    folder: Path
    choose: Callable[[str], str] = lambda _: ""
    bytes_per_second: float = 0.0
    validators: bool = True
    refuse_if_range: bool = False
    entries: list[Entry] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def body_bytes(self, name: str | None = None) -> int:
        """Body bytes sent so far, of one file or all."""
        with self.lock:
            return sum(entry.sent for entry in self.entries if name in (None, entry.name))

    def requests(self, name: str) -> int:
        """Requests for a file so far."""
        with self.lock:
            return sum(entry.name == name for entry in self.entries)


def seeded_faults(seed: int, share: float, kinds: tuple[str, ...] = FAULTS) -> Callable[[str], str]:
    """A chooser that injects one of `kinds` into `share` of the requests. The small files have no checksum of their
    own on a server that is not the release's, so their bytes are never changed."""
    rng, lock = random.Random(seed), threading.Lock()

    def choose(name: str) -> str:
        with lock:
            fault = rng.choice(kinds) if rng.random() < share else ""
        return "cut" if fault == "wrong_bytes" and name.endswith(".csv") else fault

    return choose


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        name = unquote(self.path.split("?")[0]).strip("/").split("/")[-1]
        path = self.state.folder / name
        if not path.is_file():
            self.send_error(404)
            return
        fault = self.state.choose(name)
        stat = path.stat()
        etag = '"' + sha256(f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}".encode()).hexdigest()[:16] + '"'
        start, end, ranged = self._range(stat.st_size, etag)
        if fault == "ignore_range" and ranged:
            start, end, ranged = 0, stat.st_size, False
        entry = Entry(name, start, end, 206 if ranged else 200, fault, ranged)
        with self.state.lock:
            self.state.entries.append(entry)
        with suppress(BrokenPipeError, ConnectionError, TimeoutError):
            if not self._refuse(entry, fault):
                self._serve(path, entry, stat.st_size, etag, fault)

    def _range(self, size: int, etag: str) -> tuple[int, int, bool]:
        header = self.headers.get("Range", "")
        condition = self.headers.get("If-Range")
        if condition and (condition != etag or self.state.refuse_if_range):
            return 0, size, False
        if not header.startswith("bytes="):
            return 0, size, False
        first, _, last = header.removeprefix("bytes=").partition("-")
        return int(first), min(size, int(last) + 1 if last else size), True

    def _refuse(self, entry: Entry, fault: str) -> bool:
        if fault == "no_answer":
            self.close_connection = True
            return True
        if fault == "html":
            body = b"<!doctype html><title>Sign in</title>" + b"x" * 400
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            entry.sent, entry.status = len(body), 200
            return True
        if fault in ("429", "429_date", "500", "503"):
            entry.status = int(fault[:3])
            self.send_response(entry.status)
            if fault == "429_date":
                self.send_header("Retry-After", self.date_time_string(int(time.time())))
            elif fault != "500":
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return True
        return False

    def _serve(self, path: Path, entry: Entry, size: int, etag: str, fault: str) -> None:
        length = entry.end - entry.start
        self.send_response(entry.status)
        if entry.status == 206:
            shift = 7 if fault == "other_range" else 0
            self.send_header(
                "Content-Range", f"bytes {max(0, entry.start - shift)}-{max(0, entry.end - 1 - shift)}/{size}"
            )
        if fault == "encoded":
            self.send_header("Content-Encoding", "gzip")
        if self.state.validators:
            self.send_header("ETag", etag)
        if fault == "no_length":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        limit = length // 2 if fault in ("cut", "stall") else min(length, 3000) if fault == "drip_cut" else length
        with path.open("rb") as file:
            file.seek(entry.start)
            self._pump(file, entry, limit, fault)
        if fault == "stall":
            self.state.closing.wait(600)
        if limit < length or fault == "stall":
            self.close_connection = True

    def _pump(self, file: object, entry: Entry, limit: int, fault: str) -> None:
        left = limit
        while left:
            block = bytearray(file.read(min(8192, left)))  # type: ignore[attr-defined]
            if not block:
                break
            if fault == "wrong_bytes" and not entry.flips:
                block[len(block) // 2] ^= 0x5A
                entry.flips.append(entry.start + entry.sent + len(block) // 2)
            self.wfile.write(block)
            entry.sent += len(block)
            left -= len(block)
            if self.state.bytes_per_second:
                time.sleep(len(block) / self.state.bytes_per_second)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that was killed is what these tests are about


@contextmanager
def serving(folder: Path, choose: Callable[[str], str] | None = None, bytes_per_second: float = 0.0) -> Iterator[State]:
    """Serve the files of a folder at ``state.url``."""
    state = State(folder, choose or (lambda _: ""), bytes_per_second)
    handler = type("Handler", (_Handler,), {"state": state})
    server = _Server(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
