"""The current directory may be a stranger's: nothing in it, and no program that its repository can name, is started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version
from typer.testing import CliRunner

from run_helpers import command, environment
from speed_models import Machine, MadeUp
from submission_factory import make_submission
from worldstrat_bench.cli import started_in
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.site.builder import build
from worldstrat_bench.site.checker import check as check_site
from worldstrat_bench.site.config import load_config
from worldstrat_bench.site.snapshots import boards_of
from worldstrat_bench.speed.measure import measure
from worldstrat_bench.speed.plan import Plan
from worldstrat_bench.submission.elsewhere import _ranked


def timed() -> object:
    """Return what pytest-benchmark measured of a fake model."""
    machine = Machine()
    plan = Plan(seconds=0.1, min_blocks=2, warm_up_seconds=0.1)
    series = measure(MadeUp(0.01, machine=machine), MadeUp(0.002, machine=machine), plan, {"device": "made up"})
    return series.benchmark["benchmarks"]


def project_with_modules(folder: Path, mark: Path) -> Path:
    """Return a folder with modules that leave a mark, by names that Python itself imports."""
    folder.mkdir()
    for name in ("cpuinfo", "json", "multiprocessing", "struct", "tempfile"):
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    return folder


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_no_list_of_a_site_is_read_without_end(tmp_path: Path, kind: str) -> None:
    """A branch can bring a link to a device, and an archive a pipe."""
    make_submission(tmp_path, tiles=4)
    built, config = tmp_path / "built", tmp_path / "board.toml"
    build([tmp_path / "submissions"], built)
    board = next(built.rglob("data/board-*.json"))
    for odd in (built / "data" / "site.json", board, config):
        odd.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(odd)
        else:
            odd.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="holds no site"):
        build([tmp_path / "submissions"], built)
    readers: tuple[tuple[Callable[[Path], object], Path], ...] = (
        (check_site, built),
        (boards_of, built),
        (load_config, config),
        (lambda path: list(_ranked(path)), board),
    )
    for read, path in readers:
        with pytest.raises(InvalidArtefactError):
            read(path)


@pytest.mark.parametrize("target", [".", "../elsewhere"])
def test_a_site_is_written_through_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """A branch brought the link `site -> .` and a data/site.json: what was not of the site was removed from there."""
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    make_submission(project, tiles=4)
    elsewhere.mkdir()
    for folder in (project, elsewhere):
        (folder / "data").mkdir()
        (folder / "data" / "site.json").write_text("{}")
        (folder / "zz-notes.txt").write_text("mine")
    (project / "site").symlink_to(target)
    monkeypatch.chdir(project)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="the folder is a link"):
        build([Path("submissions")], Path("site"))
    # A folder of the user with a file that is called as the list of a site's files is not a site.
    with pytest.raises(UsageError, match="holds no site"):
        build([Path("submissions")], elsewhere)
    assert sorted(tmp_path.rglob("*")) == before
    build([Path("submissions")], Path("built"))
    build([Path("submissions")], Path("built"))


@pytest.mark.parametrize("kind", ["git", "hg"])
def test_speed_asks_no_version_control_of_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """pytest-benchmark would, and ``core.fsmonitor`` of a repository's own settings is a command to git."""
    programs, project, mark = tmp_path / "bin", tmp_path / "project", tmp_path / "started"
    programs.mkdir()
    (project / f".{kind}").mkdir(parents=True)
    for name in ("git", "hg"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >> '{mark}'\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(project)
    assert timed(), "pytest-benchmark itself has run"
    assert not mark.exists()
    subprocess.run([kind], check=True)
    assert mark.exists(), "the programs would have told"


def test_speed_starts_no_python_that_looks_into_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pytest-benchmark lets py-cpuinfo describe the processor, in a Python of its own."""
    mark = tmp_path / "started"
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.chdir(project_with_modules(tmp_path / "project", mark))
    assert timed(), "pytest-benchmark itself has run"
    assert not mark.exists()
    assert "PYTHONSAFEPATH" not in os.environ, "what the caller starts is the caller's affair"
    subprocess.run([sys.executable, "-m", "json.tool", "--help"], capture_output=True, check=False)
    assert mark.exists(), "the modules would have told"


@pytest.mark.parametrize("start", [("-c", "import json, multiprocessing"), ("-m", "json.tool", "--help")])
def test_what_a_verb_starts_does_not_look_into_the_current_directory(tmp_path: Path, start: tuple[str, ...]) -> None:
    """`--workers` starts Pythons with -c, for one; every verb hands this variable on."""
    mark = tmp_path / "started"
    project = project_with_modules(tmp_path / "project", mark)
    verb = f"""
import subprocess, sys, typer
from packaging.version import Version
from typer.testing import CliRunner
from worldstrat_bench.cli import started_in
from worldstrat_bench.cli.app import app

@app.command("started")
def started() -> None:
    subprocess.run([sys.executable, *{list(start)!r}], check=True, stdout=subprocess.DEVNULL)

sys.exit(CliRunner().invoke(app, ["started"]).exit_code)
"""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    subprocess.run([sys.executable, "-P", "-c", verb], cwd=project, env=variables, check=True)
    assert not mark.exists()


def test_workers_of_dask_are_told_as_well() -> None:
    """From Python there is no verb that would set it."""
    from worldstrat_bench.run.cluster.connect import _configuration

    assert _configuration(dashboard=False)["distributed.nanny.pre-spawn-environ"]["PYTHONSAFEPATH"] == "1"


@pytest.mark.parametrize(
    "name", ["libcuda.so.1", "librt.so.1", "glibc-hwcaps/x86-64-v3/libcuda.so.1", "tls/haswell/x86_64/libm.so"]
)
@pytest.mark.parametrize("linked", [False, True])
def test_no_verb_starts_where_the_loader_would_find_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, linked: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["models", "list"]).exit_code == 0
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    if linked:
        top = Path(name).parts[0]
        (tmp_path / top).rename(tmp_path / "elsewhere")
        (tmp_path / top).symlink_to("elsewhere")
        # A link into a folder above itself is followed, and not without end.
        if (tmp_path / "elsewhere").is_dir():
            (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path)
    error = CliRunner().invoke(app, ["models", "list"]).exception
    assert isinstance(error, UsageError)
    assert (error.where, "another folder" in str(error.remedy)) == (name, True)


def test_a_library_of_the_current_directory_runs_in_no_command(tmp_path: Path) -> None:
    mark, source = tmp_path / "started", tmp_path / "source.c"
    (tmp_path / "project").mkdir()
    text = f'#include <fcntl.h>\n__attribute__((constructor)) static void mark(void) {{ creat("{mark}", 0644); }}\n'
    source.write_text(text)
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here: a library that leaves a mark was NOT tried")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", tmp_path / "project" / "libcuda.so.1", source], check=True)
    done = subprocess.run(
        command("doctor"), cwd=tmp_path / "project", env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, mark.exists()) == (2, False)
    assert "libcuda.so.1" in done.stderr
    subprocess.run([sys.executable, "-P", "-c", "import torch"], cwd=tmp_path / "project", check=True)
    if not mark.exists():
        pytest.skip("this torch has no library that looks into the current folder: the danger itself was NOT seen")


@pytest.mark.parametrize(("have", "refused"), [("3.8.0", True), ("3.10.8", True), ("3.10.9", False), (None, False)])
def test_settings_that_an_old_matplotlib_would_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, have: str | None, refused: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(started_in, "_matplotlib", lambda: have and Version(have))
    assert CliRunner().invoke(app, ["models", "list"]).exit_code == 0
    (tmp_path / "matplotlibrc").write_text("figure.dpi: 100\n")
    error = CliRunner().invoke(app, ["models", "list"]).exception
    assert isinstance(error, UsageError) == refused
    assert "3.10.9" in str(error) or not refused
