"""``submission check``: every rule of a submission, the same for authors and for CI."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from worldstrat_bench.artefacts.owners import OWNERS_FILE, Owners, load_owners, parse_owners
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.errors import UsageError, WorldstratBenchError
from worldstrat_bench.submission.check_changes import Author, change_faults, changed_slugs, listed_changes, united
from worldstrat_bench.submission.check_code import code_faults, read_code
from worldstrat_bench.submission.check_files import SUBMISSIONS, folder_faults, loose_faults
from worldstrat_bench.submission.check_manifest import content_faults, submitted_manifest
from worldstrat_bench.submission.check_others import name_faults, others_faults
from worldstrat_bench.submission.check_partial import partial_faults
from worldstrat_bench.submission.check_predictions import predictions_faults
from worldstrat_bench.submission.check_record import (
    manifest_faults,
    record_faults,
    reference_faults,
    submitted_result,
)
from worldstrat_bench.submission.faults import CheckFinding, CheckReport, from_error
from worldstrat_bench.submission.fingerprints import Fingerprints, dataset_fingerprints, imagery_faults
from worldstrat_bench.submission.folders import is_submission_folder, named_submission
from worldstrat_bench.submission.git import Checkout, open_checkout
from worldstrat_bench.submission.manifest import MANIFEST_NAME, Manifest
from worldstrat_bench.submission.results import record_folders
from worldstrat_bench.submission.siblings import Siblings, folders_in
from worldstrat_bench.submission.wheel import Expected, wheel_faults


@dataclass(frozen=True)
class Options:
    """Strictness of a check.

    Attributes
    ----------
    base : git revision that a pull request is compared with; None: no git.
    official : what is not ranked is an error.
    maintainer : the author may touch several submissions and add ``verification.json``.
    author : login on the forge of who opened the pull request; None: no submission is theirs.
    changed : the forge's list of changed files, which counts beside git's.
    data : dataset whose imagery is looked for in wheels.
    references : what official records are held against; None for those that the package ships, which is what every
        command uses.
    """

    base: str | None = None
    official: bool = False
    maintainer: bool = False
    data: Path | None = None
    references: References | None = None
    author: str | None = None
    changed: Path | None = None


def check(paths: Sequence[Path], options: Options = Options()) -> CheckReport:  # frozen
    """Check submissions and wheels.

    Parameters
    ----------
    paths : folders of submissions, folders of such folders, ``submission.toml`` files or wheels.

    Raises
    ------
    UsageError
        if a path does not exist or is not one of these, or `base` is not a revision.
    DataError
        if `options.data` is not a dataset.
    """
    wheels = [path for path in paths if path.suffix == ".whl"]
    known = dataset_fingerprints(options.data) if options.data else None
    with TemporaryDirectory(prefix="worldstrat-base-") as scratch:
        view = _view([path for path in paths if path.suffix != ".whl"], options, Path(scratch))
        faults = list(view.faults)
        manifests: list[Manifest] = []
        for folder, siblings in view.folders.items():
            manifest, found = _safely_checked(folder, siblings, options, known)
            faults += found
            manifests += [manifest] if manifest else []
    for wheel in wheels:
        if not wheel.is_file():
            raise UsageError("there is no such wheel", where=wheel, remedy="build it with: pip wheel --no-deps .")
        expected = _expected(manifests[0], pinned=True) if len(manifests) == 1 else None
        faults += _wheel(wheel, expected, known)
    checked = (*(_shown_name(folder) for folder in view.folders), *(wheel.name for wheel in wheels))
    return CheckReport(checked, _unique(faults))


def refused_folders(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the submissions that a check of everything refuses, each with its first fault in words.

    Parameters
    ----------
    paths : as in :func:`check`; what holds no submission, a run for instance, is left aside.
    """
    refused: dict[Path, str] = {}
    for path in paths:
        if path.resolve().name != SUBMISSIONS and not (path / MANIFEST_NAME).is_file():
            continue
        for folder, siblings in _view([path], Options(), path).folders.items():
            _, found = _safely_checked(folder, siblings, Options(), None)
            errors = [fault for fault in found if fault.severity == "error"]
            if errors:
                more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
                refused[folder] = f"refused by the check: {errors[0].what} [{errors[0].rule}]{more}"
    return refused


@dataclass(frozen=True)
class _View:
    """The submissions to look at, each with those that it is compared with, and what is wrong before that."""

    folders: dict[Path, Siblings]
    faults: tuple[CheckFinding, ...] = ()


def _view(paths: Sequence[Path], options: Options, scratch: Path) -> _View:
    """With a base only the submissions that changed, compared with those of the base; else all, with those beside them.

    Parameters
    ----------
    scratch : an empty folder for the submissions of the base.
    """
    folders = tuple(dict.fromkeys(folder for path in paths for folder in submission_folders(path)))
    if options.base is None or not paths:
        places = {folder: Path(os.path.abspath(folder)).parent for folder in folders}  # noqa: PTH100  # links stay
        beside = {place: _beside(place) for place in dict.fromkeys(places.values())}
        loose = (fault for path in paths if path.resolve().name == SUBMISSIONS for fault in loose_faults(path))
        return _View({folder: beside[place] for folder, place in places.items()}, tuple(loose))
    checkout = open_checkout(paths[0] if paths[0].is_dir() else paths[0].parent, options.base)
    listed = listed_changes(options.changed) if options.changed else ()
    changes = united(checkout.changes(), listed)
    checkout.export(SUBMISSIONS, scratch)
    before = folders_in(scratch / SUBMISSIONS)
    names = frozenset(path.name for path in before)
    author = Author(options.author, options.maintainer, _owners_of(checkout), names)
    faults = (replace(f, where=checkout.root / f.where) if f.where else f for f in change_faults(changes, author))
    new = (path for path in folders_in(checkout.root / SUBMISSIONS) if path.name not in names)
    siblings = Siblings((*before, *new))
    touched = {(checkout.root / SUBMISSIONS / slug).resolve() for slug in changed_slugs(changes)}
    return _View({folder: siblings for folder in folders if folder.resolve() in touched}, tuple(faults))


def _beside(place: Path) -> Siblings:
    """Return the submissions in a folder, in the order in which its repository says that they were merged."""
    if place.name != SUBMISSIONS:
        return Siblings()
    return Siblings(folders_in(place), load_owners(place.parent))


def _owners_of(checkout: Checkout) -> Owners:
    """Return the owners as the base says, whatever the pull request says."""
    listed = PurePosixPath(OWNERS_FILE) in checkout.files(OWNERS_FILE)
    return parse_owners(checkout.read(OWNERS_FILE)) if listed else Owners()


def _shown_name(folder: Path) -> str:
    return folder.name if folder.is_symlink() else folder.resolve().name


def submission_folders(path: Path) -> tuple[Path, ...]:
    """Return the submissions that a path means.

    Raises
    ------
    UsageError
        if there is none.
    """
    if path.is_dir() and not is_submission_folder(path):
        inner = tuple(sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")))
        if path.resolve().name == SUBMISSIONS or any((p / MANIFEST_NAME).is_file() for p in inner):
            return inner
    return (named_submission(path),)


def _safely_checked(
    folder: Path, siblings: Siblings, options: Options, known: Fingerprints | None
) -> tuple[Manifest | None, list[CheckFinding]]:
    """Check one submission. A fault of the check itself refuses that one, and keeps no other from being published."""
    try:
        return _check_folder(folder, siblings, options, known)
    except WorldstratBenchError as error:
        return None, [from_error("check", error)]
    except Exception as error:  # noqa: BLE001  # files of strangers: whatever they set off is their submission's alone
        what = f"the check of this submission failed: {type(error).__name__}: {error}"
        return None, [CheckFinding("check", what, where=folder, remedy="tell the maintainers; it is not accepted")]


def _check_folder(
    folder: Path, siblings: Siblings, options: Options, known: Fingerprints | None
) -> tuple[Manifest | None, list[CheckFinding]]:
    faults = list(folder_faults(folder))
    if folder.is_symlink():
        return None, faults
    results: list[Result] = []
    for result_folder in record_folders(folder):
        found = submitted_result(result_folder)
        if isinstance(found, Result):
            results.append(found)
            faults += record_faults(found, folder, official=options.official)
            faults += reference_faults(found, options.references)
        else:
            faults += found
    faults += others_faults(folder, results, siblings)
    of_predictions = predictions_faults(folder, results, siblings)
    if of_predictions is not None:
        return None, [*faults, *of_predictions]
    manifest, text, problems = submitted_manifest(folder)
    faults += problems
    if manifest is None:
        # What the valid sections say is checked all the same: an author learns of everything in one round.
        return None, [*faults, *partial_faults(folder)]
    faults += content_faults(manifest, text, folder, [result.record for result in results])
    faults += name_faults(manifest, text, folder, siblings)
    wheels = sorted(folder.glob("*.whl"))
    codes = {path: code for path in wheels if (code := read_code(path)) is not None}
    for result in results:
        faults += manifest_faults(result, manifest, folder)
        faults += code_faults(result, codes)
    for wheel in wheels:
        faults += _wheel(wheel, _expected(manifest, pinned=True), known)
    return manifest, faults


def _expected(manifest: Manifest, *, pinned: bool) -> Expected:
    model = manifest.model
    return Expected(model.distribution, model.version, model.entry_point, model.wheel_sha256 if pinned else None)


def _wheel(path: Path, expected: Expected | None, known: Fingerprints | None) -> list[CheckFinding]:
    faults = list(wheel_faults(path, expected))
    if known and not any(f.rule in ("wheel", "wheel-size", "wheel-names") for f in faults):
        faults += imagery_faults(path, known)
    return faults


def _unique(faults: Iterable[CheckFinding]) -> tuple[CheckFinding, ...]:
    return tuple(dict.fromkeys(faults))
