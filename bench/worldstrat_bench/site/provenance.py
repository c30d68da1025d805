"""How a record was made, and the commands that make it again."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from worldstrat_bench.artefacts.record import HandedIn, Record
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.preprocessing import describe, shorten
from worldstrat_bench.printed import counted
from worldstrat_bench.site.text import clean

Pairs = list[tuple[str, str]]

MINI_TILES = 36
"""Test tiles that ``data mini`` writes unless it is told another number."""


_MOST = 150
"""Packages that are named: beside torch for CUDA there are about 25 of its own."""
_BESIDE = "Packages beside the model"
_EVERYWHERE = frozenset({"numpy", "safetensors", "torch"})
"""Packages that ran beside every model."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_OTHER_OPTIONS = (
    "# Add the options that the tiles were made with, where they are not the defaults (--size, --seed, --train-tiles).",
    "# The record does not hold them; of other tiles, compare says that the targets are different.",
)

_COMPARED = (
    "# save record.json and tiles.csv of this page (Files, below) in a folder named published",
    "worldstrat-bench compare run published",
)
"""How a run is held against the record of a page."""


def provenance(record: Record) -> Pairs:
    """Return what a record says of its making: (label, value), without what it does not say."""
    model, data = record.model, record.dataset
    dirty = ", with local changes" if record.harness.dirty else ""
    rows = [
        ("Record", record.record_id),
        ("Created", record.created),
        ("Protocol", f"{record.protocol.id}, sha256 {record.protocol.sha256}"),
        ("Data", f"{data.release}, list {data.list}, {counted(data.tiles, 'tile')}"),
        ("Decoded targets", data.targets_sha256),
        ("Entry point", model.entry_point or ""),
        ("Wheel", model.wheel_sha256 or ""),
        (
            "Lock",
            f"{model.lock_sha256}, digest of what the lock installs, not of the file" if model.lock_sha256 else "",
        ),
        ("Weights", model.weights_sha256 or ""),
        ("Parameters", ", ".join(f"{k} = {v}" for k, v in sorted(shorten(model.parameters).items()))),
        ("Preprocessing", describe(model.parameters)),
        ("Harness", f"{record.harness.version}, commit {record.harness.commit or 'unknown'}" + dirty),
        *(_of_files(record.predictions) if record.predictions else _of_the_machine(record)),
        ("LPIPS backbone", record.lpips_backbone_sha256 or ""),
        # What made predictions elsewhere is not known.
        ("Seed", "" if record.predictions else str(record.seed)),
        ("Outcomes", ", ".join(f"{count} {name}" for name, count in sorted(record.outcomes.items()) if count)),
    ]
    return [(label, clean(value, 600) if label != _BESIDE else value) for label, value in rows if value]


def _packages(record: Record) -> str:
    """Return what ran beside the model, names and versions; without what every model has, and the model's own."""
    own = {*_EVERYWHERE, re.sub(r"[-_.]+", "-", record.model.distribution or "").lower()}
    found = [f"{clean(k, 80)} {clean(v, 40)}" for k, v in sorted(record.environment.packages.items()) if k not in own]
    more = f" and {len(found) - _MOST} more, which {Record.FILE} names" if len(found) > _MOST else ""
    return ", ".join(found[:_MOST]) + more


def _of_the_machine(record: Record) -> Pairs:
    env, iso = record.environment, record.isolation
    held = [name for name, stopped in sorted(iso.held.items()) if stopped]
    profile = " with what a GPU's driver needs" if iso.profile == "cuda" else ""
    return [
        ("Python and torch", f"{env.python}, torch {env.torch}" + (f", CUDA {env.cuda}" if env.cuda else "")),
        (_BESIDE, _packages(record)),
        ("Device", f"{record.device.name} ({record.device.device_class})"),
        ("Isolation", iso.level + profile + (f"; stopped: {', '.join(held)}" if held else "")),
    ]


def _of_files(handed_in: HandedIn) -> Pairs:
    stated = f", of which reflectance is (number + {handed_in.offset:g}) / {handed_in.scale or 1:g}"
    numbers = stated if handed_in.scale is not None or handed_in.offset else ""
    return [
        ("Files handed in", f"{', '.join(handed_in.formats)}, bands {handed_in.bands}{numbers}"),
        ("Digest of these files", handed_in.files_sha256),
    ]


@dataclass(frozen=True)
class Source:
    """Where the code of a record is.

    Attributes
    ----------
    repository : address that git clones, "" if it is not known.
    commit : that held the submission when it was verified, or that the harness of a loose run was at, if it is known.
    """

    repository: str = ""
    commit: str | None = None


def source_of(record: Record, verification: Verification | None, repository: str) -> Source:
    """Return where the code of a record is."""
    if verification is not None:
        return Source(repository, verification.commit)
    harness = record.harness
    # The commit of a harness is older than the submission that it scored, so a checkout of it would lack that.
    known = not record.model.submission and not harness.dirty and _COMMIT.fullmatch(harness.commit or "")
    return Source(repository, harness.commit if known else None)


def no_repository(record: Record, source: Source) -> str:
    """Return where to get the code of a record if its repository has no known address; "" if it has one."""
    if source.repository:
        return ""
    asked = "This site does not name the address of its repository: ask those who publish it."
    what = "The submission" if record.model.submission else "The harness"
    if source.commit:
        return f"{asked} {what} is there at commit {source.commit}."
    return f"{asked} The submission is on its main branch." if record.model.submission else asked


def reproduce(record: Record, source: Source) -> list[str]:
    """Return the commands that make the record again; everything from the record is quoted for a shell.

    No package is installed by its name: on an index of packages anyone may hold it.
    """
    if record.predictions is not None:
        return [*_harness(source), *_score_again(record, record.predictions)]
    mini = record.dataset.release == "mini"
    size = "" if record.dataset.tiles == MINI_TILES else f" --test-tiles {record.dataset.tiles}"
    made = [*_OTHER_OPTIONS, f"worldstrat-bench data mini mini{size}"] if mini else []
    data = "mini" if mini else "WORLDSTRAT"
    if record.model.submission:
        return _submission_again(record, record.model.submission, source, made, data)
    return [*_harness(source), *_run_again(record, made, data)]


_ADAPTERS = "worldstrat_bench_baselines.adapters."
_INSTALL = "pip install . ./baselines"
_INSTALL_READERS = "pip install '.[formats]' ./baselines"
"""A lock names nothing of the harness's own environment, so that what reads the file has to be installed beside it."""


def _clone(source: Source) -> list[str]:
    """Return the commands that get the repository, at the commit if that is known; none without an address."""
    if not source.repository:
        return []
    at = [f"git checkout {shlex.quote(source.commit)}"] if source.commit else []
    return [f"git clone {shlex.quote(source.repository)} board", "cd board", *at]


def _harness(source: Source) -> list[str]:
    """Return the commands that install the harness of a run without a submission."""
    cloned = _clone(source)
    return [*cloned, "pip install ."] if cloned else []


def _of_the_list(record: Record, model: str, data: str) -> list[str]:
    """Return the words that every evaluation begins with."""
    words = ["worldstrat-bench", "evaluate", model, "--data", data, "--protocol", shlex.quote(record.protocol.id)]
    return [*words, "--list", shlex.quote(clean(record.dataset.list, 60)), "--seed", str(record.seed)]


def _submission_again(record: Record, slug: str, source: Source, made: list[str], data: str) -> list[str]:
    """Return the commands for a checkout, where manifest, lock and weights are those of the submission."""
    folder = f"submissions/{shlex.quote(clean(slug, 120))}"
    result = f"{folder}/results/{shlex.quote(record.protocol.id)}/*-{record.dataset.targets_sha256[:8]}-*"
    here = "# in a clone of the repository that publishes this board"
    # Without an address the commands begin in a clone, since where that is from is not known.
    checkout = [here, *([f"git checkout {shlex.quote(source.commit)}"] if source.commit else [])]
    return [
        *(_clone(source) or checkout),
        _INSTALL_READERS if (record.model.entry_point or "").startswith(_ADAPTERS) else _INSTALL,
        *made,
        " ".join([*_of_the_list(record, folder, data), "--out", "run"]),
        f"worldstrat-bench compare run {result}",
    ]


def _run_again(record: Record, made: list[str], data: str) -> list[str]:
    """Return the commands for a run without a submission, whose model comes from elsewhere."""
    model = record.model
    package = clean(f"{model.distribution or model.name} {model.version or ''}", 120).strip()
    parts = [*_of_the_list(record, shlex.quote(clean(model.name, 120)), data), "--frames", str(model.frames)]
    if model.draws > 1:
        parts += ["--draws", str(model.draws)]
    for key, value in sorted(shorten(model.parameters).items())[:40]:
        parts += ["--param", shlex.quote(clean(f"{key}={value}", 400))]
    if model.weights_sha256:
        parts += ["--weights", "WEIGHTS"]
    return [
        f"# needs {shlex.quote(package)} from its authors, with code sha256 {model.code_sha256 or 'unknown'}",
        *([f"# WEIGHTS: the file with sha256 {model.weights_sha256}"] if model.weights_sha256 else []),
        *made,
        " ".join([*parts, "--out", "run"]),
        *_COMPARED,
    ]


def _score_again(record: Record, handed_in: HandedIn) -> list[str]:
    """Return the commands that score the same files once more: the model cannot be run."""
    parts = [
        "worldstrat-bench",
        "score",
        "PREDICTIONS",
        "--data",
        "DATASET",
        "--name",
        shlex.quote(clean(record.model.name, 120)),
        "--protocol",
        shlex.quote(record.protocol.id),
        "--list",
        shlex.quote(clean(record.dataset.list, 60)),
        "--bands",
        handed_in.bands,
    ]
    parts += [] if handed_in.scale is None else ["--scale", f"{handed_in.scale:g}"]
    parts += ["--offset", f"{handed_in.offset:g}"] if handed_in.offset else []
    return [" ".join([*parts, "--out", "run"]), *_COMPARED]
