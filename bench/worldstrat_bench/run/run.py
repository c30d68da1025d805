"""An opened run, whose methods are the stages. Every stage resumes where an earlier process stopped."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from worldstrat_bench import __version__
from worldstrat_bench.artefacts.record import LimitsRef, Record
from worldstrat_bench.artefacts.tiles import OUTCOMES
from worldstrat_bench.data.inputs import read_tile
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.raster import read_header
from worldstrat_bench.data.reading import TileInputs, refuse_few_revisits
from worldstrat_bench.data.task import Answer
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.wheel import SCRATCH
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.run.caching import open_cache, tell_what_fits
from worldstrat_bench.run.crew import Crew
from worldstrat_bench.run.devices import resolve_devices, scoring_device
from worldstrat_bench.run.events import Listener, Notice, Tally
from worldstrat_bench.run.finish import finish
from worldstrat_bench.run.folder import RESUME, RunFolder, enough_space, hold_run
from worldstrat_bench.run.journal import Predicted
from worldstrat_bench.run.model import choose_model
from worldstrat_bench.run.notes import PredictInputs, notes_of, predict_inputs, read_note, remember
from worldstrat_bench.run.predict import Finished, Predictor, missing_predictions
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.run.request import RunOptions, RunRequest
from worldstrat_bench.run.selection import Selection, select
from worldstrat_bench.worker.types import ModelSpec

_WORTH_A_WORD_BYTES = 100_000_000
"""Predictions that take less of a disk are not spoken of."""

if TYPE_CHECKING:
    from worldstrat_bench.run.score import ScoringPool


@dataclass(frozen=True)
class Run:
    """A run that this process holds: :meth:`predict`, :meth:`score` or both at once, then :meth:`finish`.

    Attributes
    ----------
    folder : the run directory with its journal.
    source : the predictions to score: the run's own, or those of the run that is scored again.
    selection : the tiles of the run.
    protocol : of the scores.
    inputs : what the predictions are made from, as the journal notes it.
    options : how to go about it.
    devices : one worker each; scores are computed on the first.
    tell : called with every event, from any thread.
    model : how a worker starts the model; None if stored predictions are scored without it.
    """

    folder: RunFolder
    source: PredictionStore
    selection: Selection
    protocol: Protocol
    inputs: PredictInputs
    options: RunOptions
    devices: tuple[str, ...]
    tell: Listener
    model: ModelSpec | None = None

    @classmethod
    @contextmanager
    def open(cls, request: RunRequest, options: RunOptions, tell: Listener) -> Iterator[Self]:
        """Open a run directory, new or begun; leaving the context gives it back.

        Raises
        ------
        WorldstratBenchError
            for everything that can be wrong with a request, before anything is computed.
        """
        # What is quick to find wrong comes first: a word for a device, a protocol, a number of frames. Finding the
        # model may start another interpreter, and the tiles are listed from the disk.
        devices = resolve_devices(options.device)
        protocol = load_protocol(request.protocol)
        if request.model.frames > protocol.inputs.frames:
            raise UsageError(
                f"{protocol.id} offers 1 to {counted(protocol.inputs.frames, 'frame')}, not {request.model.frames}",
                where="--frames",
            )
        with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
            reference, model = choose_model(request.model, Path(scratch))
            selection = select(open_dataset(request.data), request.list_name, request.limit, request.shard)
            if request.inputs == "real":
                refuse_few_revisits(selection.dataset, selection.list_name, request.model.frames)
            with hold_run(request.folder) as folder:
                inputs = predict_inputs(
                    selection,
                    protocol,
                    reference,
                    seed=request.seed,
                    inputs=request.inputs,
                    harness_version=__version__,
                    limits=LimitsRef(
                        tile_seconds=options.limits.tile_seconds, memory_bytes=options.limits.memory_bytes
                    ),
                )
                folder.journal.forget_empty_start()
                remember(folder.journal, "predict", inputs, remedy=RESUME)
                yield cls(folder, folder.store, selection, protocol, inputs, options, devices, tell, model)

    def predict(self) -> dict[str, int]:
        """Predict the tiles that have no prediction yet; return the number of tiles of the run by outcome."""

        def finished(tile: Tile, inputs: TileInputs, predicted: Predicted, answer: Answer | None) -> None:
            """Do nothing: nothing follows."""

        todo = self._unpredicted()
        with self._workers(todo) as crew:
            self._predict(crew, todo, finished)
        counted = Counter(entry.predicted.outcome for entry in self.folder.journal.entries().values())
        return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}

    def score(self) -> None:
        """Score every tile that has a prediction, or a failure, and no score; predictions stay."""
        with self._scoring(keep=True, keep_draws=True) as scores:
            self._score_waiting(scores)

    def predict_and_score(self) -> None:
        """Do both stages; on a CPU a tile is scored while others are predicted."""
        # Asked before anything is predicted, since the answer decides whether a tile's file goes when it has its
        # score.
        keep = self._keeps_predictions()
        # Device memory is not scrubbed between processes: on a GPU the targets wait until the worker is gone.
        overlap = self.devices == ("cpu",)
        # Scoring may remove predictions, so what is missing is counted before it begins.
        todo = self._unpredicted()
        # The workers start first: torch is imported and the metrics are loaded while they do.
        with self._workers(todo) as crew, self._scoring(keep=keep, keep_draws=self.options.keep_draws) as scores:
            from worldstrat_bench.run.score import FrameFacts

            def finished(tile: Tile, inputs: TileInputs, predicted: Predicted, answer: Answer | None) -> None:
                # What the machine failed is predicted again by the next start, so that a score now would be for
                # nothing.
                if overlap and predicted.outcome != "infra_error":
                    scores.submit(tile, predicted, FrameFacts.of(inputs), answer)

            # An earlier process may have been killed between the prediction of a tile and its score.
            if overlap:
                self._score_waiting(scores)
            self._predict(crew, todo, finished)
            # On a GPU no target may be there while a model is; on a CPU the last tiles get the memory and the cores.
            crew.close()
            if not overlap:
                self._score_waiting(scores)

    def finish(self) -> Record:
        """Write the table and the record of a run whose tiles all have scores; see :func:`~.finish.finish`."""
        return finish(self.folder, self.selection, self.protocol, notes_of(self.folder))

    def _unpredicted(self) -> tuple[Tile, ...]:
        return missing_predictions(self.selection.tiles, self.folder.journal.entries(), self.folder)

    def _workers(self, todo: Sequence[Tile]) -> Crew:
        """Start the workers in the background, none if there is nothing to predict."""
        if self.model is None:
            raise ValueError("the run was opened to score stored predictions: it has no model")
        total, done = len(self.selection.tiles), len(self.selection.tiles) - len(todo)
        if done:
            rest = "; the run goes on with the others" if done < total else ""
            self.tell(Notice(f"{done} of {total} tiles were predicted before{rest}"))
        if todo:
            self.tell(Notice("starting the model"))
        return Crew(self.folder, self.model, self.selection.dataset.root, self.devices if todo else (), self.options)

    def _predict(self, crew: Crew, todo: Sequence[Tile], finished: Finished) -> None:
        """Predict the tiles in `todo`, those that have no prediction yet."""
        if not todo:
            return
        cache = open_cache(self.options)
        if cache is not None and self.inputs.inputs == "real":
            tell_what_fits(cache, self.selection.tiles, self.protocol, self.tell)
        read = partial(
            read_tile,
            protocol=self.protocol,
            frames=self.inputs.model.frames,
            source=self.inputs.inputs,
            cache=cache,
        )
        # The digest that predictions carry is of the note as it was first written.
        inputs = read_note(self.folder.journal, "predict", PredictInputs)
        options = self.options
        predictor = Predictor(self.folder, inputs, self.protocol, read, options.max_failures, options.threads)
        predictor.run(todo, len(self.selection.tiles), crew, finished, self.tell)

    @contextmanager
    def _scoring(self, *, keep: bool, keep_draws: bool) -> Iterator[ScoringPool]:
        """Open the threads that score tiles; leaving the context waits for all that were submitted."""
        from worldstrat_bench.run.score import FrameFacts, ScoringPool, one_core
        from worldstrat_bench.run.scorer import Scoring

        with one_core():
            device = scoring_device(self.devices)
            scoring = Scoring.open(self.folder, self.protocol, self.options, device, self.tell)
            tiles, entries = self.selection.tiles, self.folder.journal.entries()
            done = sum(tile.name in entries and entries[tile.name].scored is not None for tile in tiles)
            tally = Tally("score", done, len(tiles), self.tell)
            if scoring.harness_changed and done < len(tiles):
                self.folder.journal.set_note("harness_changed", "true")
                self.tell(Notice("the harness was changed since the run began; the record will say so"))
            read = partial(read_tile, protocol=self.protocol, frames=1, source=self.inputs.inputs, cache=scoring.cache)
            with ScoringPool(
                self.folder,
                self.source,
                scoring,
                read_facts=lambda tile: FrameFacts.of(read(tile)),
                tally=tally,
                keep=keep,
                keep_draws=keep_draws,
            ) as scores:
                yield scores

    def _score_waiting(self, scores: ScoringPool) -> None:
        """Submit every tile that has a prediction, or a failure, and no score."""
        from worldstrat_bench.run.score import unscored

        for tile, predicted in list(unscored(self.selection.tiles, self.folder.journal.entries(), self.source)):
            scores.submit(tile, predicted)

    def _keeps_predictions(self) -> bool:
        """Return whether predictions stay: as asked for, unless the disk is too small for all of them. Said if not."""
        if not self.options.keep:
            self.tell(Notice("predictions are removed as soon as they are scored (--no-keep)"))
            return False
        tiles = self.selection.tiles
        # The first tile stands for all: sizes of a release differ by a few pixels, and the disk keeps a reserve.
        side = self.protocol.target.size(read_header(tiles[0].hr).height) if tiles else 0
        # Beside a model on the CPU tiles are scored, and further draws removed, as they come.
        stored = self.inputs.model.draws if self.options.keep_draws or self.devices != ("cpu",) else 1
        # Three bands of float32.
        needed = 12 * side * side * len(tiles) * stored
        if enough_space(self.folder.path, needed):
            if needed >= _WORTH_A_WORD_BYTES:
                self.tell(Notice(f"the predictions take about {needed / 1e9:.1f} GB of disk; --no-keep keeps none"))
            return True
        what = f"the disk is too small for all predictions, {needed / 1e9:.1f} GB"
        self.tell(Notice(f"{what}: they are removed as soon as they are scored"))
        return False
