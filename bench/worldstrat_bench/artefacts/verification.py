"""``verification.json``: what a maintainer confirmed of a record, who and when, on which machine and of which tiles.

Two kinds of it are told apart everywhere. *full*: maintainers ran the whole list, and the record beside the file holds
their numbers. *sample*: maintainers ran some tiles, and the record beside the file is still its authors'. Readers ask
:func:`verification_of` and then :attr:`Verification.computed`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from worldstrat_bench.artefacts.base import Artefact, Part, read_file
from worldstrat_bench.artefacts.record import Finite, Record, Sha256
from worldstrat_bench.errors import InvalidArtefactError

VERIFICATION_SCHEMA_VERSION: Final = 2

ORDER_TILES: Final = 20
"""Tiles of a full run that are predicted again in other orders."""

Line = Annotated[str, Field(min_length=1, max_length=200)]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Difference = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Draw(Part):
    """How the tiles were drawn."""

    source: Literal["system", "seed"] = Field(
        description="system: of the system's randomness, after the record existed; seed: a number that was given"
    )
    seed: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")] = Field(
        description="hexadecimal; with the submitted record_id it decides the tiles"
    )
    of: int = Field(ge=0, description="scored tiles that the draw was from")


class TileCheck(Part):
    """One drawn tile, predicted in two orders."""

    tile: Line
    outcome: Line
    prediction_difference: Finite | None = Field(
        default=None,
        description="largest absolute difference to the stored prediction, reflectance; null if none is stored",
    )
    order_difference: Finite | None = Field(
        default=None, description="largest absolute difference between the tile alone and in another order, reflectance"
    )


class ColumnCheck(Part):
    """One column of tiles.csv, over every tile that was compared."""

    largest: Difference | None = Field(description="difference to the submitted values, in the unit of the column")
    tile: Line | None = Field(description="where it is largest")
    tolerance: Difference = Field(description="largest difference that agrees, in the unit of the column")
    relative: Difference = Field(default=0.0, description="of the value, allowed beside the tolerance")
    contradicted: int = Field(ge=0, description="tiles beyond the tolerance, or with a value on one side only")


class SpeedCheck(Part):
    """A speed report that was timed again on the same class of device."""

    speed_sha256: Sha256 = Field(description="of the speed.json that this confirms")
    largest: Difference = Field(description="|measured / stated - 1| of a call, over all timings")
    tolerance: Difference
    agrees: bool


class Attestation(Part):
    """Where the numbers were made: a run of the evaluation workflow, whose provenance the forge attested."""

    repository: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$", max_length=200)]
    workflow: Line = Field(description="path of the workflow file and the commit it was of: FILE@COMMIT")
    run: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] = Field(description="id of the workflow's run")


class Verification(Artefact):
    """The verdict on one record."""

    FILE: ClassVar = "verification.json"
    KIND: ClassVar = "verification"
    REMEDY: ClassVar = "a maintainer writes it: worldstrat-bench verify RUN --data DIR --model MODEL --maintainer NAME"
    MAX_BYTES: ClassVar = 1_000_000

    schema_version: Literal[2] = VERIFICATION_SCHEMA_VERSION
    record_id: Sha256 = Field(description="of the record that is vouched for, beside this file")
    submitted_record_id: Sha256 = Field(description="of the record that the authors submitted; sample: the same")
    scope: Literal["full", "sample"] = Field(
        description="full: maintainers ran the whole list, and the record holds their numbers; sample: drawn tiles only"
    )
    slug: Line | None = Field(default=None, description="of the submission; null for a run that was not submitted")
    commit: Commit | None = Field(default=None, description="that held the submission; null if it is not known")
    package_sha256: Sha256 | None = Field(
        description="of the package that ran: its wheel, else its installed files, computed by the harness from disk"
    )
    weights_sha256: Sha256 | None = None
    verified_by: Line = Field(description="the maintainer who ran it")
    verified_at: Line = Field(description="UTC, ISO 8601")
    harness_version: Line
    harness_commit: Commit | None = Field(default=None, description="of the harness that verified")
    device_class: Line = Field(description="of the machine that verified")
    isolation: Line = Field(description="level that confined the model while it was verified")
    tolerance: Difference = Field(description="largest difference between two predictions, reflectance")
    draw: Draw
    tiles: tuple[TileCheck, ...] = Field(max_length=5000, description="the drawn tiles, in the order of the draw")
    compared: int = Field(ge=0, description="tiles whose values were compared with the submitted ones")
    columns: dict[str, ColumnCheck] = Field(description="column of tiles.csv: how it compares")
    speed: SpeedCheck | None = Field(default=None, description="null: no speed was timed again")
    attestation: Attestation | None = Field(default=None, description="null: not made by the evaluation workflow")
    agrees: bool = Field(description="the submitted record holds: nothing of it is contradicted")
    passed: bool = Field(description="the record beside this file holds; full: whatever was submitted before")

    @property
    def computed(self) -> bool:
        """True if the numbers of the record were computed by maintainers, which is what a rank takes."""
        return self.scope == "full" and self.passed

    def contradiction(self, record: Record) -> str:
        """Return what of the verification is not so of the record that it vouches for, in words; "" if all of it is."""
        model, drawn = record.model, self.draw.of
        if self.record_id != record.record_id:
            return "it names another record_id"
        if not is_past(self.verified_at):
            return f"it was verified at {self.verified_at[:40]!r}, which is not a time in the past"
        if self.slug is not None and self.slug != model.submission:
            return f"it is of the submission {self.slug[:60]!r}"
        # A record may name its wheel, its installed files, or both: the verification states one of them.
        digests = [digest for digest in (model.wheel_sha256, model.code_sha256) if digest is not None]
        if (self.package_sha256 not in digests) if digests else self.package_sha256 is not None:
            return "the package that it names is not the record's"
        if self.weights_sha256 != model.weights_sha256:
            return "the weights that it names are not the record's"
        # A full run says nothing of order and chance by itself; the tiles that were run again do, and so there must be
        # enough.
        fewest = min(ORDER_TILES, drawn) if self.scope == "full" else 1
        if drawn != record.outcomes.get("ok", 0) or (self.passed and len(self.tiles) < fewest):
            return f"{len(self.tiles)} tiles were drawn of {drawn}, and the record has {record.outcomes.get('ok', 0)}"
        # The rest is about a record that maintainers made. In a sample it is still that of its authors, made on their
        # machine.
        if self.scope == "sample":
            return ""
        if self.compared != record.dataset.tiles:
            return f"{self.compared} tiles were compared, and the record has {record.dataset.tiles}"
        if (self.isolation, self.device_class) != (record.isolation.level, record.device.device_class):
            return "its isolation or class of machine is not the record's"
        return ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """Check that the verdict follows from what was found."""
        beyond = any(column.contradicted for column in self.columns.values())
        failed = any(check.outcome != "ok" for check in self.tiles)
        if self.agrees and (beyond or failed or (self.speed is not None and not self.speed.agrees)):
            raise ValueError("agrees, though something in it contradicts the submitted record")
        if self.scope == "sample" and (self.record_id != self.submitted_record_id or self.passed != self.agrees):
            raise ValueError("a sample vouches for the submitted record, by what it found of it")
        if self.passed and (failed or any(check.order_difference is None for check in self.tiles)):
            raise ValueError("passed, though a drawn tile has no prediction")
        if self.passed and self.scope == "full" and not (self.compared and "psnr" in self.columns):
            raise ValueError("passed without a tile or column that was compared")
        if self.passed and not self.tiles:
            raise ValueError("passed without a tile that was run again")
        if self.passed and any((check.order_difference or 0.0) > self.tolerance for check in self.tiles):
            raise ValueError("passed, though predictions depend on other tiles or on chance")
        return self


def is_past(text: str) -> bool:
    """Return whether a text is a time in ISO 8601 that is not in the future by more than clocks differ."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)) <= datetime.now(UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        return False


def verification_of(content: bytes | None, record: Record) -> Verification | None:
    """Return the verification of a record; None without a file, or if it is not valid, not of it, or did not pass.

    Parameters
    ----------
    content : of the ``verification.json`` beside the record; None if there is none.
    """
    found = Verification.parse_if_valid(content)
    return found if found is not None and found.passed and not found.contradiction(record) else None


def verification_in(folder: Path, record: Record) -> Verification | None:
    """Return the verification that lies in the folder of a record; see :func:`verification_of`."""
    # A link could point to the verification of another record, outside the submission that is checked.
    path = folder / Verification.FILE
    if path.is_symlink() or not path.is_file():
        return None
    try:
        content = read_file(path, Verification.KIND, Verification.MAX_BYTES, Verification.REMEDY)
    except InvalidArtefactError:
        return None
    return verification_of(content, record)
