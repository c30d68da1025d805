"""The commands of docs/first-submission.md, exactly, from an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import worldstrat_bench
from conftest import ROOT

DOCUMENT = ROOT / "docs" / "first-submission.md"


def commands() -> list[str]:
    """The lines of the page's console blocks."""
    blocks = re.findall(r"```console\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A virtual environment of the reader's own, over the packages that are installed here; first on the PATH."""
    home = tmp_path_factory.mktemp("reader") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    packages = next((home / "lib").glob("python*/site-packages"))
    for old in packages.glob("setuptools*"):  # the one that venv brings is older than the package asks for
        shutil.rmtree(old)
    # Plain lines: a worker is granted what they name, while lines of code in a .pth file are ignored there.
    # Editable installs are .pth files of their own, which plain lines do not follow: the harness is named beside them.
    shared = [sysconfig.get_path("purelib"), str(Path(worldstrat_bench.__file__).parents[1])]
    (packages / "harness.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")
    script = home / "bin" / "worldstrat-bench"
    script.write_text(f"#!{home}/bin/python\nfrom worldstrat_bench.cli import main\nmain()\n", encoding="utf-8")
    script.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # sic: pip reads the variable the other way round; no network is needed
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
    }


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_the_commands_lead_to_a_checked_submission_and_a_rendered_row(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    listed = commands()
    assert 5 <= len(listed) <= 8
    for command in listed:
        run(command, tmp_path, environment)
    (record,) = (tmp_path / "my-sr" / "submissions" / "my-sr" / "results").glob("*/*/record.json")
    assert record.parent.parent.name == "wsb-1"
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert ">my-sr<" in page

    # what the page says besides
    text = run("worldstrat-bench submission check my-sr/submissions/my-sr --json", tmp_path, environment)
    assert '"ok": true' in text
    run("worldstrat-bench models check my-sr", tmp_path, environment)
    run(
        f"{sys.executable} -m pytest -q -p no:cacheprovider my-sr/tests",
        tmp_path,
        {**environment, "PYTHONPATH": "my-sr/src"},
    )
