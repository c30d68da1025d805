"""Sets of runs from which the tests build sites: a believable board, a practice set, a hostile one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from factories import invented_facts, make_run, official_facts, relabel
from worldstrat_bench.artefacts.record import Device, ModelRef, Record
from worldstrat_bench.artefacts.speed import SpeedReport, Timing
from worldstrat_bench.artefacts.verification import ColumnCheck, Draw, SpeedCheck, TileCheck, Verification
from worldstrat_bench.digests import file_sha256

MODELS = (
    ("nearest", -1.1, "interpolation"),
    ("bicubic", 0.0, "interpolation"),
    ("lanczos", 0.06, "interpolation"),
    ("median-8", 0.35, "multi-frame"),
    ("shift-and-add", 0.62, "multi-frame"),
    ("srcnn", 0.66, "single-frame network"),
    ("esrgan-x4", -0.45, "generative"),
    ("highresnet", 1.02, "multi-frame network"),
    ("fusion-transformer", 1.21, "multi-frame network"),
)


def write_manifest(
    folder: Path, *, slug: str, title: str, family: str = "", authors: tuple[str, ...] = (), **extra: str
) -> None:
    """A ``submission.toml`` with the fields that pages show; every string is written as JSON, which TOML reads."""
    lines = ["schema_version = 1", "[submission]", f"slug = {json.dumps(slug)}", f"title = {json.dumps(title)}"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in extra.items()]
    lines += [f"family = {json.dumps(family)}"] if family else []
    lines += [
        f"authors = {json.dumps(authors or (f'Author of {slug}'[:60], f'B. {slug}'[:60]))}",
        'licence = "Apache-2.0"',
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "submission.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_speed(run: Path, record: Record, rate: float, *, verdict: str = "VALID", device: str = "H100-80GB") -> None:
    """A ``speed.json`` of one timing."""
    latency_ms, megapixels = 2500 / rate, rate / 2.5 * 632 * 632 / 1e6
    timing = Timing(
        scenario="offline",
        precision="fp32",
        batch=1,
        frames=8,
        height=632,
        width=632,
        blocks=12,
        calls=48,
        call_ms=latency_ms,
        latency_p50_ms=None,
        latency_p90_ms=None,
        latency_p99_ms=None,
        tiles_per_second=rate / 2.5,
        km2_per_second=rate,
        output_megapixels_per_second=megapixels,
        transfer_ms=0.17,
        repeat_medians_ms=(latency_ms,) * 3,
        reference_ms=3.0,
        times_reference=latency_ms / 3,
        verdict="VALID" if verdict == "VALID" else "INVALID",
        reasons=() if verdict == "VALID" else ("the machine was not steady",),
    )
    report = SpeedReport(
        record_id=record.record_id,
        model=record.model.name,
        created="2026-02-03T04:05:06Z",
        device=Device(type="cuda", name=device, device_class=device),
        environment=record.environment,
        isolation=record.isolation,
        timings=(timing,),
        compared_tiles=4,
    )
    (run / "speed.json").write_text(report.dump(), encoding="utf-8")


def write_verification(
    run: Path, record: Record, *, passed: bool = True, scope: Literal["full", "sample"] = "full", timed: bool = False
) -> None:
    """A ``verification.json`` of a record, with as many drawn tiles as it takes; `timed`: its speed was found again."""
    scored = record.outcomes.get("ok", 0)
    tiles = tuple(TileCheck(tile=f"tile {i}", outcome="ok", order_difference=0.0) for i in range(min(20, scored)))
    speed = None
    if timed:
        speed = SpeedCheck(speed_sha256=file_sha256(run / "speed.json"), largest=0.02, tolerance=0.1, agrees=True)
    Verification(
        record_id=record.record_id,
        submitted_record_id=record.record_id,
        scope=scope,
        package_sha256=record.model.wheel_sha256 or record.model.code_sha256,
        weights_sha256=record.model.weights_sha256,
        verified_by="M. Maintainer",
        verified_at="2026-02-03T04:05:06Z",
        harness_version="0.1.0",
        device_class=record.device.device_class,
        isolation=record.isolation.level,
        tolerance=1e-3,
        draw=Draw(source="system", seed="5eed", of=scored),
        tiles=tiles,
        compared=record.dataset.tiles,
        columns={"psnr": ColumnCheck(largest=0.0, tile="tile 0", tolerance=0.01, contradicted=0)},
        speed=speed,
        agrees=passed,
        passed=passed,
    ).save(run / Verification.FILE)


def submissions(root: Path, *, official: bool, timed: bool = True) -> Path:
    """Nine submissions as a repository holds them, one of them self-reported, and some runs that must not be ranked.

    With `timed` maintainers found the speeds of the verified ones again.
    """
    facts = official_facts() if official else invented_facts(36)
    release, name_of_list = ("v1.1", "full") if official else ("mini", "test")
    make = partial(make_run, tiles=facts, release=release, list_name=name_of_list)
    for i, (name, gain, family) in enumerate(MODELS):
        folder = root / name
        run = folder / "results" / "wsb-1" / "x-cpu"
        reference = ModelRef(
            name=name,
            distribution=f"{name}-sr",
            version="1.2.0",
            entry_point=f"{name}:load",
            frames=1 if "single" in family or "interp" in family else 8,
        )
        record = make(
            run,
            model=name,
            gain_db=gain,
            spread_db=0.15 if family == "interpolation" else 0.6,
            submission=name,
            model_ref=reference,
            created=f"2026-01-{i + 1:02d}T12:00:00Z",
        )
        write_manifest(
            folder,
            slug=name,
            title=name,
            family=family,
            paper="https://example.org/paper",
            code="https://example.org/code",
            description="What the model is, in a sentence.",
        )
        write_speed(run, record, 400 / (1 + i * i), verdict="INVALID" if i == 6 else "VALID")
        if name != "esrgan-x4":
            write_verification(run, record, timed=timed)
    contaminated = root / "random-split"
    make(contaminated, model="random-split", train_split="worldstrat-random-2022")
    failed = {facts[5].tile: "timeout", facts[7].tile: "crash"}
    write_verification(root / "crashing", make(root / "crashing", model="crashing", failed=failed))
    make(root / "smoke", model="smoke", limit=4)
    return root


def hostile(root: Path, strings: Iterable[str]) -> Path:
    """Runs in which every string that a stranger controls is each of `strings` in turn."""
    for i, text in enumerate(strings):
        facts = relabel(invented_facts(12), ipcc=text, smod=text, source=text, continent=text, group=text)
        facts = tuple(replace(fact, tile=f"{text}{k:02d}") for k, fact in enumerate(facts))
        reference = ModelRef(
            name=text[:200], distribution=text[:200], version=text, entry_point=text, frames=8, parameters={text: text}
        )
        folder = root / f"h{i}"
        record = make_run(
            folder / "results" / "a" / "b",
            model="x",
            tiles=facts,
            seed=i,
            release="unrecognised"[:200],
            list_name=text[:200],
            official=False,
            model_ref=reference,
            train_split=text,
            submission=text[:200],
            created=text,
            device_class=text,
            warnings=(text,),
        )
        write_manifest(folder, slug=text, title=text, family=text, paper=text, code=text, description=text)
        write_speed(folder / "results" / "a" / "b", record, 1.0, device=text)
    return root


def fresh(path: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path
