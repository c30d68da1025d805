"""The workers of a run: started in the background, one a device, and ended together."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from worldstrat_bench.data.layout import folders_of_targets
from worldstrat_bench.errors import ModelError
from worldstrat_bench.run.folder import LOG, RunFolder
from worldstrat_bench.run.notes import Machine, read_note
from worldstrat_bench.run.request import RunOptions
from worldstrat_bench.worker.host import KilledWhileLoadingError, ModelSpec, Worker
from worldstrat_bench.worker.isolation import LEVELS

# An operator or a scheduler may kill a worker by chance. A model that kills itself looks the same from here, but does
# it at every try, so that three of them tell the two apart.
ATTEMPTS = 3
_DID_NOT_START = "the worker did not start"


class Crew:
    """Workers that begin to start when this is made, so that the host imports torch and reads tiles at the same time.

    A context manager; leaving it ends the workers, also those that are still starting.

    Parameters
    ----------
    run : its folder and the dataset's, `root`, are what no model may read.
    model : what each worker loads.
    devices : one worker each: ``cpu``, ``cuda:0``, ...
    options : their isolation and limits.
    """

    def __init__(
        self, run: RunFolder, model: ModelSpec, root: Path, devices: tuple[str, ...], options: RunOptions
    ) -> None:
        self.devices = devices
        self._run, self._model, self._root, self._options = run, model, root, options
        self._leaving = threading.Event()
        self._made: list[Worker] = []
        self._stack = ExitStack()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="start-workers")
        self._started: Future[list[Worker]] = self._executor.submit(self._start)

    def workers(self) -> list[Worker]:
        """Return the workers, a device each, with the model loaded; waits for them.

        Raises
        ------
        ModelError
            if the model cannot be loaded.
        InfrastructureError
            if a worker cannot be started with the isolation that was asked for.
        """
        return self._started.result()

    def close(self) -> None:
        """End all workers. One that is still loading its model is not waited for."""
        self._leaving.set()
        for worker in tuple(self._made):
            worker.abandon()
        wait([self._started])
        self._executor.shutdown()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> list[Worker]:
        """Start a worker a device, no less confined than those of an earlier process were.

        `auto` takes the best level that works. One that was killed while it started must not make it a lesser one, so
        a level that failed in that way is tried once more.
        """
        level = self._options.isolation
        # Of the note only the best level counts. A run may come from a stranger, and a lesser one would let it choose
        # how a model is confined here. Where this machine has a better one, the two differ, which ends the run.
        if level == "auto" and self._run.journal.note("machine") is not None:
            before = read_note(self._run.journal, "machine", Machine).isolation.level
            level = LEVELS[0] if before == LEVELS[0] else level
        workers = self._enter(level)
        if any(_DID_NOT_START in note for worker in workers for note in worker.hello.isolation.notes):
            for worker in workers:
                worker.close()
            workers = self._enter(level)
        return workers

    def _enter(self, level: str) -> list[Worker]:
        """All workers or none; once more if one was killed while it loaded the model, as tiles are tried again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with ExitStack() as started:
                    workers = self._enter_each(started, level)
                    self._stack.enter_context(started.pop_all())
                    return workers
            except ModelError as error:
                if attempt == ATTEMPTS or self._leaving.is_set() or not isinstance(error, KilledWhileLoadingError):
                    raise
        raise AssertionError("unreachable")

    def _enter_each(self, stack: ExitStack, isolation: str) -> list[Worker]:
        """Return a worker a device; with `auto` the first one finds the level, and the others must reach it, too."""
        workers: list[Worker] = []
        for index, device in enumerate(self.devices):
            worker = Worker(
                self._model,
                device=device,
                isolation=workers[0].hello.isolation.level if workers and isolation == "auto" else isolation,
                limits=self._options.limits,
                forbidden=(*folders_of_targets(self._root), self._run.path),
                log=self._run.path / (LOG if index == 0 else f"log-{index}.txt"),
            )
            self._made.append(worker)
            if self._leaving.is_set():
                # :meth:`close` may have gone through `_made` just before this worker was in it.
                worker.abandon()
            workers.append(stack.enter_context(worker))
        return workers
