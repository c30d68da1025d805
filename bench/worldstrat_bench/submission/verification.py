"""``verification.json``: what a maintainer confirmed of a record, who and when."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worldstrat_bench.errors import InvalidArtefactError

MAX_BYTES = 256 * 1024
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Line = Annotated[str, Field(min_length=1, max_length=200)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TileCheck(_Part):
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


class Verification(_Part):
    """The verdict on one record."""

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


def format_verification(verification: Verification) -> str:
    """The text of ``verification.json``."""
    return json.dumps(verification.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse_verification(text: str, *, where: object = "verification.json") -> Verification:
    """Read and check a ``verification.json``.

    Raises
    ------
    InvalidArtefactError
        if it is no JSON or does not follow the schema.
    """
    try:
        return Verification.model_validate(json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part)[:60] for part in first["loc"])
        raise InvalidArtefactError(f"verification: {key}: {first['msg']}", where=where, remedy=_REMEDY) from None
    except (ValueError, RecursionError) as error:
        raise InvalidArtefactError(f"verification: not JSON: {str(error)[:200]}", where=where, remedy=_REMEDY) from None


def load_verification(path: Path) -> Verification:
    """Read ``verification.json`` from disk; see :func:`parse_verification`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidArtefactError("verification: the file is too large", where=path, remedy=_REMEDY)
        return parse_verification(path.read_bytes().decode("utf-8-sig"), where=path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArtefactError(f"verification cannot be read: {error}", where=path, remedy=_REMEDY) from None


_REMEDY = "a maintainer writes it: worldstrat-bench verify RUN --data DIR --maintainer NAME"
