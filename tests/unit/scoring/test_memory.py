"""What a score asks the system for."""

from __future__ import annotations

import platform

import pytest

from scoring_scenes import enlarged, land
from worldstrat_bench.scoring.many import Scorer


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the limits are glibc's")
def test_the_memory_of_a_score_serves_the_next() -> None:
    """A score of WorldStrat's size makes images of 25,000 pages; nearly all of them are there already."""
    import resource

    scorer = Scorer(device="cpu", metrics="psnr,ssim").prepare(land(632)[None])
    prediction = enlarged(land(632))[None]
    faults = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        scorer.score(prediction)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(faults[1:]) < 1500
