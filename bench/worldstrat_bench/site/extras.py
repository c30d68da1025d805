"""What may lie beside a record: the manifest's card, a speed report, a verification. All of it is optional.

What does not follow its schema, or is of another record, is left out; ``submission check`` says why.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.artefacts.speed import SpeedReport, Timing
from worldstrat_bench.artefacts.verification import verification_of
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.site.text import clean, safe_url, short_hash
from worldstrat_bench.stats.robustness import disagreements

TIMED = (
    "Timed is the model alone: back-to-back calls in blocks of at least 0.2 s, or single calls that are waited for, "
    "with inputs and outputs on the device, in turn with blocks of bicubic. The worker that runs the model is "
    "untrusted and reports its own times; the clock of the host, over whole blocks, bounds them."
)


@dataclass(frozen=True)
class Speed:
    """One throughput figure, comparable only within its device class.

    Attributes
    ----------
    device : the card or processor itself.
    latency_ms : p50, p90 and p99 of single calls; empty where they were not timed.
    transfer_ms : a tile's way to the device, in none of the other figures; None on a CPU.
    """

    device_class: str
    device: str
    scenario: str
    precision: str
    batch: int
    km2_per_second: float
    tiles_per_second: float
    times_reference: float
    latency_ms: tuple[float, ...]
    transfer_ms: float | None
    valid: bool
    reason: str


@dataclass(frozen=True)
class Card:
    """What the authors say about the model and, if they handed in predictions, where these are.

    All text is cleaned and clipped; links are http(s) or None.
    """

    title: str
    family: str = ""
    authors: str = ""
    licence: str = ""
    archive: str = ""
    description: str = ""
    paper: str | None = None
    code: str | None = None


def parse_toml(data: bytes | None) -> Mapping[str, Any]:
    """Return a manifest's content; empty without one. `submission check` judges what it says.

    Raises
    ------
    InvalidArtefactError
        if it is not TOML: without it the row would lose its title, its authors and its training statement.
    """
    try:
        return tomllib.loads((data or b"").decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidArtefactError(f"submission.toml cannot be read: {clean(str(error), 200)}") from None


def string_at(document: Mapping[str, Any], *keys: str) -> str:
    """The text under nested keys; a list of texts or of tables with a `name` is joined; anything else is empty."""
    value: Any = document
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, list):
        value = ", ".join(_person(item) for item in value[:20])
    return value if isinstance(value, str) else ""


def _person(item: Any) -> str:
    if isinstance(item, Mapping):
        item = item.get("name")
    return item if isinstance(item, str) else ""


def card_of(manifest: Mapping[str, Any], record: Record) -> Card:
    """What a manifest says about a model, the record's names where it says nothing."""
    model = record.model
    title = clean(string_at(manifest, "submission", "title"), 60) or clean(model.name, 60)
    family = string_at(manifest, "submission", "family") or string_at(manifest, "model", "family")
    return Card(
        title=title or f"unnamed {short_hash(record.record_id)}",
        family=clean(family, 30),
        authors=clean(string_at(manifest, "submission", "authors"), 200),
        licence=clean(string_at(manifest, "submission", "licence"), 60),
        archive=_archive(manifest),
        description=clean(string_at(manifest, "submission", "description"), 600),
        paper=safe_url(string_at(manifest, "submission", "paper")),
        code=safe_url(string_at(manifest, "submission", "code")),
    )


def _archive(manifest: Mapping[str, Any]) -> str:
    """Where predictions that were handed in can be had, and their licence; "" if a submission hands in none."""
    url = safe_url(string_at(manifest, "predictions", "url"))
    licence, sha256 = (string_at(manifest, "predictions", key) for key in ("licence", "sha256"))
    return clean(f"{url}, {licence}, sha256 {sha256}", 400) if url else ""


def speed_of(data: bytes | None, record: Record) -> tuple[Speed, ...]:
    """The timings in ``speed.json``, valid and offline ones first; nothing if it is of another record."""
    if data is None:
        return ()
    try:
        report = SpeedReport.parse(data)
    except InvalidArtefactError:
        return ()
    device = clean(report.device.device_class, 60)
    if not report.is_of(record) or not device:
        return ()
    found = [_speed(device, clean(report.device.name, 80), timing) for timing in report.timings]
    return tuple(sorted(found, key=lambda s: (s.valid, s.scenario == "offline", s.km2_per_second), reverse=True))


def _speed(device_class: str, device: str, timing: Timing) -> Speed:
    latencies = (timing.latency_p50_ms, timing.latency_p90_ms, timing.latency_p99_ms)
    return Speed(
        device_class, device, timing.scenario, clean(timing.precision, 20), timing.batch, timing.km2_per_second,
        timing.tiles_per_second, timing.times_reference, tuple(each for each in latencies if each is not None),
        timing.transfer_ms, timing.verdict == "VALID", clean("; ".join(timing.reasons[:20]), 600),
    )  # fmt: skip


def verified_by(data: bytes | None, record: Record) -> str:
    """Return who computed the numbers of a record and when; "" if they are its authors'."""
    found = verification_of(data, record)
    return clean(f"{found.verified_by}, {found.verified_at}", 120) if found is not None and found.computed else ""


def robustness_of(data: bytes | None, record: Record) -> Robustness | None:
    """The curves in ``robustness.json``; None if it is no such file or contradicts the record."""
    if data is None:
        return None
    try:
        stated = Robustness.parse(data)
    except InvalidArtefactError:
        return None
    return None if disagreements(stated, record) else stated
