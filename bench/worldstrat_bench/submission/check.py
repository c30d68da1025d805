"""``submission check``: every rule of a submission, the same for authors and for CI."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.errors import UsageError
from worldstrat_bench.submission.check_files import SUBMISSIONS, change_faults, changed_slugs, folder_faults
from worldstrat_bench.submission.check_manifest import content_faults, submitted_manifest
from worldstrat_bench.submission.check_others import name_faults, others_faults
from worldstrat_bench.submission.check_predictions import predictions_faults
from worldstrat_bench.submission.check_record import (
    manifest_faults,
    record_faults,
    reference_faults,
    submitted_result,
)
from worldstrat_bench.submission.faults import CheckFinding, CheckReport
from worldstrat_bench.submission.fingerprints import Fingerprints, dataset_fingerprints, imagery_faults
from worldstrat_bench.submission.git import open_checkout
from worldstrat_bench.submission.manifest import MANIFEST_NAME, Manifest
from worldstrat_bench.submission.results import record_folders
from worldstrat_bench.submission.wheel import Expected, wheel_faults


@dataclass(frozen=True)
class Options:
    """How strictly to look.

    Attributes
    ----------
    base : git revision that a pull request is compared with; None: no git.
    official : what is not ranked is an error.
    maintainer : the author may touch several submissions and add ``verification.json``.
    data : dataset whose imagery is looked for in wheels.
    references : what official records are held against; None for those that the package ships, which is what every
        command uses.
    """

    base: str | None = None
    official: bool = False
    maintainer: bool = False
    data: Path | None = None
    references: References | None = None


def check(paths: Sequence[Path], options: Options = Options()) -> CheckReport:  # frozen
    """Check submissions and wheels.

    Parameters
    ----------
    paths : folders of submissions, folders of such folders, ``submission.toml`` files or wheels.

    Raises
    ------
    UsageError
        if a path does not exist or is none of these, or `base` is no revision.
    DataError
        if `options.data` is no dataset.
    """
    wheels = [path for path in paths if path.suffix == ".whl"]
    folders, known_changes = _folders([path for path in paths if path.suffix != ".whl"], options)
    known = dataset_fingerprints(options.data) if options.data else None
    faults = list(known_changes)
    manifests: list[Manifest] = []
    for folder in folders:
        manifest, found = _check_folder(folder, options, known)
        faults += found
        manifests += [manifest] if manifest else []
    for wheel in wheels:
        if not wheel.is_file():
            raise UsageError("there is no such wheel", where=wheel, remedy="build it with: pip wheel --no-deps .")
        expected = _expected(manifests[0], pinned=True) if len(manifests) == 1 else None
        faults += _wheel(wheel, expected, known)
    checked = (*(folder.resolve().name for folder in folders), *(wheel.name for wheel in wheels))
    return CheckReport(checked, _unique(faults))


def _folders(paths: Sequence[Path], options: Options) -> tuple[tuple[Path, ...], tuple[CheckFinding, ...]]:
    """The submissions to look at; with a base only those that changed, and what the changes do wrong."""
    folders = tuple(dict.fromkeys(folder for path in paths for folder in submission_folders(path)))
    if options.base is None or not paths:
        return folders, ()
    checkout = open_checkout(paths[0] if paths[0].is_dir() else paths[0].parent, options.base)
    changes = checkout.changes()
    faults = tuple(change_faults(changes, maintainer=options.maintainer))
    faults = tuple(replace(f, where=checkout.root / f.where) if f.where else f for f in faults)
    touched = {(checkout.root / SUBMISSIONS / slug).resolve() for slug in changed_slugs(changes)}
    return tuple(folder for folder in folders if folder.resolve() in touched), faults


def submission_folders(path: Path) -> tuple[Path, ...]:
    """The submissions that a path means.

    Raises
    ------
    UsageError
        if there is none.
    """
    if path.name == MANIFEST_NAME and path.is_file():
        return (path.parent,)
    if (path / MANIFEST_NAME).is_file() or (path / "results").is_dir():
        return (path,)
    if path.is_dir():
        inner = tuple(sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")))
        if path.resolve().name == SUBMISSIONS or any((p / MANIFEST_NAME).is_file() for p in inner):
            return inner
    remedy = "give a folder with a submission.toml, or start one: worldstrat-bench submission new SLUG"
    raise UsageError("there is no submission", where=path, remedy=remedy)


def _check_folder(
    folder: Path, options: Options, known: Fingerprints | None
) -> tuple[Manifest | None, list[CheckFinding]]:
    faults = list(folder_faults(folder))
    results: list[Result] = []
    for result_folder in record_folders(folder):
        found = submitted_result(result_folder)
        if isinstance(found, Result):
            results.append(found)
            faults += record_faults(found, folder, official=options.official)
            faults += reference_faults(found, options.references)
        else:
            faults += found
    faults += others_faults(folder, results)
    of_predictions = predictions_faults(folder, results)
    if of_predictions is not None:
        return None, [*faults, *of_predictions]
    manifest, text, problems = submitted_manifest(folder)
    faults += problems
    if manifest is None:
        return None, faults
    faults += content_faults(manifest, text, folder, [result.record for result in results])
    faults += name_faults(manifest, text, folder)
    for result in results:
        faults += manifest_faults(result, manifest, folder)
    for wheel in sorted(folder.glob("*.whl")):
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
