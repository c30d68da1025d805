"""Faults of the text of a ``submission.toml``: key, line and remedy, all of them at once."""

from __future__ import annotations

import re
from typing import Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.submission.about import Section
from worldstrat_bench.submission.locate import line_of, line_of_syntax_error
from worldstrat_bench.toml_text import read_toml

_MOST_DESCRIBED: Final = 100
"""Faults of one manifest that are described: a report shows no more, and a stranger can write thousands."""

M = TypeVar("M", bound=Section)


class ManifestError(InvalidArtefactError):
    """A manifest that cannot be used; `line` is where, if it is known."""

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None, line: int | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.line = line


def validated(text: str, kind: type[M], where: object) -> M | tuple[ManifestError, ...]:
    """Return a manifest of some kind, or everything that is wrong with its text (at least one error)."""
    try:
        return kind.model_validate(read_toml(text))
    except (ValueError, RecursionError) as error:
        # A ValidationError is a ValueError, too: it is the one with a list of faults.
        if not isinstance(error, ValidationError):
            what, line = f"not TOML: {error}", line_of_syntax_error(str(error))
            return (ManifestError(what, where=where, remedy="see toml.io for the syntax", line=line),)
        details = error.errors(include_url=False)
        found = [_described(detail, text, where, kind) for detail in details[:_MOST_DESCRIBED]]
        if more := len(details) - len(found):
            found.append(ManifestError(f"{more} more keys are wrong", where=where, remedy="correct these first"))
        return tuple(found)


def _described(detail: ErrorDetails, text: str, where: object, whole: type[BaseModel]) -> ManifestError:
    key = [str(part)[:60] if isinstance(part, str) else part for part in detail["loc"]]
    dotted = ".".join(str(part) for part in key) or "the file"
    kind = detail["type"]
    line = line_of(text, detail["loc"])
    if kind == "missing":
        return ManifestError(f"{dotted}: the key is missing", where=where, remedy=_expectation(key, whole), line=line)
    if kind == "extra_forbidden":
        remedy = "remove it, or check the spelling against docs/submissions.md"
        return ManifestError(f"{dotted}: there is no such key", where=where, remedy=remedy, line=line)
    return ManifestError(f"{dotted}: {_message(detail)}", where=where, remedy=_expectation(key, whole), line=line)


def _message(detail: ErrorDetails) -> str:
    value = detail.get("input")
    given = f", not {value!r:.60}" if isinstance(value, str | int | float | bool) else ""
    message = re.sub(r"\s+", " ", str(detail["msg"]))
    if detail["type"] == "string_pattern_mismatch":
        message = "does not have the form that is asked for"
    return f"{message[:1].lower()}{message[1:]}{given}"


def _expectation(key: list[str | int], section: type[BaseModel]) -> str:
    """Return what the schema of a section says about a key, as a remedy."""
    description = ""
    # The path of a fault is followed through the schema, since a description stands at the key that was meant.
    for part in key:
        field = section.model_fields.get(part) if isinstance(part, str) else None
        if field is None:
            break
        description = field.description or ""
        inner = (field.annotation, *get_args(field.annotation))
        section = next((kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)), section)
    return f"expected: {description}" if description else "see docs/submissions.md for what belongs there"
