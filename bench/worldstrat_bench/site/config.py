"""``board.toml``: which boards are published, and which metrics they show beside the ranks."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, ValidationError

from worldstrat_bench.artefacts.base import Part, first_problem
from worldstrat_bench.artefacts.harness import released_harnesses
from worldstrat_bench.artefacts.record import Sha256
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.measures import MEASURES
from worldstrat_bench.stats.boards import KINDS, Kind

_REMEDY = "reports/board.toml of the repository is an example"


class BoardConfig(Part):
    """Content of ``reports/board.toml``; without a file these are the values."""

    kinds: tuple[Kind, ...] = Field(default=KINDS, description="boards that are published")
    beside: tuple[str, ...] = Field(
        default=("ssim", "stlpips", "resolution_m", "contrast_nyquist", "gain"),
        description="metrics beside the ranked ones; an optional one where a row has it",
    )
    tile_columns: tuple[str, ...] = Field(
        default=("psnr", "gain", "lpips", "ssim", "rmse", "sam", "lr_consistency", "lr_consistency_target"),
        description="metrics of a tile page",
    )
    released: tuple[Sha256, ...] = Field(
        default=(),
        description="digests of the released harnesses; reports/harness.toml beside the board file adds its own",
    )
    gallery: int = Field(default=12, ge=1, le=60, description="tiles in each part of the gallery")


def load_config(path: Path | None) -> BoardConfig:
    """Read a ``board.toml``; None gives the defaults.

    Raises
    ------
    InvalidArtefactError
        if it is missing, no TOML, has an unknown key, or names an unknown metric.
    """
    if path is None:
        return BoardConfig()
    try:
        config = BoardConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except ValidationError as error:
        raise InvalidArtefactError(f"not a board file: {first_problem(error)}", where=path, remedy=_REMEDY) from None
    except (OSError, ValueError) as error:
        raise InvalidArtefactError(f"not a board file: {str(error)[:300]}", where=path, remedy=_REMEDY) from None
    for name in (*config.beside, *config.tile_columns):
        if name not in MEASURES:
            raise InvalidArtefactError(f"unknown metric {name[:40]!r}", where=path, remedy=", ".join(MEASURES))
    folder = path.resolve().parent
    listed = released_harnesses(folder.parent) if folder.name == "reports" else frozenset[str]()
    return config.model_copy(update={"released": tuple(sorted({*config.released, *listed}))})


def only_kinds(config: BoardConfig, kinds: Sequence[str]) -> BoardConfig:
    """Return what a board file says, for these kinds of boards only.

    Raises
    ------
    UsageError
        for a kind that there is not.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise UsageError(f"unknown kind of board {unknown[0][:40]!r}", where="--division", remedy=", ".join(KINDS))
    return config.model_copy(update={"kinds": tuple(kind for kind in KINDS if kind in kinds)})
