"""The figures of one scenario, from its blocks and the evidence."""

from __future__ import annotations

from typing import Literal

import numpy as np

from worldstrat_bench.artefacts.speed import Timing
from worldstrat_bench.speed.inputs import Variations
from worldstrat_bench.speed.stopwatch import Series
from worldstrat_bench.speed.sweep import Sweep
from worldstrat_bench.speed.verdict import Evidence, judge, percentiles

Scenario = Literal["single", "offline"]


def make_timing(
    scenario: Scenario,
    precision: str,
    batch: int,
    speeds: Sweep,
    series: Series,
    evidence: Evidence,
    inputs: Variations,
    km2: float,
) -> Timing:
    """Return the figures of one scenario with their verdict.

    Parameters
    ----------
    km2 : ground of a tile as it is timed: all are cropped to the smallest.
    """
    verdict = judge(evidence)
    call = evidence.per_call
    transfers = [b.transfer_seconds / b.tiles_placed for b in series.blocks if b.transfer_seconds is not None]
    # Batches are sent without waiting for each, so that only a block has a duration.
    latencies = percentiles(series.blocks) if scenario == "single" else (None, None, None)
    p50, p90, p99 = (None if seconds is None else seconds * 1e3 for seconds in latencies)
    return Timing(
        scenario=scenario,
        precision=precision,
        batch=batch,
        frames=inputs.frames,
        height=inputs.height,
        width=inputs.width,
        blocks=len(series.blocks),
        calls=sum(block.calls for block in series.blocks),
        call_ms=call * 1e3,
        latency_p50_ms=p50,
        latency_p90_ms=p90,
        latency_p99_ms=p99,
        tiles_per_second=batch / call,
        km2_per_second=batch * km2 / call,
        output_megapixels_per_second=batch * inputs.height * inputs.width / 1e6 / call,
        transfer_ms=float(np.median(transfers)) * 1e3 if transfers else None,
        run_tile_ms=None if evidence.run_seconds is None else evidence.run_seconds * 1e3,
        repeat_medians_ms=tuple(median * 1e3 for median in evidence.medians),
        reference_ms=series.reference_seconds * 1e3,
        times_reference=series.times_reference,
        sweep=speeds,
        verdict="VALID" if verdict.valid else "INVALID",
        reasons=verdict.reasons,
    )
