"""What a worker's answers amount to: nothing in them is taken on trust."""

from __future__ import annotations

from worldstrat_bench.worker.inside.wire import Message
from worldstrat_bench.worker.types import Reply
from worldstrat_bench.worker.validate import Expected, InvalidOutputError, check_output

CLAIMS = ("model_error", "invalid_output", "out_of_memory")
"""Outcomes that a worker may report of itself; the others are the host's to find."""


def judge(message: Message, expected: Expected, wall_seconds: float) -> Reply:
    """The answer to a tile."""
    header = message.header
    seconds = possible_seconds(header.get("seconds"), wall_seconds)
    if header.get("op") == "failed":
        return Reply(_claim(message), None, short_text(header.get("message"), 8000), seconds)
    if header.get("op") != "prediction":
        return Reply("invalid_output", None, "the reply is no prediction", seconds)
    try:
        images, hint = check_output(message.body, expected)
    except InvalidOutputError as error:
        return Reply("invalid_output", None, str(error), seconds)
    device, changed = short_text(header.get("output_device")), header.get("changed_input") is True
    return Reply("ok", images[0], hint, seconds, device, changed)


def short_text(value: object, limit: int = 200) -> str:
    """A string of limited length, "" for anything else."""
    return value[:limit] if isinstance(value, str) else ""


def possible_seconds(value: object, wall_seconds: float) -> float:
    """What the worker claims, if it is possible; else what the host measured."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= wall_seconds:
        return float(value)
    return wall_seconds


def _claim(message: Message) -> str:
    outcome = message.header.get("outcome")
    return outcome if isinstance(outcome, str) and outcome in CLAIMS else "model_error"
