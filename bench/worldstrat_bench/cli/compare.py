"""``compare RUN RUN``: which is better, by how much, and is it more than chance?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import console

if TYPE_CHECKING:
    from rich.table import Table

    from worldstrat_bench.run.compare import RunComparison
    from worldstrat_bench.stats.paired import Comparison

FirstArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")]
SecondArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Another finished run on the same tiles.")]
StrataOption = Annotated[
    str | None, typer.Option("--strata", metavar="AXIS", help="Also compare by an axis: ipcc, smod, source, ...")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("compare", short_help="Compare two runs tile by tile.")(compare)


def compare(
    first: FirstArgument, second: SecondArgument, strata: StrataOption = None, json: console.JsonOption = False
) -> None:
    """Compare two runs tile by tile: paired difference, confidence interval and test."""
    from worldstrat_bench.run.compare import compare_runs

    found = compare_runs(first, second)
    # Only the two runs know which axes their tiles have, so the word is checked after they are read.
    if strata is not None and strata not in found.strata:
        from worldstrat_bench.errors import UsageError

        raise UsageError(f"unknown axis {strata[:40]!r}", where="--strata", remedy=f"one of: {', '.join(found.strata)}")
    if json:
        console.print_json(_document(found, strata))
        return
    _print(found, strata)


def _print(found: RunComparison, axis: str | None) -> None:
    out = console.stdout()

    def say(text: str) -> None:
        out.print(console.printable(text), markup=False, highlight=False, soft_wrap=True)

    say(f"a: {_title(found, 'a')}")
    say(f"b: {_title(found, 'b')}")
    for name, rows in found.lists.items():
        out.print(
            _table(f"{name} ({max((row.tiles for row in rows), default=0)} tiles)", [(r.metric, r) for r in rows])
        )
    if axis is not None:
        pairs = [(f"{stratum}: {row.metric}", row) for stratum, rows in found.strata[axis].items() for row in rows]
        out.print(_table(f"by {axis}", pairs))
    say(
        "differences are a - b, paired by tile, with 95 % intervals and p where there are "
        f"{found.groups_min:g} effective groups or more; better: p of this pair, and p without its "
        f"correction for skewness, are at most {found.level:.2g}{_margins(found)}"
    )
    if found.only_a or found.only_b:
        say(f"- left out: {len(found.only_a)} tiles that only a scored, {len(found.only_b)} that only b scored")
    for remark in found.remarks:
        say(f"- {remark}")


def _margins(found: RunComparison) -> str:
    from worldstrat_bench.measures import measure

    parts = [f"{measure(k).label} differs by {v:g} {measure(k).unit} or more" for k, v in found.margin.items()]
    return f", and {', '.join(parts)}" if parts else ""


def _title(found: RunComparison, side: str) -> str:
    record = found.a if side == "a" else found.b
    return f"{record.model.name} {record.model.version or ''} ({record.record_id[:12]})"


def _table(title: str, rows: list[tuple[str, Comparison]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from worldstrat_bench.measures import measure

    table = Table(title=console.printable(title), title_justify="left", box=None, pad_edge=False)
    for heading in (title.split()[0], "a", "b", "a - b", "95 % interval", "p", "tiles", "better"):
        table.add_column(
            heading if heading != title.split()[0] else "", justify="left" if heading == "better" else "right"
        )
    for label, row in rows:
        d = measure(row.metric).decimals
        interval = "" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:+.{d}f} .. {row.ci_high:+.{d}f}"
        cells = (
            console.printable(label),
            f"{row.mean_a:.{d}f}",
            f"{row.mean_b:.{d}f}",
            f"{row.difference:+.{d}f}",
            interval,
            "" if row.p_value is None else f"{row.p_value:.2g}",
            str(row.tiles),
            row.verdict,
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _document(found: RunComparison, only: str | None) -> dict[str, object]:
    def rows(comparisons: tuple[Comparison, ...]) -> dict[str, object]:
        return {one.metric: asdict(one) for one in comparisons}

    return {
        "a": found.a.record_id,
        "b": found.b.record_id,
        "lists": {name: rows(comparisons) for name, comparisons in found.lists.items()},
        "strata": {
            axis: {stratum: rows(comparisons) for stratum, comparisons in strata.items()}
            for axis, strata in found.strata.items()
            if only in (None, axis)
        },
        "only_a": list(found.only_a),
        "only_b": list(found.only_b),
        "remarks": list(found.remarks),
    }
