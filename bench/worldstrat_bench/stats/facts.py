"""Whether two tables say the same of their tiles: only then are their runs on one board."""

from __future__ import annotations

import numpy as np

from worldstrat_bench.artefacts.tiles import FACT_COLUMNS, TileTable


def same_facts(table: TileTable, other: TileTable) -> bool:
    """Return whether two tables are of the same tiles and agree in every fact of them, numbers within 0.1 %."""
    if table.tiles != other.tiles:
        return False
    texts = all(table.texts[name] == other.texts[name] for name in FACT_COLUMNS if name in table.texts)
    return texts and all(
        np.allclose(table.numbers[name], other.numbers[name], rtol=1e-3, atol=1e-9, equal_nan=True)
        for name in FACT_COLUMNS
        if name in table.numbers
    )
