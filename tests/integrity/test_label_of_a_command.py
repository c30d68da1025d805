"""A model reads where its own files lie, and must not learn from it that it is audited, verified or timed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from run_helpers import small_dataset
from submission_factory import make_wheel
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import ModelError, UsageError
from worldstrat_bench.plugins import discovery
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.submission.verify_model import found_model
from worldstrat_bench.worker import ModelSpec, Worker
from worldstrat_bench.worker.isolation import LevelUnavailableError


def verified(wheel: Path, folder: Path) -> None:
    with found_model(ModelRequest(str(wheel))):
        pass


def command(*words: str) -> Callable[[Path, Path], None]:
    def run(wheel: Path, folder: Path) -> None:
        given = {"WHEEL": str(wheel), "OUT": str(folder / "out"), "DATA": str(folder / "data")}
        if "DATA" in words:
            small_dataset(folder / "data", tiles=1)
        CliRunner().invoke(app, [given.get(word, word) for word in words])

    return run


RUNS = {
    "evaluate": command("evaluate", "WHEEL", "--data", "OUT", "--out", "OUT"),
    "predict": command("predict", "WHEEL", "--data", "OUT", "--out", "OUT"),
    "models check": command("models", "check", "WHEEL"),
    "models check --audit": command("models", "check", "WHEEL", "--audit", "--data", "DATA"),
    "speed": command("speed", "WHEEL"),
    "verify": verified,
}


@pytest.mark.parametrize("verb", RUNS)
def test_the_path_of_a_wheel_does_not_say_what_it_is_run_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    seen: list[Path | None] = []

    def unpacked(file: Path, scratch: Path | None) -> None:
        seen.append(scratch)
        raise UsageError("seen")

    monkeypatch.setattr(discovery, "open_wheel", unpacked)
    with contextlib.suppress(UsageError):
        RUNS[verb](make_wheel(tmp_path), tmp_path)
    assert seen
    for scratch in seen:
        assert scratch is not None
        # The rest is tempfile's own eight letters.
        assert re.fullmatch("worldstrat-bench-[a-z0-9_]{8}", scratch.name), scratch


TELLS = """
import os, sys
from pathlib import Path

def load(weights, device):
    numbers = sorted(os.listdir("/proc/self/fd"), key=int)
    paths = ["/proc/self/fd/" + number for number in numbers]
    kinds = [os.readlink(path).partition(":")[0] for path in paths if os.path.lexists(path)]
    line = Path("/proc/self/cmdline").read_text().split("\\0")[1:]
    raise RuntimeError("SEEN " + repr((sys.argv[1:], line, numbers, kinds)))
"""


@pytest.mark.parametrize("level", ["full", "strong", "process"])
def test_no_number_of_the_hosts_tells_a_model_which_verb_runs_it(tmp_path: Path, level: str) -> None:
    """The wire had the number that was free in the host, which differs from verb to verb."""
    (tmp_path / "tells.py").write_text(TELLS)
    spec = ModelSpec("tells:load", search_paths=(tmp_path,))
    seen = []
    for opened in (0, 1, 6):
        with contextlib.ExitStack() as files:
            for number in range(opened):
                files.enter_context((tmp_path / f"opened {number}").open("w"))
            try:
                Worker(spec, isolation=level).start()
            except LevelUnavailableError as error:
                pytest.skip(f"isolation {level!r} is not available on this machine and was NOT tested: {error.where}")
            except ModelError as error:
                seen.append(error.what.partition("SEEN ")[2])
    assert len(seen) == 3
    assert len(set(seen)) == 1, seen
    assert "['3']" in seen[0]
