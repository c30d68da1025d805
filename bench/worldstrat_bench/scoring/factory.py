"""The scorer of a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from worldstrat_bench.metrics.optional import Loaded, load_optional
from worldstrat_bench.metrics.perceptual import Perceptual, Unavailable
from worldstrat_bench.protocol import GaussianParabola, Protocol, ShiftedTruth
from worldstrat_bench.scoring.probav import ProbavScorer
from worldstrat_bench.scoring.types import Scorer
from worldstrat_bench.scoring.upstream import UpstreamScorer
from worldstrat_bench.scoring.wsb import WsbScorer

if TYPE_CHECKING:
    from worldstrat_bench.data.target import ArrayCache


def make_scorer(
    protocol: Protocol,
    *,
    device: torch.device | str = "cpu",
    perceptual: Perceptual | Unavailable | None = None,
    optional: Sequence[Loaded] | None = None,
    cache: ArrayCache | None = None,
    batch: int | None = None,
    wanted: frozenset[str] | None = None,
) -> Scorer:
    """Return the scorer of a protocol.

    Parameters
    ----------
    device : where tensors live. Scores on a CPU and a GPU agree to 1e-4 dB.
    perceptual : LPIPS as ``metrics.lpips_metric.load_perceptual`` returns it; without it `lpips` is null.
    optional : metrics outside the protocol as ``metrics.optional.load_optional`` returns them, for the wsb protocols;
        unavailable ones are null. None: the automatic ones.
    cache : of what depends on a target alone.
    batch : predictions that the scorer of a wsb protocol takes at once; None: 8 on a GPU, 1 on a CPU.
    wanted : metrics that the scorer of a wsb protocol computes, without the learned and optional ones; None: all.
    """
    where = torch.device(device)
    # What a family does after the search follows from how it searches, so that rule chooses, not a protocol's name.
    if isinstance(protocol.registration, GaussianParabola):
        added = load_optional((), where) if optional is None else optional
        return WsbScorer(protocol, where, perceptual, cache, added, batch, wanted)
    if isinstance(protocol.registration, ShiftedTruth):
        return UpstreamScorer(protocol, where)
    return ProbavScorer(protocol, where)
