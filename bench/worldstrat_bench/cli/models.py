"""``models list`` and ``models check``: which models there are, and whether one keeps the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import console
from worldstrat_bench.cli.auditing import AuditGroup
from worldstrat_bench.cli.groups import IsolationOption, ModelGroup, PythonOption, with_groups

if TYPE_CHECKING:
    from worldstrat_bench.plugins.discovery import ModelEntry
    from worldstrat_bench.worker.conformance import ModelFinding

models = typer.Typer(help="List the installed models; check one.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A model's name, a wheel, or a submission.")]
LogOption = Annotated[Path | None, typer.Option("--log", metavar="FILE", help="File for the model's own output.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.add_typer(models, name="models")


@models.command("list", short_help="List the models that are installed.")
def list_models(python: PythonOption = None, json: console.JsonOption = False) -> None:
    """List the models that are installed, broken ones with what is wrong. None is imported."""
    from worldstrat_bench.plugins.discovery import BASELINES_REMEDY, installed_models
    from worldstrat_bench.plugins.interpreter import import_paths, inspect_interpreter

    entries = installed_models(None if python is None else import_paths(inspect_interpreter(python)))
    if json:
        console.print_json([_document(entry) for entry in entries])
        return
    if not entries:
        console.say(console.stderr(), f"no model is installed: {BASELINES_REMEDY}")
        return
    _print_entries(entries)


@models.command("check", short_help="Check a model on synthetic tiles and say what to fix.")
@with_groups
def check(
    name: NameArgument,
    loading: ModelGroup,
    auditing: AuditGroup,
    device: console.DeviceOption = "cpu",
    isolation: IsolationOption = "auto",
    log: LogOption = None,
    *,
    json: console.JsonOption = False,
) -> None:
    """Check a model on synthetic tiles and say what to fix; exits with code 3 if it breaks the contract."""
    import tempfile

    from worldstrat_bench.pace import Alive
    from worldstrat_bench.plugins.declared import declared_parameters
    from worldstrat_bench.plugins.discovery import find_model
    from worldstrat_bench.plugins.wheel import SCRATCH
    from worldstrat_bench.run.devices import resolve_devices
    from worldstrat_bench.worker.conformance import ModelToCheck, check_model
    from worldstrat_bench.worker.types import ModelSpec

    auditing.check()
    on = resolve_devices(device)[0]
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as scratch:
        asked = loading.request(name)
        reference = auditing.reference(asked)
        entry = find_model(asked.name, asked.python, Path(scratch))
        # A submission states all of its parameters: a file beside the weights adds none.
        parameters = declared_parameters(entry, asked.parameters or {}, asked.weights, beside=asked.submission is None)
        spec = ModelSpec(entry.target, parameters, asked.weights, entry.search_paths, asked.python, entry.distribution)
        subject = ModelToCheck(spec, asked.frames, on, isolation, log=log)
        findings = []
        wait = Alive(lambda line: typer.echo(line, err=True), "starting the model")
        with _confined_or_told(name), wait:
            for finding in check_model(subject):
                findings.append(finding)
                wait.step(f"checking the model, after: {finding.check}")
                if not json:
                    _print_finding(finding)
        failed = [finding for finding in findings if not finding.passed]
        sound, probes = True, None
        # An audit of a model that breaks the contract would report the same faults as leaks.
        if auditing.audit and not failed:
            from worldstrat_bench.cli.auditing import audit_model

            sound, probes = audit_model(spec, asked.frames, auditing, reference, on, isolation, json=json)
    if json:
        console.print_json(
            {
                "model": _document(entry),
                "passed": not failed and sound,
                "findings": [asdict(f) for f in findings],
                "audit": probes,
            }
        )
    else:
        console.say(console.stderr(), _summary(len(failed), len(findings), probes))
        if any(finding.refused for finding in failed):
            text = (
                f"the confinement refused something. If you trust the model, see how it does without: {_command(name)}"
            )
            console.say(console.stderr(), text)
    if failed or not sound:
        raise typer.Exit(3)


def _command(name: str) -> str:
    """Return the command that checks a model without confinement, with the other options as they were given."""
    import shlex
    import sys

    given = sys.argv[1:] if sys.argv[1:3] == ["models", "check"] else ["models", "check", name]
    return shlex.join(["worldstrat-bench", *given, "--isolation", "process"])


@contextmanager
def _confined_or_told(name: str) -> Iterator[None]:
    """Name the command for a machine that cannot confine: a model is never checked unconfined unasked."""
    from worldstrat_bench.worker.isolation import LevelUnavailableError

    try:
        yield
    except LevelUnavailableError as error:
        remedy = f"if you trust the model: {_command(name)}"
        raise LevelUnavailableError(error.what, where=error.where, remedy=remedy) from None


def _summary(failed: int, checks: int, probes: list[dict[str, object]] | None) -> str:
    """Return the last line: how many checks passed, and what the probes of an audit found, if there was one."""
    text = f"{failed} of {checks} checks failed" if failed else f"all {checks} checks passed"
    if probes is None:
        return text
    found = Counter(str(probe["verdict"]) for probe in probes if "verdict" in probe)
    return f"{text}; probes of the audit: {', '.join(f'{count} {verdict}' for verdict, count in found.items())}"


def _document(entry: ModelEntry) -> dict[str, str | None]:
    return {
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "target": entry.target,
        "summary": entry.summary,
        "problem": entry.problem,
        "wheel_sha256": entry.wheel_sha256,
    }


def _print_entries(entries: tuple[ModelEntry, ...]) -> None:
    """Print a paragraph per distribution: its name and summary, then its models."""
    from itertools import groupby
    from operator import attrgetter

    out = console.stdout()
    key = attrgetter("distribution", "version", "summary")
    for (distribution, version, summary), group in groupby(sorted(entries, key=key), key=key):
        out.print(console.printable(f"{distribution} {version}"), style="bold", markup=False, highlight=False)
        if summary:
            console.say_lines(out, f"  {summary}", 0)
        for entry in group:
            name = console.printable(entry.name or "(unreadable)")
            out.print(f"  {name:<24}{console.printable(entry.target)}", markup=False, highlight=False, soft_wrap=True)
            if entry.problem:
                problem = console.printable(entry.problem)
                out.print(f"    problem: {problem}", style="red", markup=False, highlight=False, soft_wrap=True)


def _print_finding(finding: ModelFinding) -> None:
    out = console.stdout()
    mark, style = ("ok  ", "green") if finding.passed else ("FAIL", "bold red")
    out.print(mark, style=style, end=" ")
    console.say(out, f"{finding.check}: {finding.seen}", len(mark) + 1)
    if not finding.passed and finding.fix and finding.fix != finding.seen:
        console.say_lines(out, f"     fix: {finding.fix}", 0)
