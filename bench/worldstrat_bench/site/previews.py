"""Pictures of tiles (filled in below)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.pictures import TilePictures
from worldstrat_bench.site.render import Output


def collect(
    output: Output, analysis: Analysis, data: Path | None, predictions: Sequence[Path], built: Path | None
) -> dict[str, TilePictures]:
    """No pictures yet."""
    return {}
