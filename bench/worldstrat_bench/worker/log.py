"""The output of a model: drained for as long as it prints, kept as a head and a tail."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

CHUNK = 1 << 18
RECENT = 4096
_HIDDEN = re.compile(rb"\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]")
"""Controls that UTF-8 writes in two or three bytes: those of terminals (C1), and of the direction of text."""

_CONTROLS = (b"\xc2\x80", b"\xe2\x80\x8e", b"\xe2\x81\xa6")
"""One of each kind, by which its beginning is known."""

_OURS, _THEIRS = b"[worldstrat-bench]", b"[model: worldstrat-bench]"
"""A line of the harness, and what becomes of one that a model prints."""

_DROP = bytes(b for b in range(32) if b not in b"\t\n") + b"\x7f"


def _begun(text: bytes, *words: bytes) -> bytes:
    """Return the end of a text that may be the beginning of one of some words."""
    ends = (text[-length:] for length in range(min(len(text), max(map(len, words)) - 1), 0, -1))
    return next((end for end in ends if any(word.startswith(end) and word != end for word in words)), b"")


class ModelLog:
    """Reads a pipe in its own thread until every process that holds its other end is gone.

    Parameters
    ----------
    path : the file that is appended to; None keeps the last lines in memory only.
    keep_bytes : of the head and, as much again, of the tail; what lies between is counted and dropped.
    """

    def __init__(self, path: Path | None, keep_bytes: int) -> None:
        self._path = path
        self._keep = keep_bytes
        self._head_left = keep_bytes
        self._tail = bytearray()
        self._dropped = 0
        self._recent = b""
        self._lock = threading.Lock()

    def follow(self, fd: int) -> threading.Thread:
        """Start to drain a pipe; the thread ends, and closes it, at its end."""
        thread = threading.Thread(target=self._drain, args=(fd,), name="model log", daemon=True)
        thread.start()
        return thread

    def note(self, text: str) -> None:
        """Write a line of the harness itself."""
        self._add(f"[worldstrat-bench] {text}\n".encode())

    def last_lines(self, count: int = 10) -> str:
        """Return the end of what the model printed, at most 4 KiB."""
        with self._lock:
            recent = self._recent
        lines = recent.decode("utf-8", "replace").strip().splitlines()
        told = [line for line in lines if not line.startswith("Extension modules: ")]  # of Python's fault handler
        return "\n".join(told[-count:])

    def flush(self) -> None:
        """Write the tail that is still in memory."""
        with self._lock:
            tail, dropped = bytes(self._tail[-self._keep :]), self._dropped
            dropped += len(self._tail) - len(tail)
            self._tail.clear()
            self._dropped = 0
            if dropped:
                tail = f"\n[worldstrat-bench] {dropped} bytes left out here\n".encode() + tail
            self._write(tail)

    def _drain(self, fd: int) -> None:
        control = word = b""
        try:
            while chunk := os.read(fd, CHUNK):
                plain = control + chunk.translate(None, _DROP)
                # A read may end in the middle of a control, or of a word that only the harness may begin a line with:
                # what may be the beginning of one waits for the rest. Controls first, since one can lie in the word.
                control = _begun(plain, *_CONTROLS)
                plain = plain[: len(plain) - len(control)]
                if b"\xc2" in plain or b"\xe2" in plain:  # most logs have neither, and the expression takes its time
                    plain = _HIDDEN.sub(b"", plain)
                plain = word + plain
                word = _begun(plain, _OURS)
                self._add(plain[: len(plain) - len(word)].replace(_OURS, _THEIRS))
        finally:
            self._add(word + control)
            os.close(fd)

    def _add(self, chunk: bytes) -> None:
        clean = chunk.translate(None, _DROP)  # a log is read in terminals: no control characters
        with self._lock:
            head, rest = clean[: self._head_left], clean[self._head_left :]
            self._head_left -= len(head)
            self._write(head)
            # Apart from the tail, which starts only when the head is full: the last words are wanted in either case.
            self._recent = (self._recent + clean)[-RECENT:]
            self._tail += rest
            # Cut at twice the size, not at every read: cutting moves all that stays.
            if len(self._tail) > 2 * self._keep:
                excess = len(self._tail) - self._keep
                self._dropped += excess
                del self._tail[:excess]

    def _write(self, data: bytes) -> None:
        if not data or self._path is None:
            return
        with self._path.open("ab") as file:
            file.write(data)
