"""A scene to attack, and the levels of isolation that this machine has."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostile_scene import (
    CONFINEMENTS,
    PLUGIN,
    Confinement,
    Scene,
    listening,
    make_stub_environment,
    or_skip,
)
from once import made_once


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in this folder, so that `tox -e soak` can run the whole of it."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.hostile)


@pytest.fixture(params=CONFINEMENTS, ids=str, scope="module")
def confinement(request: pytest.FixtureRequest, stub_python: Path) -> Confinement:
    """Each level with each profile in turn; skipped, and said so, where this machine does not have it."""
    return or_skip(request.param, stub_python)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which workers make theirs: nothing may be left in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """High-resolution files, a run, private files, sockets, shared memory."""
    root = tmp_path_factory.mktemp("scene")
    for name in ("data", "run", "outside", "private", "plugins", "programs"):
        (root / name).mkdir()
    shutil.copy(PLUGIN, root / "plugins")
    secret = root / "data" / "secret_ps.tiff"
    for file in (
        secret,
        root / "run" / "prediction",
        root / "private" / "id_rsa",
        root / "outside" / "decoy",
        root / "outside" / "deletable",
        root / "plugins" / "granted",
    ):
        file.write_bytes(b"secret" * 100)
        file.chmod(0o600)
    shared = Path(f"/dev/shm/worldstrat-bench-test-{os.getpid()}")
    shared.write_bytes(b"secret")
    opened = os.open(secret, os.O_RDONLY)
    buffer = ctypes.create_string_buffer(b"a secret in memory")
    name = f"\0wsb-test-{os.getpid()}"
    abstract = listening(socket.AF_UNIX, socket.SOCK_STREAM, name)
    packets = listening(socket.AF_UNIX, socket.SOCK_SEQPACKET, f"{name}-packets")
    datagrams = listening(socket.AF_UNIX, socket.SOCK_DGRAM, str(root / "d"))
    sockets = {
        "tcp": listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        "udp": listening(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "unix_socket": listening(socket.AF_UNIX, socket.SOCK_STREAM, str(root / "s")),
        "send_datagram_to_abstract_name": listening(socket.AF_UNIX, socket.SOCK_DGRAM, f"{name}-datagrams"),
    }
    sockets |= dict(heard(abstract, packets, datagrams))
    facts = {
        "hr": str(secret),
        "hr_fd": opened,
        "host": os.getpid(),
        "keeper": 0,
        "prediction": str(root / "run/prediction"),
        "private": str(root / "private/id_rsa"),
        "shared_memory": str(shared),
        "outside": str(root / "outside"),
        "programs": str(root / "programs"),
        "decoy": str(root / "outside/decoy"),
        "deletable": str(root / "outside/deletable"),
        "granted": str(root / "plugins/granted"),
        "tcp": sockets["tcp"].getsockname()[1],
        "udp": sockets["udp"].getsockname()[1],
        "socket": str(root / "s"),
        "datagrams": str(root / "d"),
        "abstract": name[1:],
        "address": ctypes.addressof(buffer),
    }
    yield Scene(root, facts, sockets)
    os.close(opened)
    shared.unlink()
    for sock in sockets.values():
        sock.close()


def heard(
    abstract: socket.socket, packets: socket.socket, datagrams: socket.socket
) -> Iterator[tuple[str, socket.socket]]:
    """Which of them hears which attacks."""
    for attack in (
        "abstract_socket",
        "abstract_socket_without_blocking",
        "abstract_socket_from_child",
        "abstract_socket_from_named_one",
        "send_over_unconnected_stream",
    ):
        yield attack, abstract
    for attack in ("packets_to_abstract_name", "send_over_unconnected_seqpacket", "send_over_pair_to_name"):
        yield attack, packets
    for attack in ("datagrams_of_a_pair", "send_datagram", "send_from_raw_socket"):
        yield attack, datagrams


@pytest.fixture(scope="session")
def stub_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment whose workers start quickly."""
    folder = made_once(tmp_path_factory, "stub", lambda folder: make_stub_environment(folder / "venv"))
    return folder / "venv" / "bin" / "python"
