"""The keeper of one worker: starts it, and ends every process it left behind, whatever happens to the host.

A process of its own, because "kill on parent's death" follows the thread that forked, and because children that
daemonise themselves are only handed to a process that asked for them (a subreaper). It trusts the host, runs
none of the model's code, and needs only the standard library: ``python -I -S supervise.py FD LAUNCH.JSON``.

FD is a socket to the host: when the host closes it, or dies, everything ends. Before it leaves, the keeper
writes one JSON line to it, ``{"code": exit code or minus the signal, "killed": processes left behind}``.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Dict, List, Optional, Set

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_MS = 500


def prctl(option: int, value: int) -> None:
    """Linux's prctl; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def parents() -> Dict[int, int]:
    """Every process that can be seen, and its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/" + name + "/stat", "rb") as file:
                    found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
    return found


def descendants(root: int) -> Set[int]:
    """Processes below `root`, zombies included."""
    if not os.path.isdir("/proc/self"):
        return set()
    children: Dict[int, List[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: Set[int] = set()
    queue = [root]
    while queue:
        for pid in children.get(queue.pop(), ()):
            if pid not in found:
                found.add(pid)
                queue.append(pid)
    return found


def send_signal(pid: int, number: int) -> None:
    """A signal to somebody who may be gone; a negative pid is a process group."""
    try:
        os.kill(pid, number)
    except OSError:
        pass


def reap(leader: int) -> Optional[int]:
    """Collect the dead; the exit code of `leader` if it was among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == leader:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


def end_all(leader: int) -> int:
    """Stop, then kill every descendant until none is left; how many there were beside the leader."""
    me = os.getpid()
    seen: Set[int] = set()
    send_signal(-leader, signal.SIGKILL)  # the whole group at once: nobody in it can fork any more
    for _ in range(50):
        fresh = descendants(me) - seen
        if not fresh:
            break
        for pid in fresh:
            send_signal(pid, signal.SIGSTOP)  # who is stopped cannot fork while we look for its children
        seen |= fresh
    for _ in range(500):
        left = descendants(me)
        if not left:
            break
        for pid in left:
            send_signal(pid, signal.SIGKILL)
        seen |= left
        reap(leader)
        time.sleep(0.002)
    return len(seen - {leader})


def watch(leader: int, control: socket.socket, host: int) -> int:
    """Wait until the worker ends or the host hangs up or dies; the exit code, -9 if we must end it."""
    wake_read, wake_write = os.pipe()
    for fd in (wake_read, wake_write):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(control.fileno(), select.POLLIN | select.POLLHUP)
    poll.register(wake_read, select.POLLIN)
    while True:
        code = reap(leader)
        if code is not None:
            return code
        events = dict(poll.poll(POLL_MS))
        if control.fileno() in events or os.getppid() != host:
            return -signal.SIGKILL
        if wake_read in events:
            try:
                os.read(wake_read, 512)
            except BlockingIOError:
                pass


def become_worker(launch_file: str) -> None:
    """In the forked child: leave the session, tie our life to the keeper's, and start the worker."""
    with open(launch_file, encoding="utf-8") as file:
        launch = json.load(file)
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.set_inheritable(launch["wire_fd"], True)
    if launch["wrapper"]:
        os.execve(launch["wrapper"][0], launch["wrapper"], launch["env"])
    sys.path.insert(0, launch["harness"])
    from worldstrat_bench.worker.launch import run

    run(launch_file)


def main() -> int:
    """Start the worker that the file describes and stay until nothing of it is left."""
    control = socket.socket(fileno=int(sys.argv[1]))
    launch_file = sys.argv[2]
    host = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    leader = os.fork()
    if leader == 0:
        try:
            control.close()
            become_worker(launch_file)
        except BaseException as error:
            sys.stderr.write("the worker could not be started: {}\n".format(error))
        finally:
            os._exit(127)
    with open(launch_file, encoding="utf-8") as file:
        os.close(json.load(file)["wire_fd"])
    code = watch(leader, control, host)
    killed = end_all(leader)
    try:
        control.sendall(json.dumps({"code": code, "killed": killed}).encode() + b"\n")
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
