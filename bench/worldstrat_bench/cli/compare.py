"""``compare RUN RUN...``: which is better, by how much, and is it more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli import console
from worldstrat_bench.printed import counted

if TYPE_CHECKING:
    from rich.table import Table

    from worldstrat_bench.run.compare import RunComparison
    from worldstrat_bench.stats.paired import Comparison

RunsArgument = Annotated[
    list[Path], typer.Argument(metavar="RUN RUN...", help="Two or more finished runs on the same tiles.")
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="NAMES",
        help="Metrics separated by commas. [default: all for two runs, else the ranked ones]",
    ),
]
StrataOption = Annotated[
    str | None, typer.Option("--strata", metavar="AXIS", help="Also compare by an axis: ipcc, smod, source, ...")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("compare", short_help="Compare runs tile by tile.")(compare)


def compare(
    runs: RunsArgument,
    *,
    metrics: MetricsOption = None,
    strata: StrataOption = None,
    json: console.JsonOption = False,
) -> None:
    """Compare runs tile by tile, each with each: paired difference, confidence interval and test."""
    from worldstrat_bench.arguments import one_of
    from worldstrat_bench.artefacts.result import load_result
    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.results.load import load_runs, title_of
    from worldstrat_bench.run.compare import compare_runs

    if len(runs) < 2:
        raise UsageError("one run alone is compared with nothing", where="RUN", remedy="give two runs or more")
    # The same run twice is a question with a known answer, which two runs may ask.
    several = len(runs) > 2
    names = [run.name for run in load_runs(runs)] if several else [title_of(load_result(run)) for run in runs]
    pairs = [compare_runs(one, other) for one, other in combinations(runs, 2)]
    # Only the runs know which axes their tiles have, so the word is checked after they are read.
    for found in pairs:
        strata = None if strata is None else one_of(strata, found.strata, "unknown axis", "--strata")
    if json:
        documents = [_document(found, strata) for found in pairs]
        console.print_json(documents[0] if len(runs) == 2 else documents)
        return
    shown = _shown_metrics(pairs, metrics)
    if not several:
        _print(pairs[0], names, strata, shown)
    else:
        _print_many(dict(zip(combinations(names, 2), pairs, strict=True)), strata, shown)


def _shown_metrics(pairs: Sequence[RunComparison], wanted: str | None) -> tuple[str, ...]:
    """Return the metrics to print: those asked for, or all of two runs that can differ, or those that rank several.

    Raises
    ------
    UsageError
        for a metric that no two runs have in common.
    """
    from worldstrat_bench.measures import metrics_named
    from worldstrat_bench.run.compare import OF_THE_TARGET

    known = dict.fromkeys(one.metric for found in pairs for rows in found.lists.values() for one in rows)
    if wanted is None:
        if len(pairs) == 1:
            return tuple(name for name in known if name not in OF_THE_TARGET)
        return tuple(name for name in pairs[0].ranking if name in known)
    return metrics_named(wanted, known, "the runs do not share the metric", "--metrics")


def _say(text: str) -> None:
    console.say(console.stdout(), text)


def _print(found: RunComparison, names: Sequence[str], axis: str | None, metrics: Sequence[str]) -> None:
    """Print two runs side by side, a row a metric."""
    out = console.stdout()
    for side, name, record in zip("ab", names, (found.a, found.b), strict=True):
        version = f" {record.model.version}" if record.model.version else ""
        _say(f"{side}: {name}{version} ({record.record_id[:12]})")
    for name, rows in found.lists.items():
        count = max((row.tiles for row in rows), default=0)
        kept = sorted((row for row in rows if row.metric in metrics), key=lambda row: metrics.index(row.metric))
        out.print(_table(f"{name} ({counted(count, 'tile')})", [(_label(row.metric), row) for row in kept]))
    if axis is not None:
        strata = found.strata[axis].items()
        out.print(_table(f"by {axis}", [(f"{s}: {_label(row.metric)}", row) for s, rows in strata for row in rows]))
    _explain(found)
    if found.only_a or found.only_b:
        _say(f"- left out: {counted(len(found.only_a), 'tile')} of a alone, {len(found.only_b)} of b alone")
    for remark in found.remarks:
        _say(f"- {remark}")


def _print_many(pairs: dict[tuple[str, str], RunComparison], axis: str | None, metrics: Sequence[str]) -> None:
    """Print several runs, a table a metric and in it a row a pair, in the order given."""
    out = console.stdout()
    first = next(iter(pairs.values()))
    for name in first.lists:
        for metric in metrics:
            found = {
                pair: row for pair, own in pairs.items() for row in own.lists.get(name, ()) if row.metric == metric
            }
            if found:
                title = f"{name} ({counted(max(row.tiles for row in found.values()), 'tile')}): {_label(metric)}"
                out.print(_table(title, [(f"{a} - {b}", row) for (a, b), row in found.items()]))
    if axis is not None:
        for stratum in first.strata[axis]:
            rows = [
                (f"{a} - {b}: {_label(row.metric)}", row)
                for (a, b), own in pairs.items()
                for row in own.strata[axis].get(stratum, ())
                if row.metric in metrics
            ]
            out.print(_table(f"{axis} {stratum}", rows))
    _explain(first)
    for (a, b), own in pairs.items():
        if own.only_a or own.only_b:
            _say(f"- {a} and {b}: left out are tiles that only one scored, {len(own.only_a)} and {len(own.only_b)}")
        for remark in own.remarks:
            _say(f"- {a} is a, {b} is b: {remark}")


def _explain(found: RunComparison) -> None:
    limits = found.limits
    _say(
        f"differences are a - b, paired by tile, with 95 % intervals from {limits.groups_interval:g} effective groups; "
        "p: the larger of the two tests of this pair, with and without a correction for skewness; better: p is at most "
        f"{found.level:.2g}{_margins(found)}; lists have p and a verdict from {limits.groups_min:g} effective groups, "
        f"strata p from {limits.groups_interval:g} and a verdict from {limits.groups_rank:g}, else none"
    )


def _label(metric: str) -> str:
    """Return a metric as the terminal's summary and pages call it."""
    from worldstrat_bench.measures import measure

    about = measure(metric)
    return f"{about.label} {about.arrow} {about.unit}".strip()


def _margins(found: RunComparison) -> str:
    from worldstrat_bench.measures import measure

    parts = [f"{measure(k).label} differs by {v:g} {measure(k).unit} or more" for k, v in found.margin.items()]
    return f", and {', '.join(parts)}" if parts else ""


def _deciding(row: Comparison) -> str:
    """Return the p that decides a verdict, which needs both tests; "" without a test."""
    both = [p for p in (row.p_value, row.p_plain) if p is not None]
    return f"{max(both):.2g}" if both else ""


def _table(title: str, rows: list[tuple[str, Comparison]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from worldstrat_bench.measures import measure

    table = Table(title=console.printable(title), title_justify="left", box=None, pad_edge=False)
    for heading in ("", "a", "b", "a - b", "95 % interval", "p", "tiles", "better"):
        # Labels are folded where the terminal is narrow, numbers never.
        table.add_column(heading, justify="left" if heading in ("better", "") else "right", no_wrap=bool(heading))
    for label, row in rows:
        d = measure(row.metric).decimals
        interval = "" if row.ci_low is None or row.ci_high is None else f"{row.ci_low:+.{d}f} .. {row.ci_high:+.{d}f}"
        cells = (
            console.printable(label),
            f"{row.mean_a:.{d}f}",
            f"{row.mean_b:.{d}f}",
            f"{row.difference:+.{d}f}",
            interval,
            _deciding(row),
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
