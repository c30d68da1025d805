"""A model reads where its own files lie, and must not learn from it that it is audited, verified or timed."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from submission_factory import make_wheel
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins import discovery
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.submission.verify_model import found_model


def verified(wheel: Path, folder: Path) -> None:
    with found_model(ModelRequest(str(wheel))):
        pass


def command(*words: str) -> Callable[[Path, Path], None]:
    def run(wheel: Path, folder: Path) -> None:
        given = {"WHEEL": str(wheel), "OUT": str(folder / "out")}
        CliRunner().invoke(app, [given.get(word, word) for word in words])

    return run


RUNS = {
    "evaluate": command("evaluate", "WHEEL", "--data", "OUT", "--out", "OUT"),
    "predict": command("predict", "WHEEL", "--data", "OUT", "--out", "OUT"),
    "models check": command("models", "check", "WHEEL"),
    "models check --audit": command("models", "check", "WHEEL", "--audit", "--data", "OUT"),
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
