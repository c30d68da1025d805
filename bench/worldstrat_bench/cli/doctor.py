"""``doctor``: what works on this machine, what does not, and what to do."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import console

DataToSeeOption = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Dataset to check.")]
OutToSeeOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for runs, to check its disk.")
]

AllDevicesOption = Annotated[
    bool, typer.Option("--all-devices", help="Start confined workers on every GPU, not only on the first.")
]

_STYLES = {"ok": "green", "warn": "yellow", "bad": "bold red"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor", short_help="Check what works on this machine.")(doctor)


def doctor(
    data: DataToSeeOption = None,
    out: OutToSeeOption = None,
    all_devices: AllDevicesOption = False,
    json: console.JsonOption = False,
) -> None:
    """Check Python, torch, CUDA, isolation, GPUs, models, data, LPIPS weights, cache, disk and memory."""
    from worldstrat_bench.run.doctor import examine

    findings = []
    screen, aside = console.stdout(), console.stderr()

    def tell(line: str) -> None:
        console.say(aside, line)

    for finding in examine(data, out, all_devices=all_devices, tell=tell):
        findings.append(finding)
        if not json:
            screen.print(f"{finding.state:>4}", style=_STYLES[finding.state], end="  ")
            console.say(screen, f"{finding.name}: {finding.text}", 6)
            if finding.remedy:
                console.say_lines(screen, f"      {finding.remedy}", 0)
    if json:
        console.print_json([asdict(finding) for finding in findings])
    # Only what the data lack is the data's fault; anything else is the machine's.
    bad = {finding.name for finding in findings if finding.state == "bad"}
    if bad:
        raise typer.Exit(4 if bad == {"data"} else 6)
