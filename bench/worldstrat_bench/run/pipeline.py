"""A run from its request to its record; every stage resumes where an earlier process stopped."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from worldstrat_bench import __version__
from worldstrat_bench.artefacts.record import LimitsRef, Record
from worldstrat_bench.artefacts.tiles import OUTCOMES
from worldstrat_bench.data.layout import Tile, open_dataset
from worldstrat_bench.data.raster import read_header
from worldstrat_bench.data.reading import Inputs
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import parse_added
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.run.caching import open_cache, tell_what_fits
from worldstrat_bench.run.crew import Crew, WorkerOptions
from worldstrat_bench.run.devices import resolve_devices, scoring_device
from worldstrat_bench.run.events import Listener, Notice, ignore
from worldstrat_bench.run.finish import finish
from worldstrat_bench.run.folder import RESUME, RunFolder, enough_space, hold_run
from worldstrat_bench.run.journal import Predicted
from worldstrat_bench.run.model import ModelRequest, Parameter, choose_model
from worldstrat_bench.run.plan import (
    InputSource,
    PredictInputs,
    Selection,
    Shard,
    predict_inputs,
    read_note,
    remember,
    select,
)
from worldstrat_bench.run.predict import Finished, Image, Predictor, missing_predictions
from worldstrat_bench.run.reads import read_tile
from worldstrat_bench.run.request import RunOptions, RunRequest
from worldstrat_bench.worker.types import ModelSpec


def evaluate(
    model: str,
    *,
    data: Path,
    out: Path,
    protocol: str = "wsb-1",
    list: str = "auto",
    limit: int | None = None,
    shard: str | None = None,
    device: str = "auto",
    frames: int = 8,
    weights: Path | None = None,
    parameters: Mapping[str, Parameter] | None = None,
    python: Path | None = None,
    isolation: str = "auto",
    seed: int = 0,
    keep: bool = True,
    lpips_weights: Path | None = None,
    download: bool = True,
    cache: bool = True,
    train_split: str | None = None,
    submission: str | None = None,
    lr: InputSource = "real",
    metrics: Sequence[str] = (),
    progress: Listener | None = None,
) -> Record:
    """Predict and score a model on a dataset; continue a run that was interrupted.

    Parameters
    ----------
    model : an entry point's name or the path of a wheel.
    data : the dataset's folder.
    out : the run directory; with `shard`, a folder that all shards share.
    metrics : optional metrics to add, such as ``["+stlpips"]``.
    progress : called with every :class:`~worldstrat_bench.run.events.Progress` and
        :class:`~worldstrat_bench.run.events.Notice`, from any thread.

    Returns
    -------
    The record, which is also in ``record.json``. A run with failed tiles has one, too: see ``outcomes``.

    Raises
    ------
    WorldstratBenchError
        see ``worldstrat_bench.errors``; what was computed before is kept and the same call continues.
    """
    request = RunRequest(
        model=ModelRequest(model, frames, weights, parameters, python, train_split, submission),
        data=data,
        out=out,
        protocol=protocol,
        list_name=list,
        limit=limit,
        shard=Shard.parse(shard) if shard else None,
        seed=seed,
        inputs=lr,
    )
    options = RunOptions(
        device=device,
        isolation=isolation,
        keep=keep,
        cache=cache,
        lpips_weights=lpips_weights,
        download=download,
        metrics=parse_added(metrics, where="metrics"),
    )
    return evaluate_run(request, options, progress or ignore)


def evaluate_run(request: RunRequest, options: RunOptions, tell: Listener = ignore) -> Record:
    """:func:`evaluate` with its arguments as values."""
    devices = resolve_devices(options.device)
    with _started(request, options) as (run, selection, protocol, spec):
        keep = _keeps_predictions(run, selection, protocol, options.keep, tell)
        # Device memory is not scrubbed between processes: on a GPU the truth waits until the worker is gone.
        overlap = devices == ("cpu",)
        todo = missing_predictions(selection.tiles, run.journal.entries(), run)  # before scoring removes any
        with _crew(run, spec, request, options, devices, todo, tell) as crew:
            # Only now, since torch comes with them: the workers start meanwhile.
            from worldstrat_bench.run.score import FrameFacts, one_torch_thread
            from worldstrat_bench.run.stages import Scoring, notes_of, score_waiting

            with one_torch_thread():
                scoring = Scoring.open(run, protocol, options, scoring_device(devices), tell)
                with scoring.pool(run, run.store, selection, request.inputs, tell, keep=keep) as pool:

                    def finished(tile: Tile, inputs: Inputs, predicted: Predicted, image: Image | None) -> None:
                        if overlap and predicted.outcome != "infra_error":
                            pool.submit(tile, predicted, FrameFacts.of(inputs), image)

                    if overlap:
                        score_waiting(pool, run, selection, run.store)
                    _predict(run, selection, protocol, request, options, crew, todo, finished, tell)
                    crew.close()
                    if not overlap:
                        score_waiting(pool, run, selection, run.store)
        return finish(run, selection, protocol, notes_of(run))


def predict_run(request: RunRequest, options: RunOptions, tell: Listener = ignore) -> dict[str, int]:
    """Only the first stage: predictions in the run directory. Returns the number of tiles by outcome."""
    devices = resolve_devices(options.device)
    with _started(request, options) as (run, selection, protocol, spec):

        def finished(tile: Tile, inputs: Inputs, predicted: Predicted, image: Image | None) -> None:
            """Nothing follows."""

        todo = missing_predictions(selection.tiles, run.journal.entries(), run)
        with _crew(run, spec, request, options, devices, todo, tell) as crew:
            _predict(run, selection, protocol, request, options, crew, todo, finished, tell)
        counted = Counter(entry.predicted.outcome for entry in run.journal.entries().values())
    return {outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome]}


def _crew(
    run: RunFolder,
    spec: ModelSpec,
    request: RunRequest,
    options: RunOptions,
    devices: tuple[str, ...],
    todo: Sequence[Tile],
    tell: Listener,
) -> Crew:
    """Workers that start now, none if there is nothing to predict."""
    if todo:
        tell(Notice("starting the model"))
    workers = WorkerOptions(devices if todo else (), options.isolation, options.limits)
    return Crew(run, workers, spec, request.data)


def _predict(
    run: RunFolder,
    selection: Selection,
    protocol: Protocol,
    request: RunRequest,
    options: RunOptions,
    crew: Crew,
    todo: Sequence[Tile],
    finished: Finished,
    tell: Listener,
) -> None:
    """Predict the tiles in `todo`, those that have no prediction yet."""
    if not todo:
        return
    cache = open_cache(options)
    if cache is not None and request.inputs == "real":
        tell_what_fits(cache, selection.tiles, protocol, tell)
    read = partial(read_tile, protocol=protocol, frames=request.model.frames, source=request.inputs, cache=cache)
    inputs = read_note(run.journal, "predict", PredictInputs)
    predictor = Predictor(run, inputs, protocol, read, options.max_failures, options.threads)
    predictor.run(todo, len(selection.tiles), crew, finished, tell)


def _keeps_predictions(run: RunFolder, selection: Selection, protocol: Protocol, keep: bool, tell: Listener) -> bool:
    """Whether predictions stay: as asked for, unless the disk is too small for all of them. Said if not."""
    if not keep:
        tell(Notice("predictions are removed as soon as they are scored (--no-keep)"))
        return False
    side = protocol.target.size(read_header(selection.tiles[0].hr).height) if selection.tiles else 0
    if enough_space(run.path, 12 * side * side * len(selection.tiles)):
        return True
    tell(Notice("the disk is too small for all predictions: they are removed as soon as they are scored"))
    return False


@contextmanager
def _started(request: RunRequest, options: RunOptions) -> Iterator[tuple[RunFolder, Selection, Protocol, ModelSpec]]:
    """Everything that can be wrong with a request is found here, before anything is computed."""
    protocol = load_protocol(request.protocol)
    if not 1 <= request.model.frames <= protocol.inputs.frames:
        raise UsageError(
            f"{protocol.id} offers 1 to {protocol.inputs.frames} frames, not {request.model.frames}", where="--frames"
        )
    with tempfile.TemporaryDirectory(prefix="worldstrat-bench-") as scratch:
        reference, spec = choose_model(request.model, Path(scratch))
        dataset = open_dataset(request.data)
        selection = select(dataset, request.list_name, request.limit, request.shard)
        with hold_run(request.folder) as run:
            inputs = predict_inputs(
                selection,
                protocol,
                reference,
                seed=request.seed,
                inputs=request.inputs,
                harness_version=__version__,
                limits=LimitsRef(tile_seconds=options.limits.tile_seconds, memory_bytes=options.limits.memory_bytes),
            )
            run.journal.forget_empty_start()
            remember(run.journal, "predict", inputs, remedy=RESUME)
            yield run, selection, protocol, spec
