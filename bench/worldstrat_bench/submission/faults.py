"""What a check found: faults that refuse a submission and notices for its reader, in four formats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from worldstrat_bench.errors import InvalidArtefactError, WorldstratBenchError

Severity = Literal["error", "notice"]

_LONGEST = 400


@dataclass(frozen=True)
class Fault:
    """One finding.

    Attributes
    ----------
    rule : a stable, short name, such as "record-aggregates".
    what : one sentence without a full stop.
    where : file, relative to where the user stands if possible.
    line : 1-based line in that file, if known.
    remedy : what to do about it.
    severity : an "error" refuses the submission, a "notice" does not.
    """

    rule: str
    what: str
    where: str = ""
    line: int | None = None
    remedy: str = ""
    severity: Severity = "error"

    @property
    def place(self) -> str:
        """``file:line`` or what is known of it."""
        return f"{self.where}:{self.line}" if self.line else self.where


@dataclass(frozen=True)
class CheckReport:
    """The findings of one check and the submissions that were looked at."""

    checked: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that refuse."""
        return tuple(f for f in self.faults if f.severity == "error")

    @property
    def notices(self) -> tuple[Fault, ...]:
        """The faults that do not."""
        return tuple(f for f in self.faults if f.severity == "notice")

    @property
    def ok(self) -> bool:
        """True if nothing refuses."""
        return not self.errors


def notice(rule: str, what: str, where: object = "", remedy: str = "", line: int | None = None) -> Fault:
    """A finding that refuses nothing."""
    return Fault(rule, what, str(where), line, remedy, "notice")


def from_error(rule: str, error: WorldstratBenchError) -> Fault:
    """The fault that an error describes."""
    return Fault(rule, error.what, error.where or "", getattr(error, "line", None), error.remedy or "")


def relative(path: Path) -> str:
    """A path as the user would write it from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def shown(text: str, longest: int = _LONGEST) -> str:
    """Foreign text on one line, without control characters, cut to a length."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def as_text(report: CheckReport) -> str:
    """For people on a terminal."""
    lines: list[str] = []
    for fault in (*report.errors, *report.notices):
        lines.append(f"{fault.severity}: {shown(fault.what)} [{fault.rule}]")
        if fault.where:
            lines.append(f"  where: {shown(fault.place)}")
        if fault.remedy:
            lines.append(f"  fix: {shown(fault.remedy)}")
    lines.append(summary(report))
    return "\n".join(lines) + "\n"


def summary(report: CheckReport) -> str:
    """One line: what was checked and what came of it."""
    what = ", ".join(shown(slug, 60) for slug in report.checked) or "nothing to check"
    verdict = "passed" if report.ok else f"refused: {_count(len(report.errors), 'fault')}"
    return f"{what}: {verdict}" + (f", {_count(len(report.notices), 'notice')}" if report.notices else "")


def as_json(report: CheckReport) -> dict[str, object]:
    """The document of ``--json``."""
    return {"ok": report.ok, "checked": list(report.checked), "faults": [_fault_json(f) for f in report.faults]}


def from_json(text: str, *, where: object = "report") -> CheckReport:
    """Read the document of ``--json`` back; it may come from a hostile pull request.

    Raises
    ------
    InvalidArtefactError
        if it is no such document, or unreasonably long.
    """
    try:
        found = TypeAdapter(_Report).validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part)[:40] for part in first["loc"])
        raise InvalidArtefactError(f"not the report of a check: {key}: {first['msg']}", where=where) from None
    except (ValueError, RecursionError):
        raise InvalidArtefactError("not the report of a check", where=where) from None
    return CheckReport(tuple(found.checked), tuple(Fault(**fault.model_dump()) for fault in found.faults))


def as_markdown(report: CheckReport) -> str:
    """For the comment on a pull request; foreign text cannot make links, mentions or HTML."""
    lines = ["### Submission check", "", f"{'✅' if report.ok else '❌'} {escape_markdown(summary(report))}", ""]
    for title, faults in (("Faults", report.errors), ("Notices", report.notices)):
        if not faults:
            continue
        lines += [f"| {title} | where | what to do |", "|---|---|---|"]
        lines += [
            f"| {escape_markdown(f.what)} (`{f.rule}`) | {escape_markdown(f.place)} | {escape_markdown(f.remedy)} |"
            for f in faults
        ]
        lines.append("")
    return "\n".join(lines)


def as_github(report: CheckReport) -> str:
    """Workflow commands that GitHub shows beside the changed lines."""
    lines = []
    for fault in (*report.errors, *report.notices):
        where = f"file={_command_property(fault.where)},line={fault.line or 1}," if fault.where else ""
        text = fault.what + (f" - {fault.remedy}" if fault.remedy else "")
        lines.append(f"::{fault.severity} {where}title={_command_property(fault.rule)}::{_command_text(shown(text))}")
    return "\n".join([*lines, summary(report)]) + "\n"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows literally: no HTML, links, mentions, tables or code."""
    safe = shown(text).translate({ord(c): f"&#{ord(c)};" for c in "\\`*_{}[]()#+!|~$<>&"})
    return safe.replace("@", "@\u200b").replace("://", ":\u200b//").replace("www.", "www\u200b.")


def _command_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _command_property(text: str) -> str:
    return _command_text(shown(text)).replace(":", "%3A").replace(",", "%2C")


class _FaultDocument(BaseModel):
    """One entry of ``faults`` in the document of ``--json``."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rule: Annotated[str, Field(max_length=40, pattern=r"^[a-z-]+$")]
    severity: Severity
    what: Annotated[str, Field(max_length=1000)]
    where: Annotated[str, Field(max_length=1000)]
    line: int | None
    remedy: Annotated[str, Field(max_length=1000)]


class _Report(BaseModel):
    """The document of ``--json``."""

    model_config = ConfigDict(extra="forbid")

    ok: bool
    checked: Annotated[list[Annotated[str, Field(max_length=400)]], Field(max_length=100)]
    faults: Annotated[list[_FaultDocument], Field(max_length=200)]


def _fault_json(fault: Fault) -> dict[str, object]:
    return {
        "rule": fault.rule,
        "severity": fault.severity,
        "what": shown(fault.what),
        "where": shown(fault.where),
        "line": fault.line,
        "remedy": shown(fault.remedy),
    }


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def only(faults: Iterable[Fault | None]) -> tuple[Fault, ...]:
    """The findings among checks that may find nothing."""
    return tuple(f for f in faults if f is not None)
