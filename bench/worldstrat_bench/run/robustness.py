"""``evaluate --robustness``: the same model with fewer frames and on synthetic inputs, in runs below its run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import Result, load_result
from worldstrat_bench.artefacts.robustness import Robustness, SyntheticGap
from worldstrat_bench.data.split import sublists
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import Protocol, load_protocol
from worldstrat_bench.run.engine import Engine
from worldstrat_bench.run.events import Listener, Notice
from worldstrat_bench.run.filesystem import make_folder
from worldstrat_bench.run.request import RunOptions, RunRequest
from worldstrat_bench.stats.boards import ranking_list
from worldstrat_bench.stats.robustness import FRAMES, cloud_points, frames_point, synthetic_gaps

FOLDER = "robustness"
"""Folder of the further runs in a run directory."""
SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class SubRun:
    """One further run and what it is called."""

    name: str
    request: RunRequest


def check_robustness(request: RunRequest) -> None:
    """Refuse what has no curves, before anything is computed.

    Raises
    ------
    UsageError
        for a shard, or a run that is on synthetic inputs itself.
    """
    if request.shard is not None:
        raise UsageError(
            "a shard has no curves of its own",
            where="--robustness, --shard",
            remedy="evaluate the whole list in one run: leave out --shard",
        )
    if request.inputs != "real":
        raise UsageError(
            "synthetic inputs are one of the curves",
            where="--robustness, --lr",
            remedy="leave out --lr: the run on synthetic inputs is added to the one on real inputs",
        )


def sub_runs(request: RunRequest, protocol: Protocol) -> tuple[SubRun, ...]:
    """Return the further runs: fewer frames than declared, then synthetic inputs where the protocol has any."""
    declared = request.model.frames
    runs = [
        _below(request, f"frames-{frames}", replace(request, model=replace(request.model, frames=frames)))
        for frames in FRAMES
        if frames < declared
    ]
    if protocol.inputs.side is None:
        runs.append(_below(request, SYNTHETIC, replace(request, inputs="synthetic")))
    return tuple(runs)


def _below(request: RunRequest, name: str, changed: RunRequest) -> SubRun:
    return SubRun(name, replace(changed, out=request.out / FOLDER / name))


def add_robustness(
    request: RunRequest, record: Record, options: RunOptions, engine: Engine, tell: Listener
) -> Robustness | None:
    """Evaluate the further runs of a finished one and write ``robustness.json`` into it; all of it resumes.

    Parameters
    ----------
    request, record : of the run itself.

    Returns
    -------
    None if tiles of the run failed: there is no mean then that a curve could show.
    """
    check_robustness(request)
    if any(count for outcome, count in record.outcomes.items() if outcome != "ok"):
        tell(Notice("tiles failed: the runs for --robustness are left out"))
        return None
    protocol = load_protocol(request.protocol)
    runs = sub_runs(request, protocol)
    if all(run.name != SYNTHETIC for run in runs):
        tell(Notice(f"{protocol.id} has no synthetic inputs: that run is left out"))
    make_folder(request.out / FOLDER)
    for run in runs:
        tell(Notice(f"robustness: {run.name}"))
        engine.evaluate(run.request, options, tell)
    robustness = summarise(request.folder, runs, protocol)
    robustness.save(request.folder / Robustness.FILE)
    return robustness


def summarise(folder: Path, runs: Sequence[SubRun], protocol: Protocol) -> Robustness:
    """Return the curves of a run from its own files and those of the runs below it.

    Raises
    ------
    InvalidArtefactError
        if one of them is not finished.
    """
    main = load_result(folder)
    name = ranking_list(main.record)
    below = {run.name: load_result(run.request.folder) for run in runs}
    gap = below.pop(SYNTHETIC, None)
    points = [frames_point(result.record, name) for result in (*below.values(), main)]
    return Robustness(
        record_id=main.record.record_id,
        list=name,
        frames=tuple(sorted(points, key=lambda point: point.frames)),
        cloud=cloud_points(main.record, name),
        synthetic=None if gap is None else _gap(main, gap, name, protocol),
    )


def _gap(main: Result, synthetic: Result, name: str, protocol: Protocol) -> SyntheticGap:
    tiles = sorted(sublists(main.record.dataset.list, main.table.tiles)[name])
    gaps = synthetic_gaps(main.table, synthetic.table, protocol, tiles)
    return SyntheticGap(record_id=synthetic.record.record_id, gaps=gaps)
