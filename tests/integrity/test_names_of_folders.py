"""Folders of the user that a confined model does not need: it is not told what they are called."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from hostile_scene import Confinement, make_stub_environment, or_skip
from worldstrat_bench.plugins.interpreter import own_interpreter
from worldstrat_bench.worker import ModelSpec, Worker
from worldstrat_bench.worker.plan import Folders, environment

FOLDERS = Folders(Path("/x"), Path("/x/harness"), Path("/x/scratch"))


@pytest.fixture(scope="module")
def stub_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stub_environment(tmp_path_factory.mktemp("stub") / "venv")


def test_a_confined_worker_finds_programs_of_the_system_and_of_its_environment_alone() -> None:
    own = own_interpreter()
    host = {"PATH": "/home/u/tools:/usr/bin:/home/u/.local/bin", "LD_LIBRARY_PATH": "/home/u/lib:/opt/gpu/lib:x/../lib"}
    given = environment(FOLDERS, own, None, host, (Path("/opt/gpu"), Path("/usr")))
    assert given["PATH"].split(os.pathsep) == [str(own.executable.parent), "/usr/local/bin", "/usr/bin", "/bin"]
    assert given["LD_LIBRARY_PATH"] == "/opt/gpu/lib"
    assert "/home/u" not in str(given)
    for kept in ("/opt/gpu/../../home/u", "/opt/gpu2", ""):
        assert "LD_LIBRARY_PATH" not in environment(FOLDERS, own, None, {"LD_LIBRARY_PATH": kept}, (Path("/opt/gpu"),))
    # Where nothing is confined a model is the user's own, and finds what the user finds.
    free = environment(FOLDERS, own, None, host)
    assert (free["PATH"], free["LD_LIBRARY_PATH"]) == (host["PATH"], host["LD_LIBRARY_PATH"])


def test_no_command_line_of_a_full_worker_names_what_it_was_granted(tmp_path: Path, stub_python: Path) -> None:
    """The first process in there is bubblewrap, whose options are the folders of the user, one by one."""
    or_skip(Confinement("full", "cpu"), stub_python)
    mine = tmp_path / "folder-of-a-user"
    mine.mkdir()
    (mine / "small_model.py").write_text(MODEL)
    spec = ModelSpec("small_model:load", search_paths=(mine,), python=stub_python)
    with Worker(spec, isolation="full", threads=1) as worker:
        # The control: it was granted the folder, and runs.
        assert worker.hello.isolation.level == "full"
        assert worker.keeper_pid is not None
        lines = [" ".join(process.cmdline()) for process in psutil.Process(worker.keeper_pid).children(recursive=True)]
    wrapped = [line for line in lines if "bwrap" in line]
    assert wrapped
    assert all("--args" in line for line in wrapped)
    assert not [line for line in lines if str(mine) in line or "--ro-bind" in line]


MODEL = """
class Model:
    def predict(self, frames):
        return frames


def load(device, weights=None, **parameters):
    return Model()
"""
