"""``speed``: how fast a model is, and whether the figure can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli.console import DeviceOption, JsonOption, ProtocolOption
from worldstrat_bench.cli.groups import IsolationOption, ModelGroup, with_groups
from worldstrat_bench.cli.running import ModelArgument

if TYPE_CHECKING:
    from worldstrat_bench.artefacts.speed import SpeedReport


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("speed", short_help="Time a model beside the reference bicubic.")(with_groups(speed))


def speed(
    model: ModelArgument,
    *,
    loading: ModelGroup,
    device: DeviceOption = "auto",
    scenario: Annotated[str, typer.Option(metavar="S", help="Scenario: single, offline or both.")] = "both",
    precision: Annotated[str, typer.Option(metavar="P", help="Precision: declared, fp32, bf16 or fp16.")] = "declared",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="RUN", help="Finished run of the model; speed.json is written beside its record."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Time on these tiles instead of synthetic ones.")
    ] = None,
    protocol: ProtocolOption = "wsb-1",
    isolation: IsolationOption = "auto",
    seconds: Annotated[
        float | None,
        typer.Option(metavar="S", min=0.1, help="Seconds of timed calls per repeat. [default: 1 on a GPU, 2 on a CPU]"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Time for about 10 s only; the result is never VALID.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Time MODEL in its confined worker, in blocks of calls, in turn with blocks of the reference bicubic.

    Figures on a busy machine are marked INVALID with the reason; the ratio to the reference still means something.
    """
    from worldstrat_bench.cli.console import print_json, stderr
    from worldstrat_bench.pace import Alive
    from worldstrat_bench.speed.command import SpeedOptions, run_speed

    request = loading.request(model)
    options = SpeedOptions(request, device, scenario, precision, out, data, protocol, isolation, seconds, quick)
    console = stderr()
    # It wakes up in ten seconds of silence only: never within a block of calls that is timed as one.
    with Alive(lambda line: console.print(line, highlight=False, markup=False), "starting the model") as say:
        report = run_speed(options, say)
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        print_report(report)


def print_report(report: SpeedReport) -> None:
    """Print a table for people, then every verdict in words."""
    from rich import box
    from rich.table import Table

    from worldstrat_bench.cli.console import printable, say, stdout
    from worldstrat_bench.printed import three_digits

    title = printable(f"{report.model} on {report.device.device_class}")
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    # A scenario a column: eleven figures beside each other do not fit into a terminal of 80 columns.
    table.add_column("")
    for timing in report.timings:
        table.add_column(timing.scenario, justify="right", no_wrap=True)
    rows: dict[str, list[str]] = {
        "batch": [str(timing.batch) for timing in report.timings],
        "ms a tile": [three_digits(timing.call_ms / timing.batch) for timing in report.timings],
        "p50 ms": [three_digits(timing.latency_p50_ms) for timing in report.timings],
        "p90 ms": [three_digits(timing.latency_p90_ms) for timing in report.timings],
        "p99 ms": [three_digits(timing.latency_p99_ms) for timing in report.timings],
        "transfer ms": [three_digits(timing.transfer_ms) for timing in report.timings],
        "km2/s": [three_digits(timing.km2_per_second) for timing in report.timings],
        "Mpx/s": [three_digits(timing.output_megapixels_per_second) for timing in report.timings],
        "x bicubic": [three_digits(timing.times_reference) for timing in report.timings],
        "verdict": [timing.verdict for timing in report.timings],
    }
    for heading, cells in rows.items():
        table.add_row(heading, *cells)
    console = stdout()
    console.print(table)
    for timing in report.timings:
        # Below the table, where a sentence does not widen a column.
        for reason in timing.reasons:
            say(console, f"{timing.scenario}: {timing.verdict}: {reason}")
