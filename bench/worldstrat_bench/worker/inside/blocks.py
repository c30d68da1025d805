"""Blocks of timed calls, in the worker: inputs on the device before, outputs on the device after.

A set of inputs is placed on the device; a block calls the model on them in turn, many times, with nothing in
between; the last outputs are copied to their own memory, and the host names some of them afterwards. This module
runs in the worker: standard library and torch only, syntax of Python 3.9.
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from worldstrat_bench.worker.inside import timing

if TYPE_CHECKING:
    import torch

    from worldstrat_bench.api import LowRes, SRModel, Target

Header = Dict[str, Any]
Tensors = Dict[str, "torch.Tensor"]
Seed = Callable[[int], None]


AGAIN = 25
"""One in so many calls of a lead-in is made again right before the block: two milliseconds of fifty."""


class NotPlainError(Exception):
    """The model's output cannot be timed; the message says what to fix."""


class Placed(NamedTuple):
    """One input of a block: a batch on the device, the size of its output, its seed (None: the model uses none)."""

    lr: LowRes
    target: Target
    seed: Optional[int]


class BlockPlan(NamedTuple):
    """One block.

    Attributes
    ----------
    first, inputs : which of the placed inputs the block goes round, and how many.
    calls : how many there are, one after the other.
    every : so many calls end with a mark on the clock.
    wait : whether each mark waits for the device.
    """

    first: int
    inputs: int
    calls: int
    every: int
    wait: bool


class Kept:
    """The last outputs of a block, each a copy: some models write all their outputs to the same memory.

    The copies are made inside of the timed stretch, of these few calls, into memory that is there before it.
    """

    def __init__(self) -> None:
        self._slots: List[torch.Tensor] = []
        self._used = 0

    def prepare(self, slots: int, like: torch.Tensor) -> None:
        """Make memory for as many outputs as `slots`, written to once; what fits already stays."""
        import torch

        self._used = 0
        self._slots = [slot for slot in self._slots[:slots] if _fits(slot, like)]
        while len(self._slots) < slots:
            self._slots.append(torch.empty_like(like).zero_())

    @property
    def size(self) -> int:
        """How many outputs there is memory for."""
        return len(self._slots)

    def forget(self) -> None:
        """Drop what the last block left; its memory is used again."""
        self._used = 0

    def keep(self, output: torch.Tensor) -> None:
        """Copy one more output."""
        if _fits(self._slots[self._used], output):
            self._slots[self._used].copy_(output)
        else:
            self._slots[self._used] = output.detach().clone()
        self._used += 1

    def output(self, number: int) -> torch.Tensor:
        """Return a kept output by its number, from 0 for the oldest."""
        if not 0 <= number < self._used:
            raise NotPlainError("no output of that number was kept")
        return self._slots[number]

    def tile(self, number: int, tile: int) -> torch.Tensor:
        """Return one tile of a kept output, (1, C, H, W), in host memory of its own: whole batches fill a message."""
        import torch

        output = self.output(number)
        if not 0 <= tile < len(output):
            raise NotPlainError("the kept output has no tile of that number")
        return output[tile : tile + 1].detach().cpu().clone(memory_format=torch.contiguous_format)


def _fits(slot: torch.Tensor, output: torch.Tensor) -> bool:
    return slot.shape == output.shape and slot.device == output.device and slot.stride() == output.stride()


def image_of(output: Any, lr: LowRes, thorough: bool) -> torch.Tensor:
    """Return the image of what a model returned, once it is known to be there: see :func:`check_plain`."""
    from worldstrat_bench.api import Prediction

    if type(output) is not Prediction:
        check_plain(output, lr, thorough, (3, 4))
        return output  # type: ignore[no-any-return]
    image, error = output.image, output.expected_error
    check_plain(image, lr, thorough, (3, 4))
    if error is not None:
        check_plain(error, lr, thorough, (1, image.shape[1]))
    return image


def check_plain(output: Any, lr: LowRes, thorough: bool, bands: Tuple[int, ...]) -> None:
    """Raise NotPlainError for anything but a (B, C, H, W) float32 tensor with its own memory on the input's device.

    C is one of `bands`. A subclass may put the work off until its values are read: what is timed has to be done.
    """
    import torch

    images = lr.images
    if type(output) is not torch.Tensor:
        kind = type(output)
        raise NotPlainError(
            "predict returned {}.{}, not a plain torch.Tensor: only what is computed can be timed".format(
                kind.__module__, kind.__qualname__
            )
        )
    if (
        output.dtype != torch.float32
        or output.dim() != 4
        or output.shape[0] != images.shape[0]
        or output.shape[1] not in bands
    ):
        raise NotPlainError(
            "predict returned shape {} of {}, not ({}, {}, H, W) of torch.float32".format(
                tuple(output.shape), output.dtype, images.shape[0], bands[0]
            )
        )
    if output.device != images.device:
        raise NotPlainError(
            "predict returned a tensor on {} for inputs on {}: return it on the device that load() was given".format(
                output.device, images.device
            )
        )
    if thorough:
        _check_memory(output)


def _check_memory(output: torch.Tensor) -> None:
    import torch

    what = "predict returned a tensor without memory of its own: return output.contiguous()"
    if output.layout != torch.strided or output.is_quantized or torch._is_functional_tensor(output):
        raise NotPlainError(what)
    try:
        there = output.data_ptr() != 0 and output.untyped_storage().nbytes() >= output.numel() * 4
    except RuntimeError:
        there = False  # torch's wrappers, and outputs that a CUDA graph has overwritten, have no memory to point at
    if not there:
        raise NotPlainError(what)


def run_block(
    call: Callable[[Placed], Any],
    inputs: Sequence[Placed],
    plan: BlockPlan,
    kept: Kept,
    clock: timing.Clock,
    seed: Optional[Seed] = None,
    now: Callable[[], float] = time.perf_counter,
    before: Sequence[Placed] = (),
) -> Tuple[List[float], float]:
    """Make the calls of a block; seconds to each mark by the clock, and seconds by the wall clock around it.

    The last ``kept.size`` outputs are kept. Every output is looked at for what it is, none for what it holds. Where
    each call is waited for, its output is copied after that wait, so that streams of the model's own are done with it.
    The wall clock runs while the device's does: making and reading thousands of events is in neither. Calls on the
    inputs `before` come first, untimed: the messages since the lead-in let a device and this code's caches go cold.
    """
    chosen = list(inputs[plan.first : plan.first + plan.inputs])
    keep_from = plan.calls - kept.size
    kept.forget()
    for placed in before:
        if seed is not None and placed.seed is not None:
            seed(placed.seed)
        call(placed)
    clock.start(plan.calls // plan.every)
    started = now()
    for i in range(plan.calls):
        placed = chosen[i % plan.inputs]
        if seed is not None and placed.seed is not None:
            seed(placed.seed)
        output = image_of(call(placed), placed.lr, i >= keep_from)
        marked = (i + 1) % plan.every == 0
        if marked and plan.wait:
            clock.mark(True)
        if i >= keep_from:
            kept.keep(output)
        del output  # the model may use its memory for the next one
        if marked and not plan.wait:
            clock.mark(False)
    clock.stop()
    wall = now() - started
    return clock.times(), wall


class Bench:
    """State of a timed worker: the placed inputs and the kept outputs.

    Parameters
    ----------
    seed : sets torch's, numpy's and Python's random numbers.
    clock : None for that of the device.
    """

    def __init__(self, model: SRModel, device: str, seed: Seed, clock: Optional[timing.Clock] = None) -> None:
        self._model = model
        self._device = device
        self._seed = seed
        self._inputs: List[Placed] = []
        self._lead_in: List[Placed] = []
        self._kept = Kept()
        self._clock = timing.clock_for(device) if clock is None else clock
        self.answers: Dict[str, Callable[[Header, bytes], Tuple[Header, Tensors]]] = {
            "place": self.place,
            "block": self.block,
            "take": self.take,
            "echo": self.echo,
            "inspect": self.inspect,
            "memory": self.memory,
        }

    def echo(self, header: Header, body: bytes) -> Tuple[Header, Tensors]:
        """Answer at once, with so many bytes: what a message costs by itself."""
        import torch

        return {"op": "echoed"}, {"echo": torch.zeros(int(header["size"]), dtype=torch.uint8)}

    def place(self, header: Header, body: bytes) -> Tuple[Header, Tensors]:
        """Put inputs on the device, in place of those before; seconds of the way there, from pinned memory."""
        import safetensors.torch

        from worldstrat_bench.api import LowRes, Target

        self._inputs = []
        self._kept.forget()
        tensors = safetensors.torch.load(body)
        del body
        moved, seconds = self._move(tensors)
        for k, (height, width, seed) in enumerate(header["inputs"]):
            lr = LowRes(*(moved["{}.{}".format(name, k)] for name in ("images", "clear", "days")))
            self._inputs.append(Placed(lr, Target(int(height), int(width)), None if seed is None else int(seed)))
        return {"op": "placed", "seconds": seconds}, {}

    def _move(self, tensors: Tensors) -> Tuple[Tensors, Optional[float]]:
        import torch

        if torch.device(self._device).type != "cuda":
            return tensors, None
        pinned = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        self._clock.start(0)
        moved = {name: tensor.to(self._device, non_blocking=True) for name, tensor in pinned.items()}
        self._clock.stop()
        return moved, self._clock.times()[-1]

    def block(self, header: Header, body: bytes) -> Tuple[Header, Tensors]:
        """Run a block. One with `slots` is a lead-in, untimed: afterwards there is memory for so many outputs."""
        import torch

        plan = BlockPlan(*(header[name] for name in BlockPlan._fields))
        call = self._caller(header["precision"])
        collecting = gc.isenabled()
        gc.disable()  # as timeit does: a collection in the middle of a block is another program's time
        try:
            with torch.no_grad():
                before = self._lead_in if header["slots"] is None else []
                marks, wall = run_block(call, self._inputs, plan, self._kept, self._clock, self._seed, before=before)
                if header["slots"] is not None:
                    first = self._inputs[plan.first]
                    self._kept.prepare(header["slots"], image_of(call(first), first.lr, False).detach())
                    self._clock.wait()
                    self._lead_in = [self._inputs[plan.first]] * (plan.calls // AGAIN)
        finally:
            if collecting:
                gc.enable()
        return {"op": "block", "wall_seconds": wall}, {"marks": torch.tensor(marks, dtype=torch.float64)}

    def take(self, header: Header, body: bytes) -> Tuple[Header, Tensors]:
        """Return the tiles of kept outputs that the host names: the output's number, and the tile in its batch."""
        self._clock.wait()  # a copy is there when the device says so, not when it was asked for
        found = [self._kept.tile(int(number), int(tile)) for number, tile in header["tiles"]]
        return {"op": "taken"}, {"output.{}".format(k): tile for k, tile in enumerate(found)}

    def inspect(self, header: Header, body: bytes) -> Tuple[Header, Tensors]:
        """Return the parameters, and the FLOPs of one further call on the first input."""
        import torch

        call = self._caller(header["precision"])
        with torch.no_grad():
            flops = timing.count_flops(lambda: call(self._inputs[0]))
        return {"op": "inspected", "parameters": timing.count_parameters(self._model), "flops": flops}, {}

    def memory(self, header: Header, body: bytes) -> Tuple[Header, Tensors]:
        """Return the memory's peak over some calls on the first input, with no output kept."""
        import torch

        self._kept = Kept()
        self._lead_in = []
        call = self._caller(header["precision"])
        with torch.no_grad():
            peaks = timing.peak_memory(lambda: call(self._inputs[0]), int(header["calls"]), self._device)
        return {"op": "remembered", **peaks}, {}

    def _caller(self, precision: str) -> Callable[[Placed], Any]:
        predict = self._model.predict
        if precision == "declared":
            return lambda placed: predict(placed.lr, placed.target)

        def call(placed: Placed) -> Any:
            with timing.precision_context(precision, self._device):
                return predict(placed.lr, placed.target)

        return call
