"""What a model tries to reach, and at which level of isolation it does.

One worker a level makes all attempts, each on a tile of its own; then each is judged by itself, and by what the
host saw of it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from hostile_scene import ATTACKS, Confinement, Scene, ask, hostile_worker, number_of, reached
from worldstrat_bench.worker import Worker

ONLY_FULL = {"stat_hr"}
"""What Landlock and seccomp do not stop: that a file exists, and how large it is."""

ALWAYS = {
    "read_secret_of_environment",
    "read_launch_description",
    "find_paths_of_the_harness",
    "take_timers_of_the_user",
}
"""What no level lets through."""

LEFT_TO_CUDA = {"take_watches_of_the_user", "pass_descriptors"}
"""What a worker on a GPU may do at every level."""

DEPENDS = {
    "ptrace_host",
    "peek_into_host",
    "new_namespace",
    "mount",
    "io_uring",
    "hide_memory",
    "open_files_apart",
    "take_requests_of_the_machine",
    "keyring",
    "netlink",
    "make_sysv_memory",
    "use_ipc_of_others_by_number",
    "change_attributes_of_granted",
    "lease_granted_file",
    "watch_granted_folder",
    "list_attributes_outside",
    "read_hr_through_parent_root",
    "read_hr_through_host_root",
    "read_hr_from_host_descriptor",
    "read_host_memory",
    "uevents",
    "tcp_over_ipv6",
    "raw_ip",
    "virtual_machine_socket",
    "link_layer",
    "kernel_crypto",
    "send_over_unconnected_stream",
    "send_over_unconnected_seqpacket",
    "send_over_pair_to_name",
    "write_tasks_of_host_through_own",
    "make_file_in_own_task",
    "write_settings_of_kernel",
    "write_own_program",  # which runs
    "pin_host",
    "pin_neighbour",  # where there is one core only, no process can be kept to fewer
}
"""What the level ``process`` leaves to the machine's own settings, or to Linux itself."""


@pytest.fixture(scope="module")
def got_through(confinement: Confinement, scene: Scene, stub_python: Path) -> dict[str, bool]:
    """By attack: whether the model says it worked, or the host saw that it did.

    The model has the real torch under one profile and a stub under the other, which starts faster.
    """
    python = stub_python if confinement.profile == "cuda" else None
    secrets = ("HOSTILE_SECRET_TOKEN", "NVIDIA_API_KEY", "CUDA_PASSWORD", "NCCL_TOKEN")
    os.environ.update(dict.fromkeys(secrets, "hunter2"))
    users_path = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join((scene.facts["programs"], users_path, scene.facts["programs"]))
    answers = {}
    decoy = Path(scene.facts["decoy"])
    try:
        with hostile_worker(scene, confinement, python=stub_python) as neighbour:
            pid = process_of(neighbour)
            scene = replace(scene, facts={**scene.facts, "neighbour": pid})
            with hostile_worker(scene, confinement, python=python) as worker:
                for name in ATTACKS:
                    prepare(decoy)
                    before = scheduling_of(pid)
                    reply = ask(worker, number_of(name))
                    assert reply.outcome == "ok", (name, reply.message)
                    assert reply.image is not None
                    answers[name] = bool(reply.image.mean() > 0.5)
                    answers[name] |= seen_by_host(scene, name) or scheduling_of(pid) != before
    finally:
        os.environ["PATH"] = users_path
        for name in secrets:
            del os.environ[name]
    return answers


def prepare(decoy: Path) -> None:
    """Put back what an attack before this one may have destroyed."""
    decoy.write_bytes(b"decoy")
    decoy.chmod(0o600)
    (decoy.parent.parent / "plugins" / "granted").write_bytes(b"x")
    (decoy.parent / "deletable").write_bytes(b"x")
    for name in ("written", "bound"):
        (decoy.parent / name).unlink(missing_ok=True)


def process_of(worker: Worker) -> int:
    """The number that a worker's own process has here: the innermost one, without bubblewrap's."""
    assert worker.keeper_pid is not None
    return psutil.Process(worker.keeper_pid).children(recursive=True)[-1].pid


def scheduling_of(pid: int) -> tuple[Any, ...]:
    """What decides how much of the machine a process gets."""
    process = psutil.Process(pid)
    return process.nice(), process.ionice(), process.cpu_affinity(), os.sched_getscheduler(pid)


def seen_by_host(scene: Scene, attack: str) -> bool:
    """Whether the attack left a trace here, whatever the model says."""
    outside = Path(scene.facts["outside"])
    traces = {
        "write_outside": (outside / "written").exists(),
        "bind_outside": (outside / "bound").exists(),
        "truncate_outside": (outside / "decoy").stat().st_size == 0,
        "empty_granted_file": Path(scene.facts["granted"]).stat().st_size == 0,
        "delete_outside": not (outside / "deletable").exists(),
        "change_mode_outside": (outside / "decoy").stat().st_mode & 0o777 != 0o600,
    }
    sock = scene.sockets.get(attack)
    return traces.get(attack, False) or (sock is not None and reached(sock))


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack(confinement: Confinement, got_through: dict[str, bool], attack: str) -> None:
    level = confinement.level
    if attack in LEFT_TO_CUDA and confinement.profile == "cuda":
        assert got_through[attack]
    elif level == "full" or attack in ALWAYS:
        assert not got_through[attack], f"{attack} got through at {confinement}"
    elif level == "strong":
        assert got_through[attack] == (attack in ONLY_FULL)
    elif attack not in DEPENDS:
        assert got_through[attack], f"{attack} is stopped at {level}: the table and docs/security.md are out of date"


def test_the_suite_is_as_long_as_it_says() -> None:
    assert len(ATTACKS) >= 65
