"""The keeper of one worker: starts it, and ends every process it left behind, whatever happens to the host.

A separate process, because "kill on parent's death" follows the thread that forked, and because children that daemonise
themselves are only handed to a process that asked for them (a subreaper). It trusts the host, runs none of the model's
code, and needs only the standard library: ``python -I -S supervise.py FD WIRE ROOT MEMORY``.

FD is a socket to the host: a line on it says that ROOT holds everything that is needed to start; when the host closes
it, or dies, everything ends. WIRE is the worker's end of its own socket to the host. ROOT and MEMORY (a file) are
cleared away at the end, by the keeper because a host may be killed at any moment: it is started before they are made.
Its last words to the host are one JSON line: ``code`` (exit code or minus the signal), ``killed`` (processes left
behind), ``crowd`` and ``threads`` (how many processes and threads there were, if there were too many: a fork bomb is
ended here, since a host that competes with it for the processor may come too late).
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import stat
import sys
import time
from typing import Dict, Iterable, List, Optional, Set

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
POLL_MS = 100
WIRE = 3  # in every worker: the number that the host has would tell a model which verb runs it


def prctl(option: int, value: int) -> None:
    """Call Linux's prctl; elsewhere do nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def parents() -> Dict[int, int]:
    """Return every process that can be seen, and its parent."""
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
    """Return the processes below `root`, zombies included."""
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
    """Send a signal to a process that may be gone; a negative pid is a process group."""
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
    send_signal(-leader, signal.SIGKILL)  # the whole group at once, so that none of it can fork any more
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


def hurry() -> None:
    """Raise our own priority if allowed: a fork bomb must not starve the process that ends it."""
    if hasattr(os, "SCHED_RESET_ON_FORK"):
        try:
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        except OSError:
            pass


def tasks() -> int:
    """Return the number of processes and threads on the whole machine: one cheap look."""
    try:
        with open("/proc/loadavg", encoding="ascii") as file:
            return int(file.read().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return 0


def threads_of(pids: Iterable[int]) -> int:
    """Return the number of threads of these processes."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/{}/stat".format(pid), "rb") as file:
                total += int(file.read().rpartition(b")")[2].split()[17])
        except (OSError, ValueError, IndexError):
            continue
    return total


def most_threads(processes: int) -> int:
    """Return how many threads the processes of a worker may have together: libraries start some for every core."""
    return max(processes, 16 * (os.cpu_count() or 1) + 512)


class CrowdError(Exception):
    """There are too many processes or threads; how many."""


def watch(leader: int, control: socket.socket, host: int, processes: int) -> int:
    """Wait until the worker ends or the host hangs up or dies; the exit code, -9 if we must end it.

    :class:`CrowdError` if there are more than `processes` of them, or they have more threads than :func:`most_threads`.
    """
    # One number for the whole machine is cheap enough for ten looks a second. Only if it rose by as much as a worker
    # may start are the worker's own processes counted.
    normal = tasks()
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
        if tasks() > normal + processes:
            tree = descendants(os.getpid())
            threads = threads_of(tree)
            if len(tree) > processes or threads > most_threads(processes):
                raise CrowdError(len(tree), threads)
        events = dict(poll.poll(POLL_MS))
        if control.fileno() in events or os.getppid() != host:
            return -signal.SIGKILL
        if wake_read in events:
            try:
                os.read(wake_read, 512)
            except BlockingIOError:
                pass


def become_worker(launch_file: str) -> None:
    """Leave the session in the forked child, tie our life to the keeper's, and start the worker."""
    with open(launch_file, encoding="utf-8") as file:
        text = file.read()
    os.unlink(launch_file)  # it says where the data set and the canaries are: no model may find it
    launch = json.loads(text)
    # A signal to the keeper's group does not reach it, and the keeper can kill the worker's group at once.
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    if launch["wrapper"]:
        # The file has no name any more: the launcher reads it from a descriptor, which it closes before the model runs.
        described = in_memory("launch", text.encode("utf-8"))
        command = [str(described) if word == launch_file else word for word in launch["wrapper"]["command"]]
        # The options go the same way, and bubblewrap closes them: its command line is the first that a model can read.
        options = in_memory("options", b"".join(os.fsencode(word) + b"\0" for word in launch["wrapper"]["options"]))
        program = launch["wrapper"]["program"]
        os.execve(program, [program, "--args", str(options), "--", *command], launch["env"])
    sys.path.insert(0, launch["harness"])
    from worldstrat_bench.worker.inside.launch import run

    run(launch)


def in_memory(name: str, content: bytes) -> int:
    """Return a descriptor of a file without a place on disk, which the next program inherits at its beginning."""
    descriptor = os.memfd_create(name, 0)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.set_inheritable(descriptor, True)
    return descriptor


def clear_away(root: str, memory: str) -> None:
    """Remove the worker's folders, those that a model has locked included, and the decoy in shared memory."""
    remove_tree(root)
    try:
        os.unlink(memory)
    except OSError:
        pass


def remove_tree(root: str) -> None:
    """Remove a folder and all below it, however deep and whatever its modes; what cannot be removed is left.

    Folders that lie deeper are first moved up to `root`: neither recursion nor the length of a path sets a limit, and
    two descriptors are enough. Links are removed and not followed.
    """
    try:
        os.chmod(root, 0o700)
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    moved = 0
    kept: Set[str] = set()
    try:
        while True:
            names = [name for name in os.listdir(top) if name not in kept]
            if not names:
                break
            for name in names:
                moved = _empty(top, name, moved)
                if os.path.lexists(os.path.join(root, name)):
                    kept.add(name)
    finally:
        os.close(top)
    try:
        os.rmdir(root)
    except OSError:
        pass


def _empty(top: int, name: str, moved: int) -> int:
    """Remove one entry of an open folder, after moving the folders in it up; the number of folders moved so far."""
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=top)
            return moved
        os.chmod(name, 0o700, dir_fd=top)
        own = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    except OSError:
        return moved
    try:
        for inner in os.listdir(own):
            try:
                if stat.S_ISDIR(os.stat(inner, dir_fd=own, follow_symlinks=False).st_mode):
                    os.chmod(inner, 0o700, dir_fd=own)  # a folder that may not be written to cannot be moved either
                    moved += 1
                    os.rename(inner, "moved-up-{}".format(moved), src_dir_fd=own, dst_dir_fd=top)
                else:
                    os.unlink(inner, dir_fd=own)
            except OSError:
                continue
        os.rmdir(name, dir_fd=top)
    except OSError:
        pass
    finally:
        os.close(own)
    return moved


def told_to_start(control: socket.socket) -> bool:
    """Wait for the host's word; False if it hung up instead."""
    try:
        return bool(control.recv(1))
    except OSError:
        return False


def start_and_watch(control: socket.socket, wire: int, launch_file: str, host: int) -> Dict[str, int]:
    """Start the worker that the file describes and stay until nothing of it is left; the last words."""
    with open(launch_file, encoding="utf-8") as file:
        processes = int(json.load(file)["processes"])
    leader = os.fork()
    if leader == 0:
        try:
            control.close()
            os.dup2(wire, WIRE)
            if wire != WIRE:
                os.close(wire)
            become_worker(launch_file)
        except BaseException as error:
            sys.stderr.write("the worker could not be started: {}\n".format(error))
        finally:
            os._exit(127)
    os.close(wire)
    code, crowd, threads = -signal.SIGKILL, 0, 0
    try:
        code = watch(leader, control, host, processes)
    except CrowdError as error:
        crowd, threads = error.args
    return {"code": code, "killed": end_all(leader), "crowd": crowd, "threads": threads}


def main() -> int:
    """Keep one worker."""
    control = socket.socket(fileno=int(sys.argv[1]))
    wire, root, memory = int(sys.argv[2]), sys.argv[3], sys.argv[4]
    host = os.getppid()
    # A terminal sends these to everything in it. The keeper ends when the worker has ended, or the host.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    hurry()
    if not told_to_start(control):
        clear_away(root, memory)
        return 0
    last_words = start_and_watch(control, wire, os.path.join(root, "harness", "launch.json"), host)
    # Before the last words: once the host has them, nothing of the worker is left.
    clear_away(root, memory)
    try:
        control.sendall(json.dumps(last_words).encode() + b"\n")
    except OSError:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
