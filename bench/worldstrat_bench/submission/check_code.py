"""Checks of what a record says of its model's code, against the wheel that lies beside it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name

from worldstrat_bench.archives import DAMAGED, open_zip
from worldstrat_bench.artefacts.identity import short_value
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.plugins.code import wheel_code_sha256
from worldstrat_bench.plugins.discovery import MAX_METADATA_BYTES
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.wheel import WheelFile, entry_points, open_wheel, read_member

_RULE = "record-code"
_REMADE = "evaluate again with the wheel that is submitted, or submit the wheel that was evaluated"


@dataclass(frozen=True)
class WheelCode:
    """Code of a wheel: digests of the file and of its content, targets of its entry points, and what it requires."""

    path: Path
    distribution: str
    sha256: str
    code_sha256: str | None
    targets: Mapping[str, str]
    requires: tuple[str, ...] = ()


def read_code(path: Path) -> WheelCode | None:
    """Return what a wheel says of its code; None if it cannot be read, of which the check of wheels says why."""
    wheel = open_wheel(path)
    if not isinstance(wheel, WheelFile):
        return None
    try:
        with open_zip(path) as archive:
            code, targets, requires = wheel_code_sha256(archive), entry_points(archive) or {}, _requires(archive)
    except DAMAGED:
        return None
    return WheelCode(path, wheel.name, file_sha256(path), code, targets, requires)


def _requires(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Return the requirements in the metadata of a wheel, as they are written; none if it has not just one of them."""
    found = [member for member in archive.infolist() if member.filename.endswith(".dist-info/METADATA")]
    if len(found) != 1 or found[0].file_size > MAX_METADATA_BYTES:
        return ()
    headers = BytesHeaderParser().parsebytes(read_member(archive, found[0]))
    return tuple(str(line) for line in headers.get_all("Requires-Dist") or ())


def code_faults(result: Result, wheels: Mapping[Path, WheelCode]) -> Iterator[CheckFinding]:
    """Find a record that does not say what code ran, or that ran other code than is submitted.

    Parameters
    ----------
    wheels : those of the submission, by path.
    """
    record, where = result.record, result.record_file
    model = record.model
    if record.predictions is not None:
        return
    # Digests come from the harness of the author. They bind a record to code; that this code ran only a verification
    # shows.
    if model.wheel_sha256 is None and model.code_sha256 is None:
        what = "the record names neither a wheel nor a digest of code: what ran is unknown"
        yield CheckFinding(_RULE, what, where=where, remedy="evaluate the installed model or its wheel again")
    if model.editable:
        names = ", ".join(model.editable)[:200]
        what = f"the model's environment held other packages in editable mode, of which it may have run code: {names}"
        yield notice(_RULE, what, where=where)
    for wheel in wheels.values():
        if canonicalize_name(model.distribution or "") == wheel.distribution:
            yield from _wheel_faults(result, wheel)


def _wheel_faults(result: Result, wheel: WheelCode) -> Iterator[CheckFinding]:
    """Compare every digest that the record has; one alone could be that of an honest wheel."""
    model, where = result.record.model, result.record_file
    pairs = (
        ("wheel_sha256", model.wheel_sha256, wheel.sha256),
        ("code_sha256", model.code_sha256, wheel.code_sha256),
        ("entry_point", model.entry_point, wheel.targets.get(model.name) or _only(wheel.targets)),
    )
    for key, recorded, submitted in pairs:
        if recorded is not None and recorded != submitted:
            what = f"model.{key} is {short_value(recorded)}, that of {wheel.path.name} is {short_value(submitted)}"
            yield CheckFinding(_RULE, what, where=where, remedy=_REMADE)


def _only(targets: Mapping[str, str]) -> str | None:
    """Return the target of the only entry point; a record may name its model by the slug."""
    return next(iter(targets.values())) if len(targets) == 1 else None
