"""Code that ran and is not what a record says: editable installs of every backend, and records beside wheels."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile_scene import REQUIRED, make_stub_environment
from submission_factory import add_record, make_submission, make_wheel, metadata_of, rewrite_record
from worldstrat_bench.artefacts.identity import model_differences
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import ModelError, UsageError
from worldstrat_bench.plugins.code import code_sha256, editable_sha256, unpacked_code_sha256, wheel_code_sha256
from worldstrat_bench.plugins.discovery import find_model, installed_models
from worldstrat_bench.plugins.wheel import open_wheel
from worldstrat_bench.run.model import ModelRequest, choose_model
from worldstrat_bench.submission.check import check
from worldstrat_bench.worker import ModelSpec, Worker
from worldstrat_bench.worker.isolation import LevelUnavailableError

BACKENDS = {
    "setuptools": ("setuptools.build_meta", ""),
    "setuptools-strict": ("setuptools.build_meta", ""),
    "hatchling": ("hatchling.build", ""),
    "flit": ("flit_core.buildapi", ""),
    "pdm": ("pdm.backend", ""),
    "poetry": ("poetry.core.masonry.api", ""),
    "uv": ("uv_build", '[tool.uv.build-backend]\nmodule-root = "{root}"\n'),
    "meson": ("mesonpy", ""),
}
MESON = """\
project('net', version: '1.0')
python = import('python').find_installation(pure: true)
python.install_sources('{inner}net/__init__.py', '{inner}net/blur.py', subdir: 'net')
"""
BUILD = """\
import importlib, sys
_, module, kind, out, wheels, names = sys.argv  # setuptools changes them
backend = importlib.import_module(module)
strict = {"editable_mode": "strict"} if kind == "setuptools-strict" else None
print(backend.build_editable(out, strict), backend.build_wheel(wheels), file=open(names, "w"))
"""


def write_project(project: Path, backend: str, layout: str) -> Path:
    """Write a package `net` of two modules with a project's usual company; the folder of its modules."""
    module, extra = BACKENDS[backend]
    inner = "src/" if layout == "src" else ""
    package = project / f"{inner}net"
    for folder in (package, project / "tests", project / "runs" / "r"):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_text("from net.blur import load\n")
    (package / "blur.py").write_text("def load(weights, device):\n    raise RuntimeError('NET IS LOADED')\n")
    (project / "tests" / "test_net.py").write_text("import net\n")
    (project / "README.md").write_text("Net\n")
    (project / "pyproject.toml").write_text(
        textwrap.dedent(f"""\
        [build-system]
        requires = []
        build-backend = "{module}"
        [project]
        name = "net"
        version = "1.0"
        description = "A network for tests"
        [project.entry-points."worldstrat_bench.models"]
        net = "net:load"
        """)
        + extra.replace("{root}", inner.rstrip("/"))
        + ('[tool.setuptools]\npackages = ["net"]\n' if "setuptools" in backend and layout == "flat" else "")
    )
    if backend == "meson":
        (project / "meson.build").write_text(MESON.replace("{inner}", inner))
    return package


def install_editable(project: Path, backend: str, site: Path) -> Path:
    """Do what an installer does with a project in editable mode, without one; a wheel of it."""
    out, wheels = project.parent / "editable", project.parent / "wheels"
    for folder in (out, wheels, site):
        folder.mkdir(exist_ok=True)
    names = project.parent / "names"
    command = [sys.executable, "-c", BUILD, BACKENDS[backend][0], backend, str(out), str(wheels), str(names)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    editable, wheel = names.read_text().split()
    with zipfile.ZipFile(out / editable) as archive:
        archive.extractall(site)
    origin = {"url": project.as_uri(), "dir_info": {"editable": True}}
    (site / "net-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    return wheels / wheel


def needed(backend: str) -> None:
    top = BACKENDS[backend][0].partition(".")[0]
    if importlib.util.find_spec(top) is None:
        pytest.skip(f"the build backend {top!r} is not installed: editable installs of {backend} were NOT tested")


LAYOUTS = [
    *[(backend, "flat") for backend in BACKENDS],
    *[pytest.param(backend, "src", marks=pytest.mark.soak) for backend in BACKENDS],
]


@pytest.fixture(scope="module")
def stub_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stub_environment(tmp_path_factory.mktemp("stub") / "venv")


@pytest.mark.parametrize(("backend", "layout"), LAYOUTS)
def test_an_editable_install_is_known_by_the_code_that_a_wheel_of_it_has(
    tmp_path: Path, backend: str, layout: str
) -> None:
    needed(backend)
    project, site = tmp_path / "project", tmp_path / "site"
    package = write_project(project, backend, layout)
    with zipfile.ZipFile(install_editable(project, backend, site)) as archive:
        of_wheel = wheel_code_sha256(archive)
    assert of_wheel
    assert code_sha256(metadata_of(site, "net")) == of_wheel
    for noise in ("notes.txt", "runs/r/record.json", "runs/r/run.sqlite", "tests/test_more.py", ".env"):
        (project / noise).write_text("x")
    (package / "NOTES.md").write_text("to do")
    (package / "runs").mkdir()
    (package / "runs" / "run.sqlite").write_text("a run of ours")
    (package / "runs" / "tiles.csv").write_text("tile\n")
    assert code_sha256(metadata_of(site, "net")) == of_wheel
    (package / "blur.py").write_text("def load(weights, device):\n    return None\n")
    changed = code_sha256(metadata_of(site, "net"))
    assert changed is not None
    assert changed != of_wheel


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_confined_worker_runs_an_editable_install_and_sees_its_packages_only(
    tmp_path: Path, stub_environment: Path, backend: str
) -> None:
    needed(backend)
    project, site = tmp_path / "project", tmp_path / "site"
    package = write_project(project, backend, "flat")
    (project / "tests" / "secret.py").write_text("code = 'of the tests'\n")
    (package / "blur.py").write_text(
        "def load(weights, device):\n"
        "    try:\n"
        "        from tests.secret import code\n"
        "    except (ImportError, OSError):\n"
        "        code = 'nothing else'\n"
        "    raise RuntimeError('NET SEES ' + code)\n"
    )
    install_editable(project, backend, site)
    environment = tmp_path / "venv"
    shutil.copytree(stub_environment.parent.parent, environment, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    shutil.copytree(site, packages, dirs_exist_ok=True)
    spec = ModelSpec("net:load", python=environment / "bin" / "python")
    try:
        with pytest.raises(ModelError, match="NET SEES nothing else"), Worker(spec, isolation="strong"):
            pass
    except LevelUnavailableError as error:
        if "strong" in os.environ.get(REQUIRED, "").split(","):
            raise
        pytest.skip(f"isolation 'strong' is not available on this machine and was NOT tested: {error.where}")


def distribution(site: Path, name: str, record: str, *, project: Path | None = None) -> Path:
    """Write the metadata of an installed distribution; in editable mode with `project`."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text(record)
    if project is not None:
        (project / "setup.cfg").write_text(f"[metadata]\nname = {name}\n")
        origin = {"url": project.as_uri(), "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(origin))
    return info


def test_every_other_editable_package_of_the_environment_is_recorded(tmp_path: Path) -> None:
    site, core, unrelated = tmp_path / "site", tmp_path / "core", tmp_path / "harness"
    (core / "nets").mkdir(parents=True)
    (core / "nets" / "__init__.py").write_text("net = 1\n")
    unrelated.mkdir()
    distribution(site, "user", "user.py,,\n")
    (site / "user.py").write_text("from nets import net\n")
    distribution(site, "Core_Nets", "core.pth,,\n", project=core)
    (site / "core.pth").write_text(f"{core}\n")
    distribution(site, "worldstrat-bench", "harness.pth,,\n", project=unrelated)
    (site / "harness.pth").write_text(f"{unrelated}\n")
    found = editable_sha256([site], but="user")
    assert list(found) == ["core-nets"]
    (core / "nets" / "__init__.py").write_text("net = 0.8\n")
    other = editable_sha256([site], but="user")
    assert other != found
    assert editable_sha256([site], but="core.nets") == {}
    first, second = (ModelRef(name="user", frames=1, code_sha256="a" * 64, editable=e) for e in (found, other))
    assert model_differences(first, second) == ("editable",)
    assert model_differences(first, ModelRef(name="user", frames=1, code_sha256="a" * 64), partial=True) == ()


def test_a_namespace_package_on_the_path_is_in_the_digest(tmp_path: Path) -> None:
    site, project = tmp_path / "site", tmp_path / "project"
    module = project / "acme" / "sr" / "net" / "__init__.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n")
    (project / "results").mkdir()
    distribution(site, "acme-net", "acme.pth,,\n", project=project)
    (site / "acme.pth").write_text(f"{project}\n")
    before = code_sha256(metadata_of(site, "acme-net"))
    (project / "results" / "tiles.csv").write_text("tile\n")
    assert code_sha256(metadata_of(site, "acme-net")) == before
    module.write_text("x = 2\n")
    assert code_sha256(metadata_of(site, "acme-net")) not in (None, before)


def finder(mapping: dict[str, str]) -> str:
    return f"raise SystemExit\nMAPPING: dict[str, str] = {mapping!r}\nNAMESPACES: dict[str, list[str]] = {{}}\n"


HOOKS: dict[str, Callable[[Path], str]] = {
    "two packages and a module": lambda p: finder({"net": f"{p}/net", "nets": f"{p}/lib/nets", "one": f"{p}/one"}),
    "a namespace": lambda p: finder({"acme.net": f"{p}/net", "nets": f"{p}/lib/nets", "one": f"{p}/one"}),
    "the package editables": lambda p: (
        "from editables.redirector import RedirectingFinder as F\nF.install()\n"
        f"F.map_module('net', '{p}/net/__init__.py')\nF.map_module('nets', '{p}/lib/nets/__init__.py')\n"
        f"F.map_module('one', '{p}/one.py')\n"
    ),
}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_finder_is_read_and_never_run(tmp_path: Path, hook: str) -> None:
    site, project = tmp_path / "site", tmp_path / "project"
    for file in ("net/__init__.py", "lib/nets/__init__.py", "one.py"):
        (project / file).parent.mkdir(parents=True, exist_ok=True)
        (project / file).write_text("x = 1\n")
    distribution(site, "net", "net.pth,,\n_hook.py,,\n", project=project)
    (site / "net.pth").write_text("import _hook\n")
    (site / "_hook.py").write_text(HOOKS[hook](project))
    digests = [code_sha256(metadata_of(site, "net"))]
    for file in ("net/__init__.py", "lib/nets/__init__.py", "one.py"):
        (project / file).write_text("x = 2\n")
        digests.append(code_sha256(metadata_of(site, "net")))
    assert len(set(digests)) == 4
    assert None not in digests


@pytest.mark.parametrize("text", ["((((", "MAPPING: dict = open('/etc/passwd')", "MAPPING: dict = {1: 2}", ""])
def test_a_finder_that_says_nothing_leaves_no_digest_of_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "project").mkdir()
    distribution(tmp_path / "site", "net", "net.pth,,\n__editable___net_finder.py,,\n", project=tmp_path / "project")
    (tmp_path / "site" / "net.pth").write_text("import __editable___net_finder\n")
    (tmp_path / "site" / "__editable___net_finder.py").write_text(text)
    assert code_sha256(metadata_of(tmp_path / "site", "net")) is None


def test_a_file_that_was_added_to_an_installed_package_is_in_the_digest(tmp_path: Path) -> None:
    distribution(tmp_path, "net", "net/__init__.py,,\n../../../etc/passwd,,\n/etc/hostname,,\n")
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "__init__.py").write_text("")
    before = code_sha256(metadata_of(tmp_path, "net"))
    (tmp_path / "net" / "sly.pyc").write_bytes(b"a module without a source")
    assert code_sha256(metadata_of(tmp_path, "net")) != before


def test_a_list_of_files_beyond_reason_gives_no_digest(tmp_path: Path) -> None:
    """A small wheel may list many millions of files that it does not hold, and the host looked for each."""
    (tmp_path / "net.py").write_text("x = 1\n")
    distribution(tmp_path, "net", "net.py,,\n" + "absent.py,,\n" * 1000)
    assert code_sha256(metadata_of(tmp_path, "net"))
    with (metadata_of(tmp_path, "net") / "RECORD").open("a") as record:
        record.write("absent.py,,\n" * 200_000)
    assert code_sha256(metadata_of(tmp_path, "net")) is None


PLUGIN = b"def load(weights, device):\n    raise NotImplementedError\n"


@pytest.mark.parametrize("kind", ["purelib", "platlib"])
def test_modules_of_a_wheel_may_lie_in_its_data_folder(tmp_path: Path, kind: str) -> None:
    plain = make_wheel(tmp_path / "plain")
    data = f"my_sr-1.0.data/{kind}"
    moved = {f"{data}/my_sr/__init__.py": b"", f"{data}/my_sr/plugin.py": PLUGIN, "my_sr-1.0.data/scripts/x": b"#!x"}
    odd = make_wheel(tmp_path / "odd", files=moved, package_files={})
    digests = []
    for wheel in (plain, odd):
        entry = find_model(str(wheel), scratch=tmp_path / "scratch")
        (folder,) = entry.search_paths
        assert (folder / "my_sr" / "plugin.py").read_bytes() == PLUGIN
        assert not (folder / "my_sr-1.0.data").exists()
        digests.append(unpacked_code_sha256(folder))
        with zipfile.ZipFile(wheel) as archive:
            digests.append(wheel_code_sha256(archive))
    assert digests[0]
    assert len(set(digests)) == 1


def test_a_data_folder_cannot_lead_out(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"my_sr-1.0.data/purelib/../../../x.py": b""})
    with pytest.raises(Exception, match="leads out of its folder"):
        open_wheel(wheel, tmp_path / "scratch")
    assert not (tmp_path / "x.py").exists()


@pytest.mark.parametrize(
    ("requires", "reason"), [(">=3.99", "requires Python >=3.99"), ("<3", "requires Python <3"), ("soon", "cannot be")]
)
def test_a_wheel_that_does_not_fit_the_python_is_refused(tmp_path: Path, requires: str, reason: str) -> None:
    wheel = make_wheel(tmp_path, metadata=f"Requires-Python: {requires}\n")
    with pytest.raises(ModelError, match=reason):
        find_model(str(wheel), scratch=tmp_path / "scratch")


@pytest.mark.parametrize("tag", ["cp27-cp27m-manylinux1_x86_64", "cp311-cp311-win_amd64", "pp39-pypy39_pp73-any"])
def test_a_wheel_of_another_platform_is_refused(tmp_path: Path, tag: str) -> None:
    with pytest.raises(ModelError, match="is built for"):
        find_model(str(make_wheel(tmp_path, tag=tag)), scratch=tmp_path / "scratch")


def test_a_wheel_that_fits_is_found(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, metadata="Requires-Python: >=3.9\n")
    model, _ = choose_model(ModelRequest(str(wheel), frames=1), tmp_path / "scratch")
    assert model.wheel_sha256 == file_sha256(wheel)
    with zipfile.ZipFile(wheel) as archive:
        assert model.code_sha256 == wheel_code_sha256(archive)


def test_the_name_of_a_reference_model_is_not_for_others(tmp_path: Path) -> None:
    """And the reference model of that name stays usable."""
    for name in ("worldstrat-bench-baselines", "impostor"):
        points = distribution(tmp_path, name, "") / "entry_points.txt"
        points.write_text("[worldstrat_bench.models]\nbicubic = a_module:load\n")
    by_owner = {entry.distribution: entry for entry in installed_models([tmp_path])}
    assert "name of a reference model" in str(by_owner["impostor"].problem)
    assert by_owner["worldstrat-bench-baselines"].problem is None


def rules(folder: Path) -> set[str]:
    """The rules that a submission breaks, notices aside."""
    return {fault.rule for fault in check([folder]).errors}


def submission_with_wheel(tmp_path: Path, **recorded: str | None) -> Path:
    """A submission with a wheel beside its record, which names what is given of it."""
    folder = make_submission(tmp_path, record=False)
    make_wheel(folder)
    add_record(folder)
    rewrite_record(folder, lambda document: document["model"].update(recorded))
    return folder


def digests_of(folder: Path) -> tuple[str, str]:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        code = wheel_code_sha256(archive)
    assert code is not None
    return file_sha256(wheel), code


def test_a_record_of_the_wheel_beside_it_passes(tmp_path: Path) -> None:
    wheel, code = digests_of(submission_with_wheel(tmp_path / "first"))
    honest: tuple[dict[str, str | None], ...] = (
        {"wheel_sha256": wheel, "code_sha256": None},
        {"code_sha256": code},
        {"wheel_sha256": wheel, "code_sha256": code},
    )
    for number, recorded in enumerate(honest):
        assert rules(submission_with_wheel(tmp_path / str(number), **recorded)) == set()


@pytest.mark.parametrize(
    "attack", ["no digest", "other code", "other wheel", "honest wheel, other code", "entry point"]
)
def test_a_record_of_other_code_than_the_wheel_beside_it_is_refused(tmp_path: Path, attack: str) -> None:
    wheel, code = digests_of(submission_with_wheel(tmp_path / "honest"))
    other = hashlib.sha256(b"other").hexdigest()
    attacks: dict[str, dict[str, str | None]] = {
        "no digest": {"wheel_sha256": None, "code_sha256": None},
        "other code": {"wheel_sha256": None, "code_sha256": other},
        "other wheel": {"wheel_sha256": other, "code_sha256": None},
        "honest wheel, other code": {"wheel_sha256": wheel, "code_sha256": other},
        "entry point": {"code_sha256": code, "entry_point": "worldstrat_bench_baselines.interpolation:load_bicubic"},
    }
    assert rules(submission_with_wheel(tmp_path / "forged", **attacks[attack])) == {"record-code"}


def test_a_record_that_names_no_code_is_refused_without_a_wheel_too(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    assert rules(folder) == set()
    rewrite_record(folder, lambda document: document["model"].update(code_sha256=None))
    assert rules(folder) == {"record-code"}


def test_other_editable_packages_are_pointed_out(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    rewrite_record(folder, lambda document: document["model"].update(editable={"core-nets": "a" * 64}))
    (found,) = [fault for fault in check([folder]).notices if fault.rule == "record-code"]
    assert "core-nets" in found.what
    assert rules(folder) == set()


def test_an_entry_point_into_a_package_that_is_not_in_the_wheel_is_refused(tmp_path: Path) -> None:
    points = "[worldstrat_bench.models]\nmy-sr = worldstrat_bench_baselines.interpolation:load_bicubic\n"
    wheel = make_wheel(tmp_path, entry_points=points)
    (found,) = check([wheel]).errors
    assert found.rule == "wheel-entry-point"
    assert "is not in the wheel" in found.what


def row(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest}"


@pytest.mark.parametrize("more", ["", ",3,", ",3"], ids=["two columns", "four columns", "a second row"])
def test_the_code_of_a_wheel_is_what_it_holds_whatever_its_record_says(tmp_path: Path, more: str) -> None:
    honest = make_wheel(tmp_path / "honest")
    with zipfile.ZipFile(honest) as archive:
        code = wheel_code_sha256(archive)
        (record,) = [name for name in archive.namelist() if name.endswith("RECORD")]
        told = archive.read(record).decode()
    lying = make_wheel(tmp_path / "lying", record=f"{told}{row('my_sr/plugin.py', b'lie')}{more}\n")
    with zipfile.ZipFile(lying) as archive:
        assert wheel_code_sha256(archive) == code
    assert {fault.rule for fault in check([lying]).errors} == {"wheel-record"}
    assert not check([honest]).errors


@pytest.mark.parametrize("other", ["./my_sr/plugin.py", "my_sr//plugin.py", "my_sr-1.0.data/purelib/my_sr/plugin.py"])
@pytest.mark.parametrize("first", [True, False])
def test_two_members_of_a_wheel_do_not_meet_at_one_place(tmp_path: Path, other: str, *, first: bool) -> None:
    own, second = {"my_sr/__init__.py": b"", "my_sr/plugin.py": PLUGIN}, {other: PLUGIN + b"# other\n"}
    wheel = make_wheel(tmp_path, package_files={**second, **own} if first else {**own, **second})
    with zipfile.ZipFile(wheel) as archive:
        assert wheel_code_sha256(archive) is None
    assert "wheel-names" in {fault.rule for fault in check([wheel]).errors}
    with pytest.raises(UsageError, match="put"):
        find_model(str(wheel), scratch=tmp_path / "scratch")


def test_a_wheel_of_any_size_is_not_unpacked_for_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path)
    monkeypatch.setattr("worldstrat_bench.plugins.code.MAX_WHEEL_BYTES", 10)
    with zipfile.ZipFile(wheel) as archive:
        assert wheel_code_sha256(archive) is None
