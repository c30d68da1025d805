"""The command line as a user meets it when something is wrong."""

from __future__ import annotations

import subprocess
import sys

from worldstrat_bench import __version__


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from worldstrat_bench.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "NO_COLOR": "1", **environment},
    )


def test_version_and_help() -> None:
    assert _run("--version").stdout == f"worldstrat-bench {__version__}\n"
    done = _run("--help")
    assert done.returncode == 0
    assert "Usage: worldstrat-bench" in done.stdout


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = _run("evalute")
    assert done.returncode == 2
    assert "evalute" in done.stderr
    assert "Traceback" not in done.stderr


def test_errors_say_what_where_and_what_to_do() -> None:
    code = """
from worldstrat_bench.cli import app, main
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import DataError

@app.command("broken")
def broken() -> None:
    raise DataError("the cloud mask is missing \\x1b[31m", where="a/b.tiff", remedy="fetch it again")

main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "broken"], capture_output=True, text=True, check=False, env={"NO_COLOR": "1"}
    )
    assert done.returncode == 4
    assert done.stderr == "error: the cloud mask is missing \\x1b[31m\n  where: a/b.tiff\n  fix: fetch it again\n"


def test_a_bug_of_ours_is_exit_1_and_shows_a_traceback_only_on_request() -> None:
    code = """
from worldstrat_bench.cli import main
from worldstrat_bench.cli.app import app

@app.command("broken")
def broken() -> None:
    raise ZeroDivisionError("oops")

main()
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run([*command, "broken"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error in worldstrat-bench" in done.stderr
    assert "Traceback" not in done.stderr
    done = subprocess.run([*command, "--debug", "broken"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
