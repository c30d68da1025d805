from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from worldstrat_bench.artefacts.record import IsolationReport
from worldstrat_bench.errors import InfrastructureError, ModelError
from worldstrat_bench.plugins.interpreter import own_interpreter
from worldstrat_bench.worker import Worker
from worldstrat_bench.worker.bubblewrap import wrap
from worldstrat_bench.worker.canaries import Canaries
from worldstrat_bench.worker.grants import (
    Grants,
    check_disjoint,
    library_folders,
    links_of,
    make_grants,
    spelled_out,
)
from worldstrat_bench.worker.inside import landlock, probes
from worldstrat_bench.worker.isolation import (
    PROBES,
    Attempt,
    Profile,
    candidates,
    judge_level,
    make_report,
    required,
    unavailable,
)
from worldstrat_bench.worker.plan import BESIDE, PACKAGE, make_folders, new_root
from worldstrat_bench.worker.starting import LaunchRequest
from worldstrat_bench.worker.types import Limits, ModelSpec


def test_levels_promise_less_and_less() -> None:
    assert required("full") > required("strong") > required("process") == frozenset()
    assert candidates("auto") == ("full", "strong", "process")
    assert candidates("strong") == ("strong",)


def test_one_probe_that_got_through_costs_the_level() -> None:
    held = dict.fromkeys(PROBES, True)
    assert judge_level("full", held).good
    attempt = judge_level("strong", {**held, "udp": False, "stat_targets": False})
    assert attempt.problem == "not stopped: udp"
    assert not judge_level("strong", {}).good
    assert judge_level("process", {}).good


def test_reports_say_what_was_tried() -> None:
    attempts = [Attempt("full", {}, "no bubblewrap"), Attempt("strong", {"tcp": True})]
    report = make_report("auto", attempts)
    assert (report.level, report.requested, report.held) == ("strong", "auto", {"tcp": True})
    assert report.notes == ("full: no bubblewrap",)
    assert "no bubblewrap" in str(unavailable("full", attempts[:1]))


def test_reports_say_which_profile_was_in_force() -> None:
    assert make_report("strong", [Attempt("strong", {}, profile="cuda")]).profile == "cuda"
    assert make_report("full", [Attempt("full", {})]).profile == "cpu"
    assert make_report("process", [Attempt("process", {}, profile="cuda")]).profile is None, "nothing is confined there"
    assert IsolationReport.model_validate({"level": "strong"}).profile is None, "a record from before it was kept"


CONFINE = """
import os, sys
from worldstrat_bench.worker.inside import landlock, launch, probes, seccomp
profile, rule = sys.argv[1:]
if rule != "none":
    landlock.restrict(["/usr", "/proc"], [], [], [launch.hold_own_tasks()] if rule == "tasks" else [])
seccomp.install(os.getpid(), False, profile)
print(probes.rehearse_cuda())
"""


@pytest.mark.skipif(landlock.version() < 1, reason="this kernel has no Landlock: not tested")
@pytest.mark.parametrize(
    ("profile", "rule", "refused"),
    [
        ("cuda", "tasks", ""),
        ("cuda", "no", "/proc/self/task/TID/comm: Permission denied"),
        ("cpu", "none", "socket: Permission denied"),
    ],
)
def test_the_rehearsal_names_the_first_call_that_is_refused(profile: str, rule: str, refused: str) -> None:
    done = subprocess.run([sys.executable, "-c", CONFINE, profile, rule], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == (refused, 0), done.stderr


def request_for(device: str, granted: Profile | None = None) -> LaunchRequest:
    return LaunchRequest("strong", ModelSpec("a:b"), own_interpreter(), device, Limits(), (), 1, granted)


def test_the_device_decides_what_is_granted() -> None:
    assert request_for("cpu").profile == "cpu"
    assert request_for("cuda").profile == request_for("cuda:3").profile == "cuda"
    assert request_for("cpu", "cuda").profile == "cuda"


def test_the_self_test_knows_every_probe(tmp_path: Path) -> None:
    with Canaries(tmp_path / "canaries") as canaries:
        names = set(probes.probes(canaries.describe([], tmp_path / "readable")))
    assert names == PROBES


@pytest.mark.skipif(sys.platform != "linux", reason="the self-test is made for Linux")
def test_the_host_sees_what_an_unconfined_self_test_did(tmp_path: Path) -> None:
    with Canaries(tmp_path / "canaries") as canaries:
        described = canaries.describe([tmp_path], tmp_path / "readable")
        (tmp_path / "readable").write_bytes(b"x")
        held = probes.run_probes(described)
        assert not held["read_targets"]
        assert not held["tcp"]
        claimed = canaries.confirm(dict.fromkeys(PROBES, True))
    for name in (
        "write_outside",
        "change_outside",
        "tcp",
        "udp",
        "unix_socket",
        "abstract_socket",
        "datagram_pair",
        "datagram_socket",
    ):
        assert not claimed[name], name
    assert not Path(described["shared_memory"]).exists()


def test_untouched_canaries_confirm_what_is_claimed(tmp_path: Path) -> None:
    with Canaries(tmp_path / "canaries") as canaries:
        assert canaries.confirm(dict.fromkeys(PROBES, True)) == dict.fromkeys(PROBES, True)
        assert not any(canaries.confirm({}).values())
        assert stat.S_IMODE((tmp_path / "canaries" / "hr.tiff").stat().st_mode) == 0o640


def test_workers_that_start_in_several_threads_keep_the_working_directory(tmp_path: Path) -> None:
    before = Path.cwd()
    long = tmp_path / ("x" * 120)  # a socket's own path has room for 107 bytes
    long.mkdir()

    def lay_out(number: int) -> bool:
        with Canaries(long / str(number)) as canaries:
            return all(canaries.confirm(dict.fromkeys(PROBES, True)).values())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lay_out, range(400)))
    assert Path.cwd() == before


def grants(*read: Path) -> Grants:
    return Grants(read, (), ())


def test_forbidden_and_granted_must_be_disjoint(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "data-2"
    for folder in (data / "hr", other):
        folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(data)
    check_disjoint(grants(other), [data])
    link = tmp_path / "link"
    for granted, forbidden in (
        (data, data),
        (data, data / "hr"),
        (data / "hr", data),
        (link, data),
        (data, link / "hr"),
    ):
        with pytest.raises(InfrastructureError, match="must not read"):
            check_disjoint(grants(granted), [forbidden])
    with pytest.raises(InfrastructureError, match="other people's files"):
        check_disjoint(grants(Path("/home")), [])


@pytest.mark.parametrize("place", ["cache", "model/cache", "model/deep/cache"])
def test_a_model_is_never_given_the_cache_of_targets(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLDSTRAT_BENCH_CACHE", str(tmp_path / place))
    (tmp_path / place / "tiles").mkdir(parents=True)
    (tmp_path / "model").mkdir(exist_ok=True)
    worker = Worker(ModelSpec("a:b", search_paths=(tmp_path / "model",)), isolation="strong")
    if place == "cache":
        with pytest.raises(ModelError), worker:  # it is started, and there is no such model
            pass
    else:
        with pytest.raises(InfrastructureError, match="must not read"), worker:
            pass


def test_paths_are_granted_once_and_as_they_are_spelled(tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "inner").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(real)
    assert spelled_out([link, real / "inner", real]) == (link, real)
    (tmp_path / "second").symlink_to("link")
    assert links_of(tmp_path / "second") == [tmp_path / "second", link, real]


@pytest.mark.parametrize("depth", [3, 14])
def test_a_link_leads_where_the_kernel_follows_it(tmp_path: Path, depth: int) -> None:
    """After a link ``..`` is above its target: as text such a name is of another place, which was granted whole."""
    secret = tmp_path / "home" / "secret"
    secret.mkdir(parents=True)
    deep = tmp_path / "env" / "/".join("d" * depth)
    deep.mkdir(parents=True)
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir()
    (python.parent / "d").symlink_to(deep)
    up = "/".join([".."] * (depth - 1))
    # To the kernel this is env/d/home/secret, as text home/secret or the like beside the environment.
    place = tmp_path / "env" / "d" / "home" / "secret"
    place.parent.mkdir()
    place.symlink_to(sys.executable)
    python.symlink_to(f"d/{up}/home/secret")
    assert python.resolve() == Path(sys.executable).resolve()
    chain = links_of(python)
    assert all(link.resolve() == python.resolve() for link in chain)
    assert place in chain
    for path in (python, tmp_path / "env" / "bin" / "d" / up / "home" / "secret"):
        assert {granted.resolve() for granted in spelled_out([path])} == {python.resolve()}


def test_a_worker_is_granted_its_own_folders_only(tmp_path: Path) -> None:
    folders = make_folders(new_root())
    try:
        model = ModelSpec("a:b", search_paths=(tmp_path,))
        found = make_grants(own_interpreter(), model, folders, cuda=False)
        assert found.write == (folders.scratch,)
        assert tmp_path in found.read
        assert folders.root not in found.read
        assert not any(
            str(path).startswith(("/proc", "/sys/")) and "devices/system" not in str(path) for path in found.read
        )
        copied = {str(p.relative_to(folders.harness / "worldstrat_bench")) for p in folders.harness.rglob("*.py")}
        inside = {str(file.relative_to(PACKAGE)) for file in (PACKAGE / "worker" / "inside").glob("*.py")}
        assert copied == set(BESIDE) | inside
        options = wrap(found, folders)
        assert options[-2:] == ["--chdir", str(folders.scratch)]
        assert "--unshare-net" in options
        assert str(folders.root) not in options
    finally:
        folders.remove()
    assert not folders.root.exists()


def test_folders_are_removed_whatever_a_model_did_to_them() -> None:
    folders = make_folders(new_root())
    deep = folders.scratch / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    os.chmod(deep, 0)  # noqa: PTH101
    os.chmod(deep.parent, 0)  # noqa: PTH101
    folders.remove()
    assert not folders.root.exists()


def test_landlocks_rights_grow_with_its_version() -> None:
    assert landlock.handled_rights(1) == (1 << 13) - 1
    assert landlock.handled_rights(2) == (1 << 14) - 1
    assert landlock.handled_rights(3) == landlock.handled_rights(4) == (1 << 15) - 1
    assert landlock.handled_rights(9) == (1 << 16) - 1


def test_library_folders_are_absolute_and_narrow() -> None:
    assert library_folders("") == []
    assert library_folders("/opt/x/lib::relative:/home:/usr/lib") == [Path("/opt/x/lib"), Path("/usr/lib")]


def test_no_home_folder_is_granted_as_a_library_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "homes" / "me"
    (home / "cuda" / "lib").mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    monkeypatch.setenv("HOME", str(home))
    wide = [home, home.parent, tmp_path, tmp_path / "link", f"{home}/cuda/..", "/home/ann", "/home/ann/", "/root", "/"]
    assert library_folders(os.pathsep.join(map(str, wide))) == []
    narrow = [home / "cuda" / "lib", Path("/home/ann/cuda")]
    assert library_folders(os.pathsep.join(map(str, narrow))) == narrow


def test_a_rehearsal_does_not_depend_on_names_in_use() -> None:
    """Workers in other process namespaces may share the network's, and have the same process id."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(f"\0worldstrat-bench-rehearsal-{os.getpid()}")
        assert probes.rehearse_cuda() == ""
