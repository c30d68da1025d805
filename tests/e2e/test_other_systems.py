"""Machines that are not ours, as far as one can play them: Windows' Python, locales, umasks, homes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from factories import make_run
from run_helpers import command, environment, run_cli, run_process, small_dataset
from worldstrat_bench.artefacts.record import load_record

ASKED = ("--frames", "1", "--no-download", "--device", "cpu")

WINDOWS = """
import ctypes, os, signal, sys
import numpy, pandas, rasterio, torch, filelock, psutil, scipy.ndimage, PIL.Image, lpips, torchvision, jinja2, sqlite3
import pytest_benchmark, rich.console, typer.main, requests, urllib3, tenacity, platformdirs
import subprocess, tempfile, shutil

filelock.FileLock = filelock.SoftFileLock  # needs nothing of a system
shutil._use_fd_functions = False

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "posix"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
for name in ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty"):
    sys.modules.pop(name, None)
for name in (
    "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "O_PATH", "O_CLOEXEC", "fork", "setsid", "killpg", "getuid", "geteuid",
    "sched_getaffinity", "readv", "writev", "pread", "pwrite", "uname", "sysconf", "posix_fallocate",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGUSR1"):
    delattr(signal, name)
plain_open = os.open

def no_folders(path, flags, mode=0o777, *, dir_fd=None):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    return plain_open(path, flags, mode, dir_fd=dir_fd)

def no_links(*arguments, **more):
    raise OSError(1314, "A required privilege is not held by the client")

os.open, os.symlink = no_folders, no_links
plain_library = ctypes.CDLL

def library(name, *arguments, **more):
    if name is None:
        raise TypeError("bad argument type for built-in operation")
    return plain_library(name, *arguments, **more)

ctypes.CDLL = library
import json
from worldstrat_bench.cli import main

code = 0
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    if code:
        print("worldstrat-bench", *words[:2], "ended with", code, file=sys.stderr)
        break
sys.exit(code)
"""
"""What Windows' Python lacks is taken away once the libraries, which know Windows themselves, are imported.

Commands are given one after another in one process, since these imports are most of what a command takes.
"""


def on_windows(*commands: tuple[object, ...]) -> subprocess.CompletedProcess[str]:
    """Give commands until one fails, which is the exit code."""
    words = json.dumps([[str(word) for word in command] for command in commands])
    return subprocess.run(
        [sys.executable, "-c", WINDOWS, words], capture_output=True, text=True, env=environment(), check=False
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 2)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    done = run_cli("evaluate", "bicubic", "--data", data, "--out", folder, *ASKED, "--isolation", "process")
    assert done.code == 0, done.err
    return folder


def test_scores_without_what_windows_lacks_are_the_same(data: Path, run: Path, tmp_path: Path) -> None:
    done = on_windows(("score", run, "--data", data, "--out", tmp_path / "again", "--no-download"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again" / "tiles.csv").read_bytes() == (run / "tiles.csv").read_bytes()
    assert load_record(tmp_path / "again").record_id == load_record(run).record_id


def test_data_and_pages_without_what_windows_lacks(data: Path, run: Path, tmp_path: Path) -> None:
    for i in range(2):
        make_run(tmp_path / "runs" / f"m{i}", model=f"m{i}", tiles=12, release="mini", list_name="test", seed=i)
    asked: list[tuple[object, ...]] = [
        ("data", "check", data),
        ("data", "fetch", tmp_path / "got", "--source", data, "--list", "test", "--frames", "1"),
        ("data", "export", tmp_path / "out", "--data", data, "--limit", "1", "--format", "npz"),
        ("compare", tmp_path / "runs" / "m0", tmp_path / "runs" / "m1"),
        ("table", tmp_path / "runs" / "m0", tmp_path / "runs" / "m1"),
        ("site", "build", tmp_path / "runs", "--out", tmp_path / "site"),
        ("site", "check", tmp_path / "site"),
    ]
    done = on_windows(*asked)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_a_model_on_windows_is_told_where_to_run(data: Path, tmp_path: Path) -> None:
    done = on_windows(("evaluate", "bicubic", "--data", data, "--out", tmp_path / "run", *ASKED))
    assert done.returncode == 6, done.stderr
    assert "WSL" in done.stderr
    assert "bug" not in done.stderr


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


@pytest.mark.parametrize(
    "variables",
    [C_LOCALE, *(pytest.param({"PYTHONIOENCODING": name}, marks=pytest.mark.soak) for name in ("iso8859-5", "cp850"))],
)
def test_names_and_arrows_in_any_locale(data: Path, tmp_path: Path, variables: dict[str, str]) -> None:
    home = tmp_path / "M\u00fcll \u65e5\u672c"
    home.mkdir()
    (home / "data").symlink_to(data, target_is_directory=True)
    done = subprocess.run(
        command("evaluate", "bicubic", "--data", home / "data", "--out", home / "run", "--limit", "1", *ASKED),
        env=environment(**variables),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"PSNR" in done.stdout
    assert load_record(home / "run").outcomes == {"ok": 1}
    shown = subprocess.run(
        command("score", home / "run", "--data", home / "data", "--no-download"),
        env=environment(**variables),
        capture_output=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("umask", [0o077, 0o000, 0o027])
def test_any_umask_will_do(data: Path, tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        done = run_cli("evaluate", "bicubic", "--data", data, "--out", tmp_path / "run", "--limit", "1", *ASKED)
    finally:
        os.umask(before)
    assert done.code == 0, done.err
    mode = stat.S_IMODE((tmp_path / "run" / "record.json").stat().st_mode)
    assert mode == 0o666 & ~umask, "what the user may share follows from the user's umask"


def test_a_home_that_cannot_be_written(data: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o500)
    try:
        done = run_process(
            "evaluate",
            "bicubic",
            "--data",
            data,
            "--out",
            tmp_path / "run",
            "--limit",
            "1",
            *ASKED,
            HOME=str(home),
            XDG_CACHE_HOME=str(home / ".cache"),
        )
    finally:
        home.chmod(0o700)
    assert done.code == 0, done.err
