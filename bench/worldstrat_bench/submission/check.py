"""``submission check``: every rule of a submission, the same for authors and for CI."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from worldstrat_bench.artefacts.harness import KnownHarnesses
from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.state import state_in
from worldstrat_bench.errors import UsageError, WorldstratBenchError
from worldstrat_bench.submission.check_code import code_faults, read_code
from worldstrat_bench.submission.check_files import MAX_RECORDS, SUBMISSIONS, folder_faults
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
from worldstrat_bench.submission.check_requires import requirement_notices
from worldstrat_bench.submission.check_view import (
    Against,
    Beside,
    View,
    manifest_text,
    view_against,
    view_on_disk,
)
from worldstrat_bench.submission.check_words import word_faults
from worldstrat_bench.submission.faults import CheckFinding, CheckReport, from_error, notice
from worldstrat_bench.submission.fingerprints import Fingerprints, dataset_fingerprints, imagery_faults
from worldstrat_bench.submission.folders import is_submission_folder, named_submission, submission_below
from worldstrat_bench.submission.manifest import MANIFEST_NAME, Manifest
from worldstrat_bench.submission.patience import TooLongError, within
from worldstrat_bench.submission.wheel import Expected, wheel_faults

T = TypeVar("T")

CHECK_SECONDS: Final = 60
"""Processor time that the check of one submission may take."""
LONG_SECONDS: Final = 10
"""Processor time that is pointed out."""


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
    known : harnesses that others can get; None for those that the repository knows.
    """

    base: str | None = None
    official: bool = False
    maintainer: bool = False
    data: Path | None = None
    references: References | None = None
    author: str | None = None
    changed: Path | None = None
    known: KnownHarnesses | None = None


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
        folders = [path for path in paths if path.suffix != ".whl"]
        view = _view(folders, options, Path(scratch))
        faults = list(view.faults)
        manifests: list[Manifest] = []
        for manifest, found in _checked(view, options, known).values():
            faults += found
            manifests += [manifest] if manifest else []
    for wheel in wheels:
        if not wheel.is_file():
            raise UsageError("there is no such wheel", where=wheel, remedy="build it with: pip wheel --no-deps .")
        # With several manifests nothing says which of them a wheel belongs to.
        expected = _expected(manifests[0], pinned=True) if len(manifests) == 1 else None
        faults += _wheel(wheel, expected, known)
    checked = (*(_shown_name(folder) for folder in view.folders), *view.lists, *(wheel.name for wheel in wheels))
    return CheckReport(checked, _unique(faults), view.removed)


def judged_folders(paths: Sequence[Path]) -> dict[Path, dict[Path, str]]:
    """Check everything; return path to folder of a submission to its first fault in words, "" if it passed.

    Parameters
    ----------
    paths : as in :func:`check`; what holds no submission, a run for instance, is left aside.

    Raises
    ------
    UsageError
        for a folder somewhere below which submissions lie.
    """
    judged: dict[Path, dict[Path, str]] = {}
    for path in paths:
        # A site is also built of runs, which no check of submissions knows.
        if path.resolve().name != SUBMISSIONS and not (path / MANIFEST_NAME).is_file():
            if (below := submission_below(path)) is not None:
                raise _unchecked(path, below)
            continue
        own = judged.setdefault(path, {})
        for folder, (_, found) in _checked(_view([path], Options(), path), Options(), None).items():
            errors = [fault for fault in found if fault.severity == "error"]
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            own[folder] = f"refused by the check: {errors[0].what} [{errors[0].rule}]{more}" if errors else ""
    return judged


def _unchecked(path: Path, below: Path) -> UsageError:
    """Return the error for a folder that is not known for one of submissions, though one lies below it."""
    place = below.parent
    what = f"submissions lie below it, and would not be checked: {below}"
    # By its name: beside a folder of that name lie the lists of the repository, which the check reads.
    if place.resolve().name != SUBMISSIONS:
        remedy = f"a folder of submissions is known by its name: call {place} {SUBMISSIONS!r}, or leave out --checked"
    else:
        remedy = f"give {place} itself, beside the runs"
    return UsageError(what, where=path, remedy=remedy)


def _view(paths: Sequence[Path], options: Options, scratch: Path) -> View:
    """With a base only the submissions that changed, compared with those of the base; else all, with those beside them.

    Parameters
    ----------
    scratch : an empty folder for the submissions of the base.
    """
    # With the last submission its folder goes from a checkout, too, and what was removed is still to be checked.
    there = [path for path in paths if path.exists() or path.name != SUBMISSIONS or options.base is None]
    folders = tuple(dict.fromkeys(folder for path in there for folder in submission_folders(path)))
    # What is not ranked is published all the same: it keeps its name.
    judge = partial(_first_error, options=replace(options, official=False))
    if options.base is None or not paths:
        return view_on_disk(paths, folders, judge)
    against = Against(options.base, options.changed, options.author, options.maintainer)
    return view_against(against, paths, folders, scratch, judge)


def _checked(
    view: View, options: Options, known: Fingerprints | None
) -> dict[Path, tuple[Manifest | None, list[CheckFinding]]]:
    """Return the manifest and the faults of every folder of a view, in its order."""
    found: dict[Path, tuple[Manifest | None, list[CheckFinding]]] = {}

    def place(item: tuple[Path, Beside]) -> int:
        return item[1].siblings.place(item[0].name)

    # In the order of the merges, since whether one that was merged earlier passes is asked by those after it.
    for folder, beside in sorted(view.folders.items(), key=place):
        found[folder] = _safely_checked(folder, beside, options, known)
        if not options.official:
            beside.siblings.note(folder.name, passed=_first(found[folder][1]) is None)
    return {folder: found[folder] for folder in view.folders}


def _first_error(folder: Path, beside: Beside, options: Options) -> CheckFinding | None:
    """Return the first fault for which a submission is refused; None if it passes."""
    _, found = _safely_checked(folder, beside, options, None)
    return _first(found)


def _first(faults: Iterable[CheckFinding]) -> CheckFinding | None:
    return next((fault for fault in faults if fault.severity == "error"), None)


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
        inner = tuple(sorted(p for p in path.iterdir() if p.is_dir()))
        # In the folder of all submissions nothing is passed over: a hidden folder is refused by its name.
        if path.resolve().name == SUBMISSIONS:
            return inner
        if any((p / MANIFEST_NAME).is_file() for p in inner):
            return tuple(p for p in inner if not p.name.startswith("."))
    return (named_submission(path),)


def _safely_checked(
    folder: Path, beside: Beside, options: Options, known: Fingerprints | None
) -> tuple[Manifest | None, list[CheckFinding]]:
    """Check one submission. A fault of the check itself refuses that one, and keeps no other from being published."""
    began = time.process_time()
    try:
        with within(CHECK_SECONDS):
            manifest, faults = _check_folder(folder, beside, options, known)
    except WorldstratBenchError as error:
        return None, [from_error("check", error)]
    except TooLongError:
        what = f"the check of this submission took more than {CHECK_SECONDS} s of processor time"
        return None, [CheckFinding("check", what, where=folder, remedy="make its files smaller; others take about one")]
    except Exception as error:  # noqa: BLE001  # files of strangers: whatever they set off is their submission's alone
        what = f"the check of this submission failed: {type(error).__name__}: {error}"
        return None, [CheckFinding("check", what, where=folder, remedy="tell the maintainers; it is not accepted")]
    # Once it is merged, every build spends as much on it.
    if (spent := time.process_time() - began) > LONG_SECONDS:
        faults.append(notice("time", f"its check took {spent:.0f} s of processor time; others take about one"))
    return manifest, faults


def _check_folder(
    folder: Path, beside: Beside, options: Options, known: Fingerprints | None
) -> tuple[Manifest | None, list[CheckFinding]]:
    faults = list(folder_faults(folder))
    if folder.is_symlink():
        return None, faults
    siblings, state = beside.siblings, state_in(manifest_text(folder / MANIFEST_NAME) or "")
    results: list[Result] = []
    # Records first: they say what they are without the manifest, so that a broken manifest hides none of their faults.
    for result_folder in record_folders(folder)[:MAX_RECORDS]:  # it is refused for more, which cost time to read
        found = submitted_result(result_folder)
        if isinstance(found, Result):
            results.append(found)
            faults += record_faults(found, folder, options.known or beside.harnesses, state, official=options.official)
            faults += reference_faults(found, options.references)
            faults += word_faults(found)
        else:
            faults += found
    # Asked before the manifest is read, which may end this early.
    faults += others_faults(folder, results, siblings)
    of_predictions = predictions_faults(folder, results, siblings)
    if of_predictions is not None:
        return None, [*faults, *of_predictions]
    manifest, text, problems = submitted_manifest(folder)
    faults += problems
    if manifest is None:
        # What the valid sections say is checked all the same: an author learns of everything at once.
        return None, [*faults, *partial_faults(folder)]
    faults += content_faults(manifest, text, folder, [result.record for result in results])
    faults += name_faults(manifest, text, folder, siblings)
    # Anything else of that name is a fault already, and a device is read without end.
    wheels = sorted(path for path in folder.glob("*.whl") if path.is_file() and not path.is_symlink())
    codes = {path: code for path in wheels[:1] if (code := read_code(path)) is not None}
    faults += requirement_notices(manifest, folder, codes.values())
    for result in results:
        faults += manifest_faults(result, manifest, folder)
        faults += code_faults(result, codes)
    if len(wheels) > 1:
        what = f"{len(wheels)} wheels lie beside the manifest: no environment is built of more than one"
        faults.append(CheckFinding("wheel", what, where=folder, remedy="keep the one of the model"))
    for wheel in wheels[:1]:
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
