"""The commands of docs/maintainers.md, exactly, from an empty fork to a published board and what follows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import ROOT

PAGE = ROOT / "docs" / "maintainers.md"
FORK = "https://github.com/YOU/worldstrat-bench"
WALK = "From an empty fork to a published board"
STEPS = (
    "Empty the fork",
    "A submission arrives",
    "Check and merge",
    "Publish",
    "Verify on your own hardware",
    "Correct a title",
    "Dispute, and resolve",
    "Withdraw",
)


def steps(section: str) -> dict[str, list[str]]:
    """The console blocks below each heading of a section of the page."""
    text = PAGE.read_text(encoding="utf-8")
    (body,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    parts = re.split(r"^### (.*)\n", body, flags=re.MULTILINE)
    headed = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {heading: re.findall(r"```console\n(.*?)```", part, re.DOTALL) for heading, part in headed.items()}


@dataclass
class Maintainer:
    """A shell that goes on where the block before it ended."""

    folder: Path
    fork: Path
    environment: dict[str, str]

    def run(self, block: str) -> str:
        """Give the block to bash, stop at its first failure, and return what it printed."""
        script = f"set -e\n{block.replace(FORK, str(self.fork))}\npwd > {self.fork.parent}/folder\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-4000:]}"
        self.folder = Path((self.fork.parent / "folder").read_text().strip())
        return done.stdout

    def page(self, name: str) -> str:
        """The page of that name in the site that was built last, as text: the one that is nearest to its front page."""
        found = min((self.folder.parent / "site").rglob(name), key=lambda path: len(path.parts))
        return found.read_text(encoding="utf-8")


@pytest.fixture
def maintainer(tmp_path: Path) -> Maintainer:
    """A person with git, pip and the harness, and a fork of this repository on a forge that is a folder."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, program in (
        ("worldstrat-bench", "from worldstrat_bench.cli import main; main()"),
        ("pip", "import runpy, sys; sys.argv[0] = 'pip'; runpy.run_module('pip', run_name='__main__')"),
    ):
        (tools / name).write_text(f"#!{sys.executable}\n{program}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in IDENTITY.items()}
    environment = {
        **os.environ,
        **who,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # sic: pip reads the variable the other way round; no network is needed
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
    }
    original, fork, home = tmp_path / "original", tmp_path / "forge" / "fork.git", tmp_path / "home"
    home.mkdir()
    original.mkdir()
    for name in ("submissions", "reports", ".github"):
        shutil.copytree(ROOT / name, original / name)
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "as forked"],
        ["clone", "--quiet", "--bare", str(original), str(fork)],
    ):
        subprocess.run(["git", *command], cwd=original, env=environment, check=True)
    return Maintainer(home, fork, environment)


IDENTITY = {"NAME": "Mae Tainer", "EMAIL": "mae@example.org"}


def published(maintainer: Maintainer) -> None:
    """Walk from the fork to a published board with a self-reported row."""
    blocks = steps(WALK)
    assert tuple(blocks) == STEPS
    maintainer.run(blocks["Empty the fork"][0])
    assert not (maintainer.folder / "submissions").exists()
    assert 'slug = "' not in (maintainer.folder / "reports" / "owners.toml").read_text()
    maintainer.run(blocks["A submission arrives"][0])
    told = maintainer.run(blocks["Check and merge"][0])
    assert "submission check: my-sr: passed" in told
    assert "alone on its board" in told
    told = maintainer.run(blocks["Publish"][0])
    assert "1 entry" in told
    assert "no fault; a rebuild gives the same bytes" in told
    assert "My Sr" in maintainer.page("index.html")
    assert "Jo Maintainer" not in maintainer.page("my-sr.html")


@pytest.mark.not_quick
def test_the_page_leads_from_an_empty_fork_to_a_published_board(maintainer: Maintainer) -> None:
    published(maintainer)


@pytest.mark.soak
def test_the_page_leads_on_to_every_state_of_a_submission(maintainer: Maintainer) -> None:
    published(maintainer)
    blocks = steps(WALK)
    told = maintainer.run(blocks["Verify on your own hardware"][0])
    assert "the whole list was run again, 3 tiles" in told
    assert "Jo Maintainer" in maintainer.page("my-sr.html")

    maintainer.run(blocks["Correct a title"][0])
    assert "My network, 2026" in maintainer.page("index.html")
    assert "The title was that of the template." in maintainer.page("my-sr.html")

    opened, settled = blocks["Dispute, and resolve"]
    assert "disputed on 2026-11-26: The code differs from the paper" in maintainer.run(opened)
    assert "The code differs from the paper: issue 12." in maintainer.page("my-sr.html")
    assert "1 entry" in maintainer.run(settled)
    assert "The code differs from the paper" not in maintainer.page("my-sr.html")

    told = maintainer.run(blocks["Withdraw"][0])
    assert "withdrawn on 2026-11-26: It was a practice submission." in told
    assert "It was a practice submission." in maintainer.page("index.html")
    assert "It was a practice submission." in maintainer.page("my-sr.html")
    assert '"record_id"' in maintainer.page("record.json")  # it stays for download
    log = ["git", "-C", str(maintainer.fork), "log", "--format=%s", "main"]
    pushed = subprocess.run(log, capture_output=True, text=True, check=True).stdout.splitlines()
    assert pushed[0] == "submissions: my-sr is withdrawn"
