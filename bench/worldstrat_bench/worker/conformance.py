"""Check a model against the contract, for its author, and say what to fix.

Everything runs through the confined worker, as in an evaluation, on synthetic inputs of a tile's shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.data.task import Task
from worldstrat_bench.errors import ModelError
from worldstrat_bench.printed import plain_number
from worldstrat_bench.protocol import SAME_PREDICTION
from worldstrat_bench.worker.fit import fit_of, mistake, seen
from worldstrat_bench.worker.host import Worker
from worldstrat_bench.worker.timed import Cycle, TimedCallError, TimedWorker
from worldstrat_bench.worker.trials import Trials, Verdict, order_of_bands, other_units
from worldstrat_bench.worker.types import Limits, ModelSpec, Reply

HEIGHT, WIDTH, SIDE = 158, 156, 632

SEED = 1
"""The seed of every call: a model that is seeded must repeat itself."""


@dataclass(frozen=True)
class ModelFinding:
    """One check: whether it passed, what was seen, and what to do if it did not.

    `refused` says that it did not because the confinement refused something.
    """

    check: str
    passed: bool
    seen: str
    fix: str = ""
    refused: bool = False


@dataclass(frozen=True)
class ModelToCheck:
    """The model to check, and how it is started."""

    model: ModelSpec
    frames: int = 8
    device: str = "cpu"
    isolation: str = "auto"
    limits: Limits | None = None
    log: Path | None = None

    def worker(self) -> Worker:
        """Return a separate worker; the model is never run unconfined unless that is asked for."""
        return Worker(
            self.model,
            device=self.device,
            isolation=self.isolation,
            limits=self.limits,
            log=self.log,
            unconfined=False,
        )


def make_task(frames: int, height: int = HEIGHT, width: int = WIDTH, side: int = SIDE, seed: int = 0) -> Task:
    """Make smooth synthetic land with some noise, reflectance 0.02..0.5; a cloud in the last frame."""
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    scene = np.zeros((12, height, width), np.float32)
    for band in range(12):
        fy, fx, phase = chance.uniform(0.02, 0.3, 3)
        scene[band] = 0.1 + 0.01 * band + 0.06 * np.sin(fy * rows + 9 * phase) * np.cos(fx * columns)
    images = scene + chance.normal(0, 0.005, (frames, 12, height, width)).astype(np.float32)
    clear = np.ones((frames, 1, height, width), bool)
    if frames > 1:
        images[-1, :, : height // 2] += 0.6
        clear[-1, :, : height // 2] = False
    days = np.arange(frames, dtype=np.int64) * 5 - 7
    return Task.single(np.clip(images, 0.001, None), clear, days, side, side)


def check_model(subject: ModelToCheck) -> Iterator[ModelFinding]:
    """Run every check in turn; end early if the model cannot be loaded or cannot predict at all."""
    try:
        with subject.worker() as worker:
            yield _loaded(worker)
            task = make_task(subject.frames)
            # Every later answer is compared with this one, so that nothing follows if it fails.
            first = worker.predict(task, SEED, examine=True)
            seen = list(_first(first, subject))
            yield from seen
            if first.image is None:
                yield from _unit(worker, task, first, subject)
                return
            fits = all(finding.passed for finding in seen if finding.check == "preprocessing")
            yield from _trials(worker, subject, fits=fits)
            yield from _variants(worker, subject.frames)
            yield from _repeats(worker, task, first)
            yield _batch(worker, subject.frames)
        # Weights that are drawn at random when the model is loaded repeat within one process, not in another.
        with subject.worker() as worker:
            fresh = worker.predict(task, SEED)
            fix = (
                "the prediction depends on something that is not saved with the model: initialise nothing at random, "
                "and seed what must be"
            )
            yield _same("fresh process", first.image, fresh, fix)
    except ModelError as error:
        # The message is the model's own where it has one: weights, names in a state dict, an object without predict.
        fix = "correct what the message names"
        yield _broken("loads", str(error.what), fix)


def _loaded(worker: Worker) -> ModelFinding:
    hello = worker.hello
    seen = f"Python {hello.python}, torch {hello.torch}, {hello.device_name}, isolation {hello.isolation.level}"
    return ModelFinding("loads", True, f"in {hello.load_seconds:.1f} s; {seen}")


def _first(reply: Reply, subject: ModelToCheck) -> Iterator[ModelFinding]:
    if reply.image is None:
        fix = "see the message; the contract is in worldstrat_bench.api.SRModel"
        yield _failed("predicts", reply, fix)
        return
    height, width = reply.image.shape[1:]
    on_grid = (height, width) == (SIDE, SIDE)
    size = "the target's size" if on_grid else f"will be resampled to the target's {SIDE} x {SIDE} by the harness"
    yield ModelFinding("predicts", True, f"{height} x {width} float32 in {reply.seconds:.2f} s; {size}")
    yield ModelFinding("plausible values", not reply.message, reply.message or _range(reply.image), reply.message)
    yield _fit(reply.image, make_task(subject.frames), subject)
    where = reply.output_device.partition(":")[0]
    yield ModelFinding(
        "device",
        where == subject.device.partition(":")[0],
        f"the output is on {where or 'no device'}",
        "return a tensor on the device that load() was given: timing includes the way there",
    )
    yield ModelFinding(
        "input unchanged",
        not reply.changed_input,
        f"its input was {'changed in place' if reply.changed_input else 'left alone'}",
        "clone what you write to: other code may still need the input",
    )


def _fit(image: NDArray[np.float32], task: Task, subject: ModelToCheck) -> ModelFinding:
    fit = fit_of(image, task.images[0, 0])
    fix = mistake(fit, subject.model.parameters)
    return ModelFinding("preprocessing", not fix, seen(fit), fix)


def _unit(worker: Worker, task: Task, refused: Reply, subject: ModelToCheck) -> Iterator[ModelFinding]:
    """Yield how an answer that was refused relates to the tile, if all that is wrong is its unit."""
    if refused.outcome == "invalid_output":
        reply = worker.predict(task, SEED, any_unit=True)
        if reply.image is not None:
            yield _fit(reply.image, task, subject)


def _trials(worker: Worker, subject: ModelToCheck, *, fits: bool) -> Iterator[ModelFinding]:
    """Other units and orders of the inputs: what a model does better with is what it was trained on."""
    parameters = subject.model.parameters
    trials = Trials(lambda task: worker.predict(task, SEED, any_unit=True), subject.frames, parameters)
    units = other_units(trials)
    yield _judged("other units", units, "no other scale, offset or normalisation is clearly better")
    # An input in a wrong unit may look better in any order, and so may an answer that shows other bands.
    if fits and not units.hint:
        yield _judged("order of bands", order_of_bands(trials), "")


def _judged(check: str, verdict: Verdict, well: str) -> ModelFinding:
    """Return the finding of a comparison; a gain too small to be sure of is told, and passes."""
    if not verdict.hint:
        return ModelFinding(check, True, "; ".join(text for text in (well, verdict.note) if text))
    gain = f"{verdict.gain:.2f} dB better on scenes with a known truth"
    if verdict.sure:
        return ModelFinding(check, False, gain, verdict.hint)
    return ModelFinding(check, True, f"perhaps wrong, {gain}: {verdict.hint}", verdict.hint)


def _failed(check: str, reply: Reply, fix: str) -> ModelFinding:
    """Return the finding for a tile that has no prediction."""
    return _broken(check, f"{reply.outcome}: {reply.message}", fix)


def _broken(check: str, message: str, fix: str) -> ModelFinding:
    """Return a finding with the line that tells; the traceback below it is in the log."""
    first = message.partition("\n")[0]
    return ModelFinding(check, False, first, fix, refused="the confinement" in first or "a confined worker" in first)


def _range(image: NDArray[np.float32]) -> str:
    low, high = np.percentile(image, (1, 99))
    return f"1st to 99th percentile {low:.3f} to {high:.3f}"


def _variants(worker: Worker, frames: int) -> Iterator[ModelFinding]:
    """Yield inputs that occur in WorldStrat and that a model meets sooner or later."""
    task = make_task(frames)
    cloudy = replace(task, clear=np.zeros_like(task.clear))
    black = replace(task, images=np.zeros_like(task.images))
    cases: list[tuple[str, Task, str]] = [
        ("other size", make_task(frames, 153, 163), "take sizes from the tensors, they differ from tile to tile"),
        ("small tile", make_task(frames, 48, 47, 192), "do not assume that a tile is larger than a window or patch"),
        ("one frame", make_task(1), "T is what there is: worldstrat_bench.api.pad_frames repeats frames"),
        ("all cloud", cloudy, "do not divide by the number of clear pixels"),
        ("no-data", black, "do not divide by the input's mean or range"),
        ("very bright", replace(task, images=task.images * 5), "reflectance may exceed 1 over cloud and snow"),
    ]
    if frames > 3:
        cases.insert(3, ("three frames", make_task(3), cases[2][2]))
    for name, case, fix in cases:
        reply = worker.predict(case, SEED)
        shape = " x ".join(map(str, case.images.shape[1:]))
        yield _failed(name, reply, fix) if reply.image is None else ModelFinding(name, True, f"input {shape}", fix)


def _repeats(worker: Worker, task: Task, first: Reply) -> Iterator[ModelFinding]:
    assert first.image is not None
    fix = "the prediction must not depend on earlier tiles: keep no state between calls, call model.eval()"
    yield _same("same again", first.image, worker.predict(task, SEED), fix)
    # Running statistics, caches and counters show only after another tile has been there.
    worker.predict(make_task(task.frames, seed=7), SEED)
    yield _same("after another tile", first.image, worker.predict(task, SEED), fix)
    yield _chance(first.image, worker.predict(task, SEED + 1), first.training)


def _chance(first: NDArray[np.float32], reply: Reply, training: str) -> ModelFinding:
    """One input under two seeds: a model may draw numbers, but dropout that was left on looks the same."""
    found = _same("another seed", first, reply, "call model.eval() before predicting or exporting")
    if found.passed or reply.image is None:
        return found
    if training:
        return replace(found, seen=f"{found.seen}: in training mode are {training}")
    seen = f"{found.seen}: the model draws random numbers; if it is not meant to, call model.eval() before the export"
    return replace(found, passed=True, seen=seen)


def _same(check: str, first: NDArray[np.float32], reply: Reply, fix: str) -> ModelFinding:
    if reply.image is None:
        return _failed(check, reply, fix)
    if reply.image.shape != first.shape:
        return ModelFinding(check, False, f"another size, {reply.image.shape[1:]}", fix)
    difference = float(np.abs(reply.image - first).max())
    return ModelFinding(
        check, difference <= SAME_PREDICTION, f"largest difference {plain_number(difference, 2)} reflectance", fix
    )


def _batch(worker: Worker, frames: int) -> ModelFinding:
    """Two tiles at once, as throughput is measured; each as if it were alone."""
    task = Task.together([make_task(frames, seed=seed) for seed in (0, 3)])
    fix = "mind the batch axis: throughput is measured with several tiles at once"
    timed, all_of_it = TimedWorker(worker), Cycle(0, 1)
    try:
        timed.place([task], [SEED])
        timed.lead_in(all_of_it, 1, slots=1)
        timed.block(all_of_it, 1, every=1, wait=True)
        outputs, _ = timed.take([(0, 0), (0, 1)])
    except TimedCallError as error:
        return _broken("batch of two", f"{error.outcome}: {error.message}", fix)
    for index, output in enumerate(outputs):
        alone = worker.predict(task.tile(index), SEED)
        finding = _same("batch of two", output[0], alone, fix)
        # A stochastic model has other numbers in a batch than alone: its values cannot be compared, its size can.
        if not finding.passed and alone.image is not None and output[0].shape == alone.image.shape:
            other = _same("another seed", alone.image, worker.predict(task.tile(index), SEED + 1), fix)
            seen = f"{finding.seen}: the model draws other numbers in a batch than alone"
            finding = finding if other.passed else replace(finding, passed=True, seen=seen)
        if not finding.passed:
            return finding
    return finding
