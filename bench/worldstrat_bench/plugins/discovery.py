"""Which models are installed, read from the metadata of their distributions. No model is imported."""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path

from worldstrat_bench.api import ENTRY_POINT_GROUP, PREPROCESSING_GROUP
from worldstrat_bench.errors import ModelError
from worldstrat_bench.plugins.interpreter import import_paths, inspect_interpreter, own_interpreter
from worldstrat_bench.plugins.projects import normal_name
from worldstrat_bench.plugins.wheel import open_wheel, unfit, wheel_tags

MAX_METADATA_BYTES = 1 << 20
MAX_ENTRY_POINTS_BYTES = 1 << 18
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._+-]{0,98}[A-Za-z0-9])?")
BASELINES = "worldstrat-bench-baselines"
REFERENCE_MODELS = frozenset(
    {
        "bicubic",
        "bicubic-shifted",
        "callable",
        "exported",
        "lanczos",
        "median",
        "mlstac",
        "nearest",
        "onnx",
        "shift-and-add",
        "spandrel",
        "torchscript",
        "trained-multi",
        "trained-single",
        "worldstrat-highresnet",
        "worldstrat-srcnn",
    }
)
"""Names of the reference models' distribution, kept free for it even where it is not installed."""
BASELINES_REMEDY = "install the reference models with `pip install ./baselines`, or see `worldstrat-bench models list`"


@dataclass(frozen=True)
class ModelEntry:
    """One model as its distribution announces it.

    Attributes
    ----------
    name : of the entry point; "" for a distribution whose entry points cannot be read.
    target : ``module:attr``.
    problem : why it cannot be used; None if nothing is known against it.
    search_paths : folders to put on the worker's path (an unpacked wheel).
    wheel_sha256 : of the wheel it came in, if it did.
    declared : whether its parameters are a declared preprocessing (:mod:`worldstrat_bench.preprocessing`).
    metadata : folder of the metadata that announces it, by which its code is found as well.
    """

    name: str
    target: str
    distribution: str
    version: str
    summary: str
    problem: str | None
    metadata: Path
    search_paths: tuple[Path, ...] = ()
    wheel_sha256: str | None = None
    declared: bool = False


def installed_models(site_paths: Sequence[Path] | None = None) -> tuple[ModelEntry, ...]:
    """Return every model that is announced in these folders, sorted by name; broken ones with their problem.

    Parameters
    ----------
    site_paths : folders with ``*.dist-info`` in them; None for those of the harness's own interpreter.
    """
    paths = import_paths(own_interpreter()) if site_paths is None else site_paths
    found: list[ModelEntry] = []
    seen: set[str] = set()
    for site in paths:
        folders = _metadata_folders(Path(site))
        for folder in folders:
            # Of one distribution in two folders of the path the earlier wins, as in Python's own import.
            if named_after(folder) not in seen:
                found += _entries(folder)
        seen |= {named_after(folder) for folder in folders}
    return _mark_duplicates(sorted(found, key=lambda entry: (entry.name, entry.distribution)))


def find_model(name_or_wheel: str, python: Path | None = None, scratch: Path | None = None) -> ModelEntry:
    """Return the model of that name, or the one in a wheel.

    Parameters
    ----------
    name_or_wheel : an entry point's name, ``path/to.whl`` or, if the wheel holds several, ``path/to.whl::name``.
    python : interpreter of another environment to look in.
    scratch : folder into which a wheel is unpacked; it must outlive the entry. Needed for wheels only.

    Raises
    ------
    ModelError
        if there is none, or its announcement is broken.
    UsageError
        for a wheel that cannot be read, or a path that is not an interpreter.
    """
    file, _, wanted = name_or_wheel.partition("::")
    if file.endswith(".whl"):
        return _from_wheel(Path(file), wanted, scratch, python)
    site_paths = None if python is None else import_paths(inspect_interpreter(python))
    entries = installed_models(site_paths)
    # A usable one before a broken one of the same name, which then cannot block it.
    matches = sorted((e for e in entries if e.name == name_or_wheel), key=lambda entry: entry.problem is not None)
    if not matches:
        known = ", ".join(sorted({entry.name for entry in entries if entry.name})) or "none"
        where = f"models of {python}: {known}" if python else f"installed models: {known}"
        what = f"there is no model {name_or_wheel[:100]!r}"
        raise ModelError(what, where=where, remedy=remedy_of_unknown(name_or_wheel, entries))
    return _usable(matches[0])


def remedy_of_unknown(name: str, entries: tuple[ModelEntry, ...]) -> str:
    """Suggest what an unknown model name may mean: a folder, a similar name, or the reference models."""
    if "/" in name:
        return "there is no such folder or wheel, or the folder has no submission.toml; check the path"
    known = {entry.name for entry in entries if entry.name}
    near = get_close_matches(name[:100], sorted(known), n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return BASELINES_REMEDY if "bicubic" not in known else "see `worldstrat-bench models list`"


def _from_wheel(file: Path, wanted: str, scratch: Path | None, python: Path | None) -> ModelEntry:
    wheel = open_wheel(file, scratch)
    version = own_interpreter().version if python is None else inspect_interpreter(python).version
    for folder in _metadata_folders(wheel.folder):
        if reason := unfit(wheel_tags(file), _requires_python(folder), version):
            what = f"the wheel does not fit Python {'.'.join(map(str, version))}: {reason}"
            raise ModelError(what, where=file, remedy="give a Python that it fits, with --python PATH")
    entries = [entry for folder in _metadata_folders(wheel.folder) for entry in _entries(folder)]
    named = [entry for entry in entries if not wanted or entry.name == wanted]
    if not named:
        names = ", ".join(entry.name for entry in entries) or "none"
        raise ModelError(f"the wheel announces no model{' ' + wanted if wanted else ''}", where=f"{file}: {names}")
    if len(named) > 1:
        names = ", ".join(entry.name for entry in named)
        raise ModelError(f"the wheel holds several models: {names}", where=file, remedy=f"say {file}::NAME")
    return replace(_usable(named[0]), search_paths=(wheel.folder,), wheel_sha256=wheel.sha256)


def _usable(entry: ModelEntry) -> ModelEntry:
    if entry.problem:
        raise ModelError(f"the model {entry.name or entry.distribution!r} cannot be used: {entry.problem}")
    return entry


def _metadata_folders(site: Path) -> list[Path]:
    try:
        found = sorted(p for p in site.iterdir() if p.name.endswith((".dist-info", ".egg-info")) and p.is_dir())
    except OSError:
        return []
    # pip gives what it is about to remove a name with "~", and leaves it there when it is ended.
    return [folder for folder in found if not folder.name.startswith("~")]


def named_after(folder: Path) -> str:
    """Return the distribution that a folder of metadata is named after, as indexes compare it."""
    return normal_name(folder.stem.partition("-")[0])


def _entries(folder: Path) -> Iterator[ModelEntry]:
    """Yield the models of one distribution; one nameless entry with a problem if it cannot be read."""
    guess = folder.name.rpartition(".")[0].partition("-")[0]
    try:
        pairs = _entry_points(folder / "entry_points.txt", ENTRY_POINT_GROUP)
        declared = dict(_entry_points(folder / "entry_points.txt", PREPROCESSING_GROUP))
        if not pairs:
            return
        metadata = read_metadata(folder)
    except (OSError, ValueError, configparser.Error) as error:
        reason = f"its metadata cannot be read: {str(error).splitlines()[0][:200]}"
        yield ModelEntry("", "", guess, "", "", reason, folder)
        return
    distribution = str(metadata.get("Name") or guess)[:200]
    version, summary = str(metadata.get("Version") or "")[:100], str(metadata.get("Summary") or "")[:500]
    problem = None if metadata.get("Name") and metadata.get("Version") else "its METADATA names no name or version"
    for name, target in pairs:
        flaw = problem or _flaw(name, target, distribution)
        yield ModelEntry(
            name[:100],
            target[:300],
            distribution,
            version,
            summary,
            flaw,
            folder,
            declared=declared.get(name) == target,
        )


def is_standard(module: str) -> bool:
    """Return whether the standard library has a module of that name; its own tests are not on Python's list."""
    return module in sys.stdlib_module_names or module == "test"


def _flaw(name: str, target: str, distribution: str) -> str | None:
    if not _NAME.fullmatch(name):
        return "its name holds characters that a model's name cannot have"
    if not _TARGET.fullmatch(target):
        return f"its entry point {target[:100]!r} is not module:attribute"
    top = re.split(r"[.:]", target)[0]
    if is_standard(top):
        return f"its package {top!r} has the name of a module of Python's standard library, which is imported instead"
    if name in REFERENCE_MODELS and distribution.lower() != BASELINES:
        return f"{name!r} is the name of a reference model, which is kept free for {BASELINES}"
    return None


def _entry_points(file: Path, group: str) -> list[tuple[str, str]]:
    if not file.exists():
        return []
    text = _small(file, MAX_ENTRY_POINTS_BYTES).decode("utf-8-sig")
    # Nearly every distribution ends here: parsing all of them would take most of the time of `models list`.
    if group not in text:
        return []
    # As the format of entry points has it: names keep their case, and "%" and ":" have no meaning.
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    if not parser.has_section(group):
        return []
    return [(name.strip(), without_extras(value)) for name, value in parser.items(group)]


def without_extras(value: str) -> str:
    """Return the target of an entry point without the extras that may stand after it, ``module:attr [extra]``."""
    target = value.strip()
    return target.partition("[")[0].rstrip() if target.endswith("]") else target


def read_metadata(folder: Path) -> Message:
    """Return the fields of the metadata of a distribution.

    Raises
    ------
    OSError, ValueError
        if it is not there, not a regular file, or beyond reason.
    """
    file = folder / ("METADATA" if folder.name.endswith(".dist-info") else "PKG-INFO")
    return BytesHeaderParser().parsebytes(_small(file))


def _requires_python(folder: Path) -> str:
    try:
        return str(read_metadata(folder).get("Requires-Python") or "")
    except (OSError, ValueError):
        return ""  # what is wrong with the metadata is said where its models are read


def _small(file: Path, most: int = MAX_METADATA_BYTES) -> bytes:
    # Opening a pipe waits for its other end. Installers make none, but an environment may have come as a whole.
    if file.exists() and not file.is_file():
        raise ValueError(f"{file.name} is not a regular file")
    with file.open("rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{file.name} is larger than {most} bytes")
    return data


def _mark_duplicates(entries: list[ModelEntry]) -> tuple[ModelEntry, ...]:
    """Mark the models of one name that two installed distributions announce, or one of them twice: none is meant."""
    owners: dict[str, dict[Path, str]] = {}
    for entry in entries:
        if entry.problem is None:  # what cannot be used takes no name from another
            owners.setdefault(entry.name, {})[entry.metadata] = entry.distribution
    marked = []
    for entry in entries:
        others = {place: owner for place, owner in owners.get(entry.name, {}).items() if place != entry.metadata}
        if entry.name and others and entry.problem is None:
            names = sorted({place.name if owner == entry.distribution else owner for place, owner in others.items()})
            entry = replace(entry, problem=f"{', '.join(names)} announces the same name; uninstall one of them")
        marked.append(entry)
    return tuple(marked)
