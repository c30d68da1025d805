"""`data fetch` as a user runs it: what goes to stdout and stderr, exit codes, Ctrl-C, and a real dataset at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from fetch_archives import Shape, fetched_files, wanted_files, write_zips
from fetch_server import serving
from waiting import wait_until
from worldstrat_bench.data.check import check_dataset
from worldstrat_bench.data.fetch.settings import RetryPolicy
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini

SHAPE = Shape(tiles=8, revisits=4)
MAIN = "from worldstrat_bench.cli import main; main()"


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAIN, "data", "fetch", *map(str, arguments)]
    environment = {**os.environ, "NO_COLOR": "1", "no_proxy": "127.0.0.1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run(*arguments: object) -> tuple[int, str, str]:
    process = start(*arguments)
    stdout, stderr = process.communicate(timeout=300)
    return process.returncode, stdout, stderr


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_zips(tmp_path_factory.mktemp("release"), SHAPE)


def test_plain_lines_and_licence(release: Path, tmp_path: Path) -> None:
    code, stdout, stderr = run(tmp_path / "out", "--source", release)
    assert code == 0, stderr
    assert "CC BY-NC" in stdout
    assert "not official" in stdout
    assert "to get" in stderr
    assert "100 %" in stderr
    assert "\x1b" not in stdout + stderr
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)


def test_json_document_and_events(release: Path, tmp_path: Path) -> None:
    with serving(release) as server:
        code, stdout, stderr = run(tmp_path / "out", "--source", server.url, "--json", "--frames", 2)
    document = json.loads(stdout)
    events = [json.loads(line) for line in stderr.splitlines()]
    assert code == 0
    assert document["members_written"] == len(wanted_files(SHAPE, frames=2))
    assert document["official"] is False
    assert next(event["kind"] for event in events if event["kind"] != "progress") == "plan"
    assert events[-1]["kind"] == "done"
    assert events[-1]["bytes"] == events[-1]["bytes_total"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_bars_on_a_terminal(release: Path, tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    with serving(release, bytes_per_second=60_000) as server:
        command = [sys.executable, "-c", MAIN, "data", "fetch", str(tmp_path / "out"), "--source", server.url]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "110"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
        os.close(theirs)
        screen = b""
        while True:
            try:
                block = os.read(ours, 4096)
            except OSError:  # what Linux says when the other side is closed
                break
            if not block:
                break
            screen += block
        stdout, _ = process.communicate(timeout=300)
    os.close(ours)
    assert process.returncode == 0
    assert b"CC BY-NC" in stdout
    text = screen.decode()
    assert "hr_dataset.zip" in text
    assert "lr_dataset_l2a.zip" in text
    assert "kB" in text
    assert "complete: 18 files" in text
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)


def test_dry_run(release: Path, tmp_path: Path) -> None:
    code, stdout, _ = run(tmp_path / "out", "--source", release, "--dry-run", "--json")
    assert code == 0
    assert json.loads(stdout)["bytes_needed"] > 0
    assert not (tmp_path / "out").exists()


def test_exit_codes(release: Path, tmp_path: Path) -> None:
    assert run(tmp_path / "out", "--source", release, "--list", "tset")[0] == 2
    with serving(tmp_path) as empty:
        code, stdout, stderr = run(tmp_path / "out", "--source", empty.url)
    assert code == 4
    assert stdout == ""
    assert "fix:" in stderr
    assert "Traceback" not in stderr


def test_ctrl_c_ends_at_once_and_the_same_command_continues(release: Path, tmp_path: Path) -> None:
    def choose(name: str) -> str:
        return "stall" if name.endswith(".zip") and server.requests(name) >= 4 else ""

    with serving(release, choose) as server:
        process = start(tmp_path / "out", "--source", server.url, "--connections", 1)
        assert wait_until(lambda: any(entry.fault == "stall" for entry in server.entries))
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=300)
        assert time.monotonic() - begun < RetryPolicy.silence_seconds, "it waited for the silent server"
    assert process.returncode == 130
    assert "Traceback" not in stderr
    before = fetched_files(tmp_path / "out")
    with serving(release) as server:
        code, stdout, _ = run(tmp_path / "out", "--source", server.url, "--json")
    assert code == 0
    assert json.loads(stdout)["members_present"] == len(before)
    assert fetched_files(tmp_path / "out") == wanted_files(SHAPE)


def test_fetched_dataset_passes_the_check(tmp_path: Path) -> None:
    """Archives of a mini dataset with real TIFFs: what is fetched opens and is complete."""
    mini = tmp_path / "mini"
    write_mini(mini, test_tiles=2, train_tiles=2, size=160)
    source = tmp_path / "src"
    source.mkdir()
    for archive, folder in (("hr_dataset.zip", "hr_dataset"), ("lr_dataset_l2a.zip", "lr_dataset")):
        with zipfile.ZipFile(source / archive, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted((mini / folder).rglob("*.tiff")):
                file.write(path, path.relative_to(mini).as_posix())
    for name in ("metadata.csv", "stratified_train_val_test_split.csv"):
        (source / name).write_bytes((mini / name).read_bytes())
    with serving(source) as server:
        code, _, stderr = run(tmp_path / "out", "--source", server.url)
    assert code == 0, stderr
    dataset = open_dataset(tmp_path / "out")
    assert len(dataset.tiles("test")) == 2
    assert not check_dataset(dataset, "test").faults
