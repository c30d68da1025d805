"""From tiles to predictions: hands inputs to confined workers and stores what comes back."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from worldstrat_bench.artefacts.record import Device, Environment
from worldstrat_bench.data.loading import read_ahead
from worldstrat_bench.data.reading import TileInputs
from worldstrat_bench.data.task import Answer, Task
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import InfrastructureError, ModelError, UsageError
from worldstrat_bench.memory import keep_freed_memory
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.crew import ATTEMPTS, Crew
from worldstrat_bench.run.draws import predict_draws, together
from worldstrat_bench.run.environment import nvidia_driver
from worldstrat_bench.run.events import Listener, Tally
from worldstrat_bench.run.folder import LOG, RESUME, RunFolder
from worldstrat_bench.run.journal import Entry, Predicted
from worldstrat_bench.run.messages import log_messages, tile_messages
from worldstrat_bench.run.notes import SAME_LEVEL_IS_ENOUGH, Machine, PredictInputs, remember
from worldstrat_bench.worker.host import Hello, Reply, Worker
from worldstrat_bench.worker.inside.device import usable_cores

Read = Callable[[Tile], TileInputs]
Finished = Callable[[Tile, TileInputs, Predicted, Answer | None], None]
"""Called with a tile, what was read of it, what became of it, and the prediction that is stored, if there is one."""


MOST_AHEAD = 16
"""Tiles that are read or wait to be predicted: 10 MB each with eight frames of WorldStrat's size."""


STORING = 4
"""Predictions of a worker that are being written at once, at most: a disk's answer takes as long as a GPU's."""


def tiles_storing(cores: int) -> int:
    """Return how many predictions of a worker may be on their way to the disk."""
    return max(1, min(cores // 4, STORING))


def tiles_ahead(workers: int, cores: int) -> int:
    """Return how many tiles to read ahead: one for each core to decode, bounded whatever the machine has."""
    return max(1 + workers, min(cores, MOST_AHEAD))


def missing_predictions(tiles: Sequence[Tile], entries: Mapping[str, Entry], run: RunFolder) -> tuple[Tile, ...]:
    """Return the tiles to predict: never tried, failed because of the machine, or lost before they were scored."""

    def missing(tile: Tile) -> bool:
        entry = entries.get(tile.name)
        if entry is None or entry.predicted.outcome == "infra_error":
            return True
        predicted = entry.predicted
        # With --no-keep the prediction of a tile that has its score is gone on purpose.
        there = run.store.has_all(tile.name, predicted.draws)
        return predicted.outcome == "ok" and entry.scored is None and not there

    return tuple(tile for tile in tiles if missing(tile))


class Predictor:
    """Predicts tiles with one worker a device, while the last few results are written: as many as `STORING` says."""

    def __init__(
        self,
        run: RunFolder,
        inputs: PredictInputs,
        protocol: Protocol,
        read: Read,
        max_failures: int = 5,
        cores: int | None = None,
    ) -> None:
        self._run, self._inputs, self._read = run, inputs, read
        self._max_failures = max_failures
        self._cores = cores or usable_cores()
        self._about = {
            "protocol": protocol.id,
            "protocol_sha256": protocol.sha256,
            "model": inputs.model.name,
            "inputs_sha256": inputs.digest(),
        }
        self._stop = threading.Event()
        self._state = threading.Lock()
        self._failures_in_a_row = 0

    def run(self, tiles: Sequence[Tile], total: int, crew: Crew, finished: Finished, tell: Listener) -> None:
        """Predict `tiles`, calling `finished` for each when it is stored, from any thread.

        Tiles are read from the start, while the workers may still be starting.

        Raises
        ------
        ModelError
            if the model cannot be loaded or fails too many tiles in a row; what was done is kept.
        InfrastructureError
            if the machine fails that many tiles, or cannot confine the workers alike.
        UsageError
            if the devices are of different classes.
        DataError
            see the readers.
        """
        keep_freed_memory()
        source = _Shared(read_ahead(tiles, self._read, tiles_ahead(len(crew.devices), self._cores)))
        try:
            workers = crew.workers()
            # Only now: loading the model is not part of predicting.
            tally = Tally("predict", total - len(tiles), total, tell)

            def stored(tile: Tile, inputs: TileInputs, predicted: Predicted, answer: Answer | None) -> None:
                tally.add(tile.name, predicted.outcome, predicted.message)
                finished(tile, inputs, predicted, answer)

            machine = _machine([worker.hello for worker in workers])
            # Compared before the first tile: a resumed run on another kind of device would mix two kinds of numbers in
            # one record.
            remember(self._run.journal, "machine", machine, remedy=RESUME, leave_out=SAME_LEVEL_IS_ENOUGH)
            self._drive(workers, source, stored)
        finally:
            self._stop.set()
            source.close()

    def _drive(self, workers: Sequence[Worker], source: _Shared, finished: Finished) -> None:
        # One worker needs no thread of its own, and an exception keeps its place.
        if len(workers) == 1:
            self._serve(workers[0], source, finished)
            return
        with ThreadPoolExecutor(len(workers), thread_name_prefix="predict") as pool:
            futures = [pool.submit(self._serve, worker, source, finished) for worker in workers]
            try:
                # The first worker's result is waited for first, whoever failed: a failing thread sets `stop`, and the
                # others end by that.
                for future in futures:
                    future.result()
            except BaseException:
                # The other threads wait for their models, perhaps for minutes: ending the workers wakes them.
                self._stop.set()
                for worker in workers:
                    worker.close()
                raise

    def _serve(self, worker: Worker, source: _Shared, finished: Finished) -> None:
        """Predict tiles until there are none; a few are stored at the same time."""
        storing: deque[Future[None]] = deque()
        # Replies of several draws are large: then as few tiles as possible.
        most = tiles_storing(self._cores) if self._inputs.model.draws == 1 else 1
        with ThreadPoolExecutor(most, thread_name_prefix="store") as disk:
            try:
                while not self._stop.is_set() and (item := source.take()) is not None:
                    replies = self._predict(worker, item[1].task)
                    # Waiting here bounds memory, and what a kill costs.
                    while storing and (len(storing) == most or storing[0].done()):
                        storing.popleft().result()
                    if replies is None:
                        return
                    reply = together(replies)
                    storing.append(disk.submit(self._store, *item, replies, reply, finished))
                    self._count(reply, storing)
                for future in storing:
                    future.result()
            except BaseException:
                self._stop.set()
                raise

    def _predict(self, worker: Worker, task: Task) -> tuple[Reply, ...] | None:
        """Predict the draws of one tile; None if the run was stopped in between and the replies mean nothing."""
        replies = predict_draws(
            lambda number: self._draw(worker, task, task.seed(self._inputs.seed, number)), self._inputs.model.draws
        )
        return None if self._stop.is_set() else replies

    def _draw(self, worker: Worker, task: Task, seed: int) -> Reply:
        # A worker that the machine killed says nothing about the model, so such a tile gets another try.
        for _attempt in range(ATTEMPTS):
            reply = worker.predict(task, seed)
            if self._stop.is_set() or not reply.retry:
                break
        return reply

    def _store(
        self, tile: Tile, inputs: TileInputs, replies: Sequence[Reply], reply: Reply, finished: Finished
    ) -> None:
        """Put the prediction on the disk, then the journal's row, then tell.

        Parameters
        ----------
        replies, reply : to each draw, and what they are together.
        """
        # In this order: after a kill a row must not name a prediction that is not there. A prediction without a row
        # is made again.
        predicted = Predicted(tile.name, reply.outcome, reply.message, reply.seconds)
        answer = reply.answer if reply.outcome == "ok" else None
        if answer is not None:
            written = (
                self._run.store.draw(number).write(tile.name, one.answer, self._about)
                for number, one in enumerate(replies, start=1)
                if one.answer is not None
            )
            first, *further = written
            predicted = replace(predicted, sha256=first, further_sha256=tuple(further))
        else:
            self._run.store.remove(tile.name, self._inputs.model.draws)
            # The model's own output is above it in the log, and does not say of which tile it is.
            log_messages(self._run.path, tile_messages([predicted]))
        self._run.journal.set_predicted(predicted)
        # Several draws are read back when they are scored, so that memory stays that of one.
        finished(tile, inputs, predicted, answer if len(replies) == 1 else None)

    def _count(self, reply: Reply, storing: Iterable[Future[None]]) -> None:
        """Stop the run after so many failures in a row; they are stored first."""
        with self._state:
            self._failures_in_a_row = 0 if reply.outcome == "ok" else self._failures_in_a_row + 1
            failures = self._failures_in_a_row
        # Exactly at the limit: with several workers more than one may count past it, and one of them raises.
        if failures and failures == self._max_failures:
            for future in storing:
                future.result()
            said = reply.message.partition("\n")[0]
            what = f"{counted(failures, 'tile')} in a row failed, the last with {reply.outcome}: {said}"
            if reply.outcome == "infra_error":
                remedy = "look at the machine, then give the same command again: such tiles are tried again"
                raise InfrastructureError(what, where=self._run.path / LOG, remedy=remedy)
            remedy = "correct the model and start again, or give the same command again to go on with the other tiles"
            raise ModelError(what, where=self._run.path / LOG, remedy=remedy)


class _Shared:
    """An iterator that several threads take from."""

    def __init__(self, source: Iterator[tuple[Tile, TileInputs]]) -> None:
        self._source = source
        self._lock = threading.Lock()

    def take(self) -> tuple[Tile, TileInputs] | None:
        """Return the next item, or None when there is none left."""
        with self._lock:
            return next(self._source, None)

    def close(self) -> None:
        """Stop reading ahead."""
        with self._lock:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()


def _machine(hellos: Sequence[Hello]) -> Machine:
    """Return what the record says of the workers, which must be alike.

    Raises
    ------
    UsageError
        if the devices are of different classes: a run has one.
    InfrastructureError
        if the workers are not confined alike or run different software: the record states one level and one torch.
    """
    first = hellos[0]
    classes = sorted({hello.device_class for hello in hellos})
    if len(classes) > 1:
        raise UsageError(
            f"the devices are of different classes: {', '.join(classes)}",
            where="--device",
            remedy="choose one with --device cuda:N",
        )
    for what, values in (
        ("isolation", {hello.isolation.level for hello in hellos}),
        ("Python", {hello.python for hello in hellos}),
        ("torch", {hello.torch for hello in hellos}),
        ("CUDA", {str(hello.cuda) for hello in hellos}),
    ):
        if len(values) > 1:
            raise InfrastructureError(
                f"the workers differ in {what}: {', '.join(sorted(values))}",
                where="--device",
                remedy="name the level with --isolation, or use one device",
            )
    return Machine(
        environment=Environment(
            python=first.python,
            torch=first.torch,
            cuda=first.cuda,
            driver=nvidia_driver() if first.device_type == "cuda" else None,
            packages=dict(sorted(first.packages.items())),
        ),
        device=Device(
            type="cuda" if first.device_type == "cuda" else "cpu",
            name=first.device_name,
            device_class=first.device_class,
        ),
        isolation=first.isolation,
    )
