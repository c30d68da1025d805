"""Optional files beside a record: the manifest's card, a speed report, curves of robustness.

What does not follow its schema, or is of another record, is left out; ``submission check`` says why.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.artefacts.speed import SpeedReport, Timing
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.site.text import clean, safe_url, short_hash
from worldstrat_bench.stats.names import TITLE_SHOWN, author_fault, name_fault, reserved_fault
from worldstrat_bench.stats.robustness import disagreements
from worldstrat_bench.toml_text import read_toml

TRAINING_DATA: Final = "Training data, its authors say"

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
    confirmed : maintainers timed it again and found what the report says.
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
    confirmed: bool

    @property
    def by(self) -> str:
        """Whose figure it is."""
        return "timed again by maintainers" if self.confirmed else "self-reported"


@dataclass(frozen=True)
class Card:
    """The authors' description of the model and, if they handed in predictions, where these are.

    All text is cleaned and clipped; links are http(s) or None.

    Attributes
    ----------
    people : the authors one by one, as the manifest spells them; never shown.
    training : what they say of training, as (label, value).
    """

    title: str
    family: str = ""
    authors: str = ""
    people: tuple[str, ...] = ()
    licence: str = ""
    archive: str = ""
    training: tuple[tuple[str, str], ...] = ()
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
        return read_toml((data or b"").decode("utf-8-sig"))
    except ValueError as error:
        raise InvalidArtefactError(f"submission.toml cannot be read: {clean(str(error), 200)}") from None


def string_at(document: Mapping[str, Any], *keys: str) -> str:
    """Return the text under nested keys; a list of texts or of tables with a `name` is joined; else ""."""
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


def authors_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the authors of a manifest; none if it does not name them as it should."""
    about = manifest.get("submission")
    named = about.get("authors") if isinstance(about, Mapping) else None
    return tuple(name for item in named[:100] if (name := _person(item))) if isinstance(named, list) else ()


def card_of(manifest: Mapping[str, Any], record: Record) -> Card:
    """Return what a manifest says about a model, the record's names where it says nothing."""
    model = record.model
    # A title that says more than a name is not shown, but the first of its names that is one.
    names = (string_at(manifest, "submission", "title"), model.submission or "", model.name)
    title = next((clean(name, TITLE_SHOWN) for name in names if not name_fault(name)), "")
    trusted = string_at(manifest, "model", "repository_folder")
    people, licence = authors_of(manifest), string_at(manifest, "submission", "licence")
    # All or none: a list without the one name that cannot be shown would be another list of authors.
    authors = "" if not trusted and any(map(author_fault, people)) else ", ".join(people[:20])
    family = string_at(manifest, "submission", "family") or string_at(manifest, "model", "family")
    return Card(
        title=title or f"unnamed {short_hash(record.record_id)}",
        family=clean(family, 30),
        authors=clean(authors, 200),
        people=people,
        licence="" if reserved_fault(licence) else clean(licence, 60),
        archive=_archive(manifest),
        training=_training(manifest),
        description=clean(string_at(manifest, "submission", "description"), 600),
        paper=safe_url(string_at(manifest, "submission", "paper")),
        code=safe_url(string_at(manifest, "submission", "code")),
    )


def _training(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what a manifest says of training data, of the choice of hyperparameters and of earlier evaluations."""
    data, words, chosen = (
        clean(string_at(manifest, "training", key), length)
        for key, length in (("datasets", 400), ("description", 600), ("selection_split", 60))
    )
    training = manifest.get("training")
    times = training.get("test_evaluations") if isinstance(training, Mapping) else None
    evaluated = f"{times} times before this record" if isinstance(times, int) and times > 0 else ""
    rows = (
        (TRAINING_DATA, ". ".join(part.rstrip(".") for part in (data, words) if part)),
        ("Hyperparameters chosen on", "" if chosen == "none" else chosen),
        ("Evaluated on the test tiles", evaluated),
    )
    return tuple((label, value) for label, value in rows if value)


def _archive(manifest: Mapping[str, Any]) -> str:
    """Return where predictions that were handed in can be had, and their licence; "" if a submission hands in none."""
    url = safe_url(string_at(manifest, "predictions", "url"))
    licence, sha256 = (string_at(manifest, "predictions", key) for key in ("licence", "sha256"))
    return clean(f"{url}, {licence}, sha256 {sha256}", 400) if url else ""


def speed_of(data: bytes | None, record: Record, verified: Verification | None) -> tuple[Speed, ...]:
    """Return the timings in ``speed.json``, valid and offline ones first; nothing if it is of another record.

    Parameters
    ----------
    verified : the verification of the record; the figures are maintainers' only if it names this very file.
    """
    report = SpeedReport.parse_if_valid(data)
    if data is None or report is None:
        return ()
    device = clean(report.device.device_class, 60)
    if not report.is_of(record) or not device:
        return ()
    again = verified.speed if verified is not None else None
    # By the digest of this very file: a report that was changed later is its authors' word again.
    confirmed = again is not None and again.agrees and again.speed_sha256 == hashlib.sha256(data).hexdigest()
    found = [_speed(device, clean(report.device.name, 80), timing, confirmed) for timing in report.timings]
    return tuple(sorted(found, key=lambda s: (s.valid, s.scenario == "offline", s.km2_per_second), reverse=True))


def _speed(device_class: str, device: str, timing: Timing, confirmed: bool) -> Speed:
    latencies = (timing.latency_p50_ms, timing.latency_p90_ms, timing.latency_p99_ms)
    return Speed(
        device_class,
        device,
        timing.scenario,
        clean(timing.precision, 20),
        timing.batch,
        timing.km2_per_second,
        timing.tiles_per_second,
        timing.times_reference,
        tuple(each for each in latencies if each is not None),
        timing.transfer_ms,
        timing.verdict == "VALID",
        clean("; ".join(timing.reasons[:20]), 600),
        confirmed,
    )


def robustness_of(data: bytes | None, record: Record) -> Robustness | None:
    """Return the curves in ``robustness.json``; None if the file is invalid or contradicts the record."""
    stated = Robustness.parse_if_valid(data)
    return None if stated is None or disagreements(stated, record) else stated
