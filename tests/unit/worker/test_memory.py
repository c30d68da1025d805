"""Memory of one image is there for the next: in a process of its own, since it cannot be undone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from worldstrat_bench import memory

FAULTS = """
import resource, sys, threading
import numpy as np
if sys.argv[1] == "kept":
    from worldstrat_bench.memory import keep_freed_memory
    assert keep_freed_memory()

def work():
    for _ in range(20):
        images = [np.ones(1 << 20) for _ in range(4)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

work()
before = faults()
for _ in range(3):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_images_are_not_mapped_again() -> None:
    given, kept = (
        int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)
        for how in ("given", "kept")
    )
    assert kept < given / 4


@pytest.mark.parametrize("error", [TypeError("bad argument type"), OSError("no dynamic linker")])
def test_systems_without_a_library_of_the_process_are_left_alone(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def library(name: str | None) -> object:
        raise error

    monkeypatch.setattr("worldstrat_bench.memory.ctypes.CDLL", library)
    assert memory.keep_freed_memory() is False


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worldstrat_bench.memory.ctypes.CDLL", lambda name: object())
    assert memory.keep_freed_memory() is False
