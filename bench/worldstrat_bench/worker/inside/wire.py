"""The wire between host and worker: length-prefixed messages of a JSON header and a body of safetensors bytes.

A message is 4 bytes of magic, the header's length (uint32), the body's length (uint64), the header, the body,
all little-endian. Both lengths are checked against a limit before anything is allocated. Nothing that comes
over the wire is ever unpickled or evaluated.

This module runs in the worker too: standard library only, Python 3.9 syntax.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Union

MAGIC = b"WSB\x01"
PREFIX = struct.Struct("<4sIQ")
MAX_HEADER_BYTES = 1 << 16
BUFFER_BYTES = 1 << 22

Buffer = Union[bytes, bytearray, memoryview]
Writable = Union[bytearray, memoryview]
Body = Union[Buffer, List[Buffer]]
"""The body of a message, sent after its header in one piece or in several."""


class WireError(Exception):
    """The other side sent something that is not a message."""


class WireClosedError(Exception):
    """The other side is gone."""


class WireTimeoutError(Exception):
    """The deadline passed."""


class Message(NamedTuple):
    """One message: a JSON object and the bytes that come with it."""

    header: Dict[str, Any]
    body: Writable


class Wire:
    """One end of the socket pair.

    Parameters
    ----------
    sock : a connected stream socket.
    max_body_bytes : longest body that is accepted; a longer one is a :class:`WireError`.

    Attributes
    ----------
    allocate : makes the memory for a body of so many bytes, something that can be written to.
    """

    def __init__(self, sock: socket.socket, max_body_bytes: int) -> None:
        self.allocate: Callable[[int], Writable] = bytearray
        self._socket = sock
        self._max_body_bytes = max_body_bytes
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)

    def send(self, header: Dict[str, Any], body: Body = b"", deadline: Optional[float] = None) -> None:
        """Send one message; `deadline` is a ``time.monotonic()`` value, None waits for ever."""
        text = json.dumps(header, allow_nan=False).encode()
        if len(text) > MAX_HEADER_BYTES:
            raise ValueError("the header of a message is too long")
        pieces = body if isinstance(body, list) else [body]
        try:
            self._arm(deadline)
            self._socket.sendall(PREFIX.pack(MAGIC, len(text), sum(map(len, pieces))) + text)
            for piece in pieces:
                if len(piece):
                    self._arm(deadline)
                    self._socket.sendall(piece)
        except socket.timeout:
            raise WireTimeoutError from None
        except OSError:
            raise WireClosedError from None

    def receive(self, deadline: Optional[float] = None) -> Message:
        """Wait for one message.

        Raises
        ------
        WireError, WireClosedError, WireTimeoutError
        """
        magic, header_bytes, body_bytes = PREFIX.unpack(self._read(bytearray(PREFIX.size), deadline))
        if magic != MAGIC:
            raise WireError("what came is not a message")
        if header_bytes > MAX_HEADER_BYTES:
            raise WireError(f"a header of {header_bytes} bytes; {MAX_HEADER_BYTES} are allowed")
        if body_bytes > self._max_body_bytes:
            raise WireError(f"a body of {body_bytes} bytes; {self._max_body_bytes} are allowed")
        header = parse_header(bytes(self._read(bytearray(header_bytes), deadline)))
        return Message(header, self._read(self.allocate(body_bytes), deadline))

    def pending(self) -> bool:
        """Return whether the other side has sent something, or hung up, unasked."""
        try:
            self._socket.settimeout(0)
            self._socket.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _arm(self, deadline: Optional[float]) -> None:
        if deadline is None:
            self._socket.settimeout(None)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise WireTimeoutError
        self._socket.settimeout(left)

    def _read(self, data: Writable, deadline: Optional[float]) -> Writable:
        view = memoryview(data)
        while view:
            try:
                self._arm(deadline)
                count = self._socket.recv_into(view)
            except socket.timeout:
                raise WireTimeoutError from None
            except OSError:
                raise WireClosedError from None
            if count == 0:
                raise WireClosedError
            view = view[count:]
        return data


def parse_header(text: bytes) -> Dict[str, Any]:
    """Return the JSON object of a header, "?" for what is not text in it; :class:`WireError` if it is not one."""
    try:
        header = json.loads(text.decode("utf-8"))
        # JSON can name half of a surrogate pair, which no file in UTF-8 holds: the run would end where it is written.
        if b"\\u" in text:
            header = json.loads(json.dumps(header, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise WireError("the header of a message is not JSON") from None
    if not isinstance(header, dict):
        raise WireError("the header of a message is not a JSON object")
    return header
