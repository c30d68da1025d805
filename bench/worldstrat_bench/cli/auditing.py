"""The ``--audit`` part of ``models check``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import console

if TYPE_CHECKING:
    from worldstrat_bench.worker.types import ModelSpec

AuditOption = Annotated[bool, typer.Option("--audit", help="Probe for memorisation as well; needs --data.")]
UnseenOption = Annotated[
    Path | None,
    typer.Option("--unseen", metavar="DIR", help="Real tiles in WorldStrat's layout that no author has; with --audit."),
]
AuditDataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="The dataset whose tiles the model may have seen.")
]

CONTROLS = {"bicubic": 1, "shift-and-add": 8}
"""The reference models that go through the same probes, if they are installed."""


def audit_model(
    spec: ModelSpec, frames: int, data: Path | None, device: str, isolation: str, *, unseen: Path | None, json: bool
) -> tuple[bool, list[dict[str, object]]]:
    """Audit a model and print what the probes found; whether nothing refuses it, and the findings as values.

    Raises
    ------
    UsageError
        without a dataset.
    """
    from worldstrat_bench.audit import AuditRequest, run_audit
    from worldstrat_bench.audit.audit import report_lines
    from worldstrat_bench.errors import ModelError, UsageError
    from worldstrat_bench.plugins.discovery import find_model
    from worldstrat_bench.worker.types import ModelSpec

    if data is None:
        raise UsageError(
            "an audit needs a dataset", where="--audit", remedy="--data DIR; `data mini DIR` makes a small one"
        )
    # What honest models do on the same tiles tells a limit that is too tight from a model that cheats.
    controls = {}
    for name in CONTROLS:
        try:
            controls[name] = ModelSpec(find_model(name).target)
        except ModelError:
            typer.echo(f"without the control {name}: it is not installed", err=True)
    request = AuditRequest(
        spec, data, frames=frames, controls=controls, device=device, isolation=isolation, unseen=unseen
    )
    report = run_audit(request, lambda line: typer.echo(line, err=True))
    if not json:
        for line in report_lines(report):
            typer.echo(console.printable(line))
    findings: list[dict[str, object]] = [
        {"probe": r.probe, "value": r.value, "limit": r.limit, "verdict": r.verdict, "message": r.message}
        for r in report.results
    ]
    findings += [
        {"probe": "known-minus-unseen", "model": name, "unseen_is_real": report.real, **asdict(difference)}
        for name, difference in report.differences.items()
    ]
    return report.passed, findings
