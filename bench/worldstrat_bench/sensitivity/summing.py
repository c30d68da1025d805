"""From the errors of tiles to the means of models and who beats whom, in every way that a variant names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.sensitivity import VariantScores
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.sensitivity.choices import Variant
from worldstrat_bench.stats.estimate import Floats, rounded
from worldstrat_bench.stats.ranking import rank
from worldstrat_bench.stats.strata import UNLABELLED, members


@dataclass(frozen=True)
class Errors:
    """Mean squared errors (models, tiles) under one setting, NaN where there is no target; `table` has the facts."""

    values: Floats
    table: TileTable


def summed(variant: Variant, errors: Errors, cloudy_from: float, protocol: Protocol) -> VariantScores:
    """Return the models under a variant: their means in dB, and verdicts where the protocol's tests apply."""
    # A tile counts for all models or for none.
    counts = ~np.isnan(errors.values).any(axis=0)
    if variant.tiles == "not cloudy":
        counts &= errors.table.numbers["cloud"] < cloudy_from
    rows = np.flatnonzero(counts)
    nothing = VariantScores(changed=dict(variant.changed), tiles=len(rows), means=())
    if not len(rows):
        return nothing.model_copy(update={"reason": "no tile is left"})
    # The floor of the protocol, in either average: an error of 0 has no logarithm.
    floored = np.maximum(errors.values[:, rows], protocol.metrics.mse_floor or 0.0)
    in_db = variant.average == "mean of dB"
    values = -10 * np.log10(floored) if in_db else floored
    sets = [np.arange(len(rows))]
    if variant.weights == "macro":
        sets = _classes(errors.table, rows, protocol.aggregation.macro_min_tiles)
        if len(sets) < 2:
            least = protocol.aggregation.macro_min_tiles
            return nothing.model_copy(update={"reason": f"fewer than two IPCC classes have {least} tiles"})
    means = np.mean([values[:, own].mean(axis=1) for own in sets], axis=0)
    # The only difference between the two averages: the logarithm of each tile, or of the mean.
    means = means if in_db else -10 * np.log10(means)
    return nothing.model_copy(
        update={
            "means": tuple(rounded(float(mean)) for mean in means),
            "beats": _verdicts(values, errors.table, rows, in_db=in_db, protocol=protocol) if len(sets) == 1 else (),
        }
    )


def _classes(table: TileTable, rows: NDArray[np.intp], least: int) -> list[NDArray[np.intp]]:
    labels = [table.texts["ipcc"][int(row)] or UNLABELLED for row in rows]
    return [own for label, own in members(labels).items() if label != UNLABELLED and len(own) >= least]


def _verdicts(
    values: Floats, table: TileTable, rows: NDArray[np.intp], *, in_db: bool, protocol: Protocol
) -> tuple[str, ...]:
    """Return who beats whom by the tests of the protocol; nothing with too few groups for any test."""
    groups = [table.groups[int(row)] for row in rows]
    # Ranking wants names, of which equal means are sorted; numbers of one width keep the order of the study.
    names = [f"{i:03d}" for i in range(len(values))]
    board = rank(dict(zip(names, values, strict=True)), groups, metric="psnr" if in_db else "mse", protocol=protocol)
    if board.effective_groups < protocol.aggregation.groups_min:
        return ()
    place = [board.order[name] for name in names]
    return tuple("".join(str(int(cell)) for cell in row) for row in board.beats[np.ix_(place, place)])
