"""The figures of ``robustness.json``: computed from records and tiles, and compared with the record beside the file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from worldstrat_bench.artefacts.record import Record, Summaries, Summary
from worldstrat_bench.artefacts.robustness import CloudPoint, FramesPoint, Gap, Robustness
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.stats.paired import compare
from worldstrat_bench.stats.strata import CLOUD_LABELS

FRAMES: Final = (1, 2, 4, 8)
"""The numbers of frames at which a model is tried, as far as it declares so many."""
METRICS: Final = ("psnr", "gain", "ssim", "lpips")
"""The metrics that the file keeps, where the record has them."""


def frames_point(record: Record, list_name: str) -> FramesPoint:
    """Return the point of a run on the curve over frames."""
    scores = record.scores[list_name].micro
    return FramesPoint(frames=record.model.frames, record_id=record.record_id, scores=_kept(scores))


def cloud_points(record: Record, list_name: str) -> tuple[CloudPoint, ...]:
    """Return the cloud strata of a record that have tiles, from clear to cloudy."""
    strata = record.scores[list_name].strata.get("cloud", {})
    return tuple(CloudPoint(stratum=name, scores=_kept(strata[name])) for name in CLOUD_LABELS if name in strata)


def synthetic_gaps(
    real: TileTable, synthetic: TileTable, protocol: Protocol, tiles: Sequence[str] | None = None
) -> tuple[Gap, ...]:
    """Return what a model scores on synthetic inputs beyond what it scores on real ones, metric by metric.

    Parameters
    ----------
    tiles : restrict to these.

    Returns
    -------
    Nothing if a tile failed in one of the runs or the runs are not of the same tiles: a mean never leaves any out.

    Raises
    ------
    UsageError
        see :func:`~worldstrat_bench.stats.paired.compare`.
    """
    wanted = set(real.tiles if tiles is None else tiles)
    if real.tiles != synthetic.tiles or not all(bool(t.ok[t.index_of(wanted)].all()) for t in (real, synthetic)):
        return ()
    found = (compare(synthetic, real, metric=metric, protocol=protocol, tiles=wanted) for metric in METRICS)
    return tuple(
        Gap(
            metric=c.metric,
            tiles=c.tiles,
            groups=c.groups,
            effective_groups=c.effective_groups,
            real=c.mean_b,
            synthetic=c.mean_a,
            difference=c.difference,
            ci_low=c.ci_low,
            ci_high=c.ci_high,
        )
        for c in found
        if c is not None
    )


def disagreements(stated: Robustness, record: Record) -> tuple[str, ...]:
    """Return what a file says that the record beside it contradicts, in words; empty if nothing."""
    if stated.record_id != record.record_id:
        return ("it names another record_id",)
    if record.predictions is not None:
        return ("predictions were handed in: there is no model that other frames could be given to",)
    if stated.list not in record.scores:
        return (f"the record has no list {stated.list[:40]!r}",)
    found = []
    own = next((point for point in stated.frames if point.record_id == record.record_id), None)
    if own != frames_point(record, stated.list):
        found.append(f"its point at {record.model.frames} frames is not the record's")
    counts = [point.frames for point in stated.frames]
    if counts != sorted(set(counts)) or counts[-1:] != [record.model.frames]:
        found.append("its numbers of frames do not ascend to those of the record")
    if len({point.scores["psnr"].n if "psnr" in point.scores else -1 for point in stated.frames}) > 1:
        found.append("its runs are not of the same tiles")
    names = {name for each in (*(p.scores for p in stated.frames), *(p.scores for p in stated.cloud)) for name in each}
    if unknown := sorted({*names, *(gap.metric for gap in _gaps(stated))} - set(METRICS)):
        found.append(f"it holds {unknown[0][:40]!r}, which is not a metric of such a file")
    if stated.cloud != cloud_points(record, stated.list):
        found.append("its cloud classes are not those of the record")
    wrong = [gap.metric for gap in _gaps(stated) if not _of_record(gap, record, stated.list)]
    if wrong:
        found.append(f"its means on real and synthetic inputs are not those of the record: {wrong[0]}")
    return tuple(found)


def _of_record(gap: Gap, record: Record, list_name: str) -> bool:
    """Return whether what a gap repeats of the record is so, and its difference is that of its two means."""
    own = record.scores[list_name].micro.get(gap.metric)
    mine = gap.real if record.dataset.inputs == "real" else gap.synthetic
    if not math.isclose(gap.difference, gap.synthetic - gap.real, rel_tol=1e-6, abs_tol=1e-6):
        return False
    if own is None or own.mean is None or gap.tiles != own.n:
        # Other metrics may lack a value on a tile of the other run, and are then means over fewer tiles.
        return own is not None and gap.tiles < own.n and gap.metric not in ("psnr", "gain")
    return math.isclose(mine, own.mean, rel_tol=1e-6, abs_tol=1e-6)


def _gaps(stated: Robustness) -> tuple[Gap, ...]:
    return stated.synthetic.gaps if stated.synthetic is not None else ()


def _kept(scores: Summaries) -> dict[str, Summary]:
    return {metric: scores[metric] for metric in METRICS if metric in scores}
