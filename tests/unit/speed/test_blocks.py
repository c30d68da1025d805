"""Blocks in the worker: what is timed, what is kept, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from speed_models import AsynchronousDevice, EventClock
from worldstrat_bench.api import LowRes, Prediction, Target
from worldstrat_bench.worker.inside.blocks import Bench, BlockPlan, Kept, NotPlainError, Placed, run_block
from worldstrat_bench.worker.inside.child import seed_everything
from worldstrat_bench.worker.inside.timing import WallClock


def placed(value: float = 0.0, batch: int = 1) -> Placed:
    images = torch.full((batch, 1, 12, 4, 4), value)
    lr = LowRes(images, torch.ones(batch, 1, 1, 4, 4, dtype=torch.bool), torch.zeros(batch, 1, dtype=torch.int64))
    return Placed(lr, Target(8, 8), None)


def image_of(one: Placed) -> torch.Tensor:
    return torch.nn.functional.interpolate(one.lr.rgb(), size=(8, 8))


def timed(
    device: AsynchronousDevice, seconds: float, *, every: int, wait: bool, late: bool = False
) -> tuple[list[float], float]:
    def call(one: Placed) -> torch.Tensor:
        device.launch(seconds)
        return image_of(one)

    clock = WallClock(device.read) if late else EventClock(device)
    plan = BlockPlan(0, 2, 20, every, wait)
    return run_block(call, [placed(), placed(1.0)], plan, Kept(), clock, now=device.read)


def test_calls_that_return_before_they_are_done_are_measured_to_their_end() -> None:
    device = AsynchronousDevice()
    device.launch(5.0)  # left over from before
    marks, wall = timed(device, 0.25, every=2, wait=False)
    assert len(marks) == 11
    assert np.diff(marks[:-1]) == pytest.approx([0.5] * 9, rel=1e-3), "each mark is at the end of its cycle"
    assert marks[-1] == pytest.approx(5.0, rel=1e-3), "nothing from before, nothing left out"
    assert wall == pytest.approx(5.0, rel=1e-3), "the wait for what was before is outside of both clocks"
    naive, _ = timed(device, 0.25, every=2, wait=False, late=True)
    assert naive[-1] < 1e-3, "without waiting, the same calls look free: what the clock is for"


def test_single_calls_are_waited_for() -> None:
    marks, _ = timed(AsynchronousDevice(), 0.25, every=1, wait=True)
    assert np.diff([0.0, *marks[:-1]]) == pytest.approx([0.25] * 20, rel=1e-3)


def test_calls_shorter_than_their_launch_queue_up_behind_it() -> None:
    marks, _ = timed(AsynchronousDevice(), 1e-6, every=20, wait=False)
    assert marks[-1] == pytest.approx(20e-5, rel=0.05), "ten microseconds each, in which the device idles"


def kept_of(call: Callable[[Placed], Any], calls: int = 7, slots: int = 3) -> Kept:
    inputs = [placed(value) for value in (0.0, 0.1)]
    kept = Kept()
    kept.prepare(slots, image_of(inputs[0]))
    run_block(call, inputs, BlockPlan(0, 2, calls, 1, False), kept, WallClock())
    return kept


def test_the_last_outputs_are_kept() -> None:
    kept = kept_of(image_of)
    assert [float(kept.output(number).mean()) for number in range(3)] == pytest.approx([0.0, 0.1, 0.0], abs=1e-6)
    with pytest.raises(NotPlainError, match="no output of that number"):
        kept.output(3)


def test_a_tile_of_a_batch_is_taken_alone() -> None:
    """Its message is as large as the tile, whatever the layout and the batch."""
    kept = Kept()
    images = torch.arange(4 * 3 * 8 * 8, dtype=torch.float32).reshape(4, 3, 8, 8)
    for output in (images, images.contiguous(memory_format=torch.channels_last)):
        kept.prepare(1, output)
        kept.keep(output)
        tile = kept.tile(0, 2)
        assert torch.equal(tile, images[2:3])
        assert tile.is_contiguous()
        assert tile.untyped_storage().nbytes() == 3 * 8 * 8 * 4
    for number in (-1, 4):
        with pytest.raises(NotPlainError, match="no tile of that number"):
            kept.tile(0, number)


def test_outputs_that_share_their_memory_are_copied_in_time() -> None:
    """As those of a CUDA graph do: every call writes to the same place."""
    buffer = torch.zeros(1, 3, 8, 8)
    kept = kept_of(lambda one: buffer.copy_(image_of(one)))
    assert [float(kept.output(number).mean()) for number in range(3)] == pytest.approx([0.0, 0.1, 0.0], abs=1e-6)


def test_outputs_of_other_shapes_and_layouts_are_kept_as_they_are() -> None:
    kept = kept_of(lambda one: image_of(one).contiguous(memory_format=torch.channels_last))
    assert float(kept.output(1).mean()) == pytest.approx(0.1)
    kept = kept_of(lambda one: torch.cat([image_of(one)] * 2, dim=2))
    assert kept.output(0).shape == (1, 3, 16, 8)


def convolution() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Upsample((8, 8)), torch.nn.Conv2d(3, 3, 3, padding=1)).eval()


def compiled(backend: str) -> Callable[[Placed], torch.Tensor]:
    model: Any = torch.compile(convolution(), backend=backend)
    return lambda one: model(one.lr.rgb())


def bf16() -> Callable[[Placed], torch.Tensor]:
    model = convolution().bfloat16()
    return lambda one: model(one.lr.rgb().bfloat16()).float()


def channels_last() -> Callable[[Placed], torch.Tensor]:
    model = convolution().to(memory_format=torch.channels_last)
    return lambda one: model(one.lr.rgb().contiguous(memory_format=torch.channels_last))


HARD: dict[str, Callable[[], Callable[[Placed], torch.Tensor]]] = {
    "compiled": lambda: compiled("aot_eager"),
    "compiled to machine code": lambda: compiled("inductor"),
    "bf16": bf16,
    "channels-last": channels_last,
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.soak] if "compiled" in n else []) for n in HARD])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_models_that_are_hard_to_time(name: str) -> None:
    """Marks for every cycle, and each kept output is that of its input; on CUDA see tests/gpu."""
    inputs = [placed(value) for value in (0.0, 0.3, 0.6)]
    with torch.no_grad():
        call, kept = HARD[name](), Kept()
        run_block(call, inputs, BlockPlan(0, 3, 3, 3, False), kept, WallClock())
        kept.prepare(6, call(inputs[0]))
        marks, wall = run_block(call, inputs, BlockPlan(0, 3, 12, 3, False), kept, WallClock())
        assert len(marks) == 5
        assert 0 < marks[0] < marks[-1]
        assert wall > 0
        for number in range(6):
            assert torch.allclose(kept.output(number), call(inputs[number % 3]), atol=1e-6)
    assert not torch.equal(kept.output(0), kept.output(1))


class Lazy(torch.Tensor):
    """A subclass that would compute when it is read."""


class Fickle(Prediction):
    """A subclass whose image is another one when it is read again."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name != "image" or super().__getattribute__("__dict__").get("seen"):
            return found
        super().__getattribute__("__dict__")["seen"] = True
        return torch.zeros_like(found)


def sure(one: Placed, change: Callable[[torch.Tensor], torch.Tensor] = torch.clone) -> Prediction:
    """Four bands and one expected error for all, which `change` makes."""
    image = torch.cat([image_of(one), image_of(one)[:, :1]], dim=1)
    return Prediction(image, change(torch.full((len(image), 1, 8, 8), 0.1)))


def test_the_image_of_a_prediction_is_kept() -> None:
    kept = kept_of(sure)
    assert kept.output(0).shape == (1, 4, 8, 8)
    assert kept_of(lambda one: Prediction(image_of(one))).output(0).shape == (1, 3, 8, 8)


WRONG: dict[str, tuple[Callable[[Placed], Any], str]] = {
    "lazy": (lambda one: image_of(one).as_subclass(Lazy), "not a plain torch.Tensor"),
    "parameter": (lambda one: torch.nn.Parameter(image_of(one)), "not a plain torch.Tensor"),
    "list": (lambda one: image_of(one).tolist(), "returned builtins.list"),
    "half": (lambda one: image_of(one).half(), "of torch.float16"),
    "no batch axis": (lambda one: image_of(one)[0], "not .1, 3, H, W."),
    "elsewhere": (lambda one: image_of(one).to("meta"), "tensor on meta for inputs on cpu"),
    "one value": (lambda one: torch.zeros(1, 1, 1, 1).expand(1, 3, 8, 8), "without memory of its own"),
    "sparse": (lambda one: image_of(one).to_sparse(), "without memory of its own"),
    "lazy expected error": (lambda one: sure(one, lambda e: e.as_subclass(Lazy)), "not a plain torch.Tensor"),
    "expected error of two bands": (lambda one: sure(one, lambda e: e.repeat(1, 2, 1, 1)), "shape .1, 2, 8, 8."),
    "expected error not there": (lambda one: sure(one, lambda e: e.to("meta")), "tensor on meta"),
    "fickle": (lambda one: Fickle(image_of(one)), "Fickle, not a plain torch.Tensor"),
    "wrapped": (lambda one: torch._to_functional_tensor(image_of(one)), "without memory of its own"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_computed_is_refused(name: str) -> None:
    call, words = WRONG[name]
    with pytest.raises(NotPlainError, match=words):
        kept_of(call)


class OnItsOwnStream:
    """Returns at once; its output is -1 until the device has done the work, and no stream is told to wait for it."""

    def __init__(self, device: AsynchronousDevice) -> None:
        self.device = device

    def predict(self, lr: LowRes, target: Target) -> torch.Tensor:
        output, image = torch.full((1, 3, 8, 8), -1.0), image_of(Placed(lr, target, None))
        self.device.launch(0.25, lambda: output.copy_(image))
        return output


class Model:
    """Adds noise; remembers how it was called."""

    def __init__(self) -> None:
        self.grad: list[bool] = []
        self.kinds: list[torch.dtype] = []
        self.layer = torch.nn.Linear(4, 4)

    def predict(self, lr: LowRes, target: Target) -> torch.Tensor:
        self.grad.append(torch.is_grad_enabled())
        self.kinds.append(self.layer(torch.ones(1, 4)).dtype)
        image = torch.nn.functional.interpolate(lr.rgb(), size=(target.height, target.width))
        return image + torch.rand_like(image)


def bench_with(model: Any, seeds: tuple[int | None, ...] = (1, 2)) -> Bench:
    bench = Bench(model, "cpu", seed_everything)
    tensors: dict[str, torch.Tensor] = {}
    for k, _ in enumerate(seeds):
        lr = placed(k / 10).lr
        tensors |= {f"images.{k}": lr.images, f"clear.{k}": lr.clear, f"days.{k}": lr.days}
    reply, _ = bench.place({"inputs": [[8, 8, seed] for seed in seeds]}, safetensors.torch.save(tensors))
    assert reply == {"op": "placed", "seconds": None}
    return bench


def block(bench: Bench, calls: int = 4, slots: int | None = None, precision: str = "declared") -> tuple[Any, Any]:
    return bench.block(
        {"first": 0, "inputs": 2, "calls": calls, "every": 2, "wait": False, "slots": slots, "precision": precision},
        b"",
    )


def test_a_seed_belongs_to_its_input() -> None:
    bench = bench_with(Model())
    block(bench, slots=4)
    block(bench)
    _, tensors = bench.take({"tiles": [[0, 0], [1, 0], [2, 0], [3, 0]]}, b"")
    a, b, c, d = (tensors[f"output.{k}"] for k in range(4))
    assert torch.equal(a, c)
    assert torch.equal(b, d)
    assert not torch.equal(a, b - 0.1)


def test_a_block_reports_its_marks_and_computes_as_it_is_told() -> None:
    model = Model()
    bench = bench_with(model)
    reply, tensors = block(bench, precision="bf16")
    assert tensors["marks"].dtype == torch.float64
    assert len(tensors["marks"]) == 3
    assert float(tensors["marks"][-1]) > 0
    assert reply["wall_seconds"] == pytest.approx(float(tensors["marks"][-1]), abs=1e-3)
    assert not any(model.grad)
    assert set(model.kinds) == {torch.bfloat16}


def test_a_lead_in_prepares_memory_and_an_echo_has_a_size() -> None:
    bench = bench_with(Model())
    block(bench, slots=5)
    block(bench, calls=2)
    assert set(bench.take({"tiles": [[1, 0], [0, 0]]}, b"")[1]) == {"output.0", "output.1"}
    with pytest.raises(NotPlainError, match="no tile of that number"):
        bench.take({"tiles": [[0, 1]]}, b"")
    assert bench.echo({"size": 7}, b"")[1]["echo"].nbytes == 7
    figures, _ = bench.inspect({"precision": "declared"}, b"")
    assert figures["parameters"] == 20
    assert figures["op"] == "inspected"


def test_the_memory_of_a_call_is_read_without_what_the_harness_keeps() -> None:
    model = Model()
    bench = bench_with(model)
    block(bench, slots=5)
    block(bench)
    before = len(model.grad)
    figures, _ = bench.memory({"precision": "declared", "calls": 3}, b"")
    assert figures["op"] == "remembered"
    assert figures["host_bytes"] > 10_000_000
    assert figures["device_bytes"] is None
    assert model.grad[before:] == [False] * 3
    assert bench._kept.size == 0, "kept outputs are the harness's own"


@pytest.mark.parametrize("wait", [True, False])
def test_kept_outputs_are_those_of_a_device_that_has_finished(wait: bool) -> None:
    """On a stream of the model's own: an output gets its values when the device has done its work.

    Single calls are waited for before their output is copied. Outputs that cannot be waited for, back to back, are
    taken after the whole device is idle.
    """
    device = AsynchronousDevice()
    bench = bench_with(OnItsOwnStream(device), (None, None))
    bench._clock = EventClock(device)
    plan = {"first": 0, "inputs": 2, "every": 1 if wait else 2, "wait": wait, "precision": "declared"}
    bench.block({**plan, "calls": 2, "slots": 2}, b"")
    bench.block({**plan, "calls": 4, "slots": None}, b"")
    launched = device.now
    device.launch(0.5)  # say, a copy that is still under way
    _, tensors = bench.take({"tiles": [[0, 0], [1, 0]]}, b"")
    assert device.now >= launched + 0.5, "taken from an idle device"
    levels = [float(tensors[f"output.{k}"].mean()) for k in range(2)]
    assert levels == pytest.approx([0.0, 0.1] if wait else [-1.0, -1.0], abs=1e-6), "see docs/speed.md on streams"


def test_calls_right_before_a_block_are_in_neither_clock() -> None:
    device = AsynchronousDevice()
    seen: list[float] = []

    def call(one: Placed) -> torch.Tensor:
        seen.append(float(one.lr.images[0, 0, 0, 0, 0]))
        device.launch(0.5)
        return image_of(one)

    plan = BlockPlan(0, 1, 4, 1, False)
    clock = EventClock(device)
    marks, wall = run_block(call, [placed(1.0)], plan, Kept(), clock, now=device.read, before=[placed(2.0)] * 3)
    assert seen == [2.0] * 3 + [1.0] * 4
    assert marks[-1] == pytest.approx(2.0, rel=1e-3)
    assert wall == pytest.approx(2.0, rel=1e-3)
