"""The reference of a release: what the real data give, against which every official record is held.

A maintainer makes one on the real data with ``data reference DIR``; the package ships it. It holds no pixels: digests,
and the few numbers of a tile that do not depend on any model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.artefacts.identity import targets_sha256
from worldstrat_bench.artefacts.record import Finite, Name, ProtocolRef, Record, Sha256, Text


class ReferenceTile(Part):
    """Facts of a tile in ``tiles.csv`` that are the same for every model."""

    group: Name
    ipcc: Name
    smod: Name
    source: Name
    continent: Name
    lon: Finite | None
    lat: Finite | None
    target_sha256: Sha256 | None = Field(description="of the decoded target; null: too few pixels of it are valid")
    cloud: Annotated[float, Field(ge=0, le=1)]
    days: int
    detail: Finite | None = Field(description="null without a target")
    psnr_bicubic: Finite | None = Field(description="of the reference bicubic, dB; null as in a record")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuse a target without its detail."""
        if (self.target_sha256 is None) != (self.detail is None):
            raise ValueError("a tile has a target and its detail, or neither")
        return self


class Reference(Artefact):
    """The reference of one release under one protocol."""

    FILE: ClassVar = "reference.json"
    KIND: ClassVar = "reference"
    REMEDY: ClassVar = "make it on the real data: worldstrat-bench data reference DIR"
    MAX_BYTES: ClassVar = 1_000_000

    schema_version: Literal[1] = 1
    release: Name
    protocol: ProtocolRef
    harness_version: Text = Field(description="of the harness that made it")
    tiles: dict[str, ReferenceTile] = Field(min_length=1, description="every tile of every fixed list")

    def targets_sha256(self, tiles: Iterable[str]) -> str:
        """Return the digest of the targets of some tiles, each of which has one."""
        return targets_sha256((tile, self.tiles[tile].target_sha256 or "") for tile in tiles)

    def without_target(self, tiles: Iterable[str]) -> frozenset[str]:
        """Return those of some tiles that have no target."""
        return frozenset(tile for tile in tiles if tile in self.tiles and self.tiles[tile].target_sha256 is None)


@dataclass(frozen=True)
class References:
    """References by (release, id of the protocol, digest of the protocol)."""

    by_key: Mapping[tuple[str, str, str], Reference]

    @classmethod
    def of(cls, references: Iterable[Reference]) -> Self:
        """Return the collection of some references."""
        return cls({(one.release, one.protocol.id, one.protocol.sha256): one for one in references})

    def find(self, record: Record) -> Reference | None:
        """Return the reference of a record's release and protocol; None if there is none."""
        return self.by_key.get((record.dataset.release, record.protocol.id, record.protocol.sha256))
