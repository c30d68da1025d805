"""``demo``: from nothing to a leaderboard in a few minutes, without any data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from worldstrat_bench.cli import console, groups, running

DemoOutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Output folder.")]
TilesOption = Annotated[int, typer.Option("--tiles", metavar="N", min=2, max=2000, help="Synthetic test tiles.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo", short_help="Build a leaderboard from synthetic data.")(groups.with_groups(demo))


def demo(
    scoring: groups.OfflineScoringGroup,
    out: DemoOutOption = Path("demo"),
    tiles: TilesOption = 36,
    isolation: groups.IsolationOption = "auto",
    json: console.JsonOption = False,
) -> None:
    """Make a synthetic dataset, evaluate the reference models on it, and build the leaderboard."""
    screen = console.stderr()

    def say(text: str) -> None:
        console.say(screen, text)

    # On a CPU everywhere: the first numbers that a user sees are those of the docs.
    options = replace(groups.run_options("cpu", scoring), isolation=isolation)
    with running.resumable():
        say(f"a synthetic dataset of {tiles} test tiles: {out / 'mini'}")
        from worldstrat_bench.run.demo import prepare_data, run_models
        from worldstrat_bench.site import build

        data = prepare_data(out / "mini", tiles, _make)
        with running.shown() as display:
            runs = run_models(data, out / "runs", options, display, say)
        say("the leaderboard")
        folders = [run.folder for run in runs]
        report = build(folders, out / "site", data=data, predictions=folders)
    page = report.entry_page.resolve()
    if json:
        ids = {run.record.model.name: run.record.record_id for run in runs}
        console.print_json({"page": str(page), "data": str(data), "records": ids})
        return
    _print_table([(run.record.model.name, _mean(run.record, "psnr"), _mean(run.record, "ssim")) for run in runs])
    typer.echo(f"the leaderboard: {page}")
    typer.echo(f"next, a model of your own: {console.command('evaluate', 'MODEL', '--data', data, '--out', 'run')}")


def _make(folder: Path, tiles: int) -> None:
    from worldstrat_bench.data.mini import write_mini

    write_mini(folder, test_tiles=tiles)


def _mean(record: object, metric: str) -> float | None:
    from worldstrat_bench.artefacts.record import Record

    assert isinstance(record, Record)
    return record.scores["test"].micro[metric].mean


def _print_table(rows: list[tuple[str, float | None, float | None]]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "PSNR dB", "SSIM"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, psnr, ssim in sorted(rows, key=lambda row: -(row[1] or 0.0)):
        table.add_row(name, "-" if psnr is None else f"{psnr:.2f}", "-" if ssim is None else f"{ssim:.4f}")
    console.stdout().print(table)
