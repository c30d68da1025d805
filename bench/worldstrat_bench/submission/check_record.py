"""Checks of one result folder: the record against its own ``tiles.csv``, the package and the manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.speed import TIME_AGAIN, SpeedReport
from worldstrat_bench.artefacts.tiles import TileTable, parse_tiles
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.data import split
from worldstrat_bench.digests import LINE_ENDINGS, LINE_ENDINGS_REMEDY, differs_in_line_endings
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.preprocessing import same_parameters
from worldstrat_bench.protocol import Protocol, load_protocol, protocol_ids
from worldstrat_bench.stats.aggregate import not_from_tiles
from worldstrat_bench.stats.boards import foreign_inputs, ranking_list
from worldstrat_bench.submission.check_robustness import robustness_faults
from worldstrat_bench.submission.check_tiles import table_faults
from worldstrat_bench.submission.faults import Fault, from_error, notice, relative
from worldstrat_bench.submission.manifest import Manifest
from worldstrat_bench.submission.results import RESULT_FILES, result_folder

SCORE_AGAIN = "a record is never edited by hand; score the run again and submit what that writes"

REMADE = "mend the manifest, or: worldstrat-bench evaluate SUBMISSION --data DIR --out RUN, then submission add RUN"


@dataclass(frozen=True)
class Result:
    """A result folder whose record and table could be read."""

    folder: Path
    record: Record
    table: TileTable
    tiles_sha256: str


def read_result(folder: Path) -> Result | tuple[Fault, ...]:
    """The record and table of a result folder, or why they cannot be read. Sizes are looked at before contents."""
    faults = tuple(_file_faults(folder))
    return faults or load_result(folder)


def load_result(folder: Path) -> Result | tuple[Fault, ...]:
    """The record and table in a folder that may hold other files as well, such as a run directory."""
    record_path, tiles_path = folder / "record.json", folder / "tiles.csv"
    try:
        record = Record.parse(_text(record_path), where=relative(record_path))
        text = _text(tiles_path)
        table = parse_tiles(text, where=relative(tiles_path))
    except InvalidArtefactError as error:
        return (from_error("record-readable", error),)
    return Result(folder, record, table, hashlib.sha256(tiles_path.read_bytes()).hexdigest())


def record_faults(result: Result, slug_folder: Path, *, official: bool) -> Iterator[Fault]:
    """Everything that can be said of a record without its manifest."""
    where = relative(result.folder / "record.json")
    yield from recomputed_faults(result)
    if not isinstance(_protocol(result.record, where), Fault):
        yield from _place_faults(result, slug_folder)
    yield from _ranking_faults(result.record, where, official=official)
    yield from _companion_faults(result)
    yield from robustness_faults(result.folder, result.record)


def recomputed_faults(result: Result) -> tuple[Fault, ...]:
    """What does not follow from tiles.csv and the package.

    The scores are recomputed only if nothing else is wrong: they would only repeat the other faults.
    """
    faults = [*_hash_faults(result)]
    protocol = _protocol(result.record, relative(result.folder / "record.json"))
    if isinstance(protocol, Fault):
        return (*faults, protocol)
    faults += list_faults(result)
    faults += table_faults(result.table, result.record, where=relative(result.folder / "tiles.csv"))
    return (*faults, *(() if faults else aggregate_faults(result, protocol)))


def _hash_faults(result: Result) -> Iterator[Fault]:
    record = result.record
    if record.files.get("tiles.csv") != result.tiles_sha256:
        place = result.folder / "tiles.csv"
        what, remedy = "tiles.csv is not the file that the record names: its sha256 differs", SCORE_AGAIN
        if differs_in_line_endings(place.read_bytes(), record.files.get("tiles.csv")):
            what, remedy = f"tiles.csv is not the file that the record names: {LINE_ENDINGS}", LINE_ENDINGS_REMEDY
        yield Fault("record-files", what, relative(place), None, remedy)
    spectra = result.folder / "spectra.csv"
    if (record.files.get(spectra.name) or spectra.is_file()) and record.files.get(spectra.name) != _sha256(spectra):
        what = "spectra.csv is not the file that the record names"
        yield Fault("record-files", what, relative(spectra), None, SCORE_AGAIN)
    extra = sorted(set(record.files) - {"tiles.csv", "spectra.csv"})
    if extra:
        what = f"the record hashes {extra[0]!r}, which no result holds"
        yield Fault("record-files", what, relative(result.folder / "record.json"), None, SCORE_AGAIN)


def _sha256(path: Path) -> str:
    """Of a file; "" if there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def list_faults(result: Result) -> Iterator[Fault]:
    """The tiles are those of the list that the record names, all of them."""
    dataset, table = result.record.dataset, result.table
    where = relative(result.folder / "record.json")
    evaluated = set(table.tiles) | set(dataset.no_target)
    if dataset.tiles != len(table):
        what = f"the record counts {dataset.tiles} tiles, tiles.csv has {len(table)}"
        yield Fault("list-complete", what, where, None, SCORE_AGAIN)
    partial = dataset.limit is not None or dataset.shard is not None
    if dataset.official or (dataset.release in split.release_names() and dataset.list in split.LISTS and not partial):
        yield from _official_list_faults(result, evaluated)
    elif not partial and dataset.list_sha256 != split.list_sha256(evaluated):
        what = "list_sha256 is not the hash of the tiles in tiles.csv: the list is stale or tiles were removed"
        yield Fault("list-hash", what, where, None, SCORE_AGAIN)


def _official_list_faults(result: Result, evaluated: set[str]) -> Iterator[Fault]:
    dataset, where = result.record.dataset, relative(result.folder / "record.json")
    if dataset.list not in split.LISTS or dataset.release not in split.release_names():
        what = f"a record on list {dataset.list!r} of release {dataset.release!r} cannot be official"
        remedy = f"official lists are {', '.join(split.LISTS)} of {' and '.join(split.release_names())}"
        yield Fault("official", what, where, None, remedy)
        return
    wanted = set(split.list_tiles(dataset.list))
    missing, foreign = sorted(wanted - evaluated), sorted(evaluated - wanted)
    table = relative(result.folder / "tiles.csv")
    if foreign:
        what = f"{len(foreign)} tiles are not on list {dataset.list!r}, {foreign[0]!r} for one"
        yield Fault("list-complete", what, table, None, "evaluate the list as the package defines it")
    if missing and dataset.limit is None and dataset.shard is None:
        what = f"{len(missing)} tiles of list {dataset.list!r} are missing, {missing[0]!r} for one"
        yield Fault(
            "list-complete", what, table, None, "a tile is never left out; a failed one stays in with its outcome"
        )
    if dataset.list_sha256 != split.list_sha256(wanted):
        what = f"list_sha256 is not that of list {dataset.list!r} in this version of the package: it is stale"
        yield Fault("list-hash", what, where, None, "update worldstrat-bench and evaluate again")


def aggregate_faults(result: Result, protocol: Protocol) -> Iterator[Fault]:
    """Every mean and interval follows from tiles.csv, to a relative 1e-7."""
    lists = split.sublists(result.record.dataset.list, result.table.tiles)
    difference = not_from_tiles(result.record.scores, result.table, lists, protocol)
    if difference:
        key, stored, computed = difference
        what = f"scores.{key} is {_short(stored)} but tiles.csv gives {_short(computed)}"
        yield Fault("record-aggregates", what, relative(result.folder / "record.json"), None, SCORE_AGAIN)


def manifest_faults(result: Result, manifest: Manifest, slug_folder: Path) -> Iterator[Fault]:
    """The record is of the model that the manifest describes."""
    where, model = relative(result.folder / "record.json"), result.record.model
    if result.record.protocol.id not in manifest.protocols and result.record.protocol.id in protocol_ids():
        what = f"protocol {result.record.protocol.id!r} is not among the manifest's protocols"
        yield Fault("record-manifest", what, where, None, "add it to protocols in submission.toml")
    slug, section = manifest.submission.slug, manifest.model
    if slug != slug_folder.resolve().name:
        return  # the slug is at fault, not the record
    weights = manifest.weights.sha256 if manifest.weights else None
    # a record holds a declared preprocessing in full, a manifest what its author wrote
    same = same_parameters(section.parameters, model.parameters)
    recorded = dict(section.parameters if same else model.parameters)
    expected: dict[str, tuple[object, object]] = {
        "name": (model.name if model.name != slug else section.entry_point, section.entry_point),
        "distribution": (_normal(model.distribution), _normal(section.distribution)),
        "version": (model.version, section.version),
        "wheel_sha256": (model.wheel_sha256 or section.wheel_sha256, section.wheel_sha256 or model.wheel_sha256),
        "weights_sha256": (model.weights_sha256, weights),
        "parameters": (recorded, dict(section.parameters)),
        "frames": (model.frames, section.frames),
        "train_split": (model.train_split, manifest.training.train_split),
        "submission": (model.submission, slug),
    }
    for key, (stored, stated) in expected.items():
        if stored != stated:
            what = f"the record was made with model.{key} = {_short(stored)}, the manifest says {_short(stated)}"
            yield Fault("record-manifest", what, where, None, REMADE)


def _place_faults(result: Result, slug_folder: Path) -> Iterator[Fault]:
    wanted = result_folder(slug_folder, result.record)
    if wanted != result.folder:
        what = f"the record belongs into {wanted.relative_to(slug_folder)}"
        remedy = "let `worldstrat-bench submission add RUN FOLDER` put it there"
        yield Fault("record-place", what, relative(result.folder), None, remedy)


def _protocol(record: Record, where: str) -> Protocol | Fault:
    try:
        protocol = load_protocol(record.protocol.id)
    except UsageError as error:
        return Fault("protocol", error.what, where, None, error.remedy or "")
    if protocol.sha256 != record.protocol.sha256:
        what = f"the record was made with another {protocol.id!r}: the protocol's sha256 differs from the package's"
        return Fault("protocol", what, where, None, "protocols never change; use the one of a release and score again")
    return protocol


def _ranking_faults(record: Record, where: str, *, official: bool) -> Iterator[Fault]:
    dataset, severity = record.dataset, "error" if official else "notice"
    if dataset.shard is not None:
        yield Fault("shard", f"shard {dataset.shard} of a run", where, None, "merge the shards: worldstrat-bench merge")
    reasons = {
        "it was not made on an official release": not dataset.official,
        f"it was limited to {dataset.limit} tiles": dataset.limit is not None,
        "its list is not full": dataset.list != "full" and dataset.official,
        "its inputs are synthetic": dataset.inputs != "real",
        foreign_inputs(record): bool(foreign_inputs(record)),
        f"some of its tiles on list {ranking_list(record)} failed": ranking_list(record) in record.spoiled_lists,
        "the harness had local changes": bool(record.harness.dirty),
        f"its model ran with isolation {record.isolation.level!r}": record.isolation.level in ("none", "process"),
    }
    for reason, holds in reasons.items():
        if holds and severity == "error":
            yield Fault("unranked", f"not ranked: {reason}", where, None, "see docs/submissions.md, Official records")
        elif holds:
            yield notice("unranked", f"not ranked: {reason}", where)


def _companion_faults(result: Result) -> Iterator[Fault]:
    """speed.json and verification.json name this record."""
    verification = result.folder / "verification.json"
    if verification.exists():
        try:
            named = Verification.load(verification).record_id
        except InvalidArtefactError as error:
            yield from_error("verification", error)
        else:
            if named != result.record.record_id:
                what = "verification.json names another record_id"
                yield Fault("verification", what, relative(verification), None, "verify this record")
    speed = result.folder / "speed.json"
    if speed.exists():
        try:
            timed = SpeedReport.parse(_text(speed).encode(), where=relative(speed))
        except InvalidArtefactError as error:
            yield from_error("speed", error)
            return
        if not timed.is_of(result.record):
            yield Fault(
                "speed", "speed.json is of no or another record_id, or model", relative(speed), None, TIME_AGAIN
            )


def _file_faults(folder: Path) -> Iterator[Fault]:
    for path in sorted(folder.iterdir()):
        where = relative(path)
        if path.is_symlink() or not path.is_file():
            yield Fault("files", "neither links nor folders belong in a result", where, None, "remove it")
        elif path.name not in RESULT_FILES:
            allowed = ", ".join(RESULT_FILES)
            yield Fault("files", "this file does not belong in a result", where, None, f"keep only {allowed}")
        elif path.stat().st_size > RESULT_FILES[path.name]:
            limit = RESULT_FILES[path.name] // 1000
            yield Fault("size", f"larger than {limit} kB", where, None, "submit what the harness wrote, unchanged")
    for name in ("record.json", "tiles.csv"):
        if not (folder / name).is_file():
            remedy = "let `worldstrat-bench submission add RUN FOLDER` copy it"
            yield Fault("files", f"{name} is missing", relative(folder), None, remedy)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise InvalidArtefactError(f"{path.name} cannot be read: {reason}", where=relative(path)) from None


def _normal(name: str | None) -> str | None:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name) if name else None


def _short(value: object) -> str:
    return repr(value)[:80]
