"""Which outputs are looked at, and what a fresh process is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from worldstrat_bench.data.task import Task
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.speed.checks import OutputChecks
from worldstrat_bench.speed.inputs import Variations, synthetic_tiles
from worldstrat_bench.speed.subjects import Output, Seeded, WorkerSubject
from worldstrat_bench.worker.timed import Cycle


class Noisy:
    """A worker whose model adds numbers drawn for the whole batch from the input's seed: (B, 3, 2, 2) each."""

    def __init__(self) -> None:
        self.placed: list[tuple[Task, int | None]] = []
        self.batches: list[int] = []

    def place(self, tasks: list[Task], seeds: list[int | None]) -> None:
        self.placed = list(zip(tasks, seeds, strict=True))
        self.batches += [task.batch for task in tasks]

    def lead_in(self, cycle: Cycle, calls: int, slots: int) -> None:
        """Nothing to prepare."""

    def block(self, cycle: Cycle, calls: int, *, every: int, wait: bool) -> None:
        """Outputs follow from inputs: they are made when they are taken."""

    def take(self, tiles: list[tuple[int, int]]) -> tuple[list[np.ndarray[Any, Any]], float]:
        return [answer(*self.placed[number])[k : k + 1] for number, k in tiles], 0.0


def answer(task: Task, seed: int | None) -> np.ndarray[Any, Any]:
    level = task.images[:, 0, :3].mean((-2, -1))[..., None, None]
    noise = 0.0 if seed is None else np.random.default_rng(seed).random((task.batch, 3, 2, 2))
    found: np.ndarray[Any, Any] = (level + noise).astype(np.float32)
    return found


@pytest.mark.parametrize(("seeded", "batches"), [(True, [4, 4, 4]), (False, [1, 1, 1])])
def test_a_model_that_draws_numbers_is_asked_for_the_whole_batch_again(seeded: bool, batches: list[int]) -> None:
    worker: Any = Noisy()
    variations = Variations(synthetic_tiles(load_protocol(), frames=1, side=64).tasks, seed=1)
    subject = WorkerSubject(worker, variations, 4, wait=False, seeded=seeded)
    looks = OutputChecks(subject, (), worker)
    for k in (1, 3, 2):
        given: Seeded = subject.fresh()
        looks.drawn.append(Output(given, k, answer(given.task, given.seed)[k : k + 1]))
    assert looks.finish(worker) < 1e-6
    assert worker.batches == batches
    looks.drawn[0] = Output(looks.drawn[0].input, 0, looks.drawn[0].image)
    assert looks.finish(worker) > 1e-3, "another tile of the same batch is another output"


def looks_of(batch: int, sides: tuple[int, ...] = (64, 64), *, seeded: bool = False) -> OutputChecks:
    """With four tiles of a run, of these sides in turn."""
    worker: Any = Noisy()
    tasks = [synthetic_tiles(load_protocol(), frames=1, side=side).tasks[0] for side in sides]
    subject = WorkerSubject(worker, Variations(tasks, seed=1), batch, wait=False, seeded=seeded)
    blank = np.zeros((1, 3, 2, 2), np.float32)
    return OutputChecks(subject, [Output(Seeded(task, 7), 0, blank) for task in (*tasks, *tasks)], worker)


def test_an_answer_is_late_by_more_than_a_call_for_each_of_its_tiles() -> None:
    looks = looks_of(1)
    looks.waits, looks.audit_waits = [(1, 0.02), (1, 0.0)], [(16, 0.5)]
    timed, audited = looks.late(0.01)
    assert timed == pytest.approx((0.01, -0.01))
    assert audited == pytest.approx((0.34,))


@pytest.mark.parametrize(("side", "most"), [(64, 16), (1054, 5), (2000, 2)])
def test_an_audit_asks_for_many_outputs_and_for_no_more_than_a_message_holds(side: int, most: int) -> None:
    looks = looks_of(1)
    looks.subject.variations.height = looks.subject.variations.width = side
    assert looks._taken_at_most() == most


@pytest.mark.parametrize(("seconds", "count"), [(0.7, 2), (0.02, 5), (0.01, 10), (1e-4, 64)])
def test_an_audit_has_an_input_for_every_call(seconds: float, count: int) -> None:
    audit = looks_of(1)._audit_of(0, seconds)
    assert len(audit.inputs) == count
    assert len({each.task.images.tobytes() for each in audit.inputs}) >= count - 3, "the run's four tiles are alike"
    assert len(audit.scored) == (1 if seconds > 0.4 else 4)
    for (number, _), tile in audit.scored:
        assert audit.inputs[number].task is tile.input.task
        assert audit.inputs[number].seed == tile.input.seed == 7


def test_the_lead_in_of_an_audit_has_its_shapes_and_none_of_its_tiles() -> None:
    audit = looks_of(1, (64, 80))._audit_of(0, 0.01)
    shapes = {tile.input.task.images.shape for _, tile in audit.scored}
    assert {each.task.images.shape for each in audit.lead_in} == shapes
    assert len(audit.lead_in) == len(shapes) == 2
    timed = {each.task.images.tobytes() for each in audit.inputs}
    assert not any(each.task.images.tobytes() in timed for each in audit.lead_in)


@pytest.mark.parametrize(("seeded", "scored"), [(False, 4), (True, 0)])
def test_batches_hold_tiles_of_the_run_among_fresh_ones(seeded: bool, scored: int) -> None:
    audit = looks_of(4, seeded=seeded)._audit_of(0, 0.03)
    assert [each.task.batch for each in audit.inputs] == [4] * 4
    assert len(audit.scored) == scored
    assert len({place for place, _ in audit.scored}) == scored
    for (number, k), tile in audit.scored:
        assert np.array_equal(audit.inputs[number].task.images[k], tile.input.task.images[0])
    assert len(looks_of(4, (64, 80))._audit_of(0, 0.03).scored) == 2, "tiles of another shape fit into no batch"
