"""Workers that start in the background: what happens during it, in which order, and how a start is given up."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from run_helpers import small_dataset
from worldstrat_bench.data import inputs
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import ModelError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run import run as opened
from worldstrat_bench.run.crew import Crew
from worldstrat_bench.run.devices import resolve_devices
from worldstrat_bench.run.events import Event, Notice, Progress
from worldstrat_bench.run.folder import hold_run
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.pipeline import evaluate_run
from worldstrat_bench.run.predict import MOST_AHEAD, tiles_ahead
from worldstrat_bench.run.request import RunOptions, RunRequest
from worldstrat_bench.worker.host import ModelSpec, Worker
from worldstrat_bench.worker.inside.reference import __name__ as reference_module

pytestmark = pytest.mark.not_quick

SPEC = ModelSpec(f"{reference_module}:load")

BEFORE_TORCH = """
import sys
from pathlib import Path
from worldstrat_bench.run import pipeline, run
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.request import RunOptions, RunRequest

class Watched(run.Crew):
    def __init__(self, *arguments):
        print("torch was there" if "torch" in sys.modules else "torch was not there yet")
        super().__init__(*arguments)

run.Crew = Watched
request = RunRequest(ModelRequest("bicubic"), Path(sys.argv[1]), Path(sys.argv[2]))
pipeline.evaluate_run(request, RunOptions(device="cpu", download=False))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 3)


def test_workers_start_before_the_host_imports_torch(data: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", BEFORE_TORCH, str(data), str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout == "torch was not there yet\n", done.stderr


def test_tiles_are_read_while_the_worker_starts(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker does not get ready before a tile is read: a host that waited for it first would never end."""
    read = threading.Event()

    def read_tile(tile: Tile, **how: Any) -> Any:
        read.set()
        return inputs.read_tile(tile, **how)

    start = Worker.start

    def late(worker: Worker) -> Any:
        assert read.wait(60), "no tile was read while the worker started"
        return start(worker)

    monkeypatch.setattr(opened, "read_tile", read_tile)
    monkeypatch.setattr(Worker, "start", late)
    events: list[Event] = []
    request = RunRequest(ModelRequest("bicubic"), data, tmp_path / "run")
    assert evaluate_run(request, RunOptions(device="cpu", download=False), events.append).outcomes == {"ok": 3}
    assert isinstance(events[0], Notice)
    assert events[0].text == "starting the model"
    assert [e.done for e in events if isinstance(e, Progress) and e.stage == "predict"] == [0, 1, 2, 3]


@pytest.mark.parametrize("loading", [False, True])
def test_a_start_is_given_up_at_any_moment(data: Path, tmp_path: Path, loading: bool) -> None:
    """Something else failed, before the worker was there or while it loads the model for ten minutes."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "slow_to_load.py").write_text("import time\ntime.sleep(600)\n")
    spec = ModelSpec("slow_to_load:load", search_paths=(tmp_path / "code",))
    with hold_run(tmp_path / "run") as run:
        crew = Crew(run, spec, data, ("cpu",), RunOptions())
        until = time.monotonic() + 120
        while loading and not (crew._made and crew._made[0]._starting) and time.monotonic() < until:
            time.sleep(0.01)
        crew.close()
        with pytest.raises(ModelError):
            crew.workers()
        assert time.monotonic() < until
        assert all(worker.keeper_pid is None for worker in crew._made)


def test_an_error_before_the_workers_are_needed_ends_them(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worldstrat_bench.errors import DataError

    crews: list[Crew] = []

    class Watched(Crew):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            crews.append(self)

    monkeypatch.setattr(opened, "Crew", Watched)
    request = RunRequest(ModelRequest("bicubic"), data, tmp_path / "run")
    with pytest.raises(DataError):
        evaluate_run(request, RunOptions(device="cpu", lpips_weights=tmp_path / "none"))
    assert [worker.keeper_pid for worker in crews[0]._made] == [None]


def test_how_far_ahead() -> None:
    assert [tiles_ahead(1, cores) for cores in (1, 2, 4, 16, 128)] == [2, 2, 4, 16, MOST_AHEAD]
    assert tiles_ahead(8, 4) == 9


def test_auto_asks_torch_only_where_there_may_be_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    def ask() -> bool:
        pytest.fail("torch was asked")

    monkeypatch.setattr("worldstrat_bench.run.devices._GPU_NODES", (str(tmp_path / "none"),))
    monkeypatch.setattr(torch.cuda, "is_available", ask)
    assert resolve_devices("auto") == ("cpu",)
    monkeypatch.setattr("worldstrat_bench.run.devices._GPU_NODES", (str(tmp_path),))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_devices("auto") == ("cuda:0", "cuda:1")


def test_nothing_is_put_on_the_device_when_scoring_is_opened(data: Path, tmp_path: Path) -> None:
    """A model may still have the GPU then. This torch has none: whatever touched it would fail."""
    import torch

    from worldstrat_bench.run.scorer import DEVICE_THREADS, Scoring
    from worldstrat_bench.worker.inside.device import usable_cores

    options = RunOptions(device="cpu", download=False, metrics=("stlpips",))
    request = RunRequest(ModelRequest("bicubic"), data, tmp_path / "run", limit=1)
    evaluate_run(request, options)
    with hold_run(tmp_path / "run") as run:
        run.journal._execute("DELETE FROM note WHERE name = 'score'")
        scoring = Scoring.open(run, load_protocol("wsb-1"), options, "cuda:0", lambda event: None)
    assert not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    assert scoring.threads == min(usable_cores(), DEVICE_THREADS)
