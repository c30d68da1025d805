"""How long a timing may take, and how its time is shared out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

BLOCK_SECONDS = 0.2
"""The shortest block: long against the ends of a block and against what a message to a worker takes."""
WARM_UP_SHARE = 0.12
"""Share of a scenario's time that each of its two warm-ups may take."""
AUDIT_SHARE = 0.12
"""Share of a scenario's time that is left for what follows the blocks."""


@dataclass(frozen=True)
class Plan:
    """Duration of a measurement.

    Attributes
    ----------
    seconds : of timed blocks in each repeat, about.
    budget_seconds : of everything in one scenario but the warm-up, about: there are fewer blocks if need be.
    total_seconds : of the whole command with its processes' start and end, about; see :func:`within`.
    min_blocks : in each repeat; even, so that the model is before the reference as often as after it.
    warm_up_seconds : of the model or of the reference, at most.
    block_seconds : of one block, at least; tests take less.
    quick : a look only, which is never VALID.
    """

    seconds: float = 2.0
    budget_seconds: float = 50.0
    total_seconds: float = 172.0
    min_blocks: int = 4
    warm_up_seconds: float = 10.0
    block_seconds: float = BLOCK_SECONDS
    quick: bool = False


def within(plan: Plan, seconds: float) -> Plan:
    """Return a plan for one scenario of so many seconds: warm-ups, blocks and audits.

    Where processes start slowly or clocks never settle, the blocks are fewer, and the command takes no longer.
    """
    warm_up_seconds = min(plan.warm_up_seconds, WARM_UP_SHARE * seconds)
    blocks = (1 - AUDIT_SHARE) * seconds - 2 * warm_up_seconds
    return replace(plan, warm_up_seconds=warm_up_seconds, budget_seconds=min(plan.budget_seconds, blocks))


QUICK = Plan(seconds=0.4, budget_seconds=4.0, total_seconds=math.inf, min_blocks=2, warm_up_seconds=1.0, quick=True)
