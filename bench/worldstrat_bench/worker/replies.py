"""Reading a worker's answers: nothing in them is taken on trust."""

from __future__ import annotations

from typing import Any

from worldstrat_bench.artefacts.record import IsolationReport
from worldstrat_bench.data.task import Task
from worldstrat_bench.plugins.interpreter import Interpreter, import_paths
from worldstrat_bench.plugins.packages import relevant_packages
from worldstrat_bench.worker.inside.device import cpu_class, cpu_name, usable_cores
from worldstrat_bench.worker.inside.wire import Message
from worldstrat_bench.worker.types import Hello, ModelSpec, Reply
from worldstrat_bench.worker.validate import InvalidOutputError, check_output

CLAIMS = ("model_error", "invalid_output", "out_of_memory")
"""Outcomes that a worker may report of itself; the others are the host's to find."""


def judge(message: Message, task: Task, wall_seconds: float, *, any_unit: bool = False) -> Reply:
    """Return what became of a task of one tile, from the worker's answer and the seconds that the host waited.

    With `any_unit` an answer that is not reflectance is taken as well.
    """
    failure = failure_of(message, "prediction", wall_seconds)
    if failure is not None:
        return failure
    header = message.header
    seconds = possible_seconds(header.get("seconds"), wall_seconds)
    try:
        images, errors, hint = check_output(message.body, task, any_unit=any_unit)
    except InvalidOutputError as error:
        return Reply("invalid_output", None, str(error), seconds)
    device, changed = short_text(header.get("output_device")), header.get("changed_input") is True
    training, spread = short_text(header.get("training")), None if errors is None else errors[0]
    return Reply("ok", images[0], hint, seconds, device, changed, training, expected_error=spread)


def failure_of(message: Message, wanted: str, wall_seconds: float) -> Reply | None:
    """Return what became of a question that was not answered with the operation `wanted`; None if it was."""
    header = message.header
    answered = header.get("op")
    if answered == wanted:
        return None
    seconds = possible_seconds(header.get("seconds"), wall_seconds)
    if answered == "failed":
        return Reply(_claim(message), None, short_text(header.get("message"), 8000), seconds)
    return Reply("invalid_output", None, f"the worker answered {short_text(answered)!r}, not {wanted!r}", seconds)


def make_hello(
    header: dict[str, Any],
    device: str,
    threads: int | None,
    interpreter: Interpreter,
    packages: dict[str, str],
    report: IsolationReport,
    start_seconds: float,
    wall_seconds: float,
) -> Hello:
    """Return what a worker that has loaded its model says, as far as the host believes it.

    What the host knows itself it does not take from the worker.

    Parameters
    ----------
    header : as the worker sent it.
    device, threads : as the worker was asked to use them.
    packages : name and version of those that the model runs with.
    wall_seconds : that the host waited for the greeting; no load can have taken longer.
    """
    said = header.get("device")
    told: dict[str, object] = said if isinstance(said, dict) else {}
    on_cuda = device.startswith("cuda")
    # On a CPU the host counts itself: a class decides with which speeds a model's speed is compared.
    cores = min(threads or usable_cores(), usable_cores())
    return Hello(
        python=".".join(str(part) for part in interpreter.version),
        torch=short_text(header.get("torch")),
        cuda=(short_text(told.get("cuda")) or None) if on_cuda else None,
        device_type="cuda" if on_cuda else "cpu",
        device_name=short_text(told.get("name")) if on_cuda else cpu_name(),
        device_class=short_text(told.get("class")) if on_cuda else cpu_class(cores),
        packages=packages,
        isolation=report,
        start_seconds=start_seconds,
        load_seconds=possible_seconds(header.get("load_seconds"), wall_seconds),
    )


def packages_of(model: ModelSpec, interpreter: Interpreter) -> dict[str, str]:
    """Return name and version of the packages that a model runs with, as its environment has them."""
    function = model.parameters.get("function")
    # The adapter for functions runs another package, which its parameter names.
    called = function.partition(":")[0].partition(".")[0] if isinstance(function, str) else None
    roots = (model.distribution, model.target.partition(":")[0].partition(".")[0], called)
    locked = () if interpreter.extra is None else interpreter.site_paths
    return relevant_packages((*model.search_paths, *import_paths(interpreter)), roots, locked)


def short_text(value: object, limit: int = 200) -> str:
    """Return a string of limited length, "" for anything else."""
    return value[:limit] if isinstance(value, str) else ""


def possible_seconds(value: object, wall_seconds: float) -> float:
    """Return what the worker claims, if it is possible; else what the host measured."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= wall_seconds:
        return float(value)
    return wall_seconds


def _claim(message: Message) -> str:
    outcome = message.header.get("outcome")
    return outcome if isinstance(outcome, str) and outcome in CLAIMS else "model_error"
