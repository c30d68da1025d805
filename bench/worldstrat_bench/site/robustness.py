"""On a model's page: what synthetic inputs are worth to it, and how its score depends on frames and cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.artefacts.robustness import Gap, Robustness
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import measure
from worldstrat_bench.protocol import Aggregation, load_protocol
from worldstrat_bench.site.curves import Step, curve
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.figures import Figure
from worldstrat_bench.site.tables import Cell, Column, Row, Table, render
from worldstrat_bench.site.text import NO_VALUE, clean, number
from worldstrat_bench.stats.order import shown_first
from worldstrat_bench.stats.ranking import drawn_interval
from worldstrat_bench.stats.robustness import synthetic_gaps
from worldstrat_bench.stats.strata import stratum_name

SELF_REPORTED: Final = "Self-reported: no verification covers this curve."

Partners = Mapping[str, Entry]
"""Record id of a run to the run of the same model on the other kind of inputs."""


@dataclass(frozen=True)
class GapBlock:
    """Both scores of a model, as its page shows them."""

    table_html: Markup
    caption: str


def synthetic_partners(entries: Sequence[Entry], listed: Sequence[str] = ()) -> Partners:
    """Return the runs of one model, protocol, list and targets on real and on synthetic inputs, as boards choose them.

    A run whose own list is not whole has no partner: no tile may be left out of a mean. A verified run has verified
    partners only.

    Parameters
    ----------
    listed : record ids in the order of their merges.
    """
    chosen: dict[tuple[str, ...], dict[str, Entry]] = {}
    # The best of each kind comes last and stays.
    for entry in sorted(entries, key=lambda e: shown_first(e.record.record_id, e.verification, listed)):
        if entry.record.rankable(entry.record.dataset.list):
            chosen.setdefault(_key(entry), {})[entry.record.dataset.inputs] = entry
    partners: dict[str, Entry] = {}
    for pair in chosen.values():
        if len(pair) == 2:
            partners[pair["real"].record.record_id] = pair["synthetic"]
            partners[pair["synthetic"].record.record_id] = pair["real"]
    return partners


def _key(entry: Entry) -> tuple[str, ...]:
    data, protocol = entry.record.dataset, entry.record.protocol
    return entry.status, entry.identity, protocol.id, protocol.sha256, data.release, data.list, data.targets_sha256


def gap_block(entry: Entry, division: Division, partners: Partners) -> GapBlock | None:
    """Return both scores, from the tiles of two runs where the site has both, else as ``robustness.json`` has them."""
    partner = partners.get(entry.record.record_id)
    if partner is not None:
        gaps = _from_tiles(entry, partner, division)
        record, origin = partner.record, "computed from the tiles of both runs"
        other = f"The run on {record.dataset.inputs} inputs is record {record.record_id[:12]}"
    else:
        stated = entry.robustness
        if stated is None or stated.synthetic is None or stated.list != division.list_name:
            return None
        gaps, origin = stated.synthetic.gaps, f"self-reported, as {Robustness.FILE} beside the record states it"
        other = f"The run on synthetic inputs is record {stated.synthetic.record_id[:12]}"
    if not gaps:
        return None
    caption = (
        f"{gaps[0].tiles} tiles in {gaps[0].groups} groups of list {clean(division.list_name, 40)}, the same for both; "
        f"{origin}. {other}. The difference is synthetic minus real, paired, with its 95 % interval. "
        "Synthetic inputs are made from the high-resolution image by a sensor model; a board holds one kind of inputs."
    )
    return GapBlock(render(_table(gaps, division.protocol.aggregation), sortable=False), caption)


def _from_tiles(entry: Entry, partner: Entry, division: Division) -> tuple[Gap, ...]:
    real, synthetic = (entry, partner) if entry.record.dataset.inputs == "real" else (partner, entry)
    try:
        return synthetic_gaps(real.table, synthetic.table, division.protocol, division.tiles)
    except UsageError:  # the runs contradict each other about the groups of tiles
        return ()


def _table(gaps: Sequence[Gap], rules: Aggregation) -> Table:
    columns = (
        Column("n", "Tiles", ""),
        Column("real", "Real inputs", "Mean over tiles"),
        Column("synthetic", "Synthetic inputs", "Mean over tiles"),
        Column("gap", "Difference", "Synthetic minus real"),
        Column("ci", "95 % interval", "Of the difference"),
    )
    rows = []
    for gap in gaps:
        m = measure(gap.metric)
        known = gap.ci_low is not None and gap.ci_high is not None and gap.effective_groups >= rules.groups_interval
        interval = f"{number(gap.ci_low, m.decimals)}, {number(gap.ci_high, m.decimals)}" if known else NO_VALUE
        head = Markup("{} {}{}").format(
            clean(m.label, 40), m.arrow, Markup(" <small>{}</small>").format(m.unit) if m.unit else ""
        )
        values = (
            str(gap.tiles),
            number(gap.real, m.decimals),
            number(gap.synthetic, m.decimals),
            number(gap.difference, m.decimals, signed=True),
            interval,
        )
        rows.append(Row(Cell(head), tuple(Cell(Markup(value)) for value in values)))
    return Table(
        "gap",
        "Means on real and on synthetic inputs",
        Column("metric", "Metric", "", numeric=False),
        columns,
        tuple(rows),
    )


def robustness_figures(entry: Entry) -> list[Figure]:
    """Draw PSNR against the number of frames and against cloud; nothing without a ``robustness.json``."""
    stated = entry.robustness
    if stated is None:
        return []
    axis_title, rules = f"{measure('psnr').label}, dB", load_protocol(entry.record.protocol.id).aggregation
    name = clean(stated.list, 40)
    over_frames = [_step(str(point.frames), point.scores.get("psnr"), rules) for point in stated.frames]
    over_cloud = [_step(stratum_name("cloud", p.stratum), p.scores.get("psnr"), rules) for p in stated.cloud]
    figures = []
    if len(over_frames) > 1:
        caption = (
            f"Mean PSNR and 95 % interval on list {name}, n tiles, the same at every step. Runs with fewer frames are "
            f"the model's own, {entry.record.model.frames} is what it declares. {SELF_REPORTED}"
        )
        svg = curve(over_frames, "PSNR against the number of frames", "frames given at most", axis_title)
        figures.append(Figure("curve-frames", "PSNR against the number of frames", caption, svg))
    if over_cloud:
        caption = (
            f"Mean PSNR and 95 % interval on list {name} by the mean cloudy share of the offered frames, n tiles. "
            "Every class holds other tiles, so that a difference is not of cloud alone."
        )
        title = "PSNR against cloud in the inputs"
        svg = curve(over_cloud, title, "cloud in the inputs", axis_title, joined=False)
        figures.append(Figure("curve-cloud", title, caption, svg))
    return figures


def _step(label: str, summary: Summary | None, rules: Aggregation) -> Step:
    if summary is None:
        return Step(label, 0, None)
    return Step(label, summary.n, summary.mean, *(drawn_interval(summary, rules, "psnr") or ()))
