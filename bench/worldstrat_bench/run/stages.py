"""The two stages of a run, ready to go: what each needs is opened and checked against the journal here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from worldstrat_bench.data.kept import read_kept_inputs
from worldstrat_bench.data.layout import Tile
from worldstrat_bench.data.raster import read_header
from worldstrat_bench.data.reading import Inputs
from worldstrat_bench.data.target import ArrayCache
from worldstrat_bench.errors import UsageError
from worldstrat_bench.metrics.optional import Loaded, load_optional
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.caching import open_cache, tell_what_fits
from worldstrat_bench.run.environment import probe_harness
from worldstrat_bench.run.events import Listener, Notice, Progress
from worldstrat_bench.run.finish import Notes
from worldstrat_bench.run.folder import RESUME, RunFolder, enough_space
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
from worldstrat_bench.run.predict import Finished, Predictor, WorkerOptions
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.run.request import RunOptions, RunRequest
from worldstrat_bench.run.score import FrameFacts, ScoringPool, unscored
from worldstrat_bench.scoring.types import Scorer
from worldstrat_bench.worker.types import ModelSpec


@dataclass(frozen=True)
class Scoring:
    """A scorer on its device, with what the journal has to know of it."""

    scorer: Scorer
    protocol: Protocol
    cache: ArrayCache | None
    threads: int | None
    harness_changed: bool

    @classmethod
    def open(cls, run: RunFolder, protocol: Protocol, options: RunOptions, device: str, tell: Listener) -> Self:
        """Load the metrics and compare them with those of an earlier process.

        Raises
        ------
        UsageError
            if the run was scored by other means before.
        """
        from worldstrat_bench.metrics.lpips_metric import load_perceptual
        from worldstrat_bench.scoring import make_scorer

        backbone, reason = None, None
        if "lpips" in protocol.metrics.names:
            loaded = load_perceptual(options.lpips_weights, options.download, device)
            if isinstance(loaded, Unavailable):
                reason = loaded.reason
                tell(Notice(f"no LPIPS: {reason}", once=True))
            else:
                backbone = loaded
        optional = _optional(options, protocol, device, tell)
        changed = _remember_scoring(
            run, protocol, device, None if backbone is None else backbone.sha256, reason, optional
        )
        cache = open_cache(options)
        scorer = make_scorer(protocol, device=device, perceptual=backbone, cache=cache, optional=optional)
        return cls(scorer, protocol, cache, options.threads if device == "cpu" else 1, changed)

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


def _optional(options: RunOptions, protocol: Protocol, device: str, tell: Listener) -> tuple[Loaded, ...]:
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
    optional = load_optional(options.metrics, device)
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


def predict_stage(
    run: RunFolder,
    selection: Selection,
    protocol: Protocol,
    spec: ModelSpec,
    request: RunRequest,
    options: RunOptions,
    devices: tuple[str, ...],
    finished: Finished,
    tell: Listener,
    todo: Sequence[Tile],
) -> None:
    """Predict the tiles in `todo`, those that have no prediction yet."""
    inputs = read_note(run.journal, "predict", PredictInputs)
    cache = open_cache(options)
    if cache is not None and request.inputs == "real":
        tell_what_fits(cache, selection.tiles, protocol, tell)
    read = partial(read_tile, protocol=protocol, frames=request.model.frames, source=request.inputs, cache=cache)
    workers = WorkerOptions(devices, options.isolation, options.limits, None, options.max_failures)
    predictor = Predictor(run, inputs, protocol, read, workers)
    predictor.run(todo, len(selection.tiles), spec, request.data, finished, tell)


def keeps_predictions(run: RunFolder, selection: Selection, protocol: Protocol, keep: bool, tell: Listener) -> bool:
    """Whether predictions stay: as asked for, unless the disk is too small for all of them. Said if not."""
    if not keep:
        tell(Notice("predictions are removed as soon as they are scored (--no-keep)"))
        return False
    side = protocol.target.size(read_header(selection.tiles[0].hr).height) if selection.tiles else 0
    if enough_space(run.path, 12 * side * side * len(selection.tiles)):
        return True
    tell(Notice("the disk is too small for all predictions: they are removed as soon as they are scored"))
    return False


def read_tile(
    tile: Tile, *, protocol: Protocol, frames: int, source: InputSource, cache: ArrayCache | None = None
) -> Inputs:
    """The real revisits of a tile, or inputs made from its high-resolution image by mini's sensor model."""
    if source == "synthetic":
        from worldstrat_bench.run.synthetic import synthetic_inputs

        return synthetic_inputs(tile, protocol, frames)
    return read_kept_inputs(tile, protocol, frames, cache)


def scoring_device(devices: tuple[str, ...]) -> str:
    """Where scores are computed: on the first device."""
    return devices[0]


def notes_of(run: RunFolder) -> Notes:
    """What the journal says of a run beside its tiles."""
    return Notes(
        read_note(run.journal, "predict", PredictInputs),
        read_note(run.journal, "score", ScoreInputs),
        read_note(run.journal, "machine", Machine),
        run.journal.note("harness_changed") is not None,
    )
