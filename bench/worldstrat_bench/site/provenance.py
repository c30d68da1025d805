"""How a record was made, and the commands that make it again."""

from __future__ import annotations

import shlex

from worldstrat_bench.artefacts.record import HandedIn, Record
from worldstrat_bench.preprocessing import describe, shorten
from worldstrat_bench.site.text import clean

Pairs = list[tuple[str, str]]

MINI_TILES = 36
"""Test tiles that ``data mini`` writes unless it is told another number."""


def provenance(record: Record) -> Pairs:
    """Return what a record says of its making: (label, value), without what it does not say."""
    model, data = record.model, record.dataset
    dirty = ", with local changes" if record.harness.dirty else ""
    rows = [
        ("Record", record.record_id),
        ("Created", record.created),
        ("Protocol", f"{record.protocol.id}, sha256 {record.protocol.sha256}"),
        ("Data", f"{data.release}, list {data.list}, {data.tiles} tiles"),
        ("Decoded targets", data.targets_sha256),
        ("Entry point", model.entry_point or ""),
        ("Wheel", model.wheel_sha256 or ""),
        ("Weights", model.weights_sha256 or ""),
        ("Parameters", ", ".join(f"{k} = {v}" for k, v in sorted(shorten(model.parameters).items()))),
        ("Preprocessing", describe(model.parameters)),
        ("Harness", f"{record.harness.version}, commit {record.harness.commit or 'unknown'}" + dirty),
        *(_of_files(record.predictions) if record.predictions else _of_the_machine(record)),
        ("LPIPS backbone", record.lpips_backbone_sha256 or ""),
        ("Seed", str(record.seed)),
        ("Outcomes", ", ".join(f"{count} {name}" for name, count in sorted(record.outcomes.items()) if count)),
    ]
    return [(label, clean(value, 600)) for label, value in rows if value]


def _of_the_machine(record: Record) -> Pairs:
    env, iso = record.environment, record.isolation
    held = [name for name, stopped in sorted(iso.held.items()) if stopped]
    profile = " with what a GPU's driver needs" if iso.profile == "cuda" else ""
    return [
        ("Python and torch", f"{env.python}, torch {env.torch}" + (f", CUDA {env.cuda}" if env.cuda else "")),
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


def reproduce(record: Record) -> list[str]:
    """Return the commands that make the record again; everything from the record is quoted for a shell."""
    if record.predictions is not None:
        return _score_again(record, record.predictions)
    model = record.model
    package = model.distribution or model.name
    version = f"=={model.version}" if model.version else ""
    mini = record.dataset.release == "mini"
    data = "mini" if mini else "WORLDSTRAT"
    size = "" if record.dataset.tiles == MINI_TILES else f" --test-tiles {record.dataset.tiles}"
    parts = [
        "worldstrat-bench",
        "evaluate",
        shlex.quote(clean(model.name, 120)),
        "--data",
        data,
        "--protocol",
        shlex.quote(record.protocol.id),
        "--list",
        shlex.quote(clean(record.dataset.list, 60)),
        "--frames",
        str(model.frames),
        "--seed",
        str(record.seed),
    ]
    if model.draws > 1:
        parts += ["--draws", str(model.draws)]
    for key, value in sorted(shorten(model.parameters).items())[:40]:
        parts += ["--param", shlex.quote(clean(f"{key}={value}", 400))]
    if model.weights_sha256:
        parts += ["--weights", "WEIGHTS"]
    made = [f"worldstrat-bench data mini mini{size}"] if mini else []
    return [
        f"pip install {shlex.quote(clean(package + version, 120))}",
        *made,
        " ".join([*parts, "--out", "run"]),
        "worldstrat-bench compare run RUN",
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
    return [" ".join([*parts, "--out", "run"]), "worldstrat-bench compare run RUN"]
