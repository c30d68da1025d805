"""Files that describe an export: its ``manifest.json``, and the key to the names of anonymous tiles."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.artefacts.record import Name, ProtocolRef, Sha256

Format = Literal["geotiff", "npz"]

_REMEDY = "worldstrat-bench data export DIR --data DATASET writes one"


class ExportedTile(Part):
    """Entry of one tile."""

    id: Name = Field(description="name of its folder or file, and of the prediction: <id>.tif, <id>.npz, ...")
    height: int = Field(ge=1, description="px, of the image that is asked for")
    width: int = Field(ge=1)
    native_height: int = Field(ge=1, description="px, of the inputs; a prediction may have any size from there up")
    native_width: int = Field(ge=1)
    days: tuple[int, ...] = Field(description="of each frame, best first: its date minus that of the target")
    inputs_sha256: Sha256 = Field(description="of images, clear and days as a model gets them")
    files: dict[str, Sha256] = Field(description="path in the export to the sha256 of the file")


class ExportManifest(Artefact):
    """Content of an export."""

    FILE: ClassVar = "manifest.json"
    KIND: ClassVar = "manifest of an export"
    REMEDY: ClassVar = _REMEDY
    MAX_BYTES: ClassVar = 32_000_000

    schema_version: Literal[1] = 1
    protocol: ProtocolRef
    release: Name
    list: Name
    frames: int = Field(ge=1, description="most frames of a tile; a tile that has fewer is shorter, never padded")
    format: Format
    bands: tuple[Name, ...]
    anonymous: bool = Field(description="ids are random, and no file says where it is from")
    licence: Annotated[str, Field(max_length=10_000)]
    tiles: tuple[ExportedTile, ...]


class Identities(Artefact):
    """Key from anonymous ids to tiles; kept apart from the export."""

    FILE: ClassVar = "ids.json"
    KIND: ClassVar = "list of the ids of an export"
    REMEDY: ClassVar = "give the file that `data export --anonymous FILE` wrote"
    MAX_BYTES: ClassVar = 4_000_000

    schema_version: Literal[1] = 1
    ids: dict[str, Name] = Field(description="id to tile")
