"""From the keeper's child to the worker: confine this process, prove it, then become the model's interpreter.

Everything here runs before any code of the model's environment (a ``.pth`` file there is code, too), under the
harness's own interpreter without site-packages. Confinement outlives exec.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import sys
from typing import Any, Dict

Launch = Dict[str, Any]

OWN_TASKS = "/proc/self/task"
PENDING = 1000
"""Timers, and signals that wait, of a worker: Python and torch need some tens at most."""


def run(launch: Launch) -> None:
    """Confine, test, report to the host over the wire, and exec the worker. Does not return."""
    if launch["harness"] not in sys.path:
        sys.path.insert(0, launch["harness"])
    # Limits come before confinement, which takes away the file that one of them is written to.
    lower_limits(launch)
    os.chdir(launch["cwd"])
    report = confine(launch)
    send_report(launch["wire_fd"], report)
    if report["error"]:
        os._exit(1)
    os.execve(launch["argv"][0], launch["argv"], launch["env"])


def lower_limits(launch: Launch) -> None:
    """Forbid core dumps and files larger than the scratch folder may be; be the first to go when memory runs out.

    The limit of processes counts all threads of a user, and root is exempt: it is a second line behind the keeper.
    The order of dying is a courtesy to the rest of the machine. The watchdog goes by resident memory and does not count
    on it: a worker with the CUDA profile may write its own ``oom_score_adj`` (see :func:`hold_own_tasks`).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = int(launch["scratch_bytes"])
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    crowd = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (crowd, hard))
    # Linux counts timers and queued signals by user: one worker could leave the user's other programs none.
    if hasattr(resource, "RLIMIT_SIGPENDING"):
        hard = resource.getrlimit(resource.RLIMIT_SIGPENDING)[1]
        few = PENDING if hard == resource.RLIM_INFINITY else min(PENDING, hard)
        resource.setrlimit(resource.RLIMIT_SIGPENDING, (few, few))
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")
    except OSError:
        pass


def confine(launch: Launch) -> Dict[str, Any]:
    """Give up what the level says, then try to get it back: ``held`` says by probe what was stopped."""
    from worldstrat_bench.worker.inside import landlock, probes, seccomp

    report: Dict[str, Any] = {"op": "confined", "held": {}, "landlock": 0, "error": "", "refused": ""}
    if sys.platform != "linux":
        return report
    try:
        report["landlock"] = landlock.version()
        if launch["level"] != "process":
            probes.drop_capabilities()
            overwrite = [hold_own_tasks()] if launch["profile"] == "cuda" else []
            landlock.restrict(launch["read"], launch["write"], launch["devices"], overwrite, launch["listed"])
            seccomp.install(os.getpid(), landlock.scopes_signals(), launch["profile"])
        # Last: the probes judge what all of it gives together, and a kernel may take a rule that it does not keep.
        report["held"] = probes.run_probes(launch["canaries"])
        if launch["profile"] == "cuda":
            report["refused"] = probes.rehearse_cuda()
    except OSError as error:
        report["error"] = str(error)
    return report


def hold_own_tasks() -> str:
    """Return the folder of this process's threads, which is kept open for as long as the process lives, exec included.

    libcuda names its threads by writing to ``comm`` there. A Landlock rule belongs to the folder's inode in memory. The
    ruleset pins that inode, but not the directory entry: the kernel drops entries of /proc when it wants memory, and
    the next look-up of the path makes a new inode, without the rule. An open descriptor, which grants nothing by
    itself, keeps the entry. The worker keeps the process id, so that the folder stays its own; a child has another
    folder, and cannot start CUDA.
    """
    os.set_inheritable(os.open(OWN_TASKS, os.O_PATH | os.O_DIRECTORY), True)
    return OWN_TASKS


def send_report(wire_fd: int, report: Dict[str, Any]) -> None:
    """Send the first message on the wire, before the model can write to it."""
    from worldstrat_bench.worker.inside.wire import Wire

    sock = socket.socket(fileno=wire_fd)
    Wire(sock, 0).send(report)
    # The worker goes on with the same descriptor after exec.
    sock.detach()


if __name__ == "__main__":
    # Closed before anything of the model runs.
    with os.fdopen(int(sys.argv[1]), encoding="utf-8") as described:
        content = json.load(described)
    run(content)
