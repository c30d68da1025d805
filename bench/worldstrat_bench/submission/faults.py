"""Findings of a check: faults that refuse a submission and notices for its reader, in four formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from worldstrat_bench.artefacts.base import first_problem
from worldstrat_bench.errors import InvalidArtefactError, WorldstratBenchError
from worldstrat_bench.printed import counted
from worldstrat_bench.stats.names import without_codes

Severity = Literal["error", "notice"]

MOST_SHOWN = 200
"""Findings in a report, and submissions."""

MOST_CHARACTERS = 60_000
"""Of a comment: a forge refuses one of more than 65,536."""

_LONGEST = 400


@dataclass(frozen=True)
class CheckFinding:
    """One finding.

    Attributes
    ----------
    rule : a stable, short name, such as "record-aggregates".
    what : one sentence without a full stop.
    where : a file, or words that are not one, such as an option.
    line : 1-based line in that file, if known.
    remedy : what to do about it.
    severity : an "error" refuses the submission, a "notice" does not.
    """

    rule: str
    what: str
    _: KW_ONLY
    where: Path | str = ""
    line: int | None = None
    remedy: str = ""
    severity: Severity = "error"

    @property
    def file(self) -> str:
        """`where` as the user would write it from here."""
        return relative(self.where) if isinstance(self.where, Path) else self.where

    @property
    def place(self) -> str:
        """``file:line`` or what is known of it."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class CheckReport:
    """The findings of one check, the submissions that were looked at, and those of which nothing is left."""

    checked: tuple[str, ...]
    faults: tuple[CheckFinding, ...]
    removed: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[CheckFinding, ...]:
        """The faults that refuse."""
        return tuple(f for f in self.faults if f.severity == "error")

    @property
    def notices(self) -> tuple[CheckFinding, ...]:
        """The faults that do not; those of a rule that says little come first, since reports are cut at their end.

        Whoever submits chooses how many records there are, and could push out what maintainers have to read.
        """
        found = [f for f in self.faults if f.severity == "notice"]
        count = Counter(f.rule for f in found)
        return tuple(sorted(found, key=lambda f: count[f.rule]))

    @property
    def ok(self) -> bool:
        """True if nothing refuses."""
        return not self.errors


def notice(rule: str, what: str, *, where: Path | str = "", remedy: str = "", line: int | None = None) -> CheckFinding:
    """Return a finding that refuses nothing."""
    return CheckFinding(rule, what, where=where, line=line, remedy=remedy, severity="notice")


def from_error(rule: str, error: WorldstratBenchError) -> CheckFinding:
    """Return the finding that an error describes."""
    where = error.where or ""
    # Errors hold text, of which only an absolute path is known to be a path.
    place = Path(where) if where.startswith("/") else where
    return CheckFinding(rule, error.what, where=place, line=getattr(error, "line", None), remedy=error.remedy or "")


def relative(path: Path) -> str:
    """Return a path as the user would write it from here."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def shown(text: str, longest: int = _LONGEST) -> str:
    """Return foreign text on one line, without control characters, cut to a length."""
    # A runner of workflows looks for the older form of its commands, ##[name], anywhere in a line of its log.
    line = "".join(c if c.isprintable() else " " for c in text).replace("##[", "## [")
    return line if len(line) <= longest else line[: longest - 1] + "…"


def as_text(report: CheckReport, by: str = "submission check") -> str:
    """Format a report for people on a terminal; its last line names `by` as what came to the verdict."""
    lines: list[str] = []
    for fault in (*report.errors, *report.notices):
        lines.append(f"{fault.severity}: {shown(fault.what)} [{fault.rule}]")
        if fault.file:
            lines.append(f"  where: {shown(fault.place)}")
        if fault.remedy:
            lines.append(f"  fix: {shown(fault.remedy)}")
    lines.append(summary(report, by))
    return "\n".join(lines) + "\n"


def summary(report: CheckReport, by: str = "submission check") -> str:
    """Return one line: what was checked and what came of it."""
    names = (
        *(shown(slug, 60) for slug in report.checked),
        *(f"{shown(slug, 60)} (removed)" for slug in report.removed),
    )
    what = ", ".join(names) or "nothing to check"
    verdict = "passed" if report.ok else f"refused: {counted(len(report.errors), 'fault')}"
    # Not a name first: at the start of a line a runner of workflows may take it for a command.
    return f"{by}: {what}: {verdict}" + (f", {counted(len(report.notices), 'notice')}" if report.notices else "")


def as_json(report: CheckReport) -> dict[str, object]:
    """Return the document of ``--json``; errors come first, and beyond the first findings only their number is said."""
    found = [*report.errors, *report.notices]
    if len(found) > MOST_SHOWN:
        left = len(found) - MOST_SHOWN + 1
        severity: Severity = "notice" if len(report.errors) < MOST_SHOWN else "error"
        more = CheckFinding("more", f"{left} further findings are not listed", severity=severity)
        found = [*found[: MOST_SHOWN - 1], more]
    checked = list(report.checked[:MOST_SHOWN])
    gone = {"removed": list(report.removed[:MOST_SHOWN])} if report.removed else {}
    return {"ok": report.ok, "checked": checked, **gone, "faults": [_fault_json(fault) for fault in found]}


def from_json(text: str, *, where: object = "report") -> CheckReport:
    """Read the document of ``--json`` back; it may come from a hostile pull request.

    Raises
    ------
    InvalidArtefactError
        if it is not such a document, or unreasonably long.
    """
    try:
        found = TypeAdapter(_Report).validate_json(text)
    except ValidationError as error:
        raise InvalidArtefactError(f"not the report of a check: {first_problem(error)}", where=where) from None
    except (ValueError, RecursionError):
        raise InvalidArtefactError("not the report of a check", where=where) from None
    faults = tuple(CheckFinding(**fault.model_dump()) for fault in found.faults)
    report = CheckReport(tuple(found.checked), faults, tuple(found.removed))
    if report.ok != found.ok:
        raise InvalidArtefactError("the report contradicts itself: its verdict is not that of its faults", where=where)
    return report


def as_markdown(report: CheckReport) -> str:
    """Format a report for the comment on a pull request; foreign text cannot make links, mentions or HTML."""
    lines = ["### Submission check", "", f"{_mark(report)} {escape_markdown(summary(report))}", ""]
    left = MOST_CHARACTERS - sum(map(len, lines))
    for title, faults in (("Faults", report.errors), ("Notices", report.notices)):
        rows = [
            f"| {escape_markdown(f.what)} (`{f.rule}`) | {escape_markdown(f.place)} | {escape_markdown(f.remedy)} |"
            for f in faults
        ]
        # A comment that the forge refuses would leave an earlier one, with an earlier verdict, in its place.
        ends = list(accumulate(len(row) + 1 for row in rows))
        kept = sum(end <= left for end in ends)
        left -= ends[kept - 1] if kept else 0
        if rows:
            lines += [f"| {title} | where | what to do |", "|---|---|---|", *rows[:kept]]
            if kept < len(rows):
                lines.append(f"| {counted(len(rows) - kept, 'further finding')}: see the log of the run | | |")
            lines.append("")
    return "\n".join(lines)


def _mark(report: CheckReport) -> str:
    """Return a tick that stands for one thing: submissions were checked, and all that is changed belongs to them."""
    if not report.ok:
        return "❌"
    return "✅" if report.checked and not any(f.rule == "changes" for f in report.faults) else "ℹ️"


def as_github(report: CheckReport) -> str:
    """Format a report as workflow commands that GitHub shows beside the changed lines."""
    lines = []
    for fault in (*report.errors, *report.notices):
        where = f"file={_command_property(fault.file)},line={fault.line or 1}," if fault.file else ""
        text = fault.what + (f" - {fault.remedy}" if fault.remedy else "")
        lines.append(f"::{fault.severity} {where}title={_command_property(fault.rule)}::{_command_text(shown(text))}")
    return "\n".join([*lines, summary(report)]) + "\n"


def escape_markdown(text: str) -> str:
    """Return text that Markdown shows literally: no HTML, links, mentions, tables or code."""
    # Round brackets and exclamation marks mean something beside square ones only, and these are replaced.
    safe = without_codes(shown(text)).translate({ord(c): f"&#{ord(c)};" for c in "\\`*_[]#+|~$<>&"})
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
    checked: Annotated[list[Annotated[str, Field(max_length=400)]], Field(max_length=MOST_SHOWN)]
    faults: Annotated[list[_FaultDocument], Field(max_length=MOST_SHOWN)]
    removed: Annotated[list[Annotated[str, Field(max_length=400)]], Field(max_length=MOST_SHOWN)] = []


def _fault_json(fault: CheckFinding) -> dict[str, object]:
    return {
        "rule": fault.rule,
        "severity": fault.severity,
        "what": shown(fault.what),
        "where": shown(fault.file),
        "line": fault.line,
        "remedy": shown(fault.remedy),
    }


def only(faults: Iterable[CheckFinding | None]) -> tuple[CheckFinding, ...]:
    """Return the findings among checks that may find nothing."""
    return tuple(f for f in faults if f is not None)
