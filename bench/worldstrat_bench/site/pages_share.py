"""Files for other places: the feed of records and the card of links."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from worldstrat_bench.measures import measure
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.card import FILE, card
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.leader import answer
from worldstrat_bench.site.pages_board import heading_of
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.text import clean, number, stamp

FEED: Final = 100
"""Verified records in the feed, and as many self-reported ones at most."""


def build_feed(out: Output, divisions: Sequence[Division], url: str, merged: Sequence[str] = ()) -> None:
    """Write the Atom feed: an entry a record, newest first, with scores. Ids are URNs; `url` makes links absolute.

    Parameters
    ----------
    merged : slugs in the order of their merges.
    """
    times = _times([entry for division in divisions for entry in division.shown], merged)
    listed = [(times[e.record.record_id], e, d) for d in divisions for e in d.shown]
    verified = _newest([item for item in listed if item[1].verified])
    others = _newest([item for item in listed if not item[1].verified])
    # Each has places of its own: a crowd of records that are their authors' word, practice boards rank them, must not
    # push verified ones out.
    items = sorted((*verified, *others), key=_age, reverse=True)
    feed = Element("feed", xmlns="http://www.w3.org/2005/Atom")
    _texts(feed, id="urn:worldstrat-bench:records", title="worldstrat-bench: new records")
    _texts(feed, updated=items[0][0] if items else "1970-01-01T00:00:00Z")
    SubElement(feed, "link", rel="self", href=f"{url}feed.xml")
    _texts(SubElement(feed, "author"), name="worldstrat-bench")
    for time, entry, division in items:
        summary = f"{division.kind}, {division.protocol.id}, list {clean(division.list_name, 40)}, {entry.status}"
        summary += "".join(f", {text}" for text in _scores(division, entry))
        summary += "" if division.ranks(entry) else ", not ranked"
        item = SubElement(feed, "entry")
        _texts(item, id=f"urn:sha256:{entry.record.record_id}", title=entry.title, updated=time)
        SubElement(item, "link", href=f"{url}{division.prefix}m/{entry.slug}.html")
        _texts(item, summary=summary)
    indent(feed, " ")
    # Not with the library's declaration: it writes single quotes, and the encoding as Python spells it.
    out.put("feed.xml", '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(feed, encoding="unicode") + "\n")


def _texts(parent: Element, **texts: str) -> None:
    for name, text in texts.items():
        SubElement(parent, name).text = text


Item = tuple[str, Entry, Division]
"""A record in the feed: when it was verified or made, the entry, and where it is shown."""


def _times(entries: Sequence[Entry], merged: Sequence[str]) -> dict[str, str]:
    """Return the time of each record, by its id: when maintainers verified it, else what its authors wrote.

    Dates of authors end at the verification of a submission that was merged afterwards, which maintainers wrote:
    a date of one author changes nothing of another. A date in the future is refused by the check.
    """
    times = {
        e.record.record_id: stamp(e.verification.verified_at if e.verification else e.record.created) for e in entries
    }
    places = {slug: place for place, slug in enumerate(merged)}
    listed = [e for e in entries if e.record.model.submission in places]
    latest: str | None = None
    for entry in sorted(listed, key=lambda e: places[e.record.model.submission or ""], reverse=True):
        own = times[entry.record.record_id]
        if entry.verification is not None:
            latest = own if latest is None else min(latest, own)
        elif latest is not None:
            times[entry.record.record_id] = min(latest, own)
    return times


def _age(item: Item) -> tuple[str, str]:
    return item[0], item[1].slug


def _newest(items: Sequence[Item]) -> list[Item]:
    return sorted(items, key=_age, reverse=True)[:FEED]


def _scores(division: Division, entry: Entry) -> list[str]:
    """Return the means by the ranked metrics, and the ranks where there are any."""
    found = []
    for metric in division.protocol.ranking.metrics:
        m, summary = measure(metric), division.scores(entry).micro.get(metric)
        if summary is None or summary.mean is None:
            continue
        text = f"{m.label} {number(summary.mean, m.decimals)} {m.unit}".rstrip()
        board = division.boards[division.list_name, metric]
        if entry.slug in board.order and division.shows_ranks(division.list_name):
            s = board.standings[board.order[entry.slug]]
            rank = f"{s.rank_low}" if s.rank_low == s.rank_high else f"{s.rank_low} to {s.rank_high}"
            text += f" (rank {rank} of {board.counting + (not s.counts)})"
        found.append(text)
    return found


def build_card(out: Output, analyses: Sequence[Analysis], built: Path | None) -> None:
    """Draw the first board's card; one that was built before is taken over, because fonts differ between machines."""
    if built is not None and (built / FILE).is_file():
        out.put(FILE, (built / FILE).read_bytes())
        return
    if not analyses:
        out.put(FILE, card("Leaderboard", [], []))
        return
    division = analyses[0].division
    leaders = {m: analyses[0].leader(division.tiles, m) for m in division.protocol.ranking.metrics}
    titles = {e.slug: e.title for e in division.entries}
    sentences = []
    for found in leaders.values():
        first = division.by_slug.get(found.first)
        gain = division.scores(first).micro.get("gain") if first else None
        parts = answer(found, titles, gain, tested=division.shows_ranks(division.list_name))
        sentences += ["".join(text for _, text in parts)] if parts else []
    best = [division.by_slug[slug] for slug in next(iter(leaders.values())).slugs[:5]]
    gains = {
        entry.title: gain.mean
        for entry in best
        if (gain := division.scores(entry).micro.get("gain")) is not None and gain.mean is not None
    }
    top = max([*gains.values(), 0.01])
    bars = [(title, gain / top, f"{number(gain, 2, signed=True)} dB") for title, gain in gains.items()]
    out.put(FILE, card(heading_of(division), sentences, bars))
