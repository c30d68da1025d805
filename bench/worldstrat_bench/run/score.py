"""From predictions to scores: reads the truth, which no model ever sees, and measures tile by tile."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.api import RGB
from worldstrat_bench.data.reading import TileInputs
from worldstrat_bench.data.target import ArrayCache, TargetImage, read_target, with_nir
from worldstrat_bench.data.task import Answer
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.memory import keep_freed_memory
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.batches import Batches
from worldstrat_bench.run.draws import score_draws
from worldstrat_bench.run.events import Tally
from worldstrat_bench.run.folder import RunFolder
from worldstrat_bench.run.journal import Entry, Predicted
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.run.scorer import Scoring
from worldstrat_bench.run.tile_score import Scored
from worldstrat_bench.scoring.types import Frame, Prepared, Scorer, TileScore
from worldstrat_bench.scoring.wsb import WsbScorer
from worldstrat_bench.scoring.wsb_batch import kind
from worldstrat_bench.scoring.wsb_target import WsbPrepared
from worldstrat_bench.threads import one_torch_thread

KINDS_WAITING = 4
"""Batches' worth of tiles that may wait for others of their kind: a release has few sizes, with and without holes."""


@dataclass(frozen=True)
class FrameFacts:
    """Facts of a tile's inputs that scoring needs: frame 0 and two facts of all frames."""

    rgb: NDArray[np.float32]
    clear: NDArray[np.bool_]
    cloud: float
    days: int

    @classmethod
    def of(cls, inputs: TileInputs) -> FrameFacts:
        """Return copies, so that the other frames need not stay in memory."""
        task = inputs.task
        return cls(task.images[0, 0, list(RGB)].copy(), task.clear[0, 0, 0].copy(), inputs.cloud, inputs.age)


def score_tile(scorer: Scorer, target: TargetImage, facts: FrameFacts, answer: Answer | None) -> Scored:
    """Score one tile. A failed one (`answer` None) gets its facts; a tile without target not even those.

    A metric that comes out as NaN or infinite is null, with that as its reason.
    """
    if not target.usable:
        return Scored(target_sha256=target.sha256, usable=False, cloud=facts.cloud, days=facts.days)
    prepared = scorer.prepare(target, Frame(facts.rgb, facts.clear))
    if answer is None:
        return Scored(
            target_sha256=target.sha256, usable=True, cloud=facts.cloud, days=facts.days, detail=prepared.detail
        )
    return scored_tile(score_answer(scorer, answer, prepared), prepared, target.sha256, facts)


def score_answer(scorer: Scorer, answer: Answer, prepared: Prepared) -> TileScore:
    """Return the scores of one answer; a protocol of others has its own metrics and no more."""
    if isinstance(scorer, WsbScorer):
        return scorer.score(answer.image, prepared, answer.expected_error)
    return scorer.score(answer.image, prepared)


def target_for(
    answer: Answer | None, target: TargetImage, tile: Tile, protocol: Protocol, cache: ArrayCache | None = None
) -> TargetImage:
    """Return the target with the near infrared if the answer has that band and the protocol can judge it."""
    if answer is None or not answer.has_nir or protocol.family != "wsb":
        return target
    return with_nir(target, tile, protocol, cache)


def scored_tile(score: TileScore, prepared: Prepared, target_sha256: str, facts: FrameFacts) -> Scored:
    """Return what the journal keeps of a tile that has a score."""
    values, nulls = _finite(score)
    # The target's own consistency stands beside the prediction's: a protocol without the one has no use for the other.
    if "lr_consistency" in score.metrics:
        values["lr_consistency_target"] = prepared.lr_consistency_target
        if prepared.lr_consistency_target is None:
            nulls["lr_consistency_target"] = nulls.get("lr_consistency", "too few pixels are clear and have data")
    return Scored(
        target_sha256=target_sha256,
        usable=True,
        cloud=facts.cloud,
        days=facts.days,
        detail=prepared.detail,
        values=values,
        nulls=nulls,
        shift_y=score.shift_y,
        shift_x=score.shift_x,
        shift_at_edge=score.shift_at_edge,
        clipped=score.clipped,
        levels=score.levels,
        curves={name: tuple(float(f"{v:.6g}") for v in curve) for name, curve in score.curves.items()},
    )


def _finite(score: TileScore) -> tuple[dict[str, float | None], dict[str, str]]:
    values: dict[str, float | None] = {}
    nulls = dict(score.nulls)
    for name, value in score.metrics.items():
        if value is not None and not math.isfinite(value):
            nulls[name] = "the value is not finite"
            values[name] = None
        else:
            values[name] = None if value is None else float(value)
    return values, nulls


@dataclass(frozen=True)
class Waiting:
    """A tile that is ready to be scored together with others; `seconds` were spent on it so far."""

    tile: Tile
    predicted: Predicted
    facts: FrameFacts
    target_sha256: str
    answer: Answer
    prepared: WsbPrepared
    seconds: float

    @property
    def kind(self) -> Hashable:
        """Equal for tiles that can be scored together."""
        error = self.answer.expected_error
        shape = (*self.answer.image.shape, *(() if error is None else error.shape))
        return kind(shape, self.prepared)


class ScoringPool:
    """Scores tiles on threads, a tile a thread, each of them with one torch thread.

    A scorer that takes several tiles at once gets them in batches of one kind: the threads read and prepare them, and
    the thread that completes a batch scores it. The rest is scored at the end, in batches that are filled up.

    One torch thread a tile makes a score independent of the number of cores, and N tiles at once use N cores better
    than one tile does. At most twice as many tiles as threads wait, so that memory is flat in the number of tiles.
    """

    def __init__(
        self,
        run: RunFolder,
        source: PredictionStore,
        scoring: Scoring,
        *,
        read_facts: Callable[[Tile], FrameFacts],
        tally: Tally,
        keep: bool = True,
        keep_draws: bool = True,
    ) -> None:
        self._run, self._source, self._keep, self._keep_draws = run, source, keep, keep_draws
        self._protocol, self._scorer, self._cache = scoring.protocol, scoring.scorer, scoring.cache
        self._read_facts, self._tally = read_facts, tally
        workers = scoring.threads
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="score")
        self._places = threading.BoundedSemaphore(2 * workers)
        self._state = threading.Lock()
        self._failed: BaseException | None = None
        self._futures: set[Future[None]] = set()
        self._leaving = False
        self._batches: Batches[Waiting] | None = None
        if isinstance(self._scorer, WsbScorer) and self._scorer.batch > 1:
            self._batches = Batches(self._scorer.batch, KINDS_WAITING * self._scorer.batch)

    def submit(
        self,
        tile: Tile,
        predicted: Predicted,
        facts: FrameFacts | None = None,
        answer: Answer | None = None,
    ) -> None:
        """Score a tile soon; waits for a place. What is not given is read. Raises what an earlier tile raised."""
        self._places.acquire()
        with self._state:
            if self._failed is not None:
                self._places.release()
                raise self._failed
            future = self._pool.submit(self._score, tile, predicted, facts, answer)
            self._futures.add(future)
        future.add_done_callback(self._finished)

    def _finished(self, future: Future[None]) -> None:
        self._places.release()
        with self._state:
            self._futures.discard(future)
            error = None if future.cancelled() else future.exception()
            if error is not None and self._failed is None:
                self._failed = error

    def _score(self, tile: Tile, predicted: Predicted, facts: FrameFacts | None, answer: Answer | None) -> None:
        if self._leaving:
            return
        began = time.perf_counter()
        facts = facts or self._read_facts(tile)
        # A failed tile reads its target, too: whether it counts at all, and its detail, are facts of the target.
        target = read_target(tile, self._protocol, self._cache)
        ok = predicted.outcome == "ok"
        if ok and target.usable and predicted.draws > 1:
            self._score_draws(tile, predicted, target, facts, began)
            return
        if answer is None and ok and target.usable:
            answer = self._source.read(tile.name, predicted.sha256)
        if target.usable:
            target = target_for(answer, target, tile, self._protocol, self._cache)
        if self._batches is None or answer is None or not target.usable:
            scored = score_tile(self._scorer, target, facts, answer)
            self._keep_score(tile, predicted, scored, time.perf_counter() - began)
            return
        prepared = self._scorer.prepare(target, Frame(facts.rgb, facts.clear))
        assert isinstance(prepared, WsbPrepared)
        spent = time.perf_counter() - began
        waiting = Waiting(tile, predicted, facts, target.sha256, answer, prepared, spent)
        self._score_together(self._batches.add(waiting.kind, waiting))

    def _score_draws(
        self, tile: Tile, predicted: Predicted, target: TargetImage, facts: FrameFacts, began: float
    ) -> None:
        """Score every draw of a tile, and their mean."""
        digests = (predicted.sha256, *predicted.further_sha256)
        answers = [self._source.draw(n).read(tile.name, sha256) for n, sha256 in enumerate(digests, start=1)]
        target = target_for(answers[0], target, tile, self._protocol, self._cache)
        prepared = self._scorer.prepare(target, Frame(facts.rgb, facts.clear))

        def score(answer: Answer) -> Scored:
            return scored_tile(score_answer(self._scorer, answer, prepared), prepared, target.sha256, facts)

        self._keep_score(tile, predicted, score_draws(score, answers), time.perf_counter() - began)

    def _score_together(self, waiting: Sequence[Waiting]) -> None:
        """Score tiles of one kind; each is said to have taken its share of the batch's time."""
        if not waiting:
            return
        assert isinstance(self._scorer, WsbScorer)
        began = time.perf_counter()
        scores = self._scorer.score_batch(
            [one.answer.image for one in waiting],
            [one.prepared for one in waiting],
            [one.answer.expected_error for one in waiting],
        )
        share = (time.perf_counter() - began) / len(waiting)
        for one, score in zip(waiting, scores, strict=True):
            scored = scored_tile(score, one.prepared, one.target_sha256, one.facts)
            self._keep_score(one.tile, one.predicted, scored, one.seconds + share)

    def _keep_score(self, tile: Tile, predicted: Predicted, scored: Scored, seconds: float) -> None:
        self._run.journal.set_scored(tile.name, scored, seconds)
        if not self._keep:
            self._run.store.remove(tile.name, predicted.draws)
        elif not self._keep_draws:
            self._run.store.remove_further(tile.name, predicted.draws)
        self._tally.add(tile.name, predicted.outcome)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for everything that was submitted and raise what a tile raised; after an error, forget what waits."""
        self._leaving = error is not None
        self._pool.shutdown(wait=True, cancel_futures=self._leaving)
        if error is None and self._failed is not None:
            raise self._failed
        if error is None and self._batches is not None:
            for waiting in self._batches.rest():
                self._score_together(waiting)


def unscored(
    tiles: Sequence[Tile], entries: Mapping[str, Entry], source: PredictionStore
) -> Iterator[tuple[Tile, Predicted]]:
    """Yield the tiles with an outcome and without a score. Those that the machine failed wait for their next try."""
    for tile in tiles:
        entry = entries.get(tile.name)
        if entry is None or entry.scored is not None or entry.predicted.outcome == "infra_error":
            continue
        if entry.predicted.outcome == "ok" and not source.has_all(tile.name, entry.predicted.draws):
            continue
        yield tile, entry.predicted


@contextmanager
def one_core() -> Iterator[None]:
    """Let torch use one thread per operation while scoring, and keep memory for the next tile."""
    keep_freed_memory()
    with one_torch_thread():
        yield
