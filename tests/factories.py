"""Synthetic runs for tests: ``record.json`` and ``tiles.csv`` as a real run writes them, in milliseconds.

The scores are invented but obey what the readers of a run rely on: facts of a tile are the same for every
model, difficulty of a tile is shared by all models, aggregates are computed from ``tiles.csv`` as written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from worldstrat_bench.artefacts.harness import KnownHarnesses
from worldstrat_bench.artefacts.identity import targets_sha256 as digest_of
from worldstrat_bench.artefacts.record import (
    HANDED_IN_CLASS,
    NOT_KNOWN,
    DatasetRef,
    Device,
    Environment,
    HandedIn,
    Harness,
    IsolationReport,
    ModelRef,
    ProtocolRef,
    Record,
    build_record,
)
from worldstrat_bench.artefacts.reference import Reference, References, ReferenceTile
from worldstrat_bench.artefacts.tiles import OUTCOMES, Value, format_tiles, parse_tiles
from worldstrat_bench.measures import measure
from worldstrat_bench.protocol import Protocol, load_protocol, protocol_ids
from worldstrat_bench.stats.aggregate import aggregate
from worldstrat_bench.stats.ranges import RANGES
from worldstrat_bench.stats.strata import SMOD_LABELS

CLASSES = ("Agriculture", "Forest", "Settlement", "Grassland", "Other", "Wetland", "")
SMOD = SMOD_LABELS
COMMIT = "0" * 40
"""Commit of the harness in every record of :func:`make_run`; a test says whether the main branch was ever there."""

KNOWN = KnownHarnesses(commits=frozenset({COMMIT}))
SOURCES = ("Landcover", "UNHCR", "ASMSpotter", "Amnesty")


@dataclass(frozen=True)
class Facts:
    """What is known of an invented or a real tile before any model."""

    tile: str
    group: str
    ipcc: str
    smod: str
    source: str
    continent: str
    lon: float | None
    lat: float | None
    cloud: float
    days: int
    detail: float


def _rng(*parts: object) -> np.random.Generator:
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def invented_facts(count: int, prefix: str = "Mini") -> tuple[Facts, ...]:
    """`count` tiles over all strata; every tenth is a sub-tile of a shared order."""
    facts = []
    for i in range(count):
        rng = _rng("facts", prefix, i)
        sub = i % 10 == 9
        name = f"{prefix} POI-{i // 20}-{i % 20}-1" if sub else f"{prefix}-{i:04d}"
        lon, lat = (None, None) if i % 17 == 16 else (float(rng.uniform(-170, 170)), float(rng.uniform(-55, 70)))
        facts.append(
            Facts(
                tile=name,
                group=f"{prefix} POI-{i // 20}" if sub else name,
                ipcc=CLASSES[i % len(CLASSES)],
                smod=SMOD[i % len(SMOD)],
                source=SOURCES[i % 4],
                continent="" if lon is None else "Africa",
                lon=lon,
                lat=lat,
                cloud=float(rng.beta(0.6, 2)),
                days=int(rng.integers(-40, 40)),
                detail=float(rng.gamma(2, 1e-4)),
            )
        )
    return tuple(facts)


def official_facts(list_name: str = "full") -> tuple[Facts, ...]:
    """The tiles of an official list with the package's own labels; cloud, age and detail are invented."""
    from worldstrat_bench.data import split

    known = split.official_facts()
    facts = []
    for tile in split.list_tiles(list_name):
        own, rng = known[tile], _rng("facts", tile)
        facts.append(
            Facts(
                tile=tile,
                group=own.group,
                ipcc=own.ipcc,
                smod=own.smod,
                source=own.source,
                continent=own.continent,
                lon=own.lon,
                lat=own.lat,
                cloud=float(rng.beta(0.6, 2)),
                days=int(rng.integers(-40, 40)),
                detail=float(rng.gamma(2, 1e-4)),
            )
        )
    return tuple(facts)


def score_rows(
    facts: Sequence[Facts],
    model: str,
    *,
    seed: int = 0,
    gain_db: float = 0.8,
    spread_db: float = 1.0,
    shift_db: float = 0.0,
    failed: Mapping[str, str] | None = None,
    lpips: bool = True,
) -> list[dict[str, Value]]:
    """One row a tile: a reference bicubic that all models share, and this model's gain over it."""
    rows = []
    for fact in facts:
        shared, own = _rng("tile", fact.tile), _rng("score", model, seed, fact.tile)
        bicubic = float(np.clip(shared.normal(31, 4), 18, 48))
        psnr = bicubic + gain_db + shift_db + float(own.normal(0, spread_db))
        row: dict[str, Value] = {
            "tile": fact.tile,
            "group": fact.group,
            "ipcc": fact.ipcc or None,
            "smod": fact.smod or None,
            "source": fact.source or None,
            "continent": fact.continent or None,
            "lon": fact.lon,
            "lat": fact.lat,
            "cloud": fact.cloud,
            "days": fact.days,
            "detail": fact.detail,
            "psnr_bicubic": bicubic,
        }
        outcome = (failed or {}).get(fact.tile, "ok")
        row["outcome"] = outcome
        if outcome == "ok":
            shift = shared.normal(0, 1.5, size=2) + own.normal(0, 0.1, size=2)
            shift = np.clip(np.round(shift * 16) / 16, -8, 8)
            distance = float(np.clip(0.55 - 0.012 * (psnr - 20) + own.normal(0, 0.02), 0.01, 1))
            row.update(
                psnr=psnr,
                ssim=float(np.clip(0.3 + psnr / 60, 0, 1)),
                lpips=distance if lpips else None,
                rmse=10 ** (-psnr / 20),
                psnr_raw=psnr - abs(float(own.normal(0, 0.5))),
                psnr_unregistered=psnr - float(np.hypot(*shift)) * 0.6,
                sam=float(own.gamma(3, 0.8)),
                lr_consistency=None if fact.cloud > 0.75 else float(own.gamma(2, 0.004)),
                clipped=float(own.beta(0.3, 40)),
                shift_y=float(shift[0]),
                shift_x=float(shift[1]),
                shift_at_edge=bool(np.abs(shift).max() >= 7.5),
            )
        rows.append(row)
    return rows


def lists_of(list_name: str, tiles: Sequence[str]) -> dict[str, frozenset[str]]:
    """The lists that a run yields, as ``data.split.sublists`` says."""
    if list_name not in ("full", "clean"):
        return {list_name: frozenset(tiles)}
    from worldstrat_bench.data import split

    return split.sublists(list_name, tiles)


def _optional_value(name: str, model: str, tile: str) -> float:
    """A value that the metric can have: 0.1 to 0.2 above its least, or above 0."""
    least = max(0.0, RANGES.get(name, (0.0, 0.0))[0])
    return least + float(_rng(name, model, tile).uniform(0.1, 0.2))


def make_run(
    folder: Path,
    *,
    model: str = "bicubic",
    tiles: Sequence[Facts] | int | None = None,
    seed: int = 0,
    release: str = "v1.1",
    list_name: str = "full",
    official: bool | None = None,
    gain_db: float = 0.8,
    spread_db: float = 1.0,
    shift_db: float = 0.0,
    failed: Mapping[str, str] | None = None,
    lpips: bool = True,
    limit: int | None = None,
    shard: str | None = None,
    train_split: str | None = "worldstrat-train",
    submission: str | None = None,
    targets_sha256: str | None = None,
    protocol: Protocol | str = "wsb-1",
    created: str = "2026-01-02T03:04:05Z",
    model_ref: ModelRef | None = None,
    device_class: str = "CPU 2 cores x86-64",
    warnings: tuple[str, ...] = (),
    inputs: Literal["real", "synthetic"] = "real",
    optional: Mapping[str, str] | None = None,
    handed_in: bool = False,
) -> Record:
    """Write ``record.json`` and ``tiles.csv`` into `folder` and return the record.

    Parameters
    ----------
    tiles : facts of the tiles, a number of invented ones, or None for the official list `list_name`.
    failed : tile to outcome for tiles that failed.
    optional : column of an optional metric to its version; the values lie 0.1 to 0.2 above the least.
    handed_in : the predictions were made elsewhere: no model, machine or isolation is known.
    """
    rules = load_protocol(protocol) if isinstance(protocol, str) else protocol
    facts = _facts(tiles, list_name)[:limit]
    names = [fact.tile for fact in facts]
    rows = score_rows(
        facts, model, seed=seed, gain_db=gain_db, spread_db=spread_db, shift_db=shift_db, failed=failed, lpips=lpips
    )
    for row in rows:
        if row["outcome"] == "ok":
            row.update({name: _optional_value(name, model, str(row["tile"])) for name in optional or {}})
            weights = {measure(name).weight for name in optional or {}} - {""}
            row.update({name: float(_rng(name, row["tile"]).uniform(1, 2)) for name in weights})
    text = format_tiles(rows)
    table = parse_tiles(text)
    outcomes = [outcome or "" for outcome in table.texts["outcome"]]
    run_by = ModelRef(
        name=model, distribution=f"{model}-package", version="1.0", entry_point=f"{model}.plugin:load", frames=8
    )
    reference = model_ref or (ModelRef(name=model, frames=8) if handed_in else run_by)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiles.csv").write_text(text, encoding="utf-8", newline="")
    record = build_record(
        created=created,
        protocol=ProtocolRef(id=rules.id, sha256=rules.sha256),
        dataset=DatasetRef(
            release=release,
            list=list_name,
            tiles=len(names),
            list_sha256=_sha("\n".join(sorted(names)) + "\n"),
            targets_sha256=targets_sha256 or digest_of((name, _sha(f"target {name}")) for name in names),
            official=official if official is not None else release in ("v1.0", "v1.1"),
            limit=limit,
            shard=shard,
            inputs=inputs,
        ),
        model=reference.model_copy(update={"train_split": train_split, "submission": submission}),
        harness=Harness(version="0.1.0", commit=COMMIT, dirty=False),
        environment=Environment(python="3.11.7", torch="2.6.0", packages={"numpy": "2.0.0"}),
        device=Device(type="unknown", name=NOT_KNOWN, device_class=HANDED_IN_CLASS)
        if handed_in
        else Device(type="cpu", name="Test CPU", device_class=device_class),
        isolation=IsolationReport(level="none")
        if handed_in
        else IsolationReport(level="strong", requested="auto", held={"network": True, "file_outside": True}),
        seed=seed,
        outcomes={name: outcomes.count(name) for name in OUTCOMES if name in outcomes},
        scores=aggregate(table, lists_of(list_name, names), rules),
        nulls={} if lpips else {"lpips": "the AlexNet weights are not on this machine"},
        lpips_backbone_sha256="7be5be79" + "0" * 56 if lpips else None,
        optional=dict(optional or {}),
        warnings=warnings,
        files={"tiles.csv": _sha(text)},
        predictions=HandedIn(files_sha256=_sha(model), formats=("npy",)) if handed_in else None,
    )
    record.save(folder / "record.json")
    return record


def make_reference(
    *, release: str = "v1.1", protocol: Protocol | str = "wsb-1", lists: Sequence[str] = ("full", "never-split")
) -> Reference:
    """Return the reference that the official records of :func:`make_run` agree with."""
    rules = load_protocol(protocol) if isinstance(protocol, str) else protocol
    facts = {fact.tile: fact for name in lists for fact in official_facts(name)}
    bicubic = {str(row["tile"]): row["psnr_bicubic"] for row in score_rows(tuple(facts.values()), "any")}
    rows = {
        fact.tile: {
            **{name: getattr(fact, name) for name in ("group", "ipcc", "smod", "source", "continent", "lon", "lat")},
            "target_sha256": _sha(f"target {fact.tile}"),
            "psnr_bicubic": bicubic[fact.tile],
            **{name: getattr(fact, name) for name in ("cloud", "days", "detail")},
        }
        for fact in facts.values()
    }
    tiles = {tile: ReferenceTile.model_validate(row) for tile, row in rows.items()}
    return Reference(
        release=release, protocol=ProtocolRef(id=rules.id, sha256=rules.sha256), harness_version="0.1.0", tiles=tiles
    )


@cache
def references() -> References:
    """Return what the official records of :func:`make_run` are held against, in place of what the package ships."""
    made = (make_reference(release=release, protocol=id_) for release in ("v1.0", "v1.1") for id_ in protocol_ids())
    return References.of(made)


def relabel(facts: Sequence[Facts], **changes: str) -> tuple[Facts, ...]:
    """The same tiles with some fact overwritten."""
    return tuple(replace(fact, **changes) for fact in facts)  # type: ignore[arg-type]  # names are the caller's


def _facts(tiles: Sequence[Facts] | int | None, list_name: str) -> Sequence[Facts]:
    if tiles is None:
        return official_facts(list_name)
    return invented_facts(tiles) if isinstance(tiles, int) else tiles


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
