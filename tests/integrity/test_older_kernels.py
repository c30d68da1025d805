"""Kernels whose Landlock knows less: the filter holds what a newer Landlock would."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from worldstrat_bench.worker.inside import landlock

CONFINED = """
import fcntl, os, signal, socket, sys, time
from worldstrat_bench.worker.inside import landlock, probes, seccomp

abi, victim, granted, scratch = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
landlock.version = lambda: abi
probes.drop_capabilities()
landlock.restrict(["/usr", "/lib", "/lib64", sys.base_prefix, "/proc", granted], [scratch], ["/dev/null"])
seccomp.install(os.getpid(), landlock.scopes_signals())

def tried(call):
    try:
        call()
    except OSError as error:
        return error.strerror
    return "worked"

def owner():
    one, other = socket.socketpair()
    number = victim.to_bytes(4, "little")
    for set_owner in (lambda: fcntl.fcntl(one, 8, victim), lambda: fcntl.ioctl(one, 0x8901, number)):
        print(tried(set_owner), tried(lambda: fcntl.fcntl(one, 10, signal.SIGKILL)))
        fcntl.fcntl(one, fcntl.F_SETFL, fcntl.fcntl(one, fcntl.F_GETFL) | os.O_ASYNC)
        other.send(b"x")
    time.sleep(0.2)

owner()
for mode in (os.O_RDONLY, 3):
    print(tried(lambda: os.open(granted + "/file", mode | os.O_TRUNC)))
with open(granted + "/file") as file, open(scratch + "/own", "w") as own:  # what is honest goes on
    own.write(file.read())
with open(scratch + "/own", "w") as own:
    own.write("again")
os.ftruncate(os.open(scratch + "/own", os.O_RDWR | os.O_TRUNC), 3)
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
@pytest.mark.parametrize("abi", [1, 2, 3, 5, 6])
def test_signals_and_files_are_kept_at_every_version_of_landlock(tmp_path: Path, abi: int) -> None:
    if landlock.version() < abi:
        pytest.skip(f"this kernel has Landlock {landlock.version()}")
    granted, scratch = tmp_path / "granted", tmp_path / "scratch"
    for folder in (granted, scratch):
        folder.mkdir()
    (granted / "file").write_text("x = 1")
    with subprocess.Popen(["sleep", "60"]) as victim:
        try:
            command = [sys.executable, "-c", CONFINED, str(abi), str(victim.pid), str(granted), str(scratch)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
            assert done.stdout.splitlines()[-1:] == ["done"], done.stderr
            assert "worked" not in done.stdout
            assert victim.poll() is None
            assert (granted / "file").read_text() == "x = 1"
            assert (scratch / "own").read_bytes() == b"\0\0\0"
        finally:
            victim.send_signal(signal.SIGKILL)
