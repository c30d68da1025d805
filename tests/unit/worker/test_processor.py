"""Processor time of a tree of processes: those that run, those that have ended, and not the root's own."""

from __future__ import annotations

import subprocess
import sys
import time

from worldstrat_bench.worker.processor import processor_seconds

WORK = "import time\nwhile time.process_time() < {seconds}: pass\n"
RUNNING = """
import subprocess, sys, time
work = sys.argv[1]
subprocess.run([sys.executable, "-c", work], check=True)                            # ended and waited for
child = subprocess.Popen([sys.executable, "-c", work + "time.sleep(60)"])           # still there
while time.process_time() < 0.2: pass                                               # the root's own, which is left out
print("ready", flush=True)
sys.stdin.read()
child.kill()
"""


def test_children_count_whether_they_have_ended_or_not_and_the_root_does_not() -> None:
    command = [sys.executable, "-c", RUNNING, WORK.format(seconds=0.3)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as root:
        assert root.stdout is not None
        assert root.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 60
        while (found := processor_seconds(root.pid)) < 0.55 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
        assert 0.55 <= found < 0.8
        assert processor_seconds(root.pid) < 0.8
        root.communicate()


def test_a_process_that_is_gone_used_nothing() -> None:
    assert processor_seconds(2**22 - 1) == 0.0
