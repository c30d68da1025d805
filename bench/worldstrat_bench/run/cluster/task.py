"""One shard as a Dask worker makes it. Knows nothing of Dask: text goes in and text comes out."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from worldstrat_bench import __version__, errors
from worldstrat_bench.artefacts.base import Part
from worldstrat_bench.artefacts.durable import write_durably
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.errors import InfrastructureError, UsageError, WorldstratBenchError
from worldstrat_bench.run.events import ignore
from worldstrat_bench.run.filesystem import HeldError
from worldstrat_bench.run.request import RunOptions, RunRequest, ScoreRequest

FAILURE = "failure.json"
"""In the folder of a shard that failed: why. Error texts may quote a model, so they do not go through Dask."""

_HELD_SECONDS = 900.0
_FAILURE_BYTES = 1 << 20
_KINDS: tuple[type[WorldstratBenchError], ...] = (
    errors.UsageError,
    errors.ModelError,
    errors.DataError,
    errors.InvalidArtefactError,
    errors.InfrastructureError,
)

# Torch's number of threads is a setting of the process, and so is the GPU: a Dask worker that was given several threads
# still makes one shard at a time.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class ShardTask:
    """A shard to make: the request says which, and it carries no more than its user typed."""

    request: RunRequest | ScoreRequest
    options: RunOptions
    harness_version: str = __version__

    @property
    def folder(self) -> Path:
        """The run directory of the shard."""
        return self.request.folder


class Reply(Part):
    """Answer of a Dask worker.

    Attributes
    ----------
    state : ``done``: the shard is complete; ``failed``: see :data:`FAILURE` in its folder.
    seconds : from the task's begin to its end on the Dask worker.
    """

    state: Literal["done", "failed"]
    seconds: float


class Failure(Part):
    """Failure of a shard, as :class:`~worldstrat_bench.errors.WorldstratBenchError` has it."""

    exit_code: int
    what: str
    where: str | None = None
    remedy: str | None = None

    def error(self) -> WorldstratBenchError:
        """Return the error that was raised on the other machine."""
        kind = next((kind for kind in _KINDS if kind.exit_code == self.exit_code), WorldstratBenchError)
        return kind(self.what, where=self.where, remedy=self.remedy)


def write_task(task: ShardTask) -> str:
    """Return the text of a task."""
    return TypeAdapter(ShardTask).dump_json(task).decode()


def read_task(text: str) -> ShardTask:
    """Return the task of a text.

    Raises
    ------
    UsageError
        if another version of the harness wrote it.
    """
    try:
        task = TypeAdapter(ShardTask).validate_json(text)
    except ValidationError as error:
        raise UsageError(f"the task is of another version of worldstrat-bench: {error}", remedy=_SAME) from None
    if task.harness_version != __version__:
        raise UsageError(
            f"this machine has worldstrat-bench {__version__}, the client {task.harness_version}", remedy=_SAME
        )
    return task


_SAME = "install the same version on all machines"


def run_shard(text: str) -> str:
    """Make a shard, or go on with it; whatever happens, the answer is a :class:`Reply` and no exception."""
    began = time.monotonic()
    with _ONE_AT_A_TIME:
        state: Literal["done", "failed"] = "failed"
        folder = _folder_of(text)
        try:
            _make(read_task(text))
            state = "done"
        except WorldstratBenchError as error:
            where = f"{error.where or folder} on {socket.gethostname()}"
            _note(folder, Failure(exit_code=error.exit_code, what=error.what, where=where, remedy=error.remedy))
        except Exception as error:  # noqa: BLE001 - its text may quote a model, so it must not travel as an exception
            what = f"bug: {type(error).__name__}: {error}"
            _note(folder, Failure(exit_code=1, what=what, where=socket.gethostname(), remedy=traceback.format_exc()))
    return Reply(state=state, seconds=time.monotonic() - began).model_dump_json()


def read_failure(folder: Path) -> WorldstratBenchError:
    """Return why the shard in `folder` failed; the file is not trusted to be there, short or well-formed."""
    try:
        with (folder / FAILURE).open("rb") as stream:
            return Failure.model_validate_json(stream.read(_FAILURE_BYTES)).error()
    except (OSError, ValidationError):
        return InfrastructureError(
            "a shard failed without a reason",
            where=folder,
            remedy="check that all machines have this folder under this path, and the log of the Dask worker",
        )


def _folder_of(text: str) -> Path | None:
    try:
        return TypeAdapter(ShardTask).validate_json(text).folder
    except ValidationError:
        return None


def _make(task: ShardTask) -> None:
    (task.folder / FAILURE).unlink(missing_ok=True)
    request = task.request
    if isinstance(request, RunRequest):
        from worldstrat_bench.run.pipeline import evaluate_run

        run_request = request
        when_free(lambda: evaluate_run(run_request, task.options, ignore))
        return
    from worldstrat_bench.run.rescore import score_run

    score_request = request
    when_free(lambda: score_run(score_request, task.options, ignore))


def when_free(make: Callable[[], Record | None]) -> None:
    """Make a shard; wait if another process makes it.

    A scheduler that lost sight of a living Dask worker gives its task to another one. The second waits for the first
    and then finds everything done: a tile is predicted as often as need be and has one row.
    """
    deadline = time.monotonic() + _HELD_SECONDS
    while True:
        try:
            make()
            return
        except HeldError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


def _note(folder: Path | None, failure: Failure) -> None:
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / FAILURE, failure.model_dump_json().encode())
    except (OSError, WorldstratBenchError):
        return  # the client finds no note and says that
