"""``verify RUN``: recompute what can be recomputed, and run some tiles again, alone and in another order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench import __version__
from worldstrat_bench.artefacts.identity import model_differences, targets_sha256
from worldstrat_bench.artefacts.record import ModelRef, Record
from worldstrat_bench.artefacts.result import Result, read_result
from worldstrat_bench.artefacts.verification import Draw, TileCheck, Verification
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import SAME_PREDICTION
from worldstrat_bench.submission.check_record import recomputed_faults
from worldstrat_bench.submission.faults import CheckFinding

if TYPE_CHECKING:
    from worldstrat_bench.data.layout import Dataset, Tile
    from worldstrat_bench.protocol import Protocol
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.worker.host import Worker
    from worldstrat_bench.worker.types import ModelSpec, Reply

PSNR_TOLERANCE_DB = 0.01
"""Largest difference to the stored psnr: a prediction within `SAME_PREDICTION` moves it by less."""

ALONE = 3
"""Tiles that get a worker of their own; the others share one, in the reverse order."""

Image = NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify, and how.

    Attributes
    ----------
    run : a run directory, or a result folder of a submission.
    data, model : with both, `tiles` random tiles are predicted and scored again; a record without
        predictions beside it is compared by its scores alone.
    seed : with which the tiles are drawn.
    """

    run: Path
    data: Path | None = None
    model: ModelRequest | None = None
    tiles: int = 10
    seed: int = 0
    device: str = "auto"
    isolation: str = "auto"


@dataclass(frozen=True)
class VerifyReport:
    """What came of it."""

    record: Record
    faults: tuple[CheckFinding, ...]
    tiles: tuple[TileCheck, ...]
    device_class: str

    @property
    def passed(self) -> bool:
        """Nothing contradicts the record."""
        return not self.faults


def verify(request: VerifyRequest, say: Say = lambda _: None) -> VerifyReport:
    """Verify a run.

    Raises
    ------
    InvalidArtefactError
        if there is no readable record.
    WorldstratBenchError
        if the dataset, the model or the machine fails.
    """
    result = read_result(request.run)
    if result.record.predictions is not None and request.model is not None:
        remedy = "leave out --model to recompute the record, or score the files again into another run and compare"
        raise UsageError("its predictions were handed in: there is no model to run", where=request.run, remedy=remedy)
    say("recomputing the record from tiles.csv")
    faults = list(recomputed_faults(result))
    if request.data is None or request.model is None:
        return VerifyReport(result.record, tuple(faults), (), "")
    from worldstrat_bench.data.layout import open_dataset
    from worldstrat_bench.protocol import load_protocol

    protocol = load_protocol(result.record.protocol.id)
    dataset = open_dataset(request.data)
    say("reading the targets")
    faults += _target_faults(result, dataset, protocol)
    if faults:  # other data or another protocol: predictions would differ for that reason alone
        return VerifyReport(result.record, tuple(faults), (), "")
    with _found(request.model) as (model, spec):
        faults += _model_faults(result.record, model)
        checks, device_class = _run_again(result, dataset, protocol, spec, request, say)
    faults += [fault for check in checks for fault in tile_faults(check, request.run)]
    return VerifyReport(result.record, tuple(faults), checks, device_class)


def write_verification(report: VerifyReport, request: VerifyRequest, maintainer: str) -> Path:
    """Write ``verification.json`` beside the record; its path.

    Raises
    ------
    UsageError
        if no tile was run again: then there is nothing that a maintainer could vouch for.
    """
    if not report.tiles:
        remedy = "give --data DIR and --model MODEL"
        raise UsageError("a verification needs tiles that were run again", where="--maintainer", remedy=remedy)
    record_id, model = report.record.record_id, report.record.model
    verification = Verification(
        record_id=record_id,
        submitted_record_id=record_id,
        scope="sample",
        slug=model.submission,
        package_sha256=model.wheel_sha256 or model.code_sha256,
        weights_sha256=model.weights_sha256,
        verified_by=maintainer,
        verified_at=datetime.now(UTC).isoformat(timespec="seconds"),
        harness_version=__version__,
        device_class=report.device_class,
        isolation=report.record.isolation.level,
        tolerance=SAME_PREDICTION,
        draw=Draw(source="seed", seed=f"{request.seed:x}", of=report.record.dataset.tiles),
        tiles=report.tiles,
        compared=len(report.tiles),
        columns={},
        agrees=report.passed,
        passed=report.passed,
    )
    path = request.run / Verification.FILE
    verification.save(path)
    return path


def tile_faults(check: TileCheck, where: Path) -> tuple[CheckFinding, ...]:
    """What one tile's comparison says against the record."""
    if check.outcome != "ok":
        what = f"tile {check.tile!r} was ok in the run and is {check.outcome} now"
        return (CheckFinding("again", what, where=where, remedy="see the model's log"),)
    limits = (
        (check.order_difference, SAME_PREDICTION, "the prediction depends on other tiles or on chance", "reflectance"),
        (check.prediction_difference, SAME_PREDICTION, "the prediction differs from the stored one", "reflectance"),
        (check.psnr_difference_db, PSNR_TOLERANCE_DB, "psnr differs from tiles.csv", "dB"),
    )
    return tuple(
        CheckFinding(
            "again",
            f"tile {check.tile!r}: {what}, by {value:.3g} {unit}",
            where=where,
            remedy="the record does not hold",
        )
        for value, limit, what, unit in limits
        if value is not None and not value <= limit
    )


def choose_tiles(result: Result, count: int, seed: int) -> tuple[str, ...]:
    """`count` random tiles that the run scored, in random order; the same for the same seed and record."""
    scored = [tile for tile, ok in zip(result.table.tiles, result.table.ok, strict=True) if ok]
    return tuple(random.Random(f"{seed} {result.record.record_id}").sample(scored, min(count, len(scored))))


def _target_faults(result: Result, dataset: Dataset, protocol: Protocol) -> tuple[CheckFinding, ...]:
    """Whether the decoded targets of this machine are those of the record, and its revisits those of the run."""
    from worldstrat_bench.data.target import read_target

    held, stated = dataset.partial_revisits(result.table.tiles), result.record.dataset.revisits
    if held != stated:
        copies = [f"revisits 1 to {n}" if n else "all revisits" for n in (held, stated)]
        what = f"this copy of the dataset has {copies[0]} of its tiles, that of the run {copies[1]}: frames differ"
        remedy = "verify on a copy like that of the run; worldstrat-bench data fetch DIR --frames N makes one"
        return (CheckFinding("targets", what, where=str(dataset.root), remedy=remedy),)
    # From the files, never from the cache: a verification rests on nothing that was kept.
    targets = ((name, read_target(dataset.tile(name), protocol).sha256) for name in result.table.tiles)
    if targets_sha256(targets) == result.record.dataset.targets_sha256:
        return ()
    what = "the targets of this dataset are not those of the record"
    return (CheckFinding("targets", what, where=str(dataset.root), remedy="verify with the dataset of the run"),)


@contextmanager
def _found(request: ModelRequest) -> Iterator[tuple[ModelRef, ModelSpec]]:
    """The model that was asked for, unpacked while the context lasts."""
    from tempfile import TemporaryDirectory

    from worldstrat_bench.run.model import choose_model

    with TemporaryDirectory(prefix="worldstrat-verify-") as scratch:
        yield choose_model(request, Path(scratch))


def _model_faults(record: Record, model: ModelRef) -> tuple[CheckFinding, ...]:
    """How the model differs from the record's; what only one of them knows is not compared."""
    return tuple(
        CheckFinding(
            "model", f"model.{key} differs from the record's", where=record.model.name, remedy="verify the same model"
        )
        for key in model_differences(record.model, model, partial=True)
    )


def _run_again(
    result: Result, dataset: Dataset, protocol: Protocol, spec: ModelSpec, request: VerifyRequest, say: Say
) -> tuple[tuple[TileCheck, ...], str]:
    """Predict the chosen tiles in random order, then in the reverse one or alone, and score them."""
    from worldstrat_bench.run.devices import resolve_devices
    from worldstrat_bench.worker.host import Worker

    tiles = [dataset.tile(name) for name in choose_tiles(result, request.tiles, request.seed)]
    forbidden = (dataset.root.resolve(), result.folder.resolve())
    device = resolve_devices(request.device)[0]
    worker = Worker(spec, device=device, isolation=request.isolation, forbidden=forbidden)
    ask = partial(_replies, worker, result.record, protocol)
    with worker:
        say(f"running {len(tiles)} tiles again in random order")
        first = ask(tiles)
        say("running them in the reverse order, some alone")
        again = ask(list(reversed(tiles[ALONE:])))
        for tile in tiles[:ALONE]:
            again |= ask([tile])
        device_class = worker.hello.device_class
    checks = tuple(_check(result, protocol, tile, first[tile.name], again[tile.name], request) for tile in tiles)
    return checks, device_class


def _replies(worker: Worker, record: Record, protocol: Protocol, tiles: Sequence[Tile]) -> dict[str, Reply]:
    """Return the replies of one process to tiles in this order, asked as the run asked; end the process."""
    from worldstrat_bench.data.inputs import read_tile
    from worldstrat_bench.protocol import load_protocol

    given = record.dataset.inputs_protocol
    asked = protocol if given is None else load_protocol(given.id)  # what the model saw, not what scored it
    replies = {}
    for tile in tiles:
        task = read_tile(tile, protocol=asked, frames=record.model.frames, source=record.dataset.inputs).task
        replies[tile.name] = worker.predict(task, task.seed(record.seed))
    worker.restart()  # the next tiles go to a process that has seen none of these, or their order would tell nothing
    return replies


def _check(
    result: Result, protocol: Protocol, tile: Tile, first: Reply, again: Reply, request: VerifyRequest
) -> TileCheck:
    if first.image is None or again.image is None:
        outcome = first.outcome if first.image is None else again.outcome
        return TileCheck(tile=tile.name, outcome=outcome)
    stored = _stored_prediction(request.run, tile.name)
    psnr = float(result.table.numbers["psnr"][result.table.tiles.index(tile.name)])
    scored = _psnr(first.image, tile, protocol, result.record)
    return TileCheck(
        tile=tile.name,
        outcome="ok",
        prediction_difference=None if stored is None else difference(first.image, stored),
        order_difference=difference(first.image, again.image),
        psnr_difference_db=None if scored is None or np.isnan(psnr) else abs(scored - psnr),
    )


def difference(a: Image, b: Image) -> float:
    """Largest absolute difference of two (3, H, W) images; 1e9 if their shapes differ or a value is no number."""
    if a.shape != b.shape:
        return 1e9
    largest = float(np.abs(a.astype(np.float64) - b).max())
    return largest if np.isfinite(largest) else 1e9


def _stored_prediction(run: Path, tile: str) -> Image | None:
    from worldstrat_bench.run.predictions import PredictionStore

    store = PredictionStore(run / "predictions")
    return store.read(tile) if store.has(tile) else None


def _psnr(image: Image, tile: Tile, protocol: Protocol, record: Record) -> float | None:
    from worldstrat_bench.data.inputs import read_tile
    from worldstrat_bench.data.target import read_target
    from worldstrat_bench.run.score import FrameFacts, score_tile
    from worldstrat_bench.scoring import make_scorer

    source = record.dataset.inputs
    facts = FrameFacts.of(read_tile(tile, protocol=protocol, frames=1, source=source, cache=None))
    scored = score_tile(make_scorer(protocol), read_target(tile, protocol), facts, image)
    return (scored.values or {}).get("psnr")
