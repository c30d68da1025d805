"""Submissions and wheels for tests, made of real files."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from factories import make_run
from worldstrat_bench.artefacts.record import ModelRef, Record, load_record, record_id
from worldstrat_bench.digests import listing_sha256
from worldstrat_bench.submission.results import result_folder

SLUG = "my-sr"

MANIFEST = """\
schema_version = 1
protocols = ["wsb-1"]

[submission]
slug = "my-sr"
title = "my-sr"
authors = ["Ada Example"]
licence = "Apache-2.0"
paper = "https://example.org/paper"
description = "A model for tests."

[model]
entry_point = "my-sr"
distribution = "my-sr"
version = "1.0"
frames = 8

[model.parameters]
strength = 0.3

[training]
datasets = ["WorldStrat"]
train_split = "worldstrat-train"
selection_split = "worldstrat-val"
test_evaluations = 1
uses_test = false

[environment]
python = "3.11"
lock = "requirements.lock"
base = "harness"
"""

LOCK = f"example==1.2.3 \\\n    --hash=sha256:{'a' * 64}\n"


def modules_of(name: str) -> dict[str, bytes]:
    """The files of the package in :func:`make_wheel`."""
    package = name.replace("-", "_")
    plugin = b"def load(weights, device):\n    raise NotImplementedError\n"
    return {f"{package}/__init__.py": b"", f"{package}/plugin.py": plugin}


def code_of(name: str) -> str:
    """The digest of the code in :func:`make_wheel`."""
    return listing_sha256((path, hashlib.sha256(data).hexdigest()) for path, data in modules_of(name).items())


def model_ref(slug: str = SLUG) -> ModelRef:
    """The model of :data:`MANIFEST`."""
    return ModelRef(
        name=slug,
        distribution=slug,
        version="1.0",
        entry_point="my_sr.plugin:load",
        frames=8,
        parameters={"strength": 0.3},
        code_sha256=code_of(slug),
    )


def make_submission(
    root: Path, slug: str = SLUG, *, manifest: str | None = None, record: bool = True, **run: Any
) -> Path:
    """Write ``root/submissions/<slug>``: a manifest, a lock and the record of a fake run on 12 tiles."""
    folder = root / "submissions" / slug
    folder.mkdir(parents=True)
    text = manifest or MANIFEST.replace('"my-sr"', f'"{slug}"')
    (folder / "submission.toml").write_text(text, encoding="utf-8")
    (folder / "requirements.lock").write_text(LOCK, encoding="utf-8")
    if record:
        add_record(folder, slug, **run)
    return folder


def add_record(folder: Path, slug: str = SLUG, **run: Any) -> Record:
    """Add the record of a fake run to a submission."""
    options: dict[str, Any] = {"tiles": 12, "release": "mini", "list_name": "test", "official": False, **run}
    scratch = folder / "results" / "scratch"
    made = make_run(scratch, model=slug, submission=slug, model_ref=model_ref(slug), **options)
    target = result_folder(folder, made)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch.rename(target)
    return made


def the_result(folder: Path) -> Path:
    """The only result folder of a submission."""
    (found,) = (folder / "results").glob("*/*")
    return found


def rewrite_record(folder: Path, change: Callable[[dict[str, Any]], object], *, consistent_id: bool = True) -> None:
    """Change the content of the only record; with `consistent_id` its id follows, as a careful cheat's would."""
    path = the_result(folder) / "record.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    if consistent_id:
        document["record_id"] = record_id(document)
    path.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def rewrite_tiles(folder: Path, change: Callable[[list[list[str]]], object]) -> None:
    """Change the cells of ``tiles.csv`` (row 0 is the header) and hash it into the record."""
    path = the_result(folder) / "tiles.csv"
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    change(rows)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    path.write_text(buffer.getvalue(), encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rewrite_record(folder, lambda document: document["files"].update({"tiles.csv": digest}))


def record_of(folder: Path) -> Record:
    """The only record of a submission."""
    return load_record(the_result(folder))


def metadata_of(site: Path, distribution: str) -> Path:
    """Return the folder of the metadata of a distribution that is installed in a folder."""
    (folder,) = site.glob(f"{distribution.replace('-', '_')}-*.dist-info")
    return folder


def make_wheel(
    folder: Path,
    *,
    name: str = "my-sr",
    version: str = "1.0",
    entry_point: str = "my-sr",
    files: Mapping[str, bytes] | None = None,
    tag: str = "py3-none-any",
    record: str | None = None,
    entry_points: str | None = None,
    metadata: str = "",
    package_files: Mapping[str, bytes] | None = None,
    encoding: str = "utf-8",
) -> Path:
    """A wheel with a package of one module and `files` beside it; RECORD is right unless `record` is given.

    `metadata` holds further lines of METADATA, which is of that `encoding`, and `package_files` replaces the package.
    """
    package = name.replace("-", "_")
    info = f"{package}-{version}.dist-info"
    points = (
        f"[worldstrat_bench.models]\n{entry_point} = {package}.plugin:load\n" if entry_points is None else entry_points
    )
    content: dict[str, bytes] = {
        **(modules_of(name) if package_files is None else package_files),
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}".encode(encoding),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        f"{info}/entry_points.txt": points.encode(),
    }
    lines = [f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in content.items()]
    content[f"{info}/RECORD"] = (record if record is not None else "".join(lines) + f"{info}/RECORD,,\n").encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{package}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in content.items():
            archive.writestr(zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
