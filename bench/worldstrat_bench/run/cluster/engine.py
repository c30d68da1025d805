"""Dask distributed as an engine: shards are handed out, what comes back is merged."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import InfrastructureError, UsageError, WorldstratBenchError
from worldstrat_bench.printed import counted
from worldstrat_bench.run.cluster.before import before_text, tiles_done
from worldstrat_bench.run.cluster.connect import GPU, ClusterOptions, connected
from worldstrat_bench.run.cluster.task import Reply, ShardTask, read_failure, run_shard, write_task
from worldstrat_bench.run.cluster.watch import Watch
from worldstrat_bench.run.devices import resolve_devices
from worldstrat_bench.run.events import Listener, Notice, Progress
from worldstrat_bench.run.folder import read_run, refuse_links
from worldstrat_bench.run.merge import merge_runs, refuse_another_run
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.notes import PredictInputs, read_note
from worldstrat_bench.run.request import RunOptions, RunRequest, ScoreRequest
from worldstrat_bench.run.selection import Shard, select
from worldstrat_bench.worker.inside.device import usable_cores

if TYPE_CHECKING:
    from distributed import Client, Future, as_completed

_ATTEMPTS = 3
"""How often a shard is tried that the machines failed; deaths of a Dask worker are counted by Dask itself."""


class Cluster:
    """An :class:`~worldstrat_bench.run.engine.Engine`; several threads may use it at once.

    Parameters
    ----------
    tiles_per_task : at most so many tiles are in a shard.
    threads : of the scoring in a Dask worker; None for all cores that it may use.
    """

    def __init__(self, client: Client, tiles_per_task: int, threads: int | None = None) -> None:
        self._client, self._tiles_per_task, self._threads = client, tiles_per_task, threads

    @property
    def at_once(self) -> int:
        """A quarter of the Dask workers: a run has some twenty tasks, of which the last are few (docs/scale.md)."""
        workers = len(self._client.scheduler_info(n_workers=-1)["workers"])
        return max(2, min(workers // 4, 256))

    def evaluate(self, request: RunRequest, options: RunOptions, tell: Listener) -> Record:
        """Predict and score in shards below ``OUT/shards``, then merge them into ``OUT``.

        Raises
        ------
        WorldstratBenchError
            the first that a shard met; what was computed is kept and the same call continues.
        """
        _not_a_shard(request.shard)
        dataset = open_dataset(request.data)
        tiles = len(select(dataset, request.list_name, request.limit).tiles)
        request = replace(
            request, model=_absolute_model(request.model), data=dataset.root.resolve(), out=request.out.resolve()
        )
        shards = self._shards(request.out, tiles, tell)
        requests = [replace(request, shard=shard) for shard in shards]
        return self._make(requests, options, tiles, request.data, request.out, tell)

    def score(self, request: ScoreRequest, options: RunOptions, tell: Listener) -> Record:
        """Score stored predictions in shards below ``OUT/shards``, then merge them into ``OUT``.

        Raises
        ------
        UsageError
            without `out`: several machines cannot write into the run itself.
        WorldstratBenchError
            as :meth:`evaluate`.
        """
        _not_a_shard(request.shard)
        if request.out is None or request.out.resolve() == request.run.resolve():
            raise UsageError(
                "several machines cannot score into the run itself", where=request.run, remedy="give --out DIR"
            )
        dataset = open_dataset(request.data)
        with read_run(request.run) as run:
            stored = read_note(run.journal, "predict", PredictInputs)
        _not_a_shard(Shard.parse(stored.shard) if stored.shard else None)
        tiles = len(select(dataset, stored.list, stored.limit).tiles)
        out = request.out.resolve()
        whole = replace(request, run=request.run.resolve(), data=dataset.root.resolve(), out=out)
        requests = [replace(whole, shard=shard) for shard in self._shards(out, tiles, tell)]
        return self._make(requests, options, tiles, whole.data, out, tell)

    def _shards(self, out: Path, tiles: int, tell: Listener) -> list[Shard]:
        """As many shards as there are already, so that a run goes on; else by the number of tiles a task."""
        # Before anything is made: shards are runs of their own, in folders that a stranger's run may have as links.
        refuse_links(out)
        counts = {int(path.name.rpartition("-")[2]) for path in (out / "shards").glob("*-of-*") if _counted(path)}
        count = max(1, math.ceil(tiles / self._tiles_per_task))
        if not counts and (alone := tiles_done(out)):
            what = f"{alone} of {tiles} tiles were done without Dask before, and are done again in shards"
            tell(Notice(f"{what}: leave out --scheduler and --workers to keep them"))
        if len(counts) == 1 and counts != {count}:
            count = min(counts.pop(), tiles)
            tell(Notice(f"the run goes on with the {count} shards that it was begun with"))
        return [Shard(index, count) for index in range(1, count + 1)]

    def _make(
        self,
        requests: Sequence[RunRequest] | Sequence[ScoreRequest],
        options: RunOptions,
        tiles: int,
        data: Path,
        out: Path,
        tell: Listener,
    ) -> Record:
        options = self._placed(options, tell)
        tasks = [ShardTask(request, options) for request in requests]
        _Handout(self._client, tasks, tiles, tell, out).run()
        return merge_runs([task.folder for task in tasks], data, out)

    def _placed(self, options: RunOptions, tell: Listener) -> RunOptions:
        """Options as they hold on the Dask workers: one kind of device, its cores shared out."""
        device = options.device
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        offered = any(worker.get("resources", {}).get(GPU) for worker in workers)
        if device == "auto":
            device = "cuda" if offered else "cpu"
            tell(Notice(f"--device auto: {device}, by the resources that the Dask workers offer"))
        elif device.startswith("cuda"):
            device = "cuda"  # which one, CUDA_VISIBLE_DEVICES of the Dask worker says
            if not offered:
                tell(Notice("waiting for a GPU: no Dask worker offers one (dask worker --resources GPU=1)"))
        weights = options.lpips_weights.resolve() if options.lpips_weights else None
        return replace(options, device=device, lpips_weights=weights, threads=options.threads or self._threads)


@contextmanager
def open_cluster(options: ClusterOptions, device: str, tell: Listener) -> Iterator[Cluster]:
    """Connect to a scheduler or start workers here; see :func:`~worldstrat_bench.run.cluster.connect.connected`."""
    own = options.scheduler is None
    devices = resolve_devices(device) if own else ()
    # Workers of our own share the cores of this machine.
    threads = max(1, usable_cores() // (options.workers or 1)) if own else None
    with connected(options, devices, tell) as client:
        yield Cluster(client, options.tiles_per_task, threads)


class _Handout:
    """The tasks of one run, to be merged into `out`, on their way: handed out, tried again, counted."""

    def __init__(self, client: Client, tasks: Sequence[ShardTask], tiles: int, tell: Listener, out: Path) -> None:
        self._client, self._tasks, self._tiles, self._tell, self._out = client, tasks, tiles, tell, out
        self._scores_only = isinstance(tasks[0].request, ScoreRequest)
        self._run_key = uuid.uuid4().hex
        self._attempts = dict.fromkeys(range(len(tasks)), 0)
        self._futures: dict[str, int] = {}
        self._before = {task.folder: tiles_done(task.folder) for task in tasks}
        self._done = sum(self._before.values())

    def run(self) -> None:
        """Return when every shard is complete.

        A shard that the machines failed is tried again and, if that does not help, left aside until all others are
        done. Any other failure ends the run, as it does on one machine.

        Raises
        ------
        WorldstratBenchError
            the first failure.
        """
        from distributed import CancelledError, as_completed

        self._show(self._done)
        if self._done:
            self._tell(Notice(before_text(self._done, self._tiles)))
        count = len(self._tasks)
        most = math.ceil(self._tiles / count)
        shards = f"{counted(count, 'shard')} of at most {counted(most, 'tile')}"
        self._tell(Notice(f"{shards}: tiles are counted when their shard is done"))
        futures = [self._submit(index) for index in range(len(self._tasks))]
        waiting = as_completed(futures, loop=self._client.loop)
        lost: list[WorldstratBenchError] = []
        try:
            with Watch(self._workers, self._tell):
                self._take(waiting, lost)
        except (CancelledError, OSError) as error:
            raise _gone(f"{type(error).__name__} {error!s:.300}") from None
        if lost:
            raise lost[0]

    def _take(self, waiting: as_completed, lost: list[WorldstratBenchError]) -> None:
        """Take what comes back until nothing is on its way; add to `lost` what the machines failed too often."""
        for future in waiting:
            index = self._futures.pop(future.key)
            error = self._outcome(future, index)
            if error is None:
                self._finished(self._tasks[index])
            elif not _machines_fault(error):
                raise error
            elif self._attempts[index] < _ATTEMPTS and not isinstance(error, _LostError):
                self._tell(Notice(f"shard {self._tasks[index].request.shard} is tried again: {error.what}"))
                waiting.add(self._submit(index))
            else:
                lost.append(error)

    def _workers(self) -> frozenset[str]:
        return frozenset(self._client.scheduler_info(n_workers=-1)["workers"])

    def _submit(self, index: int) -> Future[str]:
        task = self._tasks[index]
        self._attempts[index] += 1
        needs = {GPU: 1} if task.options.device != "cpu" else {}
        key = f"shard-{self._run_key}-{index + 1}-{self._attempts[index]}"
        future = self._client.submit(run_shard, write_task(task), key=key, pure=False, resources=needs)
        self._futures[key] = index
        return future

    def _outcome(self, future: Future[str], index: int) -> WorldstratBenchError | None:
        folder = self._tasks[index].folder
        if future.status == "finished":
            reply = Reply.model_validate_json(future.result())
            return None if reply.state == "done" else read_failure(folder)
        # Without its scheduler a client cancels what it waits for.
        if future.status != "error":
            raise _gone(str(future.status))
        # run_shard raises nothing: only Dask itself can have failed, because the task's Dask workers died.
        return _LostError(
            f"the Dask workers of shard {self._tasks[index].request.shard} died: {type(future.exception()).__name__}",
            where=folder,
            remedy="see their logs (out of memory?); the same command continues, --task-tiles N makes tasks smaller",
        )

    def _finished(self, task: ShardTask) -> None:
        """Tell of the tiles of a shard, from its journal in the shared folder."""
        # After the first shard, not after the last: the merge would refuse what all machines have worked for.
        refuse_another_run(task.folder, self._out)
        with read_run(task.folder) as run:
            entries = run.journal.entries()
        # What a tile has to say comes first, with the number of before: the estimate is made of whole shards.
        for tile, entry in entries.items():
            predicted = entry.predicted
            if predicted.outcome != "ok" or predicted.message:
                self._show(self._done, tile, predicted.outcome, predicted.message)
        self._done += len(entries) - self._before.pop(task.folder, 0)
        if entries:
            self._show(self._done, list(entries)[-1], "ok")

    def _show(self, done: int, tile: str = "", outcome: str = "", message: str = "") -> None:
        if not self._scores_only:
            self._tell(Progress("predict", done, self._tiles, tile, outcome, message))
        self._tell(Progress("score", done, self._tiles, tile, outcome))


class _LostError(InfrastructureError):
    """A shard took several Dask workers with it; Dask has tried it as often as it is configured to."""


class _GoneError(InfrastructureError):
    """The scheduler is gone, with everything that it had handed out."""


def _gone(why: str) -> _GoneError:
    remedy = "start it again and give the same command: it continues"
    return _GoneError(f"the Dask scheduler is gone: {why}", remedy=remedy)


def _machines_fault(error: WorldstratBenchError) -> bool:
    return isinstance(error, InfrastructureError) or type(error) is WorldstratBenchError


def _not_a_shard(shard: Shard | None) -> None:
    if shard is not None:
        raise UsageError("Dask cuts a run into shards itself", where="--shard", remedy="leave out --shard")


def _counted(path: Path) -> bool:
    return path.is_dir() and path.name.rpartition("-")[2].isdigit()


def _absolute_model(model: ModelRequest) -> ModelRequest:
    """Paths as every process finds them, whatever its working directory. A virtual environment's link stays one."""
    file, colons, name = model.name.partition("::")
    wheel = f"{Path(file).resolve()}{colons}{name}" if file.endswith(".whl") else model.name
    return replace(
        model,
        name=wheel,
        weights=model.weights.resolve() if model.weights else None,
        python=model.python.absolute() if model.python else None,
    )
