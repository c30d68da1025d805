"""The commands of docs/maintainers.md, exactly, from an empty fork to a published board and what follows."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import ROOT
from maintainers_shell import Shell, make_shell, steps
from submission_factory import make_submission, rewrite_record

PAGE = ROOT / "docs" / "maintainers.md"
FORK = "https://github.com/YOU/worldstrat-bench"
TAKE_OUT = "A merged submission that the check refuses"
WALK = "From an empty fork to a published board"
STEPS = (
    "Empty the fork",
    "A submission arrives",
    "Check and merge",
    "Publish",
    "Verify on your own hardware",
    "Freeze the boards",
    "Correct a title",
    "Dispute, and resolve",
    "Withdraw",
)


@dataclass
class Maintainer:
    """A person with a shell, and a fork of this repository on a forge that is a folder."""

    shell: Shell
    fork: Path

    def run(self, block: str) -> str:
        """Run a block of the page, whose fork has the address of the reader's own."""
        return self.shell.run(block.replace(FORK, str(self.fork)))

    @property
    def folder(self) -> Path:
        """Where the shell is."""
        return self.shell.folder

    def page(self, name: str) -> str:
        """The page of that name in the site that was built last, as text: the one that is nearest to its front page."""
        found = min((self.folder.parent / "site").rglob(name), key=lambda path: len(path.parts))
        return found.read_text(encoding="utf-8")


@pytest.fixture
def maintainer(tmp_path: Path) -> Maintainer:
    original, fork, home = tmp_path / "original", tmp_path / "fork.git", tmp_path / "home"
    home.mkdir()
    original.mkdir()
    shell = make_shell(tmp_path / "shell", home)
    for name in ("submissions", "reports", ".github"):
        shutil.copytree(ROOT / name, original / name)
    on_a_forge(original, fork, shell)
    return Maintainer(shell, fork)


def on_a_forge(original: Path, fork: Path, shell: Shell) -> None:
    """Commit a folder on `main`, and clone it to a bare repository."""
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "as forked"],
        ["clone", "--quiet", "--bare", str(original), str(fork)],
    ):
        subprocess.run(["git", *command], cwd=original, env=shell.environment, check=True)


def published(maintainer: Maintainer) -> None:
    """Walk from the fork to a published board with a self-reported row."""
    blocks = steps(PAGE, WALK)
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
    assert ">my-sr<" in maintainer.page("index.html")
    assert "Jo Maintainer" not in maintainer.page("my-sr.html")


@pytest.mark.not_quick
def test_the_page_leads_from_an_empty_fork_to_a_published_board(maintainer: Maintainer) -> None:
    published(maintainer)


@pytest.mark.soak
def test_the_page_leads_on_to_every_state_of_a_submission(maintainer: Maintainer) -> None:
    published(maintainer)
    blocks = steps(PAGE, WALK)
    told = maintainer.run(blocks["Verify on your own hardware"][0])
    assert "the whole list was run again, 3 tiles" in told
    assert "Tiles chosen by rule" in maintainer.page("my-sr.html")  # the run's predictions are those of its record
    assert "Jo Maintainer" in maintainer.page("my-sr.html")

    assert "2026-11.json: 1 board, " in maintainer.run(blocks["Freeze the boards"][0])

    maintainer.run(blocks["Correct a title"][0])
    assert "My network, 2026" in maintainer.page("index.html")
    assert "The title was that of the template." in maintainer.page("my-sr.html")

    opened, settled = blocks["Dispute, and resolve"]
    assert "disputed on 2026-11-26: “The code differs from the paper" in maintainer.run(opened)
    assert "The code differs from the paper: issue 12." in maintainer.page("my-sr.html")
    assert "1 entry" in maintainer.run(settled)
    assert "The code differs from the paper" not in maintainer.page("my-sr.html")

    told = maintainer.run(blocks["Withdraw"][0])
    assert "withdrawn on 2026-11-26: “It was a practice submission.”" in told
    assert "left         my-sr: withdrawn on 2026-11-26: “It was a practice submission.”" in told
    assert "It was a practice submission." in maintainer.page("index.html")
    assert "It was a practice submission." in maintainer.page("my-sr.html")
    assert '"record_id"' in maintainer.page("record.json")  # it stays for download
    log = ["git", "-C", str(maintainer.fork), "log", "--format=%s", "main"]
    pushed = subprocess.run(log, capture_output=True, text=True, check=True).stdout.splitlines()
    assert pushed[0] == "submissions: my-sr is withdrawn"


@pytest.mark.not_quick
def test_a_refused_submission_that_was_merged_is_taken_out(tmp_path: Path) -> None:
    original, home = tmp_path / "original", tmp_path / "home" / "board"
    make_submission(original, "old-sr")
    refused = make_submission(original, gain_db=2.5)
    rewrite_record(refused, lambda document: document.update(record_id="b" * 64), consistent_id=False)
    shutil.copytree(ROOT / "reports", original / "reports")
    shell = make_shell(tmp_path / "shell", home.parent)
    maintainer = Maintainer(shell, tmp_path / "fork.git")
    home.parent.mkdir()
    on_a_forge(original, maintainer.fork, shell)
    maintainer.run(f"git clone --quiet {maintainer.fork} board && cd board")
    ((taking_out,),) = steps(PAGE, TAKE_OUT).values()

    told = " ".join(maintainer.run(taking_out).split())
    assert "submission check: my-sr (removed): passed" in told
    assert "on the base the check refuses it" in told
    assert "1 entry" in told
    assert "my-sr" not in maintainer.page("data.html")
    assert not (maintainer.folder / "submissions" / "my-sr").exists()
