"""``verification.json`` of a verification, and what has to hold before it is added to a submission."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from worldstrat_bench import __version__
from worldstrat_bench.artefacts.record import Record, load_record
from worldstrat_bench.artefacts.tiles import TILES
from worldstrat_bench.artefacts.verification import Attestation, Verification
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.protocol import SAME_PREDICTION
from worldstrat_bench.run.git import git_text
from worldstrat_bench.submission.made_here import ENVIRONMENT_VARIABLE, remember, was_made_here
from worldstrat_bench.submission.results import IMMUTABLE_FILES, MAINTAINERS_FILES, add_run
from worldstrat_bench.submission.verified_state import refuse_other_state
from worldstrat_bench.submission.verify import VerifyReport, VerifyRequest

WORKFLOW: Final = ".github/workflows/evaluate.yml"
"""The workflow whose runs are attested."""

_REMOTE = re.compile(r"[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?$")

ATTESTED: Final = (*IMMUTABLE_FILES, *MAINTAINERS_FILES)
"""The claim that it attests: all of these that a run has."""

_ALWAYS: Final = (Record.FILE, TILES, Verification.FILE)


def write_verification(
    report: VerifyReport,
    request: VerifyRequest,
    maintainer: str,
    *,
    commit: str | None = None,
    harness_commit: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Path:
    """Write ``verification.json`` beside the record that it vouches for; return its path.

    Parameters
    ----------
    commit : that held the submission; None if it is not known.
    environment : variables of the process; those of the evaluation workflow say where its attestation is found.

    Raises
    ------
    UsageError
        if no tile was run again: then there is nothing that a maintainer could vouch for; or if the tiles were not
        drawn from the system's randomness.
    """
    if report.model is None or report.draw is None or report.machine is None:
        remedy = "give --data DIR and --model MODEL"
        if report.faults:
            remedy = f"{report.faults[0].what}; {report.faults[0].remedy}"
        raise UsageError("a verification needs tiles that were run again", where="--maintainer", remedy=remedy)
    # A seed that is known beforehand tells an author which tiles have to be right.
    if report.draw.source != "system":
        raise UsageError("the tiles of a verification are drawn at random", where="--seed", remedy="leave out --seed")
    record = report.computed or report.record
    verification = Verification(
        record_id=record.record_id,
        submitted_record_id=report.record.record_id,
        scope="full" if report.computed else "sample",
        slug=report.model.submission,
        commit=commit,
        package_sha256=report.model.wheel_sha256 or report.model.code_sha256,
        weights_sha256=report.model.weights_sha256,
        verified_by=maintainer,
        verified_at=datetime.now(UTC).isoformat(timespec="seconds"),
        harness_version=__version__,
        harness_commit=harness_commit,
        device_class=report.machine.device_class,
        isolation=report.machine.isolation,
        tolerance=SAME_PREDICTION,
        draw=report.draw,
        tiles=report.tiles,
        compared=report.compared,
        columns=report.columns,
        speed=report.speed,
        attestation=attestation_of(environment or {}),
        agrees=report.agrees,
        passed=report.passed,
    )
    path = (request.out or request.run) / Verification.FILE
    verification.save(path)
    if verification.attestation is None:
        try:
            remember(path)
        except OSError as error:
            what = f"it is written, but cannot be added to a submission from here: {error}"
            remedy = f"set {ENVIRONMENT_VARIABLE} to a folder that can be written to, and run the same command again"
            raise InfrastructureError(what, where=path, remedy=remedy) from None
    return path


def attestation_of(environment: Mapping[str, str]) -> Attestation | None:
    """Return where the evaluation workflow attests what this process writes; None if this is not that workflow."""
    workflow = environment.get("GITHUB_WORKFLOW_REF", "")
    repository, file = environment.get("GITHUB_REPOSITORY", ""), workflow.partition("@")[0]
    if environment.get("GITHUB_ACTIONS") != "true" or file != f"{repository}/{WORKFLOW}":
        return None
    commit = environment.get("GITHUB_WORKFLOW_SHA", "")
    return Attestation(repository=repository, workflow=f"{WORKFLOW}@{commit}", run=environment["GITHUB_RUN_ID"])


def repository_at(folder: Path) -> str:
    """Return OWNER/NAME of the forge's repository that a checkout was cloned from, which is the remote `origin`.

    Raises
    ------
    UsageError
        if there is no such remote.
    """
    remedy = "run it in a clone of the repository whose boards the submission is on"
    address = git_text(folder, "config", "--get", "remote.origin.url").strip()
    found = _REMOTE.search(address)
    if found is None:
        raise UsageError("the remote `origin` is not on the forge", where=folder, remedy=remedy)
    return found.group(1)


def check_attestation(run: Path, attestation: Attestation, repository: str) -> None:
    """Have the forge's own tool confirm that the evaluation workflow made the files of a run.

    Parameters
    ----------
    repository : that has to vouch, OWNER/NAME: a fork, whose workflow its owner may change, vouches for nothing.

    Raises
    ------
    InvalidArtefactError
        if it does not confirm one of :data:`ATTESTED`, or another repository is named.
    InfrastructureError
        if the tool is not here, or gives no answer.
    """
    if attestation.repository.casefold() != repository.casefold():
        what = f"the verification was made by {attestation.repository[:80]}, this is {repository}"
        raise InvalidArtefactError(what, where=run, remedy="evaluate it with the workflow of this repository")
    signer = f"{repository}/{WORKFLOW}"
    for name in (name for name in ATTESTED if name in _ALWAYS or (run / name).is_file()):
        command = [
            "gh",
            "attestation",
            "verify",
            str(run / name),
            "--repo",
            repository,
            "--source-ref",
            "refs/heads/main",
            "--signer-workflow",
            signer,
        ]
        try:
            done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=120)
        except (OSError, subprocess.TimeoutExpired) as error:
            what = f"the attestation cannot be checked: {type(error).__name__}"
            remedy = "install GitHub's command line, gh, and log in"
            raise InfrastructureError(what, where=run / name, remedy=remedy) from None
        if done.returncode:
            what = f"the forge does not confirm that {WORKFLOW} made this file"
            remedy = "take the files from the artefact of the evaluation workflow's run, unchanged"
            raise InvalidArtefactError(what, where=run / name, remedy=remedy)


def add_verified(run: Path, slug_folder: Path) -> Path:
    """Put a verification, and in a full one the maintainers' record, into a submission; return the folder.

    The other files of a record that is replaced, such as its speed, leave with it: they name the former record.

    Raises
    ------
    InvalidArtefactError
        if the run has no verification of its record that passed, or the forge does not confirm where it was made; and
        as :func:`~.results.add_run` does.
    """
    path = run / Verification.FILE
    verification = Verification.load(path)
    if not verification.passed:
        raise InvalidArtefactError("the verification did not pass", where=path, remedy="it vouches for nothing")
    if wrong := verification.contradiction(load_record(run)):
        what = f"the verification is not of the record beside it: {wrong}"
        raise InvalidArtefactError(what, where=path, remedy="verify again")
    if verification.slug is not None and verification.slug != slug_folder.resolve().name:
        what = f"the verification is of the submission {verification.slug[:60]!r}"
        raise InvalidArtefactError(what, where=path, remedy="add it to that one")
    # Asked of the forge each time: the file itself could be written by anyone.
    if verification.attestation is not None:
        check_attestation(run, verification.attestation, repository_at(slug_folder))
    # A journal shows that the run was made on this machine, by whoever adds it.
    elif not was_made_here(path):
        what = "nothing shows where these files were made: no attestation, and not what `verify` wrote on this machine"
        remedy = "give the folder that `verify --out` made here, or the artefact of the evaluation workflow"
        raise InvalidArtefactError(what, where=run, remedy=remedy)
    if verification.commit is not None:
        refuse_other_state(slug_folder, verification.commit, elsewhere=verification.attestation is not None)
    return add_run(run, slug_folder, verification)
