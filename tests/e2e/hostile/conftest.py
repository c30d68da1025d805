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

from hostile_scene import LEVELS, PLUGIN, REQUIRED, Scene, listening, make_stub_environment
from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.worker import ModelSpec, Worker


@pytest.fixture(params=LEVELS, scope="module")
def level(request: pytest.FixtureRequest) -> str:
    """Each level in turn; skipped, and said so, where this machine does not have it."""
    name = str(request.param)
    try:
        with Worker(ModelSpec("worldstrat_bench.worker.reference:load"), isolation=name) as worker:
            assert worker.hello.isolation.level == name
    except InfrastructureError as error:
        if name in os.environ.get(REQUIRED, "").split(","):
            raise
        pytest.skip(f"isolation {name!r} is not available on this machine and was NOT tested: {error.where}")
    return name


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
    for name in ("data", "run", "outside", "private", "plugins"):
        (root / name).mkdir()
    shutil.copy(PLUGIN, root / "plugins")
    secret = root / "data" / "secret_ps.tiff"
    for file in (secret, root / "run" / "prediction", root / "private" / "id_rsa", root / "outside" / "decoy",
                 root / "outside" / "deletable"):  # fmt: skip
        file.write_bytes(b"secret" * 100)
        file.chmod(0o600)
    shared = Path(f"/dev/shm/worldstrat-bench-test-{os.getpid()}")
    shared.write_bytes(b"secret")
    opened = os.open(secret, os.O_RDONLY)
    buffer = ctypes.create_string_buffer(b"a secret in memory")
    sockets = {
        "tcp": listening(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        "udp": listening(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "unix_socket": listening(socket.AF_UNIX, socket.SOCK_STREAM, str(root / "s")),
        "datagrams_of_a_pair": listening(socket.AF_UNIX, socket.SOCK_DGRAM, str(root / "d")),
        "abstract_socket": listening(socket.AF_UNIX, socket.SOCK_STREAM, f"\0wsb-test-{os.getpid()}"),
    }
    facts = {
        "hr": str(secret), "hr_fd": opened, "host": os.getpid(), "keeper": 0,
        "prediction": str(root / "run/prediction"),
        "private": str(root / "private/id_rsa"), "shared_memory": str(shared), "outside": str(root / "outside"),
        "decoy": str(root / "outside/decoy"), "deletable": str(root / "outside/deletable"),
        "tcp": sockets["tcp"].getsockname()[1], "udp": sockets["udp"].getsockname()[1], "socket": str(root / "s"),
        "datagrams": str(root / "d"), "abstract": f"wsb-test-{os.getpid()}", "address": ctypes.addressof(buffer),
    }  # fmt: skip
    yield Scene(root, facts, sockets)
    os.close(opened)
    shared.unlink()
    for sock in sockets.values():
        sock.close()


@pytest.fixture(scope="session")
def stub_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment whose workers start quickly."""
    return make_stub_environment(tmp_path_factory.mktemp("stub") / "venv")
