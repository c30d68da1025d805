"""Checks of a manifest: that it is valid, what it says of training, and that its lock and weights are what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.data import split
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.protocol import protocol_ids
from worldstrat_bench.stats.train_split import assess
from worldstrat_bench.submission.faults import CheckFinding, notice, relative
from worldstrat_bench.submission.harness_base import provided
from worldstrat_bench.submission.locate import line_of
from worldstrat_bench.submission.lock import Locked, LockError, load_lock
from worldstrat_bench.submission.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    WEIGHTS_SUFFIXES,
    Manifest,
    load_manifest,
    manifest_errors,
)
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.own_wheel import LOCKED_TWICE, TAKEN_NAME, other_in_lock, taken_name
from worldstrat_bench.submission.placeholders import placeholder_faults
from worldstrat_bench.submission.predictions_manifest import PredictionsManifest

MAX_TRAIN_TILES_BYTES = 512 * 1024


def submitted_manifest(folder: Path) -> tuple[Manifest | None, str, list[CheckFinding]]:
    """Return the manifest of a folder and its text, or why it cannot be used."""
    path = folder / MANIFEST_NAME
    try:
        return load_manifest(path), path.read_text(encoding="utf-8-sig"), []
    except ManifestError as error:
        errors: tuple[ManifestError, ...] = (error,)
        if error.line is not None or path.is_file():
            errors = _all_errors(path) or errors
    return None, "", [CheckFinding("manifest", e.what, where=path, line=e.line, remedy=e.remedy or "") for e in errors]


def _all_errors(path: Path) -> tuple[ManifestError, ...]:
    try:
        content = read_plain(path, MAX_MANIFEST_BYTES)[:MAX_MANIFEST_BYTES]
        found = manifest_errors(content.decode("utf-8-sig"), where=path)
    except (OSError, UnicodeDecodeError):
        return ()
    return () if isinstance(found, Manifest) else found


def content_faults(manifest: Manifest, text: str, folder: Path, records: Sequence[Record]) -> Iterator[CheckFinding]:
    """Check what a valid manifest says: its slug, protocols, lock, weights and training.

    Parameters
    ----------
    text : of the manifest, for the numbers of lines.
    records : of the submission.
    """
    yield from slug_faults(manifest.submission.slug, text, folder)
    yield from protocol_faults(manifest.protocols, text, folder / MANIFEST_NAME)
    yield from lock_faults(manifest, folder, text)
    yield from weights_faults(manifest, folder, text)
    yield from placeholder_faults(manifest, text, folder / MANIFEST_NAME)
    ranked = any(record.dataset.official for record in records)
    yield from training_faults(manifest, folder, text, ranked=ranked)
    if not records:
        place = relative(folder)
        evaluated = f"worldstrat-bench evaluate {place} --data DIR --out RUN"
        remedy = f"{evaluated}, then worldstrat-bench submission add RUN {place}"
        yield notice("records", "there is no record yet", where=folder, remedy=remedy)


def slug_faults(slug: str, text: str, folder: Path) -> Iterator[CheckFinding]:
    """Check that a submission lies in a folder of its name."""
    if folder.resolve().name != slug:
        what = f"slug is {slug!r} but the folder is {folder.resolve().name!r}"
        line = line_of(text, ("submission", "slug"))
        yield CheckFinding("slug", what, where=folder / MANIFEST_NAME, line=line, remedy="give both the same name")


def protocol_faults(protocols: Sequence[str], text: str, where: Path) -> Iterator[CheckFinding]:
    """Check that the protocols are those of the package."""
    line = line_of(text, ("protocols",))
    for name in protocols:
        # A manifest is read by others as it stands, so that its words are the names themselves.
        if name not in protocol_ids():
            remedy = f"one of: {', '.join(protocol_ids())}"
            yield CheckFinding("protocol", f"unknown protocol {name[:60]!r}", where=where, line=line, remedy=remedy)


def lock_faults(manifest: Manifest, folder: Path, text: str) -> Iterator[CheckFinding]:
    """Check that the lock is readable, pinned and hashed, and that the model itself can be installed."""
    environment, model = manifest.environment, manifest.model
    manifest_path = folder / MANIFEST_NAME
    path = folder / environment.lock
    if not path.exists() and not path.is_symlink():
        what = f"the lock file {environment.lock!r} is missing"
        line = line_of(text, ("environment", "lock"))
        yield CheckFinding(
            "lock",
            what,
            where=manifest_path,
            line=line,
            remedy="uv pip compile --generate-hashes requirements.in -o requirements.lock",
        )
        return
    try:
        locked = load_lock(path)
    except LockError as error:
        yield CheckFinding("lock", error.what, where=path, line=error.line, remedy=error.remedy or "")
        return
    names = {item.name for item in locked}
    if environment.base == "locked" and not {"torch", "numpy", "safetensors"} <= names:
        absent = ", ".join(sorted({"torch", "numpy", "safetensors"} - names))
        what = f"a complete lock needs {absent}, which the worker imports"
        line = line_of(text, ("environment", "base"))
        yield CheckFinding(
            "lock", what, where=manifest_path, line=line, remedy='lock them, or state environment.base = "harness"'
        )
    if environment.base == "harness":
        yield from (_provided_fault(item, path) for item in locked if item.name in provided())
    # The version counts only where the lock has one: an address is held to its digest instead.
    own = next((item for item in locked if item.name == canonicalize_name(model.distribution)), None)
    if own and own.pin.startswith("=") and own.pin.lstrip("=") != model.version:
        what = f"the lock has {own.name} {own.pin}, the manifest says {model.version}"
        yield CheckFinding("lock", what, where=path, line=own.line, remedy="lock the version that is submitted")
    if other := other_in_lock(manifest, folder, locked):
        what = f"the lock has {other.name} with other hashes than that of its wheel: the lock would run, unseen"
        yield CheckFinding("lock", what, where=path, line=other.line, remedy=LOCKED_TWICE)
    # Over the harness the lines above have said so of the lock.
    if name := taken_name(manifest, folder, locked if environment.base == "locked" else ()):
        what = f"a wheel of the submission has the name of a distribution of the harness: {name}"
        yield CheckFinding("lock", what, where=manifest_path, remedy=TAKEN_NAME)
    # What the harness itself provides, adapters for model files among it, needs neither.
    given = model.repository_folder or canonicalize_name(model.distribution) in provided()
    if not own and not model.wheel and not given and not list(folder.glob("*.whl")):
        what = "others cannot install the model: it is neither in the lock nor a wheel here or with an address"
        remedy = "publish a release and lock it, or put the wheel beside submission.toml, before maintainers verify it"
        yield notice("install", what, where=manifest_path, remedy=remedy)


def _provided_fault(item: Locked, path: Path) -> CheckFinding:
    what = f'{item.name} comes from the harness with environment.base = "harness", and the lock has it as well'
    remedy = f'uv pip compile --no-emit-package {item.name} ..., or state environment.base = "locked"'
    return CheckFinding("lock", what, where=path, line=item.line, remedy=remedy)


def weights_faults(manifest: Manifest, folder: Path, text: str) -> Iterator[CheckFinding]:
    """Check that weights in the folder are those of the manifest; point out executable formats."""
    weights = manifest.weights
    if weights is None:
        return
    where = folder / MANIFEST_NAME
    if weights.format not in ("safetensors", "onnx"):
        what = f"weights of format {weights.format!r} can hold code: only the confined worker opens them"
        yield notice("weights", what, where=where, line=line_of(text, ("weights", "format")))
    if weights.path is None:
        return
    path = folder / weights.path
    suffixes = WEIGHTS_SUFFIXES[weights.format]
    if path.suffix.lower() not in suffixes:
        what = f"weights of format {weights.format!r} do not end in {path.suffix[:20]!r}"
        line = line_of(text, ("weights", "path"))
        yield CheckFinding("weights", what, where=where, line=line, remedy=f"name the file *{', *'.join(suffixes)}")
    if path.is_symlink() or not path.is_file():
        line = line_of(text, ("weights", "path"))
        yield CheckFinding(
            "weights",
            f"the weights {weights.path!r} are missing",
            where=where,
            line=line,
            remedy="commit them, or give a url",
        )
    elif path.stat().st_size != weights.bytes or file_sha256(path) != weights.sha256:
        line = line_of(text, ("weights", "sha256"))
        what = f"{weights.path!r} has another size or sha256 than the manifest says"
        yield CheckFinding("weights", what, where=where, line=line, remedy=f"sha256sum {weights.path}")


def training_faults(
    manifest: Manifest | PredictionsManifest, folder: Path, text: str, *, ranked: bool
) -> Iterator[CheckFinding]:
    """Yield what the train list means for the test lists.

    Parameters
    ----------
    ranked : the submission holds a record on official data; without one contamination is a notice only.
    """
    training, where = manifest.training, folder / MANIFEST_NAME
    line = line_of(text, ("training", "train_split"))
    if training.train_split == "none" and (training.datasets or manifest.weights):
        given = "datasets are named" if training.datasets else "there are weights"
        yield CheckFinding(
            "contamination", f'train_split is "none" and yet {given}', where=where, line=line, remedy=_OTHER_DATA
        )
    if training.train_split == "other" and (named := _of_satellites(training.datasets)):
        what = f'train_split is "other", for weights that saw no satellite image, and yet {named[:60]!r} is named'
        yield CheckFinding("contamination", what, where=where, line=line, remedy=_OTHER_DATA)
    declared = assess(training.train_split)
    if declared.status == "contaminated":
        what = f"train_split = {training.train_split!r}: the model has seen the test set. {declared.explanation}"
        remedy = "train again on the `train` rows of the published split file"
        yield CheckFinding(
            "contamination", what, where=where, line=line, remedy=remedy, severity="error" if ranked else "notice"
        )
    if training.train_split == "worldstrat-train":
        # Said and not refused: it is the published list, and the board ranks by the tiles that it does not share.
        leaky = len(split.list_tiles("full")) - len(split.list_tiles("clean"))
        what = f"the published train list shares tiles or orders with {leaky} test tiles, which `clean` leaves out"
        yield notice("contamination", what, where=where, line=line)
    if training.train_split == "described":
        yield notice("contamination", "the train list is described in words: a person reads it", where=where, line=line)
    if training.train_tiles:
        yield from _listed_faults(folder / training.train_tiles, ranked=ranked)


_OTHER_DATA = (
    'train_split = "other" for weights that saw photographs or synthetic images only, or "described", with a '
    "description, for satellite images other than WorldStrat's"
)


def _of_satellites(datasets: Sequence[str]) -> str | None:
    """Return the first data set whose name says that it holds images of a satellite that this benchmark uses."""
    words = ("worldstrat", "sentinel", "spot6", "spot-6", "spot 6", "sen2", "satellite")
    return next((name for name in datasets if any(word in name.casefold() for word in words)), None)


def _listed_faults(path: Path, *, ranked: bool) -> Iterator[CheckFinding]:
    where = path
    try:
        content = b"" if path.is_symlink() else read_plain(path, MAX_TRAIN_TILES_BYTES)
        if path.is_symlink() or len(content) > MAX_TRAIN_TILES_BYTES:
            yield CheckFinding(
                "train-tiles", "is a link or too large for a list of tile names", where=where, remedy="one name a line"
            )
            return
        names = {line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        what = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else "the file is missing"
        yield CheckFinding("train-tiles", what, where=where, remedy="put the train tiles there, one name a line")
        return
    # The tiles in no split count as well: a later release may put them into the test list.
    test = set(split.list_tiles("full")) | set(split.list_tiles("never-split"))
    both = sorted(names & test)
    if both:
        what = f"{len(both)} test tiles are on the train list, {both[0]!r} for one"
        yield CheckFinding(
            "contamination", what, where=where, remedy="train without them", severity="error" if ranked else "notice"
        )
