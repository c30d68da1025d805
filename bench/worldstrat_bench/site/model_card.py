"""The card of a model's page: who computed its numbers, who made it, of what it was trained, how fast it is."""

from __future__ import annotations

from worldstrat_bench.printed import counted, three_digits
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.extras import TIMED, Speed
from worldstrat_bench.site.pages_board import SELF_REPORTED, VERIFIED
from worldstrat_bench.site.provenance import Pairs
from worldstrat_bench.site.text import NO_VALUE, clean, day
from worldstrat_bench.site.uncertainty import returned

_HANDED_IN = "made elsewhere and handed in as files; code, weights and speed are not known"


def _entries_of_authors(division: Division, entry: Entry) -> int:
    """Count the entries that share an author with one; a self-reported one adds nothing to what is said of a ranked."""
    rows = division.entries if division.ranks(entry) else division.shown
    return sum(bool(entry.author_group & other.author_group) for other in rows)


def card_rows(division: Division, entry: Entry) -> Pairs:
    """Return what is known of a model beside its scores: (label, text), without what is not known."""
    entries = _entries_of_authors(division, entry)
    model = entry.record.model
    card = entry.card
    rows = [
        ("Status", _status(entry)),
        ("Authors", card.authors),
        ("Entries of these authors", f"{entries}" if entries > 1 else ""),
        ("Licence", card.licence),
        ("Package", clean(" ".join(p for p in (model.distribution or "", model.version or "") if p), 120)),
        ("Family", entry.family or NO_VALUE),
        ("Frames", entry.frames),
        ("Returns", returned(entry.record)),
        ("Train list", f"{clean(entry.declaration.title, 200)}. {entry.declaration.explanation}."),
        *card.training,
        ("Device of the run", "" if entry.record.predictions else clean(entry.record.device.device_class, 80)),
        ("Predictions", _HANDED_IN if entry.record.predictions else ""),
        ("Archive of the predictions", card.archive if entry.record.predictions else ""),
    ]
    rows += [row for speed in entry.speed for row in _speed_rows(speed)]
    rows += [("How it was timed", TIMED)] if entry.speed else []
    return [(label, value) for label, value in rows if value]


def _status(entry: Entry) -> str:
    """Return who computed the numbers, what a sample of them found, and what the status means, in sentences."""
    # Where a submission has no rank, its state comes first: the rest is about numbers that no board counts.
    brief = entry.state.brief
    state = f"{brief[:1].upper()}{brief[1:]}, so that it has no rank. Its numbers are " if brief else ""
    if entry.verified:
        return f"{state}verified: {entry.verified}. {VERIFIED}"
    said = f"{state}self-reported. "
    if (found := entry.sample) is not None:
        said += (
            f"{clean(found.verified_by, 60)} ran {len(found.tiles)} of its {counted(found.draw.of, 'tile')} again on "
            f"{day(found.verified_at)}, and they agree; the numbers are still the authors'. "
        )
    return said + SELF_REPORTED


def _speed_rows(speed: Speed) -> Pairs:
    """Return throughput, latency and transfer of one scenario, with units, the card and the verdict."""
    verdict = "valid" if speed.valid else "invalid"
    where = f"on {speed.device} ({speed.device_class}), precision {speed.precision}, {verdict}; {speed.by}"
    batches = "one tile a call" if speed.batch == 1 else f"batches of {speed.batch}"
    rate = f"{three_digits(speed.km2_per_second)} km²/s, {three_digits(speed.tiles_per_second)} tiles/s"
    times = f"{three_digits(speed.times_reference)} times the time of bicubic"
    rows = [(f"Throughput, {speed.scenario}", f"{rate}, {times}, {batches}, {where}")]
    if speed.latency_ms:
        p50, p90, p99 = map(three_digits, speed.latency_ms)
        rows.append(("Latency", f"p50 {p50} ms, p90 {p90} ms, p99 {p99} ms, {where}"))
    if speed.transfer_ms is not None:
        text = f"{three_digits(speed.transfer_ms)} ms a tile to the device, in none of the other figures"
        rows.append((f"Transfer, {speed.scenario}", text))
    if not speed.valid:
        rows.append((f"Why {speed.scenario} is invalid", speed.reason or "no reason given"))
    return rows
