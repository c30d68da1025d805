"""Which line of an error tells its cause, and the way out: of the confinement's refusals and of usual mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from worldstrat_bench.worker.hints import HINTS, REFUSALS, Rule

LONGEST = 240
"""Characters of the line that tells; the hint comes beside it."""
LONGEST_OF_LOADING = 600
"""The same of a model that was not loaded, which happens once: there is room for a list of what is supported."""

_FRAME = re.compile(r"^\s*(File \"|Traceback|\^|~|\.{3}|-{3}|at \S+:\d|#\d)")
_RAISED = re.compile(r"^([\w.]*\.)?(\w*(?:Error|Exception|Interrupt|Exit|Warning)|\w+): +\S")
_NESTED = re.compile(r"^([\w.]*\.)?\w*(?:Error|Exception): +\S")
_VAGUE = re.compile(
    r"(:|following (operation|indices|error).*|\bfailed\.?|see (above|below|the log)\b.*|"
    r"an? (unknown |internal )?error occurred\.?|torchscript interpreter\.?)$",
    re.IGNORECASE,
)
_TELLING = re.compile(
    r"(got|expect|mismatch|missing|unexpected|must|should|cannot|can't|denied|invalid|unsupported|not "
    r"|no such|no module)",
    re.IGNORECASE,
)
_ADVICE = re.compile(r"^(please|for debugging|compile with|consider|you can|note:|hint:|device-side)", re.IGNORECASE)


@dataclass(frozen=True)
class Cause:
    """The cause of an error, and the way out.

    Attributes
    ----------
    line : the line of the message that tells, at most :data:`LONGEST` characters.
    hint : what to do about it, one sentence; "" if nothing is known.
    refused : whether the confinement is the reason.
    """

    line: str
    hint: str = ""
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.line} ({self.hint})" if self.hint else self.line


def cause_of(message: str, *, confined: bool, longest: int = LONGEST) -> Cause:
    """Return the cause of a failure from the message and traceback of a worker.

    Parameters
    ----------
    message : as the worker sent it; nothing in it is trusted, it is only read.
    confined : whether the worker was confined; only then can the confinement be the reason.
    longest : characters of the line that tells.
    """
    line = telling_line(message, longest)
    # Refusals come first: a library's advice on a missing network is of no use where there is none on purpose.
    if confined:
        hint = _first(REFUSALS, message)
        if hint:
            return Cause(line, hint, refused=True)
    hint = _first(HINTS, message)
    # A message that gives the advice itself needs no second one.
    return Cause(line, "" if hint and hint in line else hint)


def explained(message: str, *, confined: bool, longest: int = LONGEST) -> str:
    """Return the message with the cause as its first line; what follows is the message as it was."""
    if not message.strip():
        return message
    cause = str(cause_of(message, confined=confined, longest=longest))
    first, _, rest = message.partition("\n")
    if cause == first:
        return message
    kept = rest if first.strip() and first.strip() in cause else message
    return f"{cause}\n{kept}" if kept.strip() else cause


def telling_line(message: str, longest: int = LONGEST) -> str:
    """Return the line that names the cause: the first one, unless it says nothing by itself."""
    lines = [line.strip() for line in message.strip().splitlines()]
    first = lines[0] if lines else ""
    if not _VAGUE.search(first):
        return shortened(first, longest)
    later = list(_said(lines[1:], first))
    # An error that was raised inside of another program is the most precise; the last one came first.
    nested = [line for line in later if _NESTED.match(line)]
    if nested:
        return shortened(f"{_kind(first)}{nested[-1]}", longest)
    told = [line for line in later if _TELLING.search(line) and not _ADVICE.match(line)][:3]
    if not told:
        told = later[:1]
    if not told:
        return shortened(first, longest)
    return shortened(f"{first} {'; '.join(line.rstrip('.') for line in told)}", longest)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return a line of bounded length; its front is never cut, and its end neither: the middle is."""
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def _said(lines: list[str], first: str) -> Iterator[str]:
    """Yield the lines after the first that are not of a traceback, each once."""
    seen = {first, first.partition(": ")[2]}
    code = False
    for line in lines:
        frame = bool(_FRAME.match(line))
        # The line after a frame is its source, not a message.
        source, code = code, frame and line.startswith("File ")
        if frame or source or not line or line in seen or set(line) <= set("~^- <=>HER"):
            continue
        if any(line.endswith(told) for told in seen if told):
            continue
        seen.add(line)
        yield line


def _kind(first: str) -> str:
    """Return "Outer: " of "Outer: text" where the outer class says more than the inner line does; else ""."""
    name = first.partition(":")[0]
    return "" if name.endswith(("RuntimeError", "Exception")) or not _RAISED.match(first) else f"{name}: "


def _first(rules: tuple[Rule, ...], message: str) -> str:
    for rule in rules:
        found = rule.pattern.search(message)
        if found is not None:
            return rule.hint.format(*(part or "" for part in found.groups()))
    return ""
