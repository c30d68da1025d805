"""What a run is about: its inputs as they are kept in the journal, and the comparison that a resume makes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from worldstrat_bench.artefacts.record import (
    Device,
    Environment,
    Harness,
    IsolationReport,
    LimitsRef,
    ModelRef,
    ProtocolRef,
)
from worldstrat_bench.data.layout import Dataset, Tile
from worldstrat_bench.data.split import LISTS, list_sha256
from worldstrat_bench.errors import DataError, InvalidArtefactError, UsageError
from worldstrat_bench.protocol import Protocol
from worldstrat_bench.run.journal import Journal

InputSource = Literal["real", "synthetic"]
T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, from 1; tiles are dealt in turn, so that parts differ by one tile at most."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``i/n``.

        Raises
        ------
        UsageError
            unless 1 <= i <= n <= 10,000.
        """
        match = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]) <= 10_000:
            raise UsageError(f"not a shard: {text[:40]!r}", where="--shard", remedy="i/n with 1 <= i <= n, say 1/4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def take(self, items: Sequence[T]) -> tuple[T, ...]:
        """The items of this part."""
        return tuple(items[self.index - 1 :: self.count])

    def folder(self, out: Path) -> Path:
        """The run directory of this part within a folder that all parts share."""
        return out / "shards" / f"{self.index}-of-{self.count}"


class _Note(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PredictInputs(_Note):
    """Everything that decides which predictions a run makes. Kept in the journal when the run starts."""

    protocol: ProtocolRef
    release: str
    official: bool
    list: str
    list_sha256: str
    limit: int | None
    shard: str | None
    files_sha256: str
    inputs: InputSource
    model: ModelRef
    limits: LimitsRef = LimitsRef(tile_seconds=60.0)
    seed: int
    harness_version: str

    def digest(self) -> str:
        """sha256 of all of it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class ScoreInputs(_Note):
    """Everything beside the predictions that decides the scores."""

    protocol: ProtocolRef
    lpips_backbone_sha256: str | None
    lpips_null: str | None
    optional: dict[str, str] = Field(default_factory=dict)
    device_type: str
    harness: Harness


class Machine(_Note):
    """Where the predictions were made, as the worker said at its start."""

    environment: Environment
    device: Device
    isolation: IsolationReport


HARNESS_STATE = frozenset({"harness.commit", "harness.dirty"})
"""What may differ between the processes of one run; the record says so if it does. The version may not."""

SAME_LEVEL_IS_ENOUGH = frozenset({"isolation.held", "isolation.notes", "isolation.requested"})
"""How a level of isolation came about may differ between them; the level may not."""


@dataclass(frozen=True)
class Selection:
    """The tiles of a run: those of the list, then the first of them, then the shard's."""

    dataset: Dataset
    list_name: str
    list_tiles: tuple[str, ...]
    tiles: tuple[Tile, ...]
    limit: int | None = None
    shard: Shard | None = None

    @property
    def official(self) -> bool:
        """Whether these are the fixed tiles of a recognised release, all of them here."""
        return self.dataset.official_release and self.list_name in LISTS and self.limit is None


def select(
    dataset: Dataset, list_name: str = "auto", limit: int | None = None, shard: Shard | None = None
) -> Selection:
    """Choose the tiles of a run.

    Raises
    ------
    UsageError, DataError
        for an unknown list, tiles that are not in the folder, or more shards than tiles.
    """
    resolved = dataset.resolve_list(list_name)
    tiles = dataset.tiles(resolved, limit)
    if shard and shard.count > len(tiles):
        raise UsageError(f"{len(tiles)} tiles cannot be dealt to {shard.count} shards", where="--shard")
    chosen = shard.take(tiles) if shard else tiles
    return Selection(dataset, resolved, dataset.names(resolved), chosen, limit, shard)


def predict_inputs(
    selection: Selection,
    protocol: Protocol,
    model: ModelRef,
    *,
    seed: int,
    inputs: InputSource,
    harness_version: str,
    limits: LimitsRef,
) -> PredictInputs:
    """The inputs of a run over those tiles; looks at the size and a few bytes of every file."""
    return PredictInputs(
        protocol=protocol_ref(protocol),
        release=selection.dataset.release,
        official=selection.official,
        list=selection.list_name,
        list_sha256=list_sha256(selection.list_tiles),
        limit=selection.limit,
        shard=str(selection.shard) if selection.shard else None,
        files_sha256=files_sha256(selection.tiles),
        inputs=inputs,
        model=model,
        limits=limits,
        seed=seed,
        harness_version=harness_version,
    )


def protocol_ref(protocol: Protocol) -> ProtocolRef:
    """How journals and records name a protocol."""
    return ProtocolRef(id=protocol.id, sha256=protocol.sha256)


_SAMPLE = 4096


def files_sha256(tiles: Sequence[Tile]) -> str:
    """A fingerprint of the files of those tiles: names, dates, sizes, and 4 KiB from the middle of the largest two.

    It tells another dataset, release or seed apart in milliseconds. Silent damage is for ``data check``, and the
    targets themselves are hashed when they are scored.
    """
    digest = hashlib.sha256()
    for tile in tiles:
        facts = tile.facts
        digest.update(f"{tile.name}\t{facts.ipcc}\t{facts.smod}\t{facts.lon}\t{facts.lat}\n".encode())
        digest.update(_sample(tile.hr))
        for position, revisit in enumerate(tile.revisits):
            digest.update(f"{revisit.n}\t{revisit.days}\t{_size(revisit.data)}\t{_size(revisit.cloud_mask)}\n".encode())
            if position == 0:
                digest.update(_sample(revisit.data))
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _sample(path: Path) -> bytes:
    size = _size(path)
    if size < 0:
        return b"missing"
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, size // 2 - _SAMPLE // 2))
            return f"{size}\n".encode() + stream.read(_SAMPLE)
    except OSError as error:
        raise DataError(
            f"a file cannot be read: {error.strerror}", where=path, remedy="see to its permissions and the disk"
        ) from None


_WORDS = {
    "protocol.id": "protocol",
    "protocol.sha256": "protocol file",
    "release": "dataset release",
    "official": "officialness of the dataset",
    "list_sha256": "tiles of the list",
    "files_sha256": "dataset files",
    "inputs": "real or synthetic inputs (--lr)",
    "model.wheel_sha256": "model wheel",
    "model.code_sha256": "model code",
    "model.weights_sha256": "model weights",
    "model.parameters": "model parameters",
    "model.name": "model",
    "model.version": "model version",
    "model.frames": "frames",
    "limits.tile_seconds": "time limit of a tile (--tile-seconds)",
    "limits.memory_bytes": "memory limit (--memory-gib)",
    "lpips_backbone_sha256": "LPIPS weights",
    "lpips_null": "whether LPIPS can be computed",
    "device_type": "scoring device",
    "device.device_class": "device class",
}


def differences(before: BaseModel, now: BaseModel, *, leave_out: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """What differs between two notes of one kind, each as "model version: 1.0, now 1.1"."""
    old, new = _flat(before), _flat(now)
    names = [name for name in (*old, *(n for n in new if n not in old)) if name not in leave_out]
    return tuple(
        f"{_word(name)}: {_short(old.get(name))}, now {_short(new.get(name))}"
        for name in names
        if old.get(name) != new.get(name)
    )


def _word(name: str) -> str:
    if name.startswith("optional."):
        return f"version of the optional metric {name.removeprefix('optional.')} (--metrics)"
    return _WORDS.get(name) or name.replace(".", " ").replace("_", " ")


def _flat(note: BaseModel) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name in type(note).model_fields:
        value = getattr(note, name)
        if isinstance(value, BaseModel):
            flat.update({f"{name}.{inner}": content for inner, content in _flat(value).items()})
        elif name in ("packages", "optional"):  # the one that differs is what a reader looks for
            flat.update({f"{name}.{package}": version for package, version in value.items()})
        else:
            flat[name] = value
    return flat


def _short(value: object) -> str:
    text = "not given" if value is None else str(value)
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return text[:12]
    return text if len(text) <= 60 else f"{text[:57]}..."


def remember(
    journal: Journal, name: str, now: BaseModel, *, remedy: str, leave_out: frozenset[str] = frozenset()
) -> None:
    """Write a note at the first time and compare it at every later one.

    Raises
    ------
    UsageError
        naming everything that differs from what the run was started with.
    """
    text = journal.note(name)
    if text is None:
        journal.set_note(name, now.model_dump_json())
        return
    changed = differences(read_note(journal, name, type(now)), now, leave_out=leave_out)
    if changed:
        raise UsageError(
            f"the run was started with other inputs: {'; '.join(changed)}", where=journal.path.parent, remedy=remedy
        )


N = TypeVar("N", bound=BaseModel)


def read_note(journal: Journal, name: str, kind: type[N]) -> N:
    """A note of the journal.

    Raises
    ------
    InvalidArtefactError
        if it is missing or not of that form.
    """
    text = journal.note(name)
    if text is None:
        raise InvalidArtefactError(
            f"the run has not come as far as its {name!r} note",
            where=journal.path,
            remedy="continue it: worldstrat-bench evaluate ... --out RUN",
        )
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise InvalidArtefactError(f"the journal's {name!r} note is damaged: {error}", where=journal.path) from None
