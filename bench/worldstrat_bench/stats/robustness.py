"""``robustness.json``: how a model's score depends on the number of frames, on cloud, and on where its inputs are from.

The file lies beside a record and names it. What it repeats of that record can be checked against it; the points of
other runs name their records. Like everything from outside it is untrusted: strings have a length, numbers are finite.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.record import Record, Sha256, Summaries, Summary
from worldstrat_bench.stats.paired import compare
from worldstrat_bench.stats.strata import CLOUD_LABELS
from worldstrat_bench.tiles import TileTable

ROBUSTNESS: Final = "robustness.json"
MAX_BYTES: Final = 100_000
FRAMES: Final = (1, 2, 4, 8)
"""The numbers of frames at which a model is tried, as far as it declares so many."""
METRICS: Final = ("psnr", "gain", "ssim", "lpips")
"""The metrics that the file keeps, where the record has them."""

_LARGEST: Final = 1e6


def _bounded(scores: dict[str, Summary]) -> dict[str, Summary]:
    """Refuse numbers that no metric can have: figures are drawn of them."""
    values = (value for s in scores.values() for value in (s.mean, s.ci_low, s.ci_high))
    if any(value is not None and abs(value) > _LARGEST for value in values):
        raise ValueError(f"a value is beyond {_LARGEST:g}")
    return scores


Name = Annotated[str, Field(min_length=1, max_length=40)]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-_LARGEST, le=_LARGEST)]
Scores = Annotated[dict[Name, Summary], Field(max_length=20), AfterValidator(_bounded)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FramesPoint(_Part):
    """The scores of a run with so many frames."""

    frames: int = Field(ge=1, le=16, description="revisits the model was given at most")
    record_id: Sha256 = Field(description="of the run with that many frames")
    scores: Scores


class CloudPoint(_Part):
    """The scores on the tiles whose inputs are that cloudy, in the run of the record itself."""

    stratum: Name = Field(description="per cent of cloudy pixels over the offered frames, as in the record's strata")
    scores: Scores


class Gap(_Part):
    """One metric on inputs made by a sensor model and on real ones, the same tiles."""

    metric: Name
    tiles: int = Field(ge=1)
    groups: int = Field(ge=1)
    effective_groups: Finite = Field(ge=1, description="how many groups of equal size would tell as much")
    real: Finite = Field(description="mean over tiles")
    synthetic: Finite = Field(description="mean over tiles")
    difference: Finite = Field(description="synthetic minus real, paired")
    ci_low: Finite | None = None
    ci_high: Finite | None = None


class SyntheticGap(_Part):
    """The run on synthetic inputs and what separates it from the real one."""

    record_id: Sha256 = Field(description="of the run on synthetic inputs")
    gaps: Annotated[tuple[Gap, ...], Field(max_length=20)] = Field(
        description="empty if a tile failed in one of the runs"
    )


class Robustness(_Part):
    """All curves of one record."""

    schema_version: Literal[1] = 1
    record_id: Sha256 = Field(description="of the record beside which the file lies")
    list: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="the list of all figures")
    frames: Annotated[tuple[FramesPoint, ...], Field(max_length=16)] = Field(description="ascending")
    cloud: Annotated[tuple[CloudPoint, ...], Field(max_length=10)] = Field(description="from clear to cloudy")
    synthetic: SyntheticGap | None = Field(default=None, description="null where there are no such inputs")


def ranking_list(record: Record) -> str:
    """The list that ranks among those of a record: ``clean`` where there is one."""
    return next((name for name in ("clean", "full") if name in record.scores), min(record.scores, default=""))


def frames_point(record: Record, list_name: str) -> FramesPoint:
    """The point of a run on the curve over frames."""
    scores = record.scores[list_name].micro
    return FramesPoint(frames=record.model.frames, record_id=record.record_id, scores=_kept(scores))


def cloud_points(record: Record, list_name: str) -> tuple[CloudPoint, ...]:
    """The cloud strata of a record that have tiles, from clear to cloudy."""
    strata = record.scores[list_name].strata.get("cloud", {})
    return tuple(CloudPoint(stratum=name, scores=_kept(strata[name])) for name in CLOUD_LABELS if name in strata)


def synthetic_gaps(
    real: TileTable, synthetic: TileTable, protocol: Protocol, tiles: Sequence[str] | None = None
) -> tuple[Gap, ...]:
    """What a model scores on synthetic inputs beyond what it scores on real ones, metric by metric.

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
            metric=c.metric, tiles=c.tiles, groups=c.groups, effective_groups=c.effective_groups,
            real=c.mean_b, synthetic=c.mean_a, difference=c.difference, ci_low=c.ci_low, ci_high=c.ci_high,
        )
        for c in found if c is not None
    )  # fmt: skip


def disagreements(stated: Robustness, record: Record) -> tuple[str, ...]:
    """What a file says that the record beside it contradicts, in words; empty if nothing."""
    if stated.record_id != record.record_id:
        return ("it names another record_id",)
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
    if stated.cloud != cloud_points(record, stated.list):
        found.append("its cloud classes are not those of the record")
    return tuple(found)


def format_robustness(robustness: Robustness) -> str:
    """The text of ``robustness.json``."""
    return json.dumps(robustness.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse_robustness(text: str, *, where: object = ROBUSTNESS) -> Robustness:
    """Read a ``robustness.json``.

    Raises
    ------
    InvalidArtefactError
        if it is too large, no JSON, or does not follow the schema.
    """
    try:
        if len(text) > MAX_BYTES:
            raise ValueError("the file is too large")
        return Robustness.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(str(part)[:60] for part in first['loc'])}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        reason = f"not readable: {str(error)[:200]}"
    remedy = "worldstrat-bench evaluate MODEL --data DIR --out RUN --robustness writes it again"
    raise InvalidArtefactError(f"robustness: {reason}", where=where, remedy=remedy)


def load_robustness(path: Path) -> Robustness:
    """Read ``robustness.json`` from disk; see :func:`parse_robustness`."""
    try:
        if path.stat().st_size > 4 * MAX_BYTES:
            raise InvalidArtefactError("robustness: the file is too large", where=path)
        return parse_robustness(path.read_bytes().decode("utf-8-sig"), where=path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArtefactError(f"robustness cannot be read: {error}", where=path) from None


def _kept(scores: Summaries) -> dict[str, Summary]:
    return {metric: scores[metric] for metric in METRICS if metric in scores}
