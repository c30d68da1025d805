"""Checks of one result folder: the record against its ``tiles.csv``, the package and the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from worldstrat_bench.artefacts.curves import CURVE_FILES, parse_curves
from worldstrat_bench.artefacts.draws import DRAWS, read_draws
from worldstrat_bench.artefacts.harness import KnownHarnesses
from worldstrat_bench.artefacts.identity import model_differences, short_value
from worldstrat_bench.artefacts.memorisation import Memorisation
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.artefacts.result import Result, changed_file, read_result
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.artefacts.speed import TIME_AGAIN, SpeedReport
from worldstrat_bench.artefacts.state import State
from worldstrat_bench.artefacts.tiles import TILES
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.measures import RETURNED, measure
from worldstrat_bench.protocol import load_protocol, protocol_ids
from worldstrat_bench.stats.anchor import contradiction, reference_of
from worldstrat_bench.stats.boards import awaits_reference, claimed_kind, ranking_list
from worldstrat_bench.stats.consistency import contradictions, unknown_protocol
from worldstrat_bench.stats.contradiction import SCORE_AGAIN
from worldstrat_bench.stats.draws import draws_contradiction
from worldstrat_bench.stats.eligibility import computed_in, why_unranked
from worldstrat_bench.stats.robustness import disagreements
from worldstrat_bench.submission.check_words import speed_word_faults
from worldstrat_bench.submission.faults import CheckFinding, from_error, notice
from worldstrat_bench.submission.lock import LockError
from worldstrat_bench.submission.manifest import Manifest
from worldstrat_bench.submission.own_wheel import lock_of
from worldstrat_bench.submission.plausibility import plausibility_notices
from worldstrat_bench.submission.results import RESULT_FILES, result_folder

_CLOCKS = timedelta(days=1)

REMADE = (
    "fix the manifest, or: worldstrat-bench evaluate SUBMISSION --data DIR --out RUN, then "
    "worldstrat-bench submission add RUN SUBMISSION"
)

_ROBUSTNESS_REMEDY = "submit what `worldstrat-bench evaluate ... --robustness` wrote beside this record"


def submitted_result(folder: Path) -> Result | tuple[CheckFinding, ...]:
    """Return the record and table of a result folder, or why they cannot be read. Sizes are checked first."""
    # Nothing is opened before its size and kind are known.
    faults = tuple(_file_faults(folder))
    if faults:
        return faults
    try:
        return read_result(folder)
    except InvalidArtefactError as error:
        return (from_error("record-readable", error),)


def record_faults(
    result: Result, slug_folder: Path, known: KnownHarnesses, state: State, *, official: bool
) -> Iterator[CheckFinding]:
    """Yield everything that can be said of a record without the rest of its manifest.

    Parameters
    ----------
    known : harnesses that others can get.
    state : of the submission.
    official : what is not ranked is an error.
    """
    yield from recomputed_faults(result)
    yield from _date_faults(result.record, where=result.record_file)
    if not unknown_protocol(result.record):
        yield from _place_faults(result, slug_folder)
        yield from _ranking_faults(result, known, state, official=official)
        yield from plausibility_notices(result)
    yield from _companion_faults(result)
    yield from robustness_faults(result.folder, result.record)
    if result.record.seed and result.record.model.draws == 1:
        what = f"it ran with seed {result.record.seed}, though nothing was drawn: a model may know it by its seeds"
        yield notice("seed", what, where=result.record_file, remedy="evaluate without --seed")


def reference_faults(result: Result, references: References | None = None) -> Iterator[CheckFinding]:
    """Return what of an official record is not so on the real data; a notice where nothing tells.

    Parameters
    ----------
    references : None for those that the package ships.
    """
    record, where = result.record, result.record_file
    reference = reference_of(record, references)
    if reference is not None and (what := contradiction(record, result.table, reference)):
        remedy = "evaluate on the release as it was published: worldstrat-bench data check DIR --deep"
        yield CheckFinding("reference", what, where=where, remedy=remedy)
    if awaits_reference(record, references):
        what = f"official pending a reference: this package has none of {record.dataset.release[:40]} under "
        yield notice("reference", f"{what}{record.protocol.id[:40]}; the record goes to a practice board", where=where)


def _date_faults(record: Record, where: Path) -> Iterator[CheckFinding]:
    """Check that the date is one, and not in the future by more than clocks differ."""
    try:
        # Python takes any sign between day and hour, and pages show the text.
        made = datetime.fromisoformat(record.created.encode("ascii").decode())
        late = (made if made.tzinfo else made.replace(tzinfo=UTC)) > datetime.now(UTC) + _CLOCKS
    except (ValueError, OverflowError):
        what = f"created is {record.created[:40]!r}, which is not a time in ISO 8601"
        yield CheckFinding("created", what, where=where, remedy=SCORE_AGAIN)
        return
    if late:
        what = f"created is {record.created[:40]}, in the future"
        yield CheckFinding("created", what, where=where, remedy="set the clock of the machine, and score the run again")


def recomputed_faults(result: Result) -> tuple[CheckFinding, ...]:
    """Return what does not follow from the files beside the record, from tiles.csv and from the package."""
    files = {"record": result.record_file, "tiles": result.tiles_file}
    # If a file was changed, the scores differ for that reason: computing them would only repeat it.
    hashes = tuple(_hash_faults(result))
    found = contradictions(result.record, result.table, scores=not hashes)
    faults = (
        *(hashes or _curve_faults(result)),
        *(CheckFinding(c.rule, c.what, where=files[c.file], line=c.line, remedy=c.remedy) for c in found),
    )
    # Of draws nothing can be said where the tiles do not hold together.
    return faults or tuple(_draws_faults(result))


def _hash_faults(result: Result) -> Iterator[CheckFinding]:
    problems = [result.mismatch]
    for path in (result.folder / name for name in CURVE_FILES):
        problems.append(changed_file(result.record, path.read_bytes() if path.is_file() else None, path))
    for problem in problems:
        if problem is not None:
            yield from_error("record-files", problem)
    extra = sorted(set(result.record.files) - {TILES, DRAWS, *CURVE_FILES})
    if extra:
        what = f"the record hashes {extra[0]!r}, which no result holds"
        yield CheckFinding("record-files", what, where=result.record_file, remedy=SCORE_AGAIN)


def _curve_faults(result: Result) -> Iterator[CheckFinding]:
    """Read the files of curves, which are those of the record, as pages and plots do."""
    found = {path.name: path.read_bytes() for name in CURVE_FILES if (path := result.folder / name).is_file()}
    try:
        parse_curves(result.record, result.table.tiles, found, result.folder)
    except InvalidArtefactError as error:
        yield from_error("record-files", error)


def _draws_faults(result: Result) -> Iterator[CheckFinding]:
    """Check that the tiles are the means of the draws, and that what the record says of these follows from them."""
    where = result.folder / DRAWS
    try:
        draws = read_draws(result)
    except InvalidArtefactError as error:
        yield from_error("record-draws", error)
        return
    what = draws_contradiction(result.record, result.table, draws)
    if what:
        yield CheckFinding("record-draws", what, where=where, remedy=SCORE_AGAIN)


def manifest_faults(result: Result, manifest: Manifest, slug_folder: Path) -> Iterator[CheckFinding]:
    """Check that the record is of the model that the manifest describes."""
    where, model = result.record_file, result.record.model
    if result.record.protocol.id not in manifest.protocols and result.record.protocol.id in protocol_ids():
        what = f"protocol {result.record.protocol.id!r} is not among the manifest's protocols"
        yield CheckFinding("record-manifest", what, where=where, remedy="add it to protocols in submission.toml")
    # Every record would contradict the manifest in the same key.
    if manifest.submission.slug != slug_folder.resolve().name:
        return  # the slug is at fault, not the record
    stated = manifest.reference(model)
    statements = [key for key in ("train_split", "submission") if getattr(model, key) != getattr(stated, key)]
    # Partial: a manifest cannot know the digest of installed code, nor an installation that of its wheel.
    for key in (*model_differences(model, stated, partial=True), *statements):
        made, said = short_value(getattr(model, key)), short_value(getattr(stated, key))
        what = f"the record was made with model.{key} = {made}, the manifest says {said}"
        yield CheckFinding("record-manifest", what, where=where, remedy=REMADE)
    yield from _lock_faults(result, manifest, slug_folder)
    yield from _returned_faults(result, manifest)


def _lock_faults(result: Result, manifest: Manifest, slug_folder: Path) -> Iterator[CheckFinding]:
    """Check that the environment of the record was built from the lock beside the manifest."""
    made = result.record.model.lock_sha256
    try:
        said = None if made is None else lock_of(manifest, slug_folder)
    except (LockError, OSError):
        return  # the check of the lock says so
    if made != said:
        what = f"the record was made with another lock: {short_value(made)}, the one here is {short_value(said)}"
        yield CheckFinding("record-manifest", what, where=result.record_file, remedy=REMADE)


def _returned_faults(result: Result, manifest: Manifest) -> Iterator[CheckFinding]:
    """Check that the model returned what the manifest says, where the protocol can tell."""
    protocol = result.record.protocol.id
    if protocol not in protocol_ids() or load_protocol(protocol).family != "wsb" or not result.table.ok.any():
        return
    for what, column in RETURNED.items():
        stated, found = what in manifest.model.returns, column in result.table.numbers
        if stated != found:
            text = "says nothing of it" if found else f"says that the model returns {what}"
            said = f"the record has {'its' if found else 'no'} column {column}, the manifest {text}"
            remedy = f'state in [model] what it returns beside R, G and B, such as returns = ["{what}"]; {REMADE}'
            yield CheckFinding("record-manifest", said, where=result.record_file, remedy=remedy)


def _place_faults(result: Result, slug_folder: Path) -> Iterator[CheckFinding]:
    wanted = result_folder(slug_folder, result.record)
    if wanted != result.folder:
        what = f"the record belongs in {wanted.relative_to(slug_folder)}"
        remedy = "let `worldstrat-bench submission add RUN FOLDER` put it there"
        yield CheckFinding("record-place", what, where=result.folder, remedy=remedy)


def _ranking_faults(result: Result, known: KnownHarnesses, state: State, *, official: bool) -> Iterator[CheckFinding]:
    """Say why the record has no rank that may be cited, and by which metric it has none.

    Verification comes after the check: that it is missing stays a notice where all else is an error.
    """
    record, where = result.record, result.record_file
    if record.dataset.shard is not None:
        remedy = "merge the shards: worldstrat-bench merge"
        yield CheckFinding("shard", f"shard {record.dataset.shard} of a run", where=where, remedy=remedy)
    claimed = claimed_kind(record)  # that the release has no reference yet is said once, by reference_faults
    if claimed != "official":
        text = f"not on the official board: it belongs on a {claimed} board"
        yield _unranked(text, where, official=official)
    verified = computed_in(result.folder, record)
    for reason in why_unranked(record, result.table, verified=verified, kind=claimed, known=known, state=state):
        if reason.rule != "value":
            barring = official and reason.rule != "self-reported"
            yield _unranked(f"not ranked: {reason.text}", where, official=barring)
    lacking: dict[str, list[str]] = {}
    listed = ranking_list(record)
    # Reasons of one metric are told apart from those of the record: LPIPS may be missing where PSNR has a rank.
    for metric in load_protocol(record.protocol.id).ranking.metrics:
        on_board = partial(why_unranked, verified=verified, kind=claimed, list_name=listed)
        for reason in on_board(record, result.table, metric=metric):
            if reason.rule == "value":
                lacking.setdefault(reason.text, []).append(metric)
    for text, metrics in lacking.items():
        by = " and ".join(measure(metric).label for metric in metrics)
        yield _unranked(f"not ranked by {by}: {text}", where, official=official and "psnr" in metrics)


def _unranked(what: str, where: Path, *, official: bool) -> CheckFinding:
    if not official:
        return notice("unranked", what, where=where)
    return CheckFinding("unranked", what, where=where, remedy="see docs/submissions.md, Official records")


def _companion_faults(result: Result) -> Iterator[CheckFinding]:
    """Check that speed.json, and the files of maintainers beside the record, are of this record."""
    for kind, again in ((Verification, "verify this record"), (Memorisation, "audit the model of this record")):
        path = result.folder / kind.FILE
        if not path.exists():
            continue
        try:
            wrong = kind.load(path).contradiction(result.record)
        except InvalidArtefactError as error:
            yield from_error(path.stem, error)
            continue
        if wrong:
            yield CheckFinding(path.stem, f"{path.name} is not of this record: {wrong}", where=path, remedy=again)
    speed = result.folder / SpeedReport.FILE
    if speed.exists():
        try:
            timed = SpeedReport.load(speed)
        except InvalidArtefactError as error:
            yield from_error("speed", error)
            return
        yield from speed_word_faults(timed, speed)
        if not timed.is_of(result.record):
            what = f"{speed.name} names another record_id or model, or none"
            yield CheckFinding("speed", what, where=speed, remedy=TIME_AGAIN)


def _file_faults(folder: Path) -> Iterator[CheckFinding]:
    for path in sorted(folder.iterdir()):
        where = path
        if path.is_symlink() or not path.is_file():
            yield CheckFinding("files", "neither links nor folders belong in a result", where=where, remedy="remove it")
        elif path.name not in RESULT_FILES:
            allowed = ", ".join(RESULT_FILES)
            yield CheckFinding(
                "files", "this file does not belong in a result", where=where, remedy=f"keep only {allowed}"
            )
        elif path.stat().st_size > RESULT_FILES[path.name]:
            limit = RESULT_FILES[path.name] // 1000
            yield CheckFinding(
                "size", f"larger than {limit} kB", where=where, remedy="submit what the harness wrote, unchanged"
            )
    for name in (Record.FILE, TILES):
        if not (folder / name).is_file():
            remedy = "let `worldstrat-bench submission add RUN FOLDER` copy it"
            yield CheckFinding("files", f"{name} is missing", where=folder, remedy=remedy)


def robustness_faults(folder: Path, record: Record) -> Iterator[CheckFinding]:
    """Return what is wrong with ``robustness.json``; nothing if there is none.

    The points of other runs cannot be computed again from a submission: they name the records of those runs.
    """
    path = folder / Robustness.FILE
    if not path.exists():
        return
    try:
        stated = Robustness.load(path)
    except InvalidArtefactError as error:
        yield from_error("robustness", error)
        return
    for reason in disagreements(stated, record):
        yield CheckFinding("robustness", f"{Robustness.FILE}: {reason}", where=path, remedy=_ROBUSTNESS_REMEDY)
