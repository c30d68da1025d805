"""``verification.json``: what a maintainer confirmed of a record, who and when."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.artefacts.record import Finite, Sha256

Line = Annotated[str, Field(min_length=1, max_length=200)]


class TileCheck(Part):
    """One tile that was run again."""

    tile: Line
    outcome: Line
    prediction_difference: Finite | None = Field(
        default=None,
        description="largest absolute difference to the stored prediction, reflectance; null if none is stored",
    )
    order_difference: Finite | None = Field(
        default=None, description="largest absolute difference between the tile alone and in another order, reflectance"
    )
    psnr_difference_db: Finite | None = Field(default=None, description="absolute difference to tiles.csv, dB")


class Verification(Artefact):
    """The verdict on one record."""

    FILE: ClassVar = "verification.json"
    KIND: ClassVar = "verification"
    REMEDY: ClassVar = "a maintainer writes it: worldstrat-bench verify RUN --data DIR --maintainer NAME"
    MAX_BYTES: ClassVar = 256 * 1024

    schema_version: Literal[1] = 1
    record_id: Sha256 = Field(description="of the record that is verified")
    verified_by: Line = Field(description="the maintainer who ran it")
    verified_at: Line = Field(description="UTC, ISO 8601")
    harness_version: Line
    recomputed: bool = Field(description="every aggregate of the record follows from tiles.csv")
    tolerance: Finite = Field(description="largest difference between two predictions, reflectance")
    psnr_tolerance_db: Finite
    seed: int = Field(description="with which the tiles were drawn")
    device_class: Line
    tiles: tuple[TileCheck, ...] = Field(max_length=1000)
    passed: bool
