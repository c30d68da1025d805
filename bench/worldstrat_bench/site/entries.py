"""Runs as the site finds them: a record, its tiles, and what was added later, all checked before use.

Nothing is trusted: sizes are capped, ``tiles.csv`` has to be the file that the record hashes, and the means
of the record have to follow from it. What fails is refused with the reason, never dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from worldstrat_bench.artefacts.curves import CURVE_FILES, Curves, parse_curves
from worldstrat_bench.artefacts.draws import DRAWS
from worldstrat_bench.artefacts.memorisation import Memorisation, memorisation_of
from worldstrat_bench.artefacts.record import NOT_KNOWN, Record, canonical_json
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.artefacts.sensitivity import Sensitivity
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.artefacts.state import ACTIVE, Correction, State, corrections_of, state_of
from worldstrat_bench.artefacts.tiles import TILES, TileTable
from worldstrat_bench.artefacts.verification import Verification, verification_of
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.site.draws import check_draws
from worldstrat_bench.site.extras import Card, Speed, card_of, parse_toml, robustness_of, speed_of, string_at
from worldstrat_bench.site.finding import MANIFEST, Judged, find_runs, named_below, passed_runs
from worldstrat_bench.site.text import clean, day, short_hash, slugify
from worldstrat_bench.stats.anchor import contradiction, reference_of
from worldstrat_bench.stats.consistency import contradictions
from worldstrat_bench.stats.names import author_key, skeleton
from worldstrat_bench.stats.order import named_first
from worldstrat_bench.stats.train_split import Declaration, assess

MAX_BYTES = 8_000_000
FILES = (
    Record.FILE,
    TILES,
    *CURVE_FILES,
    DRAWS,
    SpeedReport.FILE,
    Verification.FILE,
    Robustness.FILE,
    Memorisation.FILE,
    "submission.toml",
)
"""Files of a run that the site reads, and copies into its downloads."""


@dataclass(frozen=True)
class Entry:
    """One run.

    Attributes
    ----------
    source : how the build's report calls the place it came from.
    identity : equal for two runs of the same submission, or of the same model without one.
    files : the bytes read, by name, for the downloads.
    robustness : its curves; None if there are none, or the file contradicts the record and is not shown at all.
    curves : of its optional metrics, by the file that holds them; empty if it was evaluated without.
    verification : of the record; None if it is its authors' word, or only some of its tiles were run again.
    sample : of tiles that maintainers ran again beside a record of its authors; it gives no rank and no status.
    memorisation : known minus unseen, measured by maintainers; None unless they computed the record, too.
    train_split : as the record states it, else the manifest.
    state, corrections : of its submission.
    slug : name of its pages; unique on a site, given when all entries are known.
    """

    source: str
    record: Record
    table: TileTable
    card: Card
    identity: str
    declaration: Declaration
    speed: tuple[Speed, ...]
    verification: Verification | None
    train_split: str | None
    files: Mapping[str, bytes] = field(repr=False)
    sample: Verification | None = None
    robustness: Robustness | None = None
    memorisation: Memorisation | None = None
    curves: Mapping[str, Curves] = field(default_factory=dict, repr=False, compare=False)
    state: State = ACTIVE
    corrections: tuple[Correction, ...] = ()
    slug: str = ""

    @property
    def title(self) -> str:
        """The name on pages."""
        return self.card.title

    @property
    def verified(self) -> str:
        """Who computed its numbers and when; "" if they are its authors'."""
        found = self.verification
        return clean(f"{found.verified_by}, {day(found.verified_at)}", 120) if found else ""

    @cached_property
    def author_group(self) -> frozenset[str]:
        """Its authors as they are compared."""
        return frozenset(author_key(author) for author in self.card.people)

    @property
    def status(self) -> str:
        """Either "verified" or "self-reported"."""
        return "verified" if self.verified else "self-reported"

    @property
    def standing(self) -> str:
        """The status, and the state of a submission that has no rank: "verified, disputed on 2026-11-26"."""
        return ", ".join(part for part in (self.status, self.state.brief) if part)

    @property
    def family(self) -> str:
        """Return the declared family, or the one that the number of frames implies; "" if that is not known."""
        if self.card.family:
            return self.card.family
        if self.frame_count == 1:
            return "single-frame"
        return "multi-frame" if self.declares_frames else ""

    @property
    def declares_frames(self) -> bool:
        """True if a submission says how many frames the model uses: else the record only has what it was offered."""
        if self.frame_count is None:
            return False
        return "submission.toml" in self.files or self.record.model.submission is not None

    @property
    def frame_count(self) -> int | None:
        """The number of frames that the model was given; None if its predictions were handed in."""
        return None if self.record.predictions else self.record.model.frames

    @property
    def frames(self) -> str:
        """The number of frames; "offered" if the model may have used fewer of them."""
        count = self.frame_count
        if count is None:
            return NOT_KNOWN
        return str(count) if self.declares_frames or count == 1 else f"{count} offered"


@dataclass(frozen=True)
class RejectedEntry:
    """Something that could not be used at all."""

    source: str
    reason: str


def read_entries(
    paths: Iterable[Path],
    *,
    of_site: bool = False,
    references: References | None = None,
    judged: Judged | None = None,
) -> tuple[list[Entry], list[RejectedEntry]]:
    """Return every run under `paths`, in the order of their record ids, and what was refused.

    Parameters
    ----------
    paths : folders of submissions and runs.
    of_site : also read the copies that a built site offers for download, as the site's own check does.
    references : what official records are held against; None for those that the package ships.
    judged : of folders of submissions that were checked. Of these, records are read where the check looks at records,
        and nothing else: other files of a submission are its authors' own.

    Raises
    ------
    UsageError
        if a path does not exist.
    """
    entries: dict[str, Entry] = {}
    refused: list[RejectedEntry] = []
    for root in paths:
        if not root.exists():
            raise UsageError("there is no such folder", where=root, remedy="give a submissions folder or a run")
        verdicts = (judged or {}).get(root)
        left_out = [] if verdicts is None else list(_left_out(root, verdicts))
        refused += left_out
        found = bool(left_out)
        for folder in find_runs(root, of_site=of_site) if verdicts is None else passed_runs(verdicts):
            found = True
            source = clean(str(folder.relative_to(root.parent)) if folder != root else root.name, 200)
            try:
                entry = read_entry(folder, root, source, references)
            except InvalidArtefactError as error:
                refused.append(RejectedEntry(source, clean("; ".join(filter(None, (error.what, error.remedy))), 400)))
                continue
            except Exception as error:  # noqa: BLE001  # files of strangers: whatever they set off is their run's alone
                refused.append(RejectedEntry(source, clean(f"it cannot be read: {type(error).__name__}: {error}", 400)))
                continue
            # A copy would take a second place on the board, and tie with itself.
            if entry.record.record_id in entries:
                refused.append(RejectedEntry(source, f"the same record as {entries[entry.record.record_id].source}"))
            else:
                entries[entry.record.record_id] = entry
        if not found and not any(named_below(root, Sensitivity.FILE)):
            why = (
                "is a built site, not a folder of submissions"
                if (root / MANIFEST).is_file()
                else "holds no record.json"
            )
            refused.append(RejectedEntry(clean(root.name, 200), why))
    return [entries[key] for key in sorted(entries)], refused


def _left_out(root: Path, verdicts: Mapping[Path, str]) -> Iterator[RejectedEntry]:
    """Yield the submissions that a check refused."""
    for folder, reason in sorted(verdicts.items()):
        if reason:
            name = root.name if folder.absolute() == root.absolute() else f"{root.name}/{folder.name}"
            yield RejectedEntry(clean(name, 200), clean(reason, 400))


def read_entry(folder: Path, root: Path, source: str, references: References | None = None) -> Entry:
    """Read and check one run.

    Raises
    ------
    InvalidArtefactError
        naming what does not fit: the schema, a hash, the protocol, a number that does not follow from the tiles, or
        a fact of a tile that the reference of its release contradicts.
    """
    files = {
        name: data
        for name in FILES
        if (data := _read((_manifest(folder, root).parent if name == "submission.toml" else folder) / name)) is not None
    }
    # All files are read once, before any is checked: what is shown, hashed and offered for download is the same bytes.
    for name in (Record.FILE, TILES):
        if name not in files:
            raise InvalidArtefactError(f"{name} is missing", where=folder, remedy="copy the whole result folder")
    # From what is cheap to check to what is not: schema, hash of the tiles, facts and means, draws, the reference.
    result = Result.parse(files[Record.FILE], files[TILES], folder).matching()
    record, table = result.record, result.table
    if wrong := contradictions(record, table):
        raise InvalidArtefactError(clean(wrong[0].what, 300), where=folder, remedy=wrong[0].remedy)
    check_draws(result, files.get(DRAWS))
    reference = reference_of(record, references)
    if reference is not None and (what := contradiction(record, table, reference)):
        raise InvalidArtefactError(what, where=folder, remedy="evaluate on the release as it was published")
    curves = parse_curves(record, table.tiles, files, folder)
    manifest = parse_toml(files.get("submission.toml"))
    robustness = robustness_of(files.get(Robustness.FILE), record)
    # A file that contradicts the record is neither shown nor handed on to others.
    if robustness is None:
        files.pop(Robustness.FILE, None)
    model, verified = record.model, verification_of(files.get(Verification.FILE), record)
    # A sample ranks nothing: only a record whose numbers maintainers computed is called verified.
    verified, sample = (verified, None) if verified is None or verified.computed else (None, verified)
    memorised = memorisation_of(files.get(Memorisation.FILE), record) if verified is not None else None
    if memorised is None:
        files.pop(Memorisation.FILE, None)
    # The record first: a manifest may be corrected after the run, a record cannot.
    train_split = model.train_split or string_at(manifest, "training", "train_split") or None
    return Entry(
        source=source,
        record=record,
        table=table,
        card=card_of(manifest, record),
        identity=_identity(record),
        declaration=assess(train_split),
        speed=speed_of(files.get(SpeedReport.FILE), record, verified),
        verification=verified,
        sample=sample,
        train_split=train_split,
        files=files,
        robustness=robustness,
        memorisation=memorised,
        curves=curves,
        state=state_of(manifest),
        corrections=corrections_of(manifest),
    )


def distinct_titles(entries: Sequence[Entry], merged: Sequence[str] = ()) -> list[Entry]:
    """Return the entries, with slug and hash in place of a title that readers would take for an earlier submission's.

    Parameters
    ----------
    merged : slugs in the order of their merges; a date that the authors wrote decides nothing.
    """

    def order(entry: Entry) -> tuple[bool, int, str, str]:
        record = entry.record
        return named_first(record.model.submission, record.record_id, entry.verification, merged)

    owners: dict[str, str] = {}
    found: dict[str, Entry] = {}
    # The earliest owns a title, so that a later submission cannot take a name that readers know.
    for entry in sorted(entries, key=order):
        submitted = "submission.toml" in entry.files or entry.record.model.submission is not None
        if submitted and owners.setdefault(skeleton(entry.title), entry.identity) != entry.identity:
            name = (
                f"{slugify(entry.record.model.submission or entry.record.model.name)[:50]} {short_hash(entry.identity)}"
            )
            entry = replace(entry, card=replace(entry.card, title=name))
        found[entry.record.record_id] = entry
    return [found[entry.record.record_id] for entry in entries]


def _identity(record: Record) -> str:
    if record.model.submission:
        return f"submission {record.model.submission}"
    model = "model " + canonical_json(record.model.model_dump(mode="json"))
    # A name is all that is known of what made such files: others of that name are another entry.
    return f"{model} files {record.predictions.files_sha256}" if record.predictions else model


def _manifest(folder: Path, root: Path) -> Path:
    """Return the manifest of the submission that a run belongs to: above it, but not above `root`."""
    for parent in (folder, *folder.parents):
        if (parent / "submission.toml").is_file() or parent == root:
            return parent / "submission.toml"
    return folder / "submission.toml"


def _read(path: Path) -> bytes | None:
    if not path.is_file() or path.is_symlink():
        return None
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidArtefactError(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB", where=path)
        return path.read_bytes()
    except OSError as error:
        # One file that its owner keeps to himself must not end the page of all others.
        raise InvalidArtefactError(f"{path.name} cannot be read: {error.strerror or error}", where=path) from None
