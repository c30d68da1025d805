"""A summary of a record for the terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from worldstrat_bench.cli.console import printable, stdout
from worldstrat_bench.cli.console import say as say_on
from worldstrat_bench.printed import counted

if TYPE_CHECKING:
    from rich.table import Table

    from worldstrat_bench.artefacts.record import Record, Summary
    from worldstrat_bench.measures import Measure

_LIST_ORDER = ("clean", "full", "strict")


def print_summary(record: Record, run: Path) -> None:
    """Print the means of every metric on every list, and what to know about them, on stdout."""
    console = stdout()
    dataset, model = record.dataset, record.model

    def say(text: str) -> None:
        say_on(console, text)

    say("")
    data = f"{dataset.release}, {counted(dataset.tiles, 'tile')} of the list {dataset.list!r}"
    name = " ".join(part for part in (model.submission or model.name, model.version) if part)
    say(f"{name} on {data}, {record.protocol.id}")
    if record.predictions is not None:
        say("predictions handed in; code, weights and speed of the model are not known")
    else:
        say(f"{record.device.device_class}, isolation {record.isolation.level}, torch {record.environment.torch}")
    console.print(_table(record))
    for line in remarks(record):
        say(f"- {line}")
    # As it is, so that it can be copied.
    console.print(printable(f"run: {run}"), markup=False, highlight=False, soft_wrap=True)
    say(f"record: {record.record_id[:16]}")


def remarks(record: Record) -> list[str]:
    """Return what a reader must know beside the numbers, in sentences."""
    from worldstrat_bench.run.messages import in_words

    dataset = record.dataset
    failed = {outcome: count for outcome, count in record.outcomes.items() if outcome != "ok" and count}
    lines = []
    if failed:
        words = ", ".join(f"{count} {outcome}" for outcome, count in failed.items())
        lines.append(
            f"{counted(sum(failed.values()), 'tile')} failed ({words}); lists and strata with one have no mean"
        )
    lines.extend(in_words(record.messages))
    for name, scores in record.scores.items():
        psnr = scores.micro.get("psnr")
        if psnr is not None and psnr.mean is not None and _drawn(psnr, record, "psnr") is None:
            lines.append(f"list {name}: no intervals, too few effective groups ({psnr.effective_groups:.3g})")
    lines.extend(_draws(record))
    if dataset.limit is not None:
        lines.append(f"a smoke test of the first {counted(dataset.limit, 'tile')}: it cannot be ranked")
    if dataset.shard is not None:
        lines.append(f"shard {dataset.shard}: put the shards together with `worldstrat-bench merge`")
    if dataset.revisits is not None:
        lines.append(
            f"a copy with revisits 1 to {dataset.revisits} of each tile: comparable with runs on such a copy only"
        )
    lines.extend(_draft(record))
    if not dataset.official:
        lines.append("not an official test set: the numbers compare models on this data only")
    if dataset.no_target:
        lines.append(f"without target: {counted(len(dataset.no_target), 'tile')}, {', '.join(dataset.no_target[:3])}")
    # The options that would give it were named when the run began.
    lines.extend(f"{metric} is null: {re.split(r'[:;] --', reason)[0]}" for metric, reason in record.nulls.items())
    lines.extend(record.warnings)
    return lines


def _draft(record: Record) -> list[str]:
    """Say that a protocol is one of the user's own, or was changed: nothing else tells such numbers from real ones."""
    from worldstrat_bench.protocol import load_protocol, protocol_ids, stage_of

    name = record.protocol.id
    if name not in protocol_ids() or (stage := stage_of(load_protocol(name))) in ("released", "not released"):
        return []
    what = "is not the text that was listed" if stage == "changed" else "is not listed"
    return [f"protocol {name} {what} in protocols/released.toml: these numbers are of a draft"]


def _draws(record: Record) -> list[str]:
    """Return how far the draws of a stochastic model lie apart, and how good their mean image is, by list."""
    lines = []
    for name, own in (record.draws or {}).items():
        mean, spread = own.mean_image["psnr"].mean, own.spread.get("psnr")
        if mean is not None and spread is not None:
            lines.append(
                f"list {name}: means over {record.model.draws} draws a tile; between draws PSNR has a standard "
                f"deviation of {spread:.3f} dB; the mean image has {mean:.2f} dB"
            )
    return lines


def _table(record: Record) -> Table:
    from rich.table import Table

    from worldstrat_bench.measures import MEASURES, measure

    lists = sorted(record.scores, key=lambda name: _LIST_ORDER.index(name) if name in _LIST_ORDER else 9)
    table = Table(box=None, pad_edge=False, show_header=True)
    table.add_column("")
    for name in lists:
        table.add_column(f"{name} ({record.scores[name].tiles})", justify="right")
        table.add_column("95 % interval")
    order = ["psnr", "gain", *MEASURES]  # not the record's own: a file's keys are sorted
    metrics = sorted(record.scores[lists[0]].micro, key=order.index) if lists else []
    for metric in metrics:
        about = measure(metric)
        cells = [cell for name in lists for cell in _cells(record.scores[name].micro.get(metric), about, record)]
        table.add_row(f"{about.label} {about.arrow} {about.unit}".rstrip(), *cells)
    return table


def _drawn(summary: Summary, record: Record, metric: str) -> tuple[float, float] | None:
    """Return the interval of a mean where pages draw it: of few groups it says little."""
    from worldstrat_bench.protocol import load_protocol
    from worldstrat_bench.stats.ranking import drawn_interval

    return drawn_interval(summary, load_protocol(record.protocol.id).aggregation, metric)


def _cells(summary: Summary | None, about: Measure, record: Record) -> tuple[str, str]:
    if summary is None or summary.mean is None:
        return "-", ""
    decimals = about.decimals
    mean = f"{summary.mean:.{decimals}f}"
    ends = _drawn(summary, record, about.name)
    return mean, "" if ends is None else f"{ends[0]:.{decimals}f} .. {ends[1]:.{decimals}f}"
