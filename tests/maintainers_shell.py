"""Pages whose console blocks are run as printed: the blocks, and a shell that has git, pip and the harness."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


def steps(page: Path, section: str) -> dict[str, list[str]]:
    """The console blocks below each heading of a section of a page; those before the first heading under ``""``."""
    text = page.read_text(encoding="utf-8") + "\n## "
    (body,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE)
    parts = ["", *re.split(r"^### (.*)\n", body, flags=re.MULTILINE)]
    headed = dict(zip(parts[0::2], parts[1::2], strict=True))
    found = {heading: re.findall(r"```console\n(.*?)```", part, re.DOTALL) for heading, part in headed.items()}
    return {heading: blocks for heading, blocks in found.items() if blocks}


@dataclass
class Shell:
    """A shell that goes on where the block before it ended."""

    folder: Path
    environment: dict[str, str]
    notes: Path

    def run(self, block: str) -> str:
        """Give the block to bash, stop at its first failure, and return what it printed."""
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{block}\npwd > {self.notes}\n"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-4000:]}"
        self.folder = Path(self.notes.read_text(encoding="utf-8").strip())
        return done.stdout


def make_shell(scratch: Path, folder: Path, **variables: str) -> Shell:
    """Return a shell in `folder` whose ``worldstrat-bench``, ``pip`` and ``python`` are those of this interpreter."""
    tools = scratch / "bin"
    tools.mkdir(parents=True)
    for name, program in (
        ("worldstrat-bench", "from worldstrat_bench.cli import main; main()"),
        ("pip", "import runpy, sys; sys.argv[0] = 'pip'; runpy.run_module('pip', run_name='__main__')"),
    ):
        (tools / name).write_text(f"#!{sys.executable}\n{program}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    (tools / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', encoding="utf-8")
    (tools / "python").chmod(0o755)
    identity = {"NAME": "Mae Tainer", "EMAIL": "mae@example.org"}
    environment = {
        **os.environ,
        **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in identity.items()},
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # sic: pip reads the variable the other way round; no network is needed
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "OMP_NUM_THREADS": "1",
        "NO_COLOR": "1",
        **variables,
    }
    return Shell(folder, environment, scratch / "folder")
