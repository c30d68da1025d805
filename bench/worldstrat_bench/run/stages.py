"""The two stages of a run, ready to go: what each needs is opened and checked against the journal here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from worldstrat_bench.data.target import ArrayCache
from worldstrat_bench.errors import UsageError
from worldstrat_bench.metrics.optional import Loaded, load_optional
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.caching import open_cache
from worldstrat_bench.run.environment import probe_harness
from worldstrat_bench.run.events import Listener, Notice, Progress
from worldstrat_bench.run.finish import Notes
from worldstrat_bench.run.folder import RESUME, RunFolder
from worldstrat_bench.run.plan import (
    HARNESS_STATE,
    InputSource,
    Machine,
    PredictInputs,
    ScoreInputs,
    Selection,
    protocol_ref,
    read_note,
    remember,
)
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.run.reads import read_tile
from worldstrat_bench.run.request import RunOptions
from worldstrat_bench.run.score import FrameFacts, ScoringPool, unscored
from worldstrat_bench.scoring.types import Scorer
from worldstrat_bench.worker.inside.device import usable_cores

DEVICE_THREADS = 4
"""Tiles at once on a GPU: while a batch is computed, others are read, hashed and prepared. No number depends on which
tiles are scored at the same time; see ``scoring.wsb_batch``."""


@dataclass(frozen=True)
class Scoring:
    """A scorer on its device, with what the journal has to know of it."""

    scorer: Scorer
    protocol: Protocol
    cache: ArrayCache | None
    threads: int
    harness_changed: bool

    @classmethod
    def open(cls, run: RunFolder, protocol: Protocol, options: RunOptions, device: str, tell: Listener) -> Self:
        """Load the metrics and compare them with those of an earlier process.

        Nothing is put on the device before the first tile is scored: networks are loaded on the CPU.

        Raises
        ------
        UsageError
            if the run was scored by other means before.
        """
        from worldstrat_bench.metrics.lpips_metric import load_perceptual
        from worldstrat_bench.scoring import make_scorer

        backbone, reason = None, None
        if "lpips" in protocol.metrics.names:
            loaded = load_perceptual(options.lpips_weights, options.download)
            if isinstance(loaded, Unavailable):
                reason = loaded.reason
                tell(Notice(f"no LPIPS: {reason}", once=True))
            else:
                backbone = loaded
        optional = _optional(options, protocol, tell)
        changed = _remember_scoring(
            run, protocol, device, None if backbone is None else backbone.sha256, reason, optional
        )
        cache = open_cache(options)
        scorer = make_scorer(protocol, device=device, perceptual=backbone, cache=cache, optional=optional)
        threads = options.threads or usable_cores()
        return cls(scorer, protocol, cache, threads if device == "cpu" else min(threads, DEVICE_THREADS), changed)

    def pool(
        self,
        run: RunFolder,
        source: PredictionStore,
        selection: Selection,
        inputs: InputSource,
        tell: Listener,
        *,
        keep: bool = True,
    ) -> ScoringPool:
        """Threads that score the run's tiles from the predictions in `source`."""
        entries = run.journal.entries()
        done = sum(tile.name in entries and entries[tile.name].scored is not None for tile in selection.tiles)
        tell(Progress("score", done, len(selection.tiles)))
        if self.harness_changed and done < len(selection.tiles):
            run.journal.set_note("harness_changed", "true")
            tell(Notice("the harness was changed since the run began; the record will say so"))
        return ScoringPool(
            run,
            source,
            self.protocol,
            self.scorer,
            cache=self.cache,
            read_facts=lambda tile: FrameFacts.of(
                read_tile(tile, protocol=self.protocol, frames=1, source=inputs, cache=self.cache)
            ),
            total=len(selection.tiles),
            done=done,
            tell=tell,
            threads=self.threads,
            keep=keep,
        )


def _optional(options: RunOptions, protocol: Protocol, tell: Listener) -> tuple[Loaded, ...]:
    """The optional metrics that were asked for and the automatic ones; what this machine lacks is null, which is said.

    Raises
    ------
    UsageError
        if the protocol is another group's: its columns are fixed.
    """
    if protocol.family != "wsb":
        if options.metrics:
            raise UsageError(f"{protocol.id} has no optional metrics", where="--metrics", remedy="use --protocol wsb-1")
        return ()
    optional = load_optional(options.metrics)
    for one in optional:
        if isinstance(one.computation, Unavailable):
            tell(Notice(f"no {one.metric.name}: {one.computation.reason}", once=True))
    return optional


def _remember_scoring(
    run: RunFolder,
    protocol: Protocol,
    device: str,
    backbone: str | None,
    reason: str | None,
    optional: Sequence[Loaded],
) -> bool:
    """Write the note, or compare it; True if the harness is in another state than when the run began."""
    now = ScoreInputs(
        protocol=protocol_ref(protocol),
        lpips_backbone_sha256=backbone,
        lpips_null=reason,
        optional={one.metric.name: one.version for one in optional},
        device_type=device.partition(":")[0],
        harness=probe_harness(),
    )
    remedy = f"{RESUME}; `worldstrat-bench score RUN --out DIR` scores the predictions anew"
    remember(run.journal, "score", now, remedy=remedy, leave_out=HARNESS_STATE | {"lpips_null"})
    return read_note(run.journal, "score", ScoreInputs).harness != now.harness


def score_waiting(pool: ScoringPool, run: RunFolder, selection: Selection, source: PredictionStore) -> None:
    """Submit every tile that has a prediction, or a failure, and no score."""
    for tile, predicted in list(unscored(selection.tiles, run.journal.entries(), source)):
        pool.submit(tile, predicted)


def notes_of(run: RunFolder) -> Notes:
    """What the journal says of a run beside its tiles."""
    return Notes(
        read_note(run.journal, "predict", PredictInputs),
        read_note(run.journal, "score", ScoreInputs),
        read_note(run.journal, "machine", Machine),
        run.journal.note("harness_changed") is not None,
    )
