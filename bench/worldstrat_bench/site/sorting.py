"""Which division a run belongs to, and whether it is ranked there, shown below, or listed apart."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.artefacts.tiles import TileTable
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.messages import in_words
from worldstrat_bench.site.config import DEFAULTS, BoardConfig
from worldstrat_bench.site.divisions import NEVER, Division, UnrankedEntry
from worldstrat_bench.site.entries import Entry, distinct_titles
from worldstrat_bench.site.text import clean, distinct, short_hash, slugify
from worldstrat_bench.site.versions import shown_versions, with_versions
from worldstrat_bench.site.whole import with_whole_means
from worldstrat_bench.stats.boards import KINDS, Kind, awaits_reference, board_key, kind_of
from worldstrat_bench.stats.counting import Claim, claim_of, counting_rows
from worldstrat_bench.stats.eligibility import WhyUnranked, cites, of_run, why_unranked
from worldstrat_bench.stats.facts import same_facts
from worldstrat_bench.stats.order import shown_first

_LIST_ORDER = ("clean", "full", "strict")
_ADDRESS_DIGITS: Final = 16
"""Of the digest of a board's key, in its address. Whoever writes a record chooses its targets, and so the key: six
digits could be met in seconds, and both boards would have moved."""


def list_divisions(
    entries: Sequence[Entry],
    references: References | None = None,
    config: BoardConfig = DEFAULTS,
) -> tuple[Division, ...]:
    """Sort runs into divisions: the official one first (its pages have no prefix), then by kind.

    How many runs a division has decides nothing: its first verified run does, then the first that was merged.

    Parameters
    ----------
    references : what official records are held against; None for those that the package ships.
    config : which harnesses are known, and what was merged in which order.
    """
    groups: dict[tuple[str, ...], list[Entry]] = {}
    # Titles are told apart before anything is sorted, so that a copied name has one owner on all boards.
    for entry in distinct_titles(entries, config.merged):
        if _partial(entry.record):  # on no board, and so without a part in what a board is called
            continue
        groups.setdefault(board_key(entry.record, references), []).append(entry)
    drafts = [
        _division(key, agreeing, part, references, config)
        for key, own in sorted(groups.items())
        for part, agreeing in enumerate(_agreeing(own, config))
    ]
    # Of boards of one kind, those of an official protocol come before those of other groups' rules.
    # Then that of the submission that was merged first: a name that a stranger chose must not decide. A board that
    # ranks no row comes after all that rank one: whatever data a record claims, its authors alone make no first page.
    drafts.sort(
        key=lambda d: (
            *(not d.entries, KINDS.index(d.kind), not d.protocol.official, d.protocol.id, d.verified_since),
            *(min((_place(entry, config) for entry in d.shown), default=len(config.merged)), d.release, d.key),
        )
    )
    # A board of self-reported runs is the first page only where there is no official one of verified runs.
    official = [d for d in drafts if d.kind == "official" and d.shown]
    main = next((d for d in official if d.entries), next(iter(official), None))
    ordered = ([main] if main else []) + [d for d in drafts if d is not main]
    prefixes = distinct([(d.prefix, d.key) for d in ordered])
    return tuple(
        replace(d, prefix="" if d is main else f"{prefix}/") for d, prefix in zip(ordered, prefixes, strict=True)
    )


def _place(entry: Entry, config: BoardConfig) -> int:
    """Return the place of a submission in the order of merges; those that are not listed share the last one."""
    slug = entry.record.model.submission
    return config.merged.index(slug) if slug in config.merged else len(config.merged)


def unplaced(entries: Sequence[Entry]) -> tuple[UnrankedEntry, ...]:
    """Return runs that no division takes: they are limited or a shard, so nothing else can be compared with them."""
    return tuple(_apart(entry, reason) for entry in entries if (reason := _partial(entry.record)))


def _named(kept: Iterable[Entry], taken: Collection[str] = ()) -> tuple[Entry, ...]:
    """Return entries of a division with their slugs, by slug: the name where one entry has it, else with a hash."""
    kept = tuple(kept)
    names = distinct([(slugify(_name(entry)), entry.identity) for entry in kept], taken)
    named = [replace(entry, slug=name) for entry, name in zip(kept, names, strict=True)]
    return tuple(sorted(named, key=lambda entry: entry.slug))


def _apart(entry: Entry, reason: str) -> UnrankedEntry:
    """Return a run that is not ranked; its slug never takes the name that a ranked one may want."""
    return UnrankedEntry(replace(entry, slug=f"{slugify(_name(entry))[:50]}-{entry.record.record_id[:8]}"), reason)


def _name(entry: Entry) -> str:
    return entry.record.model.submission or entry.record.model.name


def _partial(record: Record) -> str:
    return next((clean(why.text, 200) for why in of_run(record)), "")


def _division(
    key: tuple[str, ...], whole: Sequence[Entry], part: int, references: References | None, config: BoardConfig
) -> Division:
    """Return the division of runs that agree about their tiles; `part` tells those of one key apart."""
    # The key of the board holds all that the kind follows from, so any of its runs gives the same.
    kind = kind_of(whole[0].record, references)
    found = _sorted(whole, kind, config)
    # What a board says of its tiles, versions and releases is the word of the ranked runs, if there are any.
    deciding = sorted(found.ranked or found.reported or whole, key=lambda e: _first(e, config))
    record, facts = deciding[0].record, deciding[0].table
    versions = shown_versions([entry.record for entry in deciding] if found.ranked or found.reported else [])
    names = [name for name in _LIST_ORDER if name in record.scores] or sorted(record.scores)
    protocol = load_protocol(record.protocol.id)
    ranking = protocol.ranking.metrics

    def shown(entries: Sequence[Entry], taken: Sequence[Entry] = ()) -> tuple[Entry, ...]:
        prepared = (with_whole_means(with_versions(entry, versions), ranking) for entry in entries)
        return _named(prepared, [entry.slug for entry in taken])

    # Names are given in this order: what has a rank keeps its name, whatever is added below it.
    placed = shown(found.ranked)
    reported = shown(found.reported, placed)
    withdrawn = shown(found.withdrawn, (*placed, *reported))
    since = _verified_since(whole)
    whole_key = "/".join((*key, str(part)) if part else key)
    return Division(
        key=whole_key,
        kind=kind,
        prefix=_address(kind, record, names[0], whole_key),
        protocol=protocol,
        release=", ".join(sorted({clean(entry.record.dataset.release, 40) for entry in deciding})),
        inputs=record.dataset.inputs,
        targets_sha256=record.dataset.targets_sha256,
        entries=placed,
        reported=reported,
        apart=tuple(sorted(found.apart, key=lambda a: a.entry.slug)),
        withdrawn=tuple(UnrankedEntry(entry, clean(entry.state.text, 400)) for entry in withdrawn),
        facts=facts,
        lists={name: _tiles_of(record, name, facts) for name in names},
        versions=versions,
        counting=counting_rows(_claim(entry, since, config) for entry in placed) if cites(kind) else None,
        awaits_reference=awaits_reference(record, references),
        verified_since=min(since.values(), default=NEVER),
    )


@dataclass(frozen=True)
class _Sorted:
    """Runs that a board ranks, those that are their authors' word, those that were withdrawn, and those not shown."""

    ranked: list[Entry]
    reported: list[Entry]
    withdrawn: list[Entry]
    apart: list[UnrankedEntry]


def _sorted(whole: Sequence[Entry], kind: Kind, config: BoardConfig) -> _Sorted:
    """Sort the runs of a board by what it may say of them."""
    kept: list[Entry] = []
    withdrawn: list[Entry] = []
    apart: list[UnrankedEntry] = []
    barred: dict[str, bool] = {}
    for entry in whole:
        reasons = why_unranked(
            entry.record,
            entry.table,
            verified=bool(entry.verified),
            kind=kind,
            known=config.known,
            state=entry.state,
            train_split=entry.train_split,
        )
        # These two keep a run from a rank but not from the page: it is shown below, or unranked by one metric.
        barring = [why for why in reasons if why.rule not in ("self-reported", "value")]
        if barring and barring[0].rule in ("withdrawn", "disputed"):
            withdrawn.append(entry)
        elif barring:
            apart.append(_apart(entry, _in_words(entry, barring[0])))
        else:
            kept.append(entry)
            barred[entry.record.record_id] = any(why.rule == "self-reported" for why in reasons)
    # After what bars a run, so that a failed run does not hide a good one of the same submission.
    kept, superseded = _one_each(kept, config.records)
    withdrawn, more = _one_each(withdrawn, config.records)
    ranked = [entry for entry in kept if not barred[entry.record.record_id]]
    reported = [entry for entry in kept if barred[entry.record.record_id]]
    return _Sorted(ranked, reported, withdrawn, apart + superseded + more)


def _in_words(entry: Entry, why: WhyUnranked) -> str:
    """Return a reason as pages show it; of tiles that failed also what was said of them."""
    messages = in_words(entry.record.messages[:3]) if why.rule == "failed" else []
    return clean(why.text, 400) + "".join(f"; {clean(line, 600)}" for line in messages)


def _verified_since(entries: Iterable[Entry]) -> dict[str, str]:
    """Map submissions to when one of their records was first verified.

    A row that is verified once more, on another machine say, is not the later one for that.
    """
    since: dict[str, str] = {}
    for entry in entries:
        if entry.verified and entry.verification is not None:
            at = entry.verification.verified_at
            since[entry.identity] = min(at, since.get(entry.identity, at))
    return since


def _claim(entry: Entry, since: Mapping[str, str], config: BoardConfig) -> Claim:
    manifest = entry.files.get("submission.toml", b"").decode("utf-8-sig", "replace")
    owners = config.owners.get(entry.record.model.submission or "")
    return claim_of(entry.slug, entry.record.model, manifest, since.get(entry.identity, ""), owners)


def _tiles_of(record: Record, name: str, facts: TileTable) -> tuple[str, ...]:
    from worldstrat_bench.data.split import sublists

    if record.dataset.list in ("full", "clean"):
        return tuple(sorted(sublists(record.dataset.list, facts.tiles)[name]))
    return facts.tiles


def _one_each(entries: Sequence[Entry], listed: Sequence[str]) -> tuple[list[Entry], list[UnrankedEntry]]:
    """Return one run of each identity, and the others with the reason; `listed` are records in the order of merges."""
    best: dict[str, Entry] = {}
    # The best comes last and stays in the mapping.
    for entry in sorted(entries, key=lambda e: shown_first(e.record.record_id, e.verification, listed)):
        best[entry.identity] = entry
    others = [e for e in entries if best[e.identity] is not e]
    return list(best.values()), [
        _apart(e, f"another run of the same entry is on the board: record {best[e.identity].record.record_id[:12]}")
        for e in others
    ]


def _agreeing(entries: Sequence[Entry], config: BoardConfig) -> list[list[Entry]]:
    """Part runs on the same targets by what they state of the tiles: verified ones first, then as they were merged.

    The first run of a part speaks for it, so that no later one moves another's address: numbers agree within a
    tolerance, and one run can be near two that do not agree. No majority decides which of two statements is true.
    Official runs agree to begin with, since each agrees with the reference.
    """
    parts: list[list[Entry]] = []
    # The first part has the address of the board.
    for entry in sorted(entries, key=lambda e: _first(e, config)):
        near = next((part for part in parts if same_facts(entry.table, part[0].table)), None)
        if near is None:
            parts.append([entry])
        else:
            near.append(entry)
    return parts


def _first(entry: Entry, config: BoardConfig) -> tuple[bool, int, str]:
    """Return a key: verified runs come first, then those of submissions that were merged first.

    The first decides what a board says of its tiles, and its address: nothing that its authors can choose may.
    """
    return not entry.verified, _place(entry, config), entry.record.record_id


def _address(kind: Kind, record: Record, list_name: str, key: str) -> str:
    """Return the folder of a board, of its first run."""
    # As in the key: the same pixels of two official releases share a board, and so its address, whichever came first.
    release = "" if record.dataset.official else f"{clean(record.dataset.release, 40)}-"
    name = f"{kind}-{record.protocol.id}-{release}{list_name}"
    return f"{slugify(name[:60].lower())}-{short_hash(key, _ADDRESS_DIGITS)}"
