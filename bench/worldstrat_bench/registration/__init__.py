"""Registration: finding the shift between a prediction and its target, exactly and without shifting anything.

``offset`` finds what is added to every band first, ``search`` the shift of wsb-1, ``moving`` applies one, ``lags``
holds the correlation tables that every search is made of, ``shifted_truth`` has the quadratic forms of the 2022
protocols. The algebra is in docs/scoring.md.
"""

from __future__ import annotations

from worldstrat_bench.registration.moving import move, move_each
from worldstrat_bench.registration.search import (
    SearchTarget,
    Shift,
    Shifts,
    mismatch,
    mismatch_smoothed,
    pick_shift,
    pick_shifts,
    prepare_search,
)

__all__ = [
    "SearchTarget",
    "Shift",
    "Shifts",
    "mismatch",
    "mismatch_smoothed",
    "move",
    "move_each",
    "pick_shift",
    "pick_shifts",
    "prepare_search",
]
