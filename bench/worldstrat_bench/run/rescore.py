"""Stored predictions scored without the model: in place, or under another protocol into another run directory."""

from __future__ import annotations

from collections.abc import Sequence

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.data.layout import Dataset, open_dataset
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.devices import resolve_devices
from worldstrat_bench.run.differences import differences
from worldstrat_bench.run.events import Listener, ignore
from worldstrat_bench.run.folder import RESUME, RunFolder, hold_run, read_run
from worldstrat_bench.run.notes import Machine, PredictInputs, predict_inputs, protocol_ref, read_note, remember
from worldstrat_bench.run.request import RunOptions, ScoreRequest
from worldstrat_bench.run.run import Run
from worldstrat_bench.run.selection import Selection, Shard, select


def score_run(request: ScoreRequest, options: RunOptions, tell: Listener = ignore) -> Record:
    """Score stored predictions, without the model.

    Raises
    ------
    UsageError
        if another protocol or a shard is asked for without `out`, or the dataset is not the run's.
    InvalidArtefactError
        if `run` is not a run, has no predictions yet, or they were changed.
    """
    devices = resolve_devices(options.device)
    if request.out is None or request.out.resolve() == request.run.resolve():
        with hold_run(request.run, create=False) as folder:
            return _score(_opened(request, options, devices, folder, folder, tell), folder)
    with read_run(request.run) as source:
        refuse_lost_predictions(source)  # before the new folder is made, so that a refusal leaves nothing behind
        # The source is only read: several protocols may score one run at the same time.
        with hold_run(request.folder) as folder:
            run = _opened(request, options, devices, source, folder, tell)
            inputs, machine = run.inputs, read_note(source.journal, "machine", Machine)
            remember(folder.journal, "predict", inputs, remedy=RESUME)
            remember(folder.journal, "machine", machine, remedy=RESUME)
            _copy_outcomes(source, folder, run.selection)
            return _score(run, source)


def refuse_lost_predictions(source: RunFolder) -> None:
    """Raise InvalidArtefactError if tiles were predicted and their predictions are not in the run any more."""
    predicted = [name for name, entry in source.journal.entries().items() if entry.predicted.outcome == "ok"]
    entries = source.journal.entries()
    kept = [name for name in predicted if source.store.has(name)]
    cut = [name for name in kept if not source.store.has_all(name, entries[name].predicted.draws)]
    if cut:
        raise InvalidArtefactError(
            f"the run holds the first draw only of {len(cut)} tiles: the others were removed once scored",
            where=source.path,
            remedy="run the model again with --keep-draws: worldstrat-bench evaluate MODEL --data DIR --out OTHER-RUN",
        )
    lost = sorted(set(predicted) - set(kept))
    if lost:
        what = "no predictions" if len(lost) == len(predicted) else f"no prediction of {len(lost)} {_tiles(lost)}"
        raise InvalidArtefactError(
            f"the run holds {what}: they were removed once scored (--no-keep, or a disk that was too small)",
            where=source.path,
            remedy="run the model again and keep them: worldstrat-bench evaluate MODEL --data DIR --out OTHER-RUN",
        )


def _tiles(names: Sequence[str]) -> str:
    return "tile" if len(names) == 1 else "tiles"


def _opened(
    request: ScoreRequest,
    options: RunOptions,
    devices: tuple[str, ...],
    source: RunFolder,
    folder: RunFolder,
    tell: Listener,
) -> Run:
    """Open the scores in `folder` of the predictions in `source`; both may be the same."""
    stored = read_note(source.journal, "predict", PredictInputs)
    protocol = load_protocol(request.protocol or stored.protocol.id)
    if source is folder and (protocol_ref(protocol) != stored.protocol or request.shard):
        raise UsageError(
            "another protocol or a part of the tiles cannot be scored into the run itself",
            where=folder.path,
            remedy="give the scores their own folder: --out DIR",
        )
    selection, inputs = same_selection(stored, open_dataset(request.data), request.shard)
    return Run(folder, source.store, selection, protocol, inputs, options, devices, tell)


def _score(run: Run, source: RunFolder) -> Record:
    run.score()
    _refuse_unpredicted(source, run.selection)
    return run.finish()


def _refuse_unpredicted(source: RunFolder, selection: Selection) -> None:
    entries = source.journal.entries()
    present = (entries.get(tile.name) for tile in selection.tiles)
    failed = [entry.predicted.tile for entry in present if entry and entry.predicted.outcome == "infra_error"]
    if failed:
        raise InfrastructureError(
            f"{len(failed)} {_tiles(failed)} failed by an infrastructure error: {', '.join(failed[:3])}; "
            "the others are scored",
            where=source.path,
            remedy="give the run's `predict` command again, which tries only such tiles, and then this one",
        )


def same_selection(stored: PredictInputs, dataset: Dataset, shard: Shard | None) -> tuple[Selection, PredictInputs]:
    """Return the tiles of a stored run in the dataset at hand, after making sure that it is the same dataset.

    Raises
    ------
    UsageError
        if it is another one, or a part is asked for of what is a part itself.
    """
    own = Shard.parse(stored.shard) if stored.shard else None
    if own and shard and own != shard:
        raise UsageError("the run is a shard itself", where="--shard", remedy="merge the shards first")
    selection, now = _selected(stored, dataset, own)
    # The whole run is compared, also where a part is scored: the digest of the files is of all of them.
    changed = differences(stored, now)
    if changed:
        raise UsageError(
            f"this is not the dataset of the run: {'; '.join(changed)}",
            where=dataset.root,
            remedy="give the --data DIR that the predictions were made from",
        )
    return (selection, now) if shard is None or own else _selected(stored, dataset, shard)


def _selected(stored: PredictInputs, dataset: Dataset, shard: Shard | None) -> tuple[Selection, PredictInputs]:
    selection = select(dataset, stored.list, stored.limit, shard)
    protocol = load_protocol(stored.protocol.id)
    inputs = predict_inputs(
        selection,
        protocol,
        stored.model,
        seed=stored.seed,
        inputs=stored.inputs,
        harness_version=stored.harness_version,
        limits=stored.limits,
    )
    return selection, inputs.model_copy(update={"predictions": stored.predictions})


def _copy_outcomes(source: RunFolder, run: RunFolder, selection: Selection) -> None:
    entries, present = source.journal.entries(), run.journal.entries()
    missing = [tile.name for tile in selection.tiles if tile.name not in entries]
    if missing:
        raise InvalidArtefactError(
            f"the run has no prediction of {len(missing)} {_tiles(missing)}: {', '.join(missing[:3])}",
            where=source.path,
            remedy="finish it first: worldstrat-bench predict ... --out RUN",
        )
    for tile in selection.tiles:
        before, now = present.get(tile.name), entries[tile.name].predicted
        if now.outcome == "infra_error":
            continue  # it is not a result: the tile is to be predicted again
        same = before is not None and (before.predicted.outcome, before.predicted.digests) == (now.outcome, now.digests)
        if before is None or (before.scored is None and not same):
            run.journal.set_predicted(now)
        elif not same:
            raise UsageError(
                f"the prediction of {tile.name} is not the one scored here before", where=run.path, remedy=RESUME
            )
