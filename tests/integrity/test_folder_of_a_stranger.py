"""The current directory may be a stranger's: no program that its repository can name is started for a timing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from speed_models import Machine, MadeUp
from worldstrat_bench.speed.plan import Plan
from worldstrat_bench.speed.stopwatch import measure


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
    machine = Machine()
    plan = Plan(seconds=0.1, min_blocks=2, warm_up_seconds=0.1)
    series = measure(MadeUp(0.01, machine=machine), MadeUp(0.002, machine=machine), plan, {"device": "made up"})
    assert series.benchmark["benchmarks"], "pytest-benchmark itself has run"
    assert not mark.exists()
    subprocess.run([kind], check=True)
    assert mark.exists(), "the programs would have told"
