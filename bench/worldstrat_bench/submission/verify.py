"""``verify RUN``: recompute what can be recomputed, and run the model again on drawn tiles or on the whole list."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worldstrat_bench.artefacts.draws import read_draws
from worldstrat_bench.artefacts.record import ModelRef, Record
from worldstrat_bench.artefacts.result import Result, read_result
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.artefacts.verification import ORDER_TILES, ColumnCheck, Draw, SpeedCheck, TileCheck
from worldstrat_bench.errors import UsageError
from worldstrat_bench.pace import Pace
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.boards import foreign_inputs
from worldstrat_bench.submission.check_record import recomputed_faults
from worldstrat_bench.submission.faults import CheckFinding
from worldstrat_bench.submission.made_here import begin, refuse_begun_elsewhere
from worldstrat_bench.submission.verify_columns import (
    SPEED_TOLERANCE,
    column_faults,
    speed_difference,
)
from worldstrat_bench.submission.verify_draws import compare_runs, draws_differ
from worldstrat_bench.submission.verify_model import found_model, model_faults
from worldstrat_bench.submission.verify_targets import target_faults
from worldstrat_bench.submission.verify_tiles import (
    Machine,
    Place,
    Say,
    draw,
    has_lpips,
    limits_of,
    optional_names,
    perceptual_of,
    predict_twice,
    record_scorer,
    score_again,
    tile_checks,
    tile_faults,
)
from worldstrat_bench.worker.types import Limits

if TYPE_CHECKING:
    from worldstrat_bench.data.layout import Dataset
    from worldstrat_bench.protocol import Protocol
    from worldstrat_bench.run.events import Listener
    from worldstrat_bench.run.model import ModelRequest
    from worldstrat_bench.run.request import RunOptions
    from worldstrat_bench.worker.types import ModelSpec

SAMPLE: Final = 10
"""Tiles that are drawn unless a number is given."""

TimeAgain = Callable[[Path], SpeedReport]
"""Times the model beside a run, writes ``speed.json`` there and returns it."""


@dataclass(frozen=True)
class VerifyRequest:
    """Request for a verification.

    Attributes
    ----------
    run : a run directory, or a result folder of a submission.
    data, model : with both, the model is run again; a record without predictions beside it is compared by its scores.
    tiles : number of drawn tiles; None for the whole list if there is `out`, else `SAMPLE`.
    out : an empty folder, or one of this verification that was interrupted on this machine: the full run goes there.
    seed : with which the tiles are drawn; None for the system's randomness.
    limits : of the model here. Those of the record count where they are smaller.
    other_model : run a model that is not the record's, too, and compare its numbers.
    """

    run: Path
    data: Path | None = None
    model: ModelRequest | None = None
    tiles: int | None = None
    out: Path | None = None
    seed: int | None = None
    device: str = "auto"
    isolation: str = "auto"
    lpips_weights: Path | None = None
    download: bool = False
    limits: Limits = field(default_factory=Limits)
    other_model: bool = False

    def __post_init__(self) -> None:
        if (self.data is None) != (self.model is None):
            raise UsageError("--data and --model come together", remedy="give both, or neither to recompute only")
        if self.out is None:
            return
        if self.tiles is not None or self.data is None:
            what = "--out is for a full run" + ("" if self.tiles is not None else ", which takes --data and --model")
            raise UsageError(what, where="--out", remedy="leave out -k to run the whole list, or leave out --out")
        if self.out.resolve() == self.run.resolve():
            raise UsageError("a full run needs its own folder", where="--out", remedy="name an empty folder")

    @property
    def place(self) -> Place:
        """Where, and within which limits, the model runs."""
        return Place(self.device, self.isolation, self.limits)

    @property
    def full(self) -> bool:
        """True if the whole list is run."""
        return self.out is not None


@dataclass(frozen=True)
class VerifyReport:
    """Result of a verification.

    Attributes
    ----------
    record : as it was submitted.
    faults : what contradicts it.
    computed : of the full run; None if there was none.
    unsound : what keeps that run from being vouched for, whatever was submitted.
    model : that ran; None if none did, and then the rest is empty.
    compared : tiles whose values were compared.
    """

    record: Record
    faults: tuple[CheckFinding, ...]
    computed: Record | None = None
    unsound: tuple[CheckFinding, ...] = ()
    model: ModelRef | None = None
    draw: Draw | None = None
    tiles: tuple[TileCheck, ...] = ()
    columns: dict[str, ColumnCheck] = field(default_factory=dict)
    compared: int = 0
    machine: Machine | None = None
    speed: SpeedCheck | None = None

    @property
    def agrees(self) -> bool:
        """True if nothing contradicts the submitted record."""
        return not self.faults

    @property
    def passed(self) -> bool:
        """True if the record that is vouched for holds: that of the full run, else the submitted one."""
        return self.agrees if self.computed is None else not self.unsound


def verify(
    request: VerifyRequest,
    say: Say = lambda _: None,
    tell: Listener | None = None,
    time_again: TimeAgain | None = None,
) -> VerifyReport:
    """Verify a run.

    Parameters
    ----------
    say : is given a line before each step.
    tell : is given the events of a full run.
    time_again : used in a full run of a model that has a ``speed.json``; None: speed is not compared.

    Raises
    ------
    InvalidArtefactError
        if there is no readable record.
    UsageError
        if `out` holds what was not begun here.
    WorldstratBenchError
        if the dataset, the model or the machine fails.
    """
    result = read_result(request.run)
    # In order of cost: what the request says, what the files say, which model it is, what the pixels say, and only then
    # the predictions.
    _refuse_what_cannot_be_run(result.record, request)
    if request.out is not None:
        refuse_begun_elsewhere(request.out)
    say("recomputing the record from tiles.csv")
    faults = list(recomputed_faults(result))
    if request.data is None or request.model is None:
        return VerifyReport(result.record, tuple(faults))
    from worldstrat_bench.data.layout import open_dataset

    protocol, dataset = load_protocol(result.record.protocol.id), open_dataset(request.data)
    with found_model(request.model) as (model, spec):
        other = model_faults(result.record, model)
        # Hours of another model's work would say what the digests say at once.
        if other and not request.other_model:
            return VerifyReport(result.record, (*faults, *other))
        say(f"decoding the targets of {len(result.table)} tiles")
        faults += target_faults(result, dataset, protocol, Pace(say, "decoded"))
        if faults:  # other data or another protocol: predictions would differ for that reason alone
            return VerifyReport(result.record, (*faults, *other))
        verifying = _Verifying(request, result, dataset, protocol, model, spec, other, say)
        return verifying.full(tell, time_again) if request.full else verifying.sample()


@dataclass(frozen=True)
class _Verifying:
    """One verification, with all that its steps share; `faults` were found before the model ran."""

    request: VerifyRequest
    result: Result
    dataset: Dataset
    protocol: Protocol
    model: ModelRef
    spec: ModelSpec
    faults: tuple[CheckFinding, ...]
    say: Say

    def sample(self) -> VerifyReport:
        """Run drawn tiles again and compare them with what was submitted."""
        request, result = self.request, self.result
        options = self._options()
        # What this machine lacks is said before hours of work.
        scorer = record_scorer(result, self.protocol, options)
        drawn, names = draw(result, request.tiles or SAMPLE, request.seed)
        predicted = predict_twice(result, self.dataset, self.spec, names, request.place, self.say)
        # Devices draw other numbers from one seed: stored draws of another class could not agree.
        stored = None if draws_differ(result.record, predicted.machine.device_class) else request.run
        checks = tile_checks(predicted, stored)
        self.say("scoring them and comparing every column")
        table, draws = score_again(predicted, result.record, self.protocol, scorer)
        columns = self._without_lpips(compare_runs(result, table, draws, predicted.machine.device_class))
        faults = (
            *self.faults,
            *(fault for check in checks for fault in tile_faults(check, request.run)),
            *column_faults(columns, len(table), request.run),
        )
        return VerifyReport(
            result.record,
            faults,
            model=self.model,
            draw=drawn,
            tiles=checks,
            columns=columns,
            compared=len(table),
            machine=predicted.machine,
        )

    def full(self, tell: Listener | None, time_again: TimeAgain | None) -> VerifyReport:
        """Run the whole list into a separate run, check that one, and compare what was submitted with it."""
        request, result, out = self.request, self.result, self.request.out
        assert out is not None
        options = self._options()
        if has_lpips(result):
            perceptual_of(options)  # says before hours of work what this machine lacks
        begin(out)
        self.say(f"running the whole list, {len(result.table)} tiles")
        self._evaluate(out, options, tell)
        own = read_result(out).matching()
        drawn, names = draw(own, ORDER_TILES, request.seed)
        # A full run has seen each tile once, in the order of the list: whether order or chance matter it cannot show.
        predicted = predict_twice(own, self.dataset, self.spec, names, request.place, self.say)
        columns = self._without_lpips(compare_runs(result, own.table, read_draws(own), predicted.machine.device_class))
        faults = [*self.faults, *column_faults(columns, len(own.table), request.run)]
        checks = tile_checks(predicted, out)
        unsound = tuple(fault for check in checks for fault in tile_faults(check, out))
        speed, slower = self._speed(out, predicted.machine, time_again)
        return VerifyReport(
            result.record,
            (*faults, *unsound, *slower),
            own.record,
            unsound,
            self.model,
            drawn,
            checks,
            columns,
            len(own.table),
            predicted.machine,
            speed,
        )

    def _evaluate(self, out: Path, options: RunOptions, tell: Listener | None) -> None:
        from worldstrat_bench.run.events import ignore
        from worldstrat_bench.run.pipeline import evaluate_run
        from worldstrat_bench.run.request import RunRequest

        asked, dataset = self.request.model, self.result.record.dataset
        assert asked is not None
        request = RunRequest(
            asked,
            self.dataset.root,
            out,
            self.result.record.protocol.id,
            dataset.list,
            dataset.limit,
            seed=self.result.record.seed,
            inputs=dataset.inputs,
        )
        evaluate_run(request, options, tell or ignore)

    def _options(self) -> RunOptions:
        """Return options with which a run finds what the submitted one found; nothing comes from a cache."""
        from worldstrat_bench.run.request import RunOptions

        request, record = self.request, self.result.record
        return RunOptions(
            device=request.device,
            isolation=request.isolation,
            limits=limits_of(record, request.limits),
            cache=False,
            # A record with failed tiles may have them in a row: 0 lets the run go through as the submitted one did.
            max_failures=5 if record.complete else 0,
            lpips_weights=request.lpips_weights,
            download=request.download,
            metrics=optional_names(record),
        )

    def _without_lpips(self, columns: dict[str, ColumnCheck]) -> dict[str, ColumnCheck]:
        """Leave LPIPS out where the record says that it was not measured: a null on some tiles stays a difference."""
        measured = self.result.record.lpips_backbone_sha256 is not None or has_lpips(self.result)
        return {name: check for name, check in columns.items() if measured or name != "lpips"}

    def _speed(
        self, out: Path, machine: Machine, time_again: TimeAgain | None
    ) -> tuple[SpeedCheck | None, tuple[CheckFinding, ...]]:
        """Time the model again where it was timed on such a device, and compare."""
        path = self.result.folder / SpeedReport.FILE
        if time_again is None or not path.is_file():
            return None, ()
        stated = SpeedReport.load(path)
        if stated.device.device_class != machine.device_class:
            self.say(f"the speed is of {stated.device.device_class[:60]}, this is {machine.device_class}: not compared")
            return None, ()
        self.say("timing the model again")
        found = speed_difference(stated, time_again(out))
        if found is None:
            self.say("no VALID timing of both sessions compares: the speed stays the authors' own")
            return None, ()
        digest = hashlib.sha256((out / SpeedReport.FILE).read_bytes()).hexdigest()
        agrees = found <= SPEED_TOLERANCE
        check = SpeedCheck(speed_sha256=digest, largest=found, tolerance=SPEED_TOLERANCE, agrees=agrees)
        what = f"a call takes {found:.0%} more or less than {SpeedReport.FILE} says"
        fault = CheckFinding("speed", what, where=path, remedy=f"speeds agree within {SPEED_TOLERANCE:.0%}")
        return check, () if agrees else (fault,)


def _refuse_what_cannot_be_run(record: Record, request: VerifyRequest) -> None:
    """Raise UsageError for records of which no model can be run, or not the whole list."""
    if request.model is None:
        return
    if record.predictions is not None:
        remedy = "leave out --model to recompute the record, or score the files again into another run and compare"
        raise UsageError("its predictions were handed in: there is no model to run", where=request.run, remedy=remedy)
    if record.dataset.shard is not None:
        raise UsageError("this is one shard of a run", where=request.run, remedy="merge the shards, then verify")
    if request.full and (reason := foreign_inputs(record)):
        raise UsageError(f"it cannot be run as a whole: {reason}", where=request.run, remedy="give -k N for a sample")
