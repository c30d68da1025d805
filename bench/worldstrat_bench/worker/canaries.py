"""Files that the host lays out for the self-test to attack, and its own check of them afterwards."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

MODE = 0o640
SHARED_MEMORY = Path("/dev/shm")
HEARD_BY = {"datagrams": ("datagram_pair", "datagram_socket")}
"""By socket: the probes that it hears, where they have other names."""


class Canaries:
    """Files and listening sockets that no confined worker can reach. A context manager; it removes them again.

    Parameters
    ----------
    folder : a new one, outside everything that is granted.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secret = secrets.token_bytes(32)
        self._name = f"worldstrat-bench-canary-{secrets.token_hex(8)}"
        self._sockets: dict[str, socket.socket] = {}

    def __enter__(self) -> Canaries:
        self.lay_out()
        return self

    def lay_out(self) -> None:
        """Make them."""
        self._folder.mkdir()
        self._target.write_bytes(self._secret)
        self._target.chmod(MODE)
        if SHARED_MEMORY.is_dir():
            self.shared_memory.write_bytes(self._secret)
        self._listen("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self._listen("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
        with _short_name(self._folder) as folder:
            self._listen("unix_socket", socket.AF_UNIX, socket.SOCK_STREAM, f"{folder}/socket")
            self._listen("datagrams", socket.AF_UNIX, socket.SOCK_DGRAM, f"{folder}/datagrams")
        if sys.platform == "linux":
            self._listen("abstract_socket", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self._name}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.remove()

    def remove(self) -> None:
        """Close the sockets and remove what lies outside the folder; once or twice."""
        for sock in self._sockets.values():
            sock.close()
        with contextlib.suppress(OSError):
            self.shared_memory.unlink()

    @property
    def shared_memory(self) -> Path:
        """The decoy in shared memory, for whoever has to clear it away."""
        return SHARED_MEMORY / self._name

    @property
    def _target(self) -> Path:
        return self._folder / "hr.tiff"

    def describe(self, forbidden: Iterable[Path], readable: Path) -> dict[str, Any]:
        """Return where they are, for the self-test; with a file that the worker may read, to try to change."""
        return {
            "folder": str(self._folder),
            "readable": str(readable),
            "host_pid": os.getpid(),
            "forbidden": [str(path) for path in forbidden],
            "tcp": self._sockets["tcp"].getsockname()[1],
            "udp": self._sockets["udp"].getsockname()[1],
            "abstract": self._name,
            "shared_memory": str(self.shared_memory),
        }

    def confirm(self, held: Mapping[str, bool]) -> dict[str, bool]:
        """Return what the self-test claims, corrected by what the host sees."""
        seen = dict(held)
        for name, sock in self._sockets.items():
            touched = _touched(sock)
            for probe in HEARD_BY.get(name, (name,)):
                seen[probe] = seen.get(probe, False) and not touched
        written = (self._folder / "written").exists()
        status = self._target.stat()
        changed = status.st_mode & 0o777 != MODE or self._target.read_bytes() != self._secret
        seen["write_outside"] = seen.get("write_outside", False) and not written
        seen["change_outside"] = seen.get("change_outside", False) and not changed
        return seen

    def _listen(self, name: str, family: int, kind: int, address: Any) -> None:
        sock = socket.socket(family, kind)
        self._sockets[name] = sock
        sock.bind(address)
        if kind == socket.SOCK_STREAM:
            sock.listen(1)
        sock.setblocking(False)


@contextlib.contextmanager
def _short_name(folder: Path) -> Iterator[str]:
    """Give a name of the folder that is short enough for a socket's path, which has room for 107 bytes.

    Not by a change of the working directory: it is the whole process's, and two workers start in two threads.
    """
    if sys.platform != "linux":
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _touched(sock: socket.socket) -> bool:
    try:
        if sock.type == socket.SOCK_STREAM:
            sock.accept()[0].close()
        else:
            sock.recv(16)
    except BlockingIOError:
        return False
    return True
