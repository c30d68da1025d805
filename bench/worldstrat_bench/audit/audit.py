"""``models check --audit``: every probe on a model and on the controls, and what a person should look at."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from worldstrat_bench.audit import probes
from worldstrat_bench.audit.gains import Difference, Gains
from worldstrat_bench.audit.private import MINI, refuse_known_tiles
from worldstrat_bench.audit.probes import EXPLANATIONS, LIMITS, AuditedModel, NoPredictionError, ProbeResult
from worldstrat_bench.data.layout import folders_of_targets, open_dataset
from worldstrat_bench.data.reading import read_inputs, refuse_few_revisits
from worldstrat_bench.data.task import Answer
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import UsageError, WorldstratBenchError
from worldstrat_bench.pace import Pace
from worldstrat_bench.printed import three_digits
from worldstrat_bench.protocol import DEFAULT_PROTOCOL, Protocol, load_protocol
from worldstrat_bench.worker.host import Worker
from worldstrat_bench.worker.types import Limits, ModelSpec

UNSEEN_TILES = 4
MIN_TILES = 2
Say = Callable[[str], None]


@dataclass(frozen=True)
class AuditRequest:
    """A model to audit, and the data for it.

    Attributes
    ----------
    model : as the worker loads it.
    frames : that the model is given.
    data : the dataset whose tiles it may have seen.
    controls : name to honest models that go through the same probes, for comparison.
    tiles : of the dataset that are used.
    seed : draws the tiles and makes the unseen scenes; None: a new one every time.
    probes : those to run.
    unseen : a dataset of real tiles that only maintainers have; None: scenes of the generator, made for this audit.
    run_seed : of the run that the audit is for.
    """

    model: ModelSpec
    data: Path
    frames: int = 8
    controls: Mapping[str, ModelSpec] = field(default_factory=dict)
    protocol: str = DEFAULT_PROTOCOL
    list_name: str = "auto"
    tiles: int = 16
    device: str = "cpu"
    isolation: str = "auto"
    limits: Limits = field(default_factory=Limits)
    seed: int | None = None
    probes: tuple[str, ...] = tuple(LIMITS)
    unseen: Path | None = None
    run_seed: int = 0


@dataclass(frozen=True)
class AuditReport:
    """Results of the probes.

    Attributes
    ----------
    controls : results of the honest models, by name.
    differences : known minus unseen of "model" and of every control.
    real : whether the unseen tiles are real imagery, not scenes of the generator.
    unseen_sha256 : digest of the targets of the unseen tiles; None if there were none.
    isolation : level that confined the model.
    psnr : of the model on every known tile that has one, by the tile's name, dB; empty if it was not measured.
    """

    results: tuple[ProbeResult, ...]
    controls: Mapping[str, tuple[ProbeResult, ...]]
    differences: Mapping[str, Difference] = field(default_factory=dict)
    real: bool = False
    unseen_sha256: str | None = None
    isolation: str = ""
    psnr: Mapping[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[ProbeResult, ...]:
        """The findings that refuse the model."""
        return tuple(result for result in self.results if result.verdict == "fail")

    @property
    def flagged(self) -> tuple[ProbeResult, ...]:
        """The findings that a person should check; a control over the limit makes a probe inconclusive."""
        return tuple(result for result in self.results if result.verdict in ("flag", "unknown"))

    @property
    def passed(self) -> bool:
        """True if nothing refuses the model; flags do not."""
        return not self.failed


def run_audit(request: AuditRequest, say: Say = lambda _: None) -> AuditReport:
    """Put a model through every probe.

    Raises
    ------
    UsageError
        if the dataset has too few tiles.
    ModelError
        if the model cannot be loaded.
    DataError, InfrastructureError
        see the readers and the worker.
    """
    # Drawn for each audit: a model must not know which tiles will be asked for.
    seed = secrets.randbelow(2**31) if request.seed is None else request.seed
    protocol = load_protocol(request.protocol)
    dataset = open_dataset(request.data)
    refuse_few_revisits(dataset, request.list_name, request.frames)
    tiles = _draw(dataset.tiles(request.list_name), request.tiles, seed)
    private = None if request.unseen is None else open_dataset(request.unseen)
    if private is not None:
        refuse_known_tiles(private, dataset)
    with tempfile.TemporaryDirectory(prefix="worldstrat-audit-") as scratch:
        unseen: tuple[Tile, ...] = ()
        # Made only if asked for: writing scenes in WorldStrat's layout takes seconds.
        if "unseen" in request.probes:
            if private is not None:
                unseen = _draw(private.tiles("auto"), request.tiles, seed)
            else:
                say("making scenes that no model has seen")
                unseen = _unseen_tiles(Path(scratch), tiles[0], protocol, seed)
        material = _Material(tiles, unseen, protocol)
        count = _Count(len(request.probes) * (1 + len(request.controls)), say)
        results, gains, level = _probe(request, request.model, request.frames, material, count.of("the model"))
        found = {
            name: _probe(request, spec, request.frames, material, count.of(f"the control {name}"))
            for name, spec in request.controls.items()
        }
        digest = _digest(unseen, protocol) if unseen else None
    gained = {"model": gains} | {name: own for name, (_, own, _) in found.items()}
    differences = {name: own.difference for name, own in gained.items() if own is not None}
    controls = {name: own for name, (own, _, _) in found.items()}
    real = private is not None and private.release != MINI
    return AuditReport(results, controls, differences, real, digest, level, {} if gains is None else gains.psnr)


def _digest(tiles: Sequence[Tile], protocol: Protocol) -> str:
    """Return the digest of the targets of some tiles: readers see by it which audits were on the same ones."""
    from worldstrat_bench.artefacts.identity import targets_sha256
    from worldstrat_bench.data.target import read_target

    return targets_sha256((tile.name, read_target(tile, protocol).sha256) for tile in tiles)


class _Count:
    """Numbers the probes of the model and of all controls, and says about how long the rest takes."""

    def __init__(self, total: int, say: Say) -> None:
        self._say, self._total, self._done, self._pace = say, total, 0, Pace(say, "probes")

    def of(self, whom: str) -> Say:
        """Return what is told of each probe of one model before it starts."""

        def tell(probe: str) -> None:
            left = self._pace.left(self._done, self._total)
            self._done += 1
            self._say(f"probe {self._done} of {self._total}: {probe} of {whom}{left}")

        return tell


def report_lines(report: AuditReport) -> tuple[str, ...]:
    """Return the report for people: one line a probe, values of the controls behind it."""
    lines = []
    for result in report.results:
        value = "no value" if result.value is None else _shown(result.value)
        line = (
            f"{result.verdict:7s} {result.probe:12s} {value:>9s} (limit {result.limit:g}) {EXPLANATIONS[result.probe]}"
        )
        others = [
            f"{name} {_shown(control.value)}"
            for name, found in report.controls.items()
            for control in found
            if control.probe == result.probe and control.value is not None
        ]
        lines.append(
            line + (f"; {', '.join(others)}" if others else "") + (f"; {result.message}" if result.message else "")
        )
    if report.differences:
        where = "real tiles" if report.real else "scenes of the generator, which anyone can train on"
        lines.append(f"gain over bicubic, known minus unseen ({where}), with its 95 % interval:")
        lines += [f"  {name:16s} {difference.text}" for name, difference in report.differences.items()]
        lines.append("a difference that holds 0 does not show that a model has not seen the known tiles")
    return tuple(lines)


def _shown(value: float) -> str:
    """Return a value of a probe; what is below a millionth is 0 to a reader."""
    return "0" if abs(value) < 1e-6 else three_digits(value)


@dataclass(frozen=True)
class _Material:
    known: tuple[Tile, ...]
    unseen: tuple[Tile, ...]
    protocol: Protocol


def _probe(
    request: AuditRequest, spec: ModelSpec, frames: int, material: _Material, say: Say
) -> tuple[tuple[ProbeResult, ...], Gains | None, str]:
    """Return what the probes found, the gains if they were asked for, and the level that confined the model."""
    tasks = [read_inputs(tile, material.protocol, frames).task for tile in material.known]
    # One worker a model: what a probe leaves in its memory is part of what is looked for.
    worker = Worker(
        spec,
        device=request.device,
        isolation=request.isolation,
        limits=request.limits,
        forbidden=tuple(
            folder for root in (request.data, request.unseen) if root is not None for folder in folders_of_targets(root)
        ),
    )
    with worker:
        model = AuditedModel(worker, request.run_seed)
        gains: list[Gains] = []

        def remembered_gains() -> float:
            gains.append(_gains_of(model, material, frames))
            return gains[0].excess

        measures: dict[str, Callable[[], float]] = {
            "determinism": partial(probes.probe_determinism, model, tasks),
            "order": partial(probes.probe_order, model, tasks),
            "isolation": lambda: probes.probe_isolation(worker.hello.isolation),
            "gain": partial(probes.probe_gain, model, tasks),
            "noise": partial(probes.probe_noise, model, tasks),
            "shift": partial(probes.probe_shift, model, tasks),
            "mosaic": partial(probes.probe_mosaic, model, tasks),
            "unseen": remembered_gains,
            "repeat": partial(probes.probe_repeat, model, tasks),
        }
        results = []
        for probe in request.probes:
            say(probe)
            results.append(_result(probe, measures[probe]))
        return tuple(results), next(iter(gains), None), worker.hello.isolation.level


def _result(probe: str, measure: Callable[[], float]) -> ProbeResult:
    try:
        return ProbeResult(probe, measure())
    except NoPredictionError as error:
        return ProbeResult(probe, None, str(error))


def _draw(tiles: Sequence[Tile], count: int, seed: int) -> tuple[Tile, ...]:
    if len(tiles) < MIN_TILES:
        raise UsageError(
            f"an audit needs at least {MIN_TILES} tiles", where="--data", remedy="data mini DIR makes some"
        )
    order = np.random.default_rng(seed).permutation(len(tiles))[:count]
    return tuple(tiles[int(i)] for i in order)


def _unseen_tiles(scratch: Path, like: Tile, protocol: Protocol, seed: int) -> tuple[Tile, ...]:
    """Synthetic tiles of the size of the dataset's own."""
    from worldstrat_bench.data.mini import write_mini
    from worldstrat_bench.data.raster import read_header

    write_mini(scratch / "unseen", test_tiles=UNSEEN_TILES, train_tiles=1, size=read_header(like.hr).height, seed=seed)
    return open_dataset(scratch / "unseen").tiles("test")


def _gains_of(model: AuditedModel, material: _Material, frames: int) -> Gains:
    """Return the gains over bicubic on the dataset's tiles and on the unseen ones, dB."""
    known = _scores(model, material.known, material.protocol, frames)
    try:
        unseen = _scores(model, material.unseen, material.protocol, frames)
    except NoPredictionError:
        # Neither their names nor what a model says of them: logs may be public, and a model could say what it saw.
        raise NoPredictionError("the model failed on an unseen tile, or its prediction could not be scored") from None
    gained, elsewhere = (tuple(gain for _, gain in found.values()) for found in (known, unseen))
    return Gains(gained, elsewhere, {tile: psnr for tile, (psnr, _) in known.items()})


def _scores(
    model: AuditedModel, tiles: Sequence[Tile], protocol: Protocol, frames: int
) -> dict[str, tuple[float, float]]:
    """Return the PSNR and the gain over bicubic of every tile that has them, dB."""
    from worldstrat_bench.data.target import read_target
    from worldstrat_bench.run.score import FrameFacts, score_tile
    from worldstrat_bench.scoring import make_scorer

    scorer = make_scorer(protocol)
    found: dict[str, tuple[float, float]] = {}
    for tile in tiles:
        facts = FrameFacts.of(read_inputs(tile, protocol, 1))
        # The gain is of R, G and B: the near infrared of the target need not be read.
        answer = Answer(model.image(read_inputs(tile, protocol, frames).task)[:3])
        try:
            scored = score_tile(scorer, read_target(tile, protocol), facts, answer).values or {}
        except WorldstratBenchError as error:
            raise NoPredictionError(f"{tile.name}: {error.what}") from None
        psnr, bicubic = scored.get("psnr"), scored.get("psnr_bicubic")
        if psnr is not None and bicubic is not None:
            found[tile.name] = psnr, psnr - bicubic
    if not found:
        raise NoPredictionError("no tile has a psnr")
    return found
