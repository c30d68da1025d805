"""``record.json``: what was run on what, and the scores, in one immutable file.

``record_id`` is the sha256 of the canonical content without ``created`` and ``record_id``, so that the same
inputs give the same id. Everything here is untrusted when others sent it: strings have a
length, numbers are finite, unknown keys are errors.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from worldstrat_bench.arguments import path_of
from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.typed import typed

SCHEMA_VERSION: Final = 1

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


ONLY_FULL: Final = frozenset({"stat_targets"})
"""Probes of the isolation that Landlock and seccomp, the level `strong`, do not stop."""


class ProtocolRef(Part):
    """The protocol of the run."""

    id: Name
    sha256: Sha256


class DatasetRef(Part):
    """The tiles of the run."""

    release: Name = Field(description='"v1.0", "v1.1", "mini" or "unrecognised"')
    list: Name = Field(description="the list that was evaluated")
    tiles: int = Field(ge=0, description="number of rows in tiles.csv")
    list_sha256: Sha256 = Field(description="of the sorted names of the list's tiles, one a line")
    targets_sha256: Sha256 = Field(description="of the decoded targets; boards are keyed by it")
    official: bool
    limit: int | None = Field(default=None, description="a smoke test of the first tiles only; never ranked")
    shard: str | None = Field(default=None, description='"i/n" until the shards are merged; never ranked')
    revisits: int | None = Field(
        default=None,
        ge=1,
        description="the copy held revisits 1 to this of each tile; never official, and compared with no other copy; "
        "null: all of them",
    )
    no_target: tuple[Name, ...] = Field(default=(), description="tiles without enough valid pixels, in no list")
    inputs: Literal["real", "synthetic"] = Field(
        default="real", description="synthetic: inputs made from HR by a sensor model"
    )
    inputs_protocol: ProtocolRef | None = Field(
        default=None, description="the protocol whose inputs the model was given, if not that of the scores"
    )


class ModelRef(Part):
    """The model of the run."""

    name: Name
    distribution: Name | None = None
    version: Text | None = None
    entry_point: Text | None = None
    wheel_sha256: Sha256 | None = None
    lock_sha256: Sha256 | None = Field(default=None, description="of all that the lock of its submission installed")
    code_sha256: Sha256 | None = Field(
        default=None, description="of the files of its distribution, installed, editable or in a wheel alike"
    )
    editable: dict[Name, Sha256] = Field(
        default_factory=dict,
        max_length=200,
        description="code of every other distribution that the model's environment had in editable mode, by name",
    )
    weights_sha256: Sha256 | None = None
    parameters: dict[str, str | int | float | bool] = Field(default_factory=dict)
    frames: int = Field(ge=1, le=16)
    draws: int = Field(default=1, ge=1, le=32, description="predictions of each tile; scores are the means over them")
    train_split: Text | None = Field(default=None, description="the train list as the submission declares it")
    submission: Name | None = Field(default=None, description="slug of the submission")


class Harness(Part):
    """The code that scored."""

    version: Text
    commit: Text | None = None
    dirty: bool | None = None
    code_sha256: Sha256 | None = Field(
        default=None, description="of the installed files of the harness; null in records from before it was kept"
    )


class Environment(Part):
    """The software that predicted."""

    python: Text
    torch: Text
    cuda: Text | None = None
    driver: Text | None = None
    packages: dict[str, str] = Field(default_factory=dict)


class Device(Part):
    """The hardware that predicted."""

    type: Literal["cpu", "cuda", "unknown"] = Field(description="unknown: predictions were handed in")
    name: Text
    device_class: Text = Field(description='as boards show it: "H100-80GB", "CPU 2 cores x86-64"')


class LimitsRef(Part):
    """Limits of the model that decide outcomes."""

    tile_seconds: Finite = Field(gt=0, description="time limit of a tile")
    memory_bytes: int | None = Field(default=None, description="of the resident set; null: half of the machine's")


class IsolationReport(Part):
    """Confinement of the model, as the self-test and the host's canaries found it."""

    level: Literal["none", "process", "strong", "full"]
    requested: Literal["auto", "process", "strong", "full"] = "auto"
    profile: Literal["cpu", "cuda"] | None = Field(
        default=None,
        description="of the confinement: cuda also lets libcuda start; null at `process`, which confines nothing, and "
        "in records from before it was kept",
    )
    held: dict[str, bool] = Field(
        default_factory=dict,
        description="probe: True if it was stopped; under the profile cuda, write_proc does not try the files of the "
        "worker's own threads, which it may write",
    )
    notes: tuple[Text, ...] = ()


class Summary(Part):
    """Mean of one metric over a set of tiles, with its 95 % interval (protocol 3.6)."""

    n: int = Field(ge=0, description="tiles with a value")
    effective_groups: Finite = Field(
        default=0.0, ge=0, description="effective number of groups of those tiles: n if every group is one tile"
    )
    mean: Finite | None = Field(default=None, description="null if a tile of the set failed or none has a value")
    ci_low: Finite | None = Field(
        default=None, description="null without a mean, below 5 effective groups, or if the values never vary"
    )
    ci_high: Finite | None = None


class HandedIn(Part):
    """Predictions that were made elsewhere and handed in as files: the harness ran no model."""

    files_sha256: Sha256 = Field(description='sha256 over "<tile> <sha256 of its file>" lines, by tile')
    formats: tuple[Literal["geotiff", "npz", "npy", "png", "safetensors"], ...] = Field(description="sorted")
    bands: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,10}(,[A-Z0-9]{1,10}){2,15}$")] = Field(
        default="R,G,B", description="what was said of the files: their bands, in order"
    )
    scale: Finite | None = Field(
        default=None, gt=0, description="what was said of the files: reflectance is (number + offset) / scale"
    )
    offset: Finite = 0.0


NOT_KNOWN: Final = "not known"
"""In a record of predictions that were handed in: Python and torch of the model, and its device."""

HANDED_IN_CLASS: Final = "handed in"
"""In place of the device's class in such a record."""


class TileMessage(Part):
    """Message of a model about tiles that failed, or remark of the harness about their values."""

    outcome: Name = Field(description='of the tiles; "ok" for a remark on values that look odd')
    message: Annotated[str, Field(max_length=500)] = Field(
        description="the line that tells the cause, and what to do; paths of the machine and numbers of memory left out"
    )
    tiles: int = Field(ge=1, description="number of tiles with that message; those that differ in numbers are one")
    names: Annotated[tuple[Name, ...], Field(max_length=10)] = Field(description="the first of them, by name")


Summaries = dict[str, Summary]


class ListScores(Part):
    """The scores of one list: micro and macro means, and every stratum of every axis."""

    tiles: int = Field(ge=0)
    failed: int = Field(ge=0)
    micro: Summaries
    macro: dict[str, Finite | None] = Field(description="mean over IPCC classes with n >= 10, descriptive")
    strata: dict[str, dict[str, Summaries]]


class DrawScores(Part):
    """Spread of a stochastic model's draws and scores of their mean image, on one list; their mean is in the scores."""

    spread: dict[str, Finite | None] = Field(
        description="standard deviation of a metric between the draws of a tile, mean over tiles; null if a tile failed"
    )
    mean_image: Summaries = Field(description="scores of the mean of the draws, as an image")


class Record(Artefact):
    """One run. See the module's docstring for what its id covers."""

    FILE: ClassVar = "record.json"
    KIND: ClassVar = "record"
    REMEDY: ClassVar = "a record is never edited by hand; score the run again"
    MAX_BYTES: ClassVar = 8_000_000

    schema_version: Literal[1] = SCHEMA_VERSION
    record_id: Sha256
    created: Text = Field(description="UTC, ISO 8601; not part of the id")
    protocol: ProtocolRef
    dataset: DatasetRef
    model: ModelRef
    harness: Harness
    environment: Environment
    device: Device
    isolation: IsolationReport
    limits: LimitsRef | None = Field(default=None, description="null in records from before they were kept")
    seed: int
    outcomes: dict[str, int] = Field(description="number of tiles by outcome")
    messages: Annotated[tuple[TileMessage, ...], Field(max_length=20)] = Field(
        default=(),
        description="of failed tiles and values that look odd, the most frequent first; empty in records from before "
        "they were kept",
    )
    scores: dict[str, ListScores]
    nulls: dict[str, Text] = Field(default_factory=dict, description="why a metric is null")
    lpips_backbone_sha256: Sha256 | None = None
    optional: dict[str, Text] = Field(
        default_factory=dict, description="version of every column that is an optional metric; others do not compare"
    )
    warnings: tuple[Text, ...] = ()
    files: dict[str, Sha256]
    draws: dict[str, DrawScores] | None = Field(
        default=None, description="by list, from draws.csv; null: one prediction a tile"
    )
    predictions: HandedIn | None = Field(
        default=None, description="of predictions that were handed in; null: the harness ran the model"
    )

    @model_validator(mode="after")
    def _only_what_is_known(self) -> Self:
        """Refuse code, weights, device or confinement in a record of what was never run."""
        model, handed_in = self.model, self.predictions is not None
        if handed_in != (self.device.type == "unknown"):
            raise ValueError("a device is unknown if predictions were handed in, and only then")
        more = model.model_dump(exclude_defaults=True).keys() - {"name", "frames", "train_split", "submission"}
        if handed_in and (more or self.isolation.level != "none"):
            raise ValueError("predictions were handed in, and yet the record says more of a model than its name")
        return self

    def _check_content(self, document: Any) -> None:
        """Refuse an id that is not that of the content as written: newer fields with a default do not change it."""
        try:
            # Of the document as written, not of the parsed record: fields that are newer than a record would add their
            # defaults to it.
            found = record_id(document)
        except ValueError:  # a number out of range
            found = ""
        if found != self.record_id:
            raise ValueError("record_id is not the hash of the content")

    @property
    def complete(self) -> bool:
        """True if every tile of the list was scored: no failure, no limit, no shard."""
        only_ok = all(count == 0 for outcome, count in self.outcomes.items() if outcome != "ok")
        return only_ok and self.dataset.limit is None and self.dataset.shard is None

    @property
    def spoiled_lists(self) -> tuple[str, ...]:
        """The lists that hold a failed tile, sorted: they have no mean and no rank; the others do."""
        return tuple(sorted(name for name, scores in self.scores.items() if scores.failed))

    @typed
    def rankable(self, list_name: str) -> bool:
        """Return True if a list was scored whole: none of its tiles failed, no limit, no shard."""
        partial = self.dataset.limit is not None or self.dataset.shard is not None
        return not partial and list_name in self.scores and list_name not in self.spoiled_lists


def canonical_json(data: object) -> str:
    """Return JSON with sorted keys and no spaces: the same content is the same text.

    Raises
    ------
    UsageError, ValueError
        for what JSON does not know, and for NaN and infinite numbers.
    """
    try:
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        what = f"this cannot be written as JSON: {error}"
        raise UsageError(what, where="data", remedy="give text, numbers, lists and mappings of text") from None


@typed
def record_id(content: dict[str, Any]) -> str:
    """Return the id of a record's content: a JSON object; ``record_id`` and ``created`` are left out."""
    kept = {key: value for key, value in content.items() if key not in ("record_id", "created")}
    return hashlib.sha256(canonical_json(kept).encode()).hexdigest()


@typed
def build_record(*, created: str, **content: Any) -> Record:
    """Return a record of that content, with its id.

    Parameters
    ----------
    created : UTC, ISO 8601.
    content : the other fields of :class:`Record`.

    Raises
    ------
    pydantic.ValidationError
        naming every field that is missing, unknown or wrong.
    """
    # In two steps: the id is of the content as the schema writes it, which only the schema can say.
    draft = Record(record_id="0" * 64, created=created, **content)
    return draft.model_copy(update={"record_id": record_id(draft.model_dump(mode="json"))})


@typed
def load_record(path: Path | str) -> Record:
    """Read ``record.json``, or the one in a run directory.

    Raises
    ------
    InvalidArtefactError
        if the run is not finished, or the record cannot be read, is not of the schema, or was changed.
    """
    file = path_of(path, "path")
    file = file / Record.FILE if file.is_dir() else file
    if not file.exists():
        remedy = "finish the run: worldstrat-bench evaluate ... --out RUN"
        raise InvalidArtefactError("there is no record", where=file, remedy=remedy)
    return Record.load(file)
