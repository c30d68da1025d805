"""``submission new --weights FILE``: the manifest of a model that is a file and needs no Python of its own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.declared import found_beside
from worldstrat_bench.plugins.discovery import BASELINES, BASELINES_REMEDY
from worldstrat_bench.preprocessing import Value, complete
from worldstrat_bench.submission.check_files import MAX_FILE_BYTES, SUBMISSIONS
from worldstrat_bench.submission.manifest import MANIFEST_NAME, WEIGHTS_SUFFIXES, WeightsFormat
from worldstrat_bench.submission.placeholders import PLACEHOLDERS, placeholder_texts
from worldstrat_bench.submission.scaffold import check_slug, in_toml, refuse_full_folder, render, stated_authors

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


def write_file_scaffold(slug: str, folder: Path, weights: Path, authors: Sequence[str] = ()) -> tuple[Path, ...]:
    """Write the submission of a file into `folder`; return the files written.

    A small file is copied beside the manifest, of a large one the address is left to be filled in. What a sidecar
    beside the file says becomes the manifest's parameters: a submission states them, and no sidecar goes with it.

    Raises
    ------
    UsageError
        for a bad slug or author, a folder that is not empty, a file that is missing or of an unknown kind, a sidecar
        that cannot be used, or if the reference models, which run such files, are not installed.
    """
    check_slug(slug)
    refuse_full_folder(folder)
    form = _BY_SUFFIX.get(weights.suffix.lower())
    if form is None or not weights.is_file():
        what = "there is no such file" if not weights.is_file() else f"files *{weights.suffix[:20]} are not known"
        raise UsageError(what, where=weights, remedy=f"give a file *{', *'.join(_BY_SUFFIX)}")
    parameters = sidecar_values(weights)
    size = weights.stat().st_size
    # A name that needs no quoting in TOML, on a forge or in a shell.
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", weights.name).lstrip("-._") or f"weights{weights.suffix}"
    beside = size <= MAX_FILE_BYTES
    published = f'url = "{PLACEHOLDERS["no_url"].text}{name}"'
    values = {
        **placeholder_texts(),
        "slug": slug,
        "authors": stated_authors(authors),
        "parameters": "\n".join(f"{name} = {in_toml(value)}" for name, value in parameters.items())
        or '# bands = "B04,B03,B02"\n# input_scale = 1.0',
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


def sidecar_values(weights: Path) -> dict[str, Value]:
    """Return the parameters that the file beside some weights states, as the adapters read it; {} without one.

    Raises
    ------
    UsageError
        if it says nothing that can be used.
    """
    found = found_beside(weights)
    try:
        complete({}, found)
    except ValueError as error:
        remedy = "correct it, or move it away and set [model.parameters] by hand"
        raise UsageError(str(error), where=weights.with_suffix(".yaml"), remedy=remedy) from None
    return found


def _version() -> str:
    try:
        return version(BASELINES)
    except PackageNotFoundError:
        raise UsageError("the models that run files are not installed", remedy=BASELINES_REMEDY) from None
