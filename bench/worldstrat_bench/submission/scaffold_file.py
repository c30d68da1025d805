"""``submission new --weights FILE``: the manifest of a model that is a file and needs no Python of its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.discovery import BASELINES, BASELINES_REMEDY
from worldstrat_bench.plugins.weights import refuse_pointer
from worldstrat_bench.preprocessing import Value
from worldstrat_bench.submission.check_files import MAX_FILE_BYTES, SUBMISSIONS
from worldstrat_bench.submission.manifest import MANIFEST_NAME, WEIGHTS_SUFFIXES, WeightsFormat
from worldstrat_bench.submission.placeholders import MARK, PLACEHOLDERS, placeholder_texts
from worldstrat_bench.submission.scaffold import (
    check_slug,
    in_toml,
    refuse_full_folder,
    render,
    stated_authors,
    stated_description,
)
from worldstrat_bench.submission.stated_weights import FileSays, file_says

_RUN_BY: dict[WeightsFormat, str] = {
    "onnx": "onnx",
    "pt2": "exported",
    "safetensors": "spandrel",
    "state_dict": "spandrel",
    "torchscript": "torchscript",
}
"""Which entry point of the reference models runs a format, unless the author names another."""

_BY_SUFFIX: dict[str, WeightsFormat] = {
    **{suffix: form for form, suffixes in WEIGHTS_SUFFIXES.items() for suffix in suffixes},
    ".pt": "torchscript",
    ".pth": "state_dict",
}
"""Two formats share two suffixes: this is what they mostly are."""


def write_file_scaffold(
    slug: str, folder: Path, weights: Path, authors: Sequence[str] = (), description: str = ""
) -> tuple[Path, ...]:
    """Write the submission of a file into `folder`; return the files written.

    A small file is copied beside the manifest, of a large one the address is left to be filled in. What the file and a
    sidecar beside it say becomes the manifest's parameters: a submission states them, and no sidecar goes with it.

    Raises
    ------
    UsageError
        for a bad slug, author or description, a folder that is not empty, a file that is missing or of an unknown kind,
        a sidecar that cannot be used, or if the reference models, which run such files, are not installed.
    """
    check_slug(slug)
    refuse_full_folder(folder)
    form = _BY_SUFFIX.get(weights.suffix.lower())
    if form is None or not weights.is_file():
        what = "there is no such file" if not weights.is_file() else f"files *{weights.suffix[:20]} are not known"
        raise UsageError(what, where=weights, remedy=f"give a file *{', *'.join(_BY_SUFFIX)}")
    refuse_pointer(weights)
    size = weights.stat().st_size
    if not size:
        raise UsageError("the weights file is empty", where=weights, remedy="download or export it again")
    says = file_says(weights)
    # A name that needs no quoting in TOML, on a forge or in a shell.
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", weights.name).lstrip("-._") or f"weights{weights.suffix}"
    beside = size <= MAX_FILE_BYTES
    published = f'url = "{PLACEHOLDERS["no_url"].text}{name}"'
    values = {
        **placeholder_texts(),
        "slug": slug,
        "authors": stated_authors(authors),
        "description": stated_description(description),
        "parameters": "\n".join(_assignment(name, value, says) for name, value in says.parameters.items()),
        "frames": str(says.frames),
        "decide": MARK,
        "title": slug,
        "entry_point": _RUN_BY[form],
        "version": _version(),
        "place": f'path = "{name}"' if beside else published,
        "sha256": file_sha256(weights),
        "bytes": str(size),
        "format": form,
    }
    place = folder / SUBMISSIONS / slug
    place.mkdir(parents=True)
    written = {MANIFEST_NAME: "submission_file.toml.j2", "requirements.lock": "requirements.lock.j2"}
    for target, template in written.items():
        (place / target).write_text(render(template, values), encoding="utf-8")
    if beside:
        shutil.copyfile(weights, place / name)
    return tuple(place / target for target in (*written, *((name,) if beside else ())))


def _assignment(name: str, value: Value, says: FileSays) -> str:
    line = f"{name} = {in_toml(value)}"
    return f"{line}    {MARK} {_QUESTIONS[name]}" if name in says.guessed else line


_QUESTIONS = {
    "bands": "are these its channels, in this order?",
    "input_scale": "1.0 for reflectance, 10000 for digital numbers",
}


def _version() -> str:
    try:
        return version(BASELINES)
    except PackageNotFoundError:
        raise UsageError("the models that run files are not installed", remedy=BASELINES_REMEDY) from None
