"""From the journal to ``tiles.csv`` and ``record.json``: the only place where a run becomes a result."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from worldstrat_bench.artefacts.curves import curve_files
from worldstrat_bench.artefacts.draws import DRAWS, format_draws, parse_draws
from worldstrat_bench.artefacts.durable import write_durably
from worldstrat_bench.artefacts.identity import targets_sha256
from worldstrat_bench.artefacts.record import DatasetRef, Record, build_record, load_record
from worldstrat_bench.artefacts.tiles import OUTCOMES, TILES, TileTable, Value, format_tiles, parse_tiles
from worldstrat_bench.data.split import TileFacts, sublists
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError
from worldstrat_bench.measures import optional_column
from worldstrat_bench.protocol import OffsetFirst, Protocol, load_protocol, same_task
from worldstrat_bench.run.folder import TIMINGS, RunFolder
from worldstrat_bench.run.journal import Entry
from worldstrat_bench.run.messages import log_messages, tile_messages
from worldstrat_bench.run.notes import Notes, ScoreInputs
from worldstrat_bench.run.selection import Selection
from worldstrat_bench.run.tile_score import Scored
from worldstrat_bench.scoring.levels import level_warnings
from worldstrat_bench.stats.aggregate import aggregate
from worldstrat_bench.stats.draws import draw_scores, draw_warnings

NOT_RETURNED = "the model did not return it"


@dataclass(frozen=True)
class _Row:
    """A tile that is done."""

    facts: TileFacts
    entry: Entry
    scored: Scored


def finish(run: RunFolder, selection: Selection, protocol: Protocol, notes: Notes) -> Record:
    """Write ``tiles.csv``, ``timings.csv``, ``record.json``, and files of draws and curves if tiles have any.

    Returns the record.

    The run has to have every tile. One that was finished before keeps its record if it says the same.

    Raises
    ------
    InfrastructureError
        if the machine failed tiles: they are tried again when the run is resumed.
    InvalidArtefactError
        if tiles have no score yet, or the run has a record that says something else: a record is never replaced.
    """
    rows = _rows(run, selection)
    usable = [row for row in rows if row.scored.usable]
    text = format_tiles(columns_of(row.facts, row.entry.predicted.outcome, row.scored) for row in usable)
    drawn = [(row.facts.tile, row.scored.draws) for row in usable if row.scored.draws is not None]
    draws = format_draws((tile, own.each, own.mean_image) for tile, own in drawn)
    curves = curve_files((row.facts.tile, row.scored.curves) for row in usable)
    files = {TILES: text, **curves, **({DRAWS: draws} if draws else {})}
    record = _record(rows, files, selection, protocol, notes)
    # Compared before anything is written, so that a refusal leaves the finished run as it was.
    former = _former(run)
    if former is not None and former.record_id != record.record_id:
        raise InvalidArtefactError(
            "the run has a record already, and what its journal gives now is another one",
            where=run.path / Record.FILE,
            remedy="a record is never replaced: worldstrat-bench score RUN --out DIR writes the new one elsewhere",
        )
    for name, content in files.items():
        write_durably(run.path / name, content.encode())
    write_durably(run.path / TIMINGS, _timings(rows).encode())
    if former is not None:
        return former
    log_messages(run.path, record.messages)
    # The record comes last: where it is, the files that it names are there and whole.
    record.save(run.path / Record.FILE)
    return record


def _former(run: RunFolder) -> Record | None:
    try:
        return load_record(run.path / Record.FILE)
    except InvalidArtefactError:
        return None


def _rows(run: RunFolder, selection: Selection) -> list[_Row]:
    entries = run.journal.entries()
    rows: list[_Row] = []
    missing: list[str] = []
    for tile in selection.tiles:
        entry = entries.get(tile.name)
        if entry is not None and entry.predicted.outcome == "infra_error":
            raise InfrastructureError(
                f"{tile.name} failed because of the machine: {entry.predicted.message}",
                where=run.path,
                remedy="give the same command again: only such tiles are tried again",
            )
        if entry is None or entry.scored is None:
            missing.append(tile.name)
        else:
            rows.append(_Row(tile.facts, entry, entry.scored))
    if missing:
        raise InvalidArtefactError(
            f"{len(missing)} of {len(selection.tiles)} tiles have no score: {', '.join(missing[:3])}",
            where=run.path,
            remedy="continue the run: worldstrat-bench evaluate ... --out RUN",
        )
    return rows


def columns_of(facts: TileFacts, outcome: str, scored: Scored) -> Mapping[str, Value]:
    """Return the row of ``tiles.csv`` of one tile."""
    columns: dict[str, Value] = {
        "tile": facts.tile,
        "group": facts.group,
        "ipcc": facts.ipcc,
        "smod": facts.smod,
        "source": facts.source,
        "continent": facts.continent,
        "lon": facts.lon,
        "lat": facts.lat,
        "cloud": scored.cloud,
        "days": scored.days,
        "detail": scored.detail,
        "outcome": outcome,
    }
    if outcome == "ok":
        columns |= scored.values
        columns |= {
            "clipped": scored.clipped,
            "shift_y": scored.shift_y,
            "shift_x": scored.shift_x,
            "shift_at_edge": scored.shift_at_edge,
        }
    return columns


def _record(
    rows: list[_Row], files: Mapping[str, str], selection: Selection, protocol: Protocol, notes: Notes
) -> Record:
    usable = [row for row in rows if row.scored.usable]
    # Scores are of the numbers as the table rounds them, so that whoever has tiles.csv alone computes the same record.
    table = parse_tiles(files[TILES])
    predicting, scoring, machine = notes.predicting, notes.scoring, notes.machine
    counted = Counter(row.entry.predicted.outcome for row in usable)
    lists = sublists(selection.list_name, table.tiles)
    drawn = parse_draws(files[DRAWS]) if DRAWS in files else None
    return build_record(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        protocol=scoring.protocol,
        dataset=DatasetRef(
            release=predicting.release,
            list=predicting.list,
            tiles=len(usable),
            list_sha256=predicting.list_sha256,
            targets_sha256=targets_sha256((row.facts.tile, row.scored.target_sha256) for row in usable),
            official=predicting.official and predicting.inputs == "real" and _asked_for_the_same(protocol, notes),
            limit=predicting.limit,
            shard=predicting.shard,
            revisits=selection.revisits,
            no_target=tuple(row.facts.tile for row in rows if not row.scored.usable),
            inputs=predicting.inputs,
            inputs_protocol=None if predicting.protocol == scoring.protocol else predicting.protocol,
        ),
        model=predicting.model,
        harness=scoring.harness,
        environment=machine.environment,
        device=machine.device,
        isolation=machine.isolation,
        limits=None if predicting.predictions else predicting.limits,
        seed=predicting.seed,
        outcomes={outcome: counted[outcome] for outcome in OUTCOMES if counted[outcome] or outcome == "ok"},
        messages=tile_messages(row.entry.predicted for row in usable),
        scores=aggregate(table, lists, protocol),
        draws=None if drawn is None else draw_scores(table, drawn, lists, protocol),
        nulls=_nulls(usable, protocol, scoring),
        lpips_backbone_sha256=scoring.lpips_backbone_sha256,
        optional=_optional(table, scoring),
        warnings=(*_warnings(usable, protocol, notes), *draw_warnings(drawn)),
        files={name: hashlib.sha256(content.encode()).hexdigest() for name, content in files.items()},
        predictions=predicting.predictions,
    )


def _asked_for_the_same(protocol: Protocol, notes: Notes) -> bool:
    """Whether the model was given what the protocol of the scores would have given it."""
    return same_task(load_protocol(notes.predicting.protocol.id), protocol)


def _nulls(rows: list[_Row], protocol: Protocol, scoring: ScoreInputs) -> dict[str, str]:
    """Metric to the reason why it is null on some tiles or all; the reasons of failed tiles are their outcomes."""
    scored = [row.scored for row in rows if row.entry.predicted.outcome == "ok"]
    names = sorted({name for one in scored for name in (*one.nulls, *_partial(scored))})
    nulls: dict[str, str] = {}
    for name in names:
        reasons = [NOT_RETURNED if name not in one.values else one.nulls.get(name) for one in scored]
        counts = Counter(reason for reason in reasons if reason is not None)
        parts = [
            reason if count == len(scored) else f"{count} of {len(scored)} tiles: {reason}"
            for reason, count in sorted(counts.items())
        ]
        # Reasons may come from a metric's own error text. A record is read up to a size, and this must not use it up.
        nulls[name] = "; ".join(parts)[:10_000]
    if scoring.lpips_null and "lpips" in protocol.metrics.names:
        nulls["lpips"] = scoring.lpips_null
    return nulls


def _partial(scored: Sequence[Scored]) -> dict[str, int]:
    """Return the optional columns that only some tiles have, since the model returned more there; with their number."""
    counts = Counter(name for one in scored for name in one.values if optional_column(name) is not None)
    return {name: count for name, count in sorted(counts.items()) if count < len(scored)}


def _optional(table: TileTable, scoring: ScoreInputs) -> dict[str, str]:
    """Every column of an optional metric to its version."""
    owners = {name: optional_column(name) for name in table.numbers}
    return {name: scoring.optional[owner.name] for name, owner in owners.items() if owner is not None}


def _warnings(rows: list[_Row], protocol: Protocol, notes: Notes) -> tuple[str, ...]:
    warnings: list[str] = []
    scored = [row.scored for row in rows if row.scored.shift_at_edge is not None]
    edge = sum(bool(one.shift_at_edge) for one in scored)
    registration = protocol.registration
    if registration.kind == "gaussian-parabola" and edge > registration.edge_share_warning * len(scored):
        warnings.append(
            f"{edge} of {len(scored)} tiles have their best shift at the edge of the search of "
            f"{registration.radius} px; the model may move the image"
        )
    ok = [row.scored for row in rows if row.entry.predicted.outcome == "ok"]
    partial = _partial(ok)
    for what, column in (("the near infrared", "psnr_nir"), ("an expected error", "crps")):
        if column in partial:
            warnings.append(
                f"the model returned {what} for {partial[column]} of {len(ok)} tiles; the means are of these alone"
            )
    if isinstance(protocol.offset, OffsetFirst):
        warnings.extend(level_warnings([one.levels for one in scored if one.levels is not None], protocol.offset))
    if not _asked_for_the_same(protocol, notes):
        warnings.append(f"the model was given the inputs and the target size of {notes.predicting.protocol.id}")
    if notes.harness_changed:
        warnings.append("the harness was changed while the run was under way")
    return tuple(warnings)


def _timings(rows: list[_Row]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["tile", "model_seconds", "score_seconds"])
    for row in rows:
        seconds = row.entry.predicted.model_seconds, row.entry.score_seconds or 0.0
        writer.writerow([row.facts.tile, *(f"{value:.6f}" for value in seconds)])
    return buffer.getvalue()
