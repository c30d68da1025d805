"""The worker's side: loads one model and answers one tile after the other.

It trusts the host and is not trusted: whatever a model makes of this process, the host checks what comes
out. Only the standard library, numpy, torch and safetensors are imported; syntax of Python 3.9.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import platform
import random
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

from worldstrat_bench.worker.inside.refusals import refuse_semaphores
from worldstrat_bench.worker.inside.tensors import arrays_of, pieces_of
from worldstrat_bench.worker.inside.wire import Body, Buffer, Wire, WireClosedError

if TYPE_CHECKING:
    import torch

    from worldstrat_bench.api import LowRes, SRModel

MAX_BODY_BYTES = 1 << 30
MAX_TEXT = 8000

Header = Dict[str, Any]
Answer = Tuple[Header, Body]
Answers = Dict[str, Callable[[Header, Buffer], Answer]]


class NoDeviceError(Exception):
    """The device that was asked for cannot be used from here; the message says what torch said."""


class OutputError(Exception):
    """The model's output cannot be sent; the message says what to fix."""


def serve(wire: Wire) -> None:
    """Answer messages until the host hangs up."""
    answers: Answers = {}
    while True:
        try:
            header, body = wire.receive()
        except WireClosedError:
            return
        if header["op"] == "load":
            model = answer_load(wire, header)
            answers = {} if model is None else answers_of(model, header["device"])
            if model is not None and header["device"].startswith("cuda"):
                from worldstrat_bench.worker.inside.memory import pinned

                wire.allocate = pinned
        elif header["op"] in answers:
            answer(wire, answers, header, body)
        else:
            return


def answers_of(model: SRModel, device: str) -> Answers:
    """Return what a worker that holds a model can be asked for."""
    import safetensors.torch

    from worldstrat_bench.worker.inside.blocks import Bench, NotPlainError

    def timed(part: Callable[[Header, bytes], Tuple[Header, Any]], header: Header, body: Buffer) -> Answer:
        try:
            reply, tensors = part(header, bytes(body))
        except NotPlainError as error:
            raise OutputError(str(error)) from None
        return reply, safetensors.torch.save(tensors) if tensors else b""

    bench = Bench(model, device, seed_everything)
    found: Answers = {op: functools.partial(timed, part) for op, part in bench.answers.items()}
    found["predict"] = functools.partial(predict, model, device)
    return found


def answer_load(wire: Wire, header: Header) -> Optional[SRModel]:
    """Import torch and the model, and say hello or what went wrong."""
    started = time.perf_counter()
    try:
        facts = prepare_torch(header)
    except NoDeviceError as error:
        wire.send({"op": "failed", "kind": "device", "message": str(error)[:MAX_TEXT]})
        return None
    except Exception:
        wire.send({"op": "failed", "kind": "environment", "message": last_lines(traceback.format_exc())})
        return None
    wire.send({"op": "prepared"})  # what goes wrong from here on is the model's own fault
    try:
        model = load_model(header)
    except BaseException as error:
        wire.send({"op": "failed", "kind": "model", "message": describe(error), "outcome": outcome_of(error)})
        return None
    facts["op"] = "hello"
    facts["load_seconds"] = time.perf_counter() - started
    wire.send(facts)
    return model


def prepare_torch(header: Header) -> Header:
    """Import what the worker itself needs, choose the device, and describe both."""
    import numpy  # noqa: F401
    import safetensors.torch  # noqa: F401
    import torch

    from worldstrat_bench.memory import keep_freed_memory
    from worldstrat_bench.worker.inside.device import device_facts, device_problem

    if header.get("threads"):
        torch.set_num_threads(int(header["threads"]))
    problem = device_problem(header["device"])
    if problem:
        raise NoDeviceError(problem)
    facts = device_facts(header["device"], header.get("threads"))
    if facts["type"] == "cuda":
        # On a CPU it would change the speed of the model, which is another's to choose.
        keep_freed_memory(one_heap=False)
    return {"python": platform.python_version(), "torch": str(torch.__version__), "device": facts}


def load_model(header: Header) -> SRModel:
    """Import the entry point and call it."""
    import torch

    # Before the first import of the model, which may make a pool right there.
    if header.get("confined"):
        refuse_semaphores()
    sys.path[:0] = header["search_paths"]
    importlib.invalidate_caches()
    # A model may draw its weights when it is imported or made.
    seed_everything(int(header["seed"]))
    module_name, _, attribute = header["target"].partition(":")
    entry: Any = importlib.import_module(module_name)
    for part in attribute.split("."):
        entry = getattr(entry, part)
    weights = Path(header["weights"]) if header["weights"] else None
    # Asked before the call, whose own TypeError could as well come from deep inside the model.
    check_parameters(entry, header["target"], header["parameters"])
    model = entry(weights, torch.device(header["device"]), **header["parameters"])
    if not callable(getattr(model, "predict", None)):
        raise TypeError("{} returned {}, which has no predict method".format(header["target"], type_name(model)))
    return model  # type: ignore[no-any-return]


def check_parameters(entry: Any, target: str, given: Dict[str, Any]) -> None:
    """Raise TypeError for parameters that the entry point does not take, with those that it takes."""
    try:
        known = list(inspect.signature(entry).parameters.values())[2:]  # after weights and device
    except (TypeError, ValueError):
        return  # some callables have no signature: the call will tell
    if any(one.kind is one.VAR_KEYWORD for one in known):
        return
    names = [one.name for one in known if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    unknown = [name for name in given if name not in names]
    if unknown:
        accepted = "it takes {}".format(", ".join(names)) if names else "it takes none"
        raise TypeError("{} has no parameter {}; {}".format(target, ", ".join(map(repr, unknown)), accepted))


def answer(wire: Wire, answers: Answers, header: Header, body: Buffer) -> None:
    """Do what the message asks for and send the result, or what went wrong."""
    tensors: Body
    try:
        reply, tensors = answers[header["op"]](header, body)
    except OutputError as error:
        reply, tensors = {"op": "failed", "outcome": "invalid_output", "message": str(error)[:MAX_TEXT]}, b""
    except BaseException as error:
        reply, tensors = {"op": "failed", "outcome": outcome_of(error), "message": describe(error)}, b""
    reply["nonce"] = header["nonce"]
    wire.send(reply, tensors)


def predict(model: SRModel, device: str, header: Header, body: Buffer) -> Answer:
    """Run the model on one tile; what it returned, as it returned it."""
    import torch

    from worldstrat_bench.api import Target

    tensors = {name: torch.from_numpy(array) for name, array in arrays_of(body).items()}
    seed_everything(int(header["seed"]))
    lr = low_res(tensors, device)
    # The model gets the tensors themselves; what it may change is compared with copies.
    if header.get("examine"):
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    started = time.perf_counter()
    output = run_model(model, lr, Target(int(header["height"]), int(header["width"])), device)
    reply = {"op": "prediction", "seconds": time.perf_counter() - started}
    parts = parts_of(output)
    if header.get("examine"):
        reply["output_device"] = str(getattr(parts["prediction"], "device", ""))
        reply["changed_input"] = changed(lr, tensors)
        reply["training"] = training_parts()
    return reply, packed({name: to_host(part, name) for name, part in parts.items()})


def parts_of(output: Any) -> Dict[str, Any]:
    """Return what the model returned, by the names of the message: its image and, if it has one, its expected error."""
    from worldstrat_bench.api import Prediction

    whole = output if isinstance(output, Prediction) else Prediction(output)
    more = {} if whole.expected_error is None else {"expected_error": whole.expected_error}
    return {"prediction": whole.image, **more}


def packed(parts: Dict[str, torch.Tensor]) -> Body:
    """Return dense tensors on the CPU as a message: as they lie if they are what is asked for, else by the library."""
    import safetensors.torch
    import torch

    # Sent as it is: the host refuses it and says what to return instead, and a conversion here would hide the mistake.
    if any(part.dtype != torch.float32 for part in parts.values()):
        return safetensors.torch.save(parts)
    return pieces_of({name: part.numpy() for name, part in parts.items()})


def low_res(tensors: Dict[str, torch.Tensor], device: str) -> LowRes:
    """Return the inputs of a batch on the model's device."""
    from worldstrat_bench.api import LowRes

    return LowRes(*(tensors[name].to(device) for name in ("images", "clear", "days")))


def run_model(model: SRModel, lr: LowRes, target: Any, device: str) -> Any:
    """Call the model without gradients and wait until the device is done."""
    import torch

    with torch.no_grad():
        output = model.predict(lr, target)
        if torch.device(device).type == "cuda":
            # CUDA returns at once: without a wait the time is wrong, and a failure shows in the next tile.
            torch.cuda.synchronize(device)
    return output


def changed(lr: LowRes, before: Dict[str, torch.Tensor]) -> bool:
    """Return whether the inputs are no longer what they were."""
    import torch

    after = {"images": lr.images, "clear": lr.clear, "days": lr.days}
    return not all(torch.equal(after[name].cpu(), before[name]) for name in after)


def training_parts() -> str:
    """Return the kinds of modules in training mode that compute otherwise there, of all that live in this process."""
    import gc

    import torch

    found = set()
    for one in gc.get_objects():
        if torch.nn.Module in type(one).__mro__ and one.__dict__.get("training", getattr(one, "training", False)):
            name = str(getattr(one, "original_name", type(one).__name__))
            if "Dropout" in name or "BatchNorm" in name or "DropPath" in name:
                found.add(name[:40])
    return ", ".join(sorted(found))[:200]


def to_host(output: Any, name: str = "prediction") -> torch.Tensor:
    """Return a tensor as the model returned it, dense, on the CPU; the host checks shape, dtype and values."""
    import torch

    said = "predict returned" if name == "prediction" else name + " is"
    if not isinstance(output, torch.Tensor):
        raise OutputError("{} {}, not a torch.Tensor".format(said, type_name(output)))
    if output.layout != torch.strided or output.is_quantized:
        raise OutputError("{} a sparse or quantised tensor; return a dense float32 one".format(said))
    dense = output.detach().resolve_neg()
    if not dense.is_cuda:
        return dense.cpu().contiguous()
    return torch.empty(dense.shape, dtype=dense.dtype, device="cpu", pin_memory=True).copy_(dense)


def seed_everything(seed: int) -> None:
    """Seed torch (all devices), numpy and random, so that a tile does not depend on those before it."""
    import numpy
    import torch

    torch.manual_seed(seed)
    numpy.random.seed(seed % 2**32)
    random.seed(seed)


def outcome_of(error: BaseException) -> str:
    """Return ``out_of_memory`` for what allocators raise, ``model_error`` for the rest."""
    text = text_of(error).lower()
    exhausted = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    exhausted = exhausted or "out of memory" in text or "can't allocate memory" in text
    return "out_of_memory" if exhausted else "model_error"


def describe(error: BaseException) -> str:
    """Return the error in a line, then the end of its traceback without the harness's own frames."""
    lines = traceback.format_exception(type(error), error, strip_own(error.__traceback__))
    summary = "{}: {}".format(type(error).__name__, text_of(error)[:500]).strip().rstrip(":")
    origin = origin_of(error)
    if origin is not error:
        # An error that was raised for another one seldom says what the other one says.
        said = "{}: {}".format(type(origin).__name__, text_of(origin).partition("\n")[0][:300])
        first, newline, rest = summary.partition("\n")
        summary = "{}, from {}{}{}".format(first.rstrip(": "), said.strip().rstrip(":"), newline, rest)
    text = "".join(lines)
    print(text, end="", file=sys.stderr, flush=True)
    return "{}\n{}".format(summary, last_lines(text))


def origin_of(error: BaseException) -> BaseException:
    """Return the error that an error was raised for, at the end of at most ten links; itself if there is none."""
    for _ in range(10):
        inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if inner is None:
            break
        error = inner
    return error


def text_of(error: BaseException) -> str:
    """Return what an exception says; its class is the model's, too."""
    try:
        return str(error)
    except Exception:
        return "<its text cannot be made>"


def strip_own(tb: Any) -> Any:
    """Return the traceback from the first frame that is not the harness's."""
    here = os.path.dirname(os.path.abspath(__file__))
    first = tb
    while tb is not None and os.path.dirname(os.path.abspath(tb.tb_frame.f_code.co_filename)) == here:
        tb = tb.tb_next
    return tb or first


def last_lines(text: str) -> str:
    """Return the end of a text, at most 20 lines."""
    return "\n".join(text.strip().splitlines()[-20:])[-MAX_TEXT:]


def type_name(value: object) -> str:
    """Return the type of a value as its author calls it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else "{}.{}".format(kind.__module__, kind.__qualname__)
