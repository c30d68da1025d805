"""Checks of a submission's folder: which files, how large, and the lock and weights that the manifest names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from worldstrat_bench.digests import file_sha256
from worldstrat_bench.submission.faults import CheckFinding, notice
from worldstrat_bench.submission.locate import line_of
from worldstrat_bench.submission.lock import LockError, load_lock
from worldstrat_bench.submission.manifest import MANIFEST_NAME, Manifest

MAX_FILES = 200
MAX_TOTAL_BYTES = 20 * 1024 * 1024
MAX_FILE_BYTES = 5 * 1024 * 1024
ALLOWED_SUFFIXES = (
    ".toml", ".lock", ".txt", ".md", ".json", ".csv", ".whl", ".safetensors", ".onnx", ".in", ".cff",
)  # fmt: skip
"""A submission is data: no code is read from its folder but what is in a wheel."""


def folder_faults(folder: Path) -> Iterator[CheckFinding]:
    """What does not belong into a submission's folder: links, code, results in the wrong depth, large files."""
    total = count = 0
    for root, folders, files in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(files + [f for f in folders if (Path(root) / f).is_symlink()]):
            path = Path(root) / name
            fault = _file_fault(path, folder)
            if fault:
                yield fault
            count += 1
            total += 0 if path.is_symlink() else path.stat().st_size
    if count > MAX_FILES or total > MAX_TOTAL_BYTES:
        what = f"{count} files of {total / 1e6:.0f} MB: at most {MAX_FILES} and {MAX_TOTAL_BYTES // 10**6} MB"
        yield CheckFinding("size", what, where=folder, remedy="keep large files behind a URL in [weights]")


def _file_fault(path: Path, folder: Path) -> CheckFinding | None:
    where = path
    if path.is_symlink() or not path.is_file():
        return CheckFinding(
            "files", "links and special files are not accepted", where=where, remedy="commit the file itself"
        )
    parts = path.relative_to(folder).parts
    if parts[0] == "results":
        if len(parts) != 4:
            what = "results lie in results/<protocol>/<dataset>-<device class>/"
            return CheckFinding(
                "files", what, where=where, remedy="let `worldstrat-bench submission add RUN FOLDER` place them"
            )
        return None  # the record's own check knows what may be there
    if path.suffix.lower() not in ALLOWED_SUFFIXES:
        what = f"files of type {path.suffix[:20]!r} do not belong in a submission"
        return CheckFinding(
            "files", what, where=where, remedy="code goes into the model's package, weights behind a URL"
        )
    if path.stat().st_size > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES // 10**6
        return CheckFinding("size", f"larger than {limit} MB", where=where, remedy="put it behind a URL")
    return None


def lock_faults(manifest: Manifest, folder: Path, text: str) -> Iterator[CheckFinding]:
    """The lock is readable, pinned and hashed, and the model itself can be installed."""
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
    own = next((item for item in locked if item.name == canonicalize_name(model.distribution)), None)
    if own and own.pin.startswith("=") and own.pin.lstrip("=") != model.version:
        what = f"the lock has {own.name} {own.pin}, the manifest says {model.version}"
        yield CheckFinding("lock", what, where=path, line=own.line, remedy="lock the version that is submitted")
    if not own and not model.wheel and not model.repository_folder and not list(folder.glob("*.whl")):
        what = "nobody else can install the model: it is neither in the lock nor a wheel here or with an address"
        remedy = "publish a release and lock it, or put the wheel beside submission.toml, before maintainers verify it"
        yield notice("install", what, where=manifest_path, remedy=remedy)


def weights_faults(manifest: Manifest, folder: Path, text: str) -> Iterator[CheckFinding]:
    """Weights in the folder are those that the manifest describes; executable formats are pointed out."""
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
