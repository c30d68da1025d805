"""Checks of the words in a record that pages show: what the harness itself chose, and what only pages may say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from worldstrat_bench.artefacts.base import Part
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.speed import TIME_AGAIN, SpeedReport
from worldstrat_bench.data import split
from worldstrat_bench.data.layout import OWN_LISTS, UNOFFICIAL
from worldstrat_bench.stats.names import word_fault
from worldstrat_bench.submission.faults import CheckFinding

MOST_TEXTS: Final = 500
"""Texts of a record that pages show: the harness writes some hundred at most."""

MOST_TILES: Final = 1000
"""Of a record: the largest list of a protocol has 394."""

MOST_CHARACTERS: Final = 100_000
"""Of these texts together, and of the names and labels of tiles: the harness writes some thousand."""

_DIGEST: Final = re.compile(r"[0-9a-f]{40,64}")
_OF_TILES: Final = ("messages", "scores", "draws", "files", "outcomes")
"""Parts of a record whose names follow from its tables, and messages, which are looked at by themselves."""
_FORMULA: Final = ("=", "+", "-", "@", "|", "%")
_LABELS: Final = ("group", "ipcc", "smod", "source", "continent")


def word_faults(result: Result) -> Iterator[CheckFinding]:
    """Find a data set or a list that no run has, and texts that are read as what only pages say, one of each kind."""
    record, where = result.record, result.record_file
    releases, lists = (*split.release_names(), *UNOFFICIAL), (*split.LISTS, *OWN_LISTS)
    for what, stated, known in (("release", record.dataset.release, releases), ("list", record.dataset.list, lists)):
        if stated not in known:
            text = f"dataset.{what} is {stated[:60]!r}, which the harness never writes"
            yield CheckFinding("labels", text, where=where, remedy=f"one of: {', '.join(known)}")
    texts = tuple(_stated(record))
    shown = {label for name in _LABELS for label in result.table.text(name)} | {*result.table.tiles}
    # Each is looked at, and a page shows most of them: strangers must not decide how long that takes.
    if len(result.table) > MOST_TILES:
        what = f"the record has {len(result.table)} tiles, and a board a page for each: at most {MOST_TILES}"
        yield CheckFinding("size", what, where=result.tiles_file, remedy="evaluate a list of the protocol")
        return
    if len(texts) > MOST_TEXTS:
        what = f"the record holds {len(texts)} warnings, reasons and names, more than the {MOST_TEXTS} of any run"
        yield CheckFinding("size", what, where=where, remedy="score the run again")
        return
    faults = [
        *_too_long((text for _, text in texts), "the warnings, reasons and names of the record", where),
        *_too_long(shown, "the names and labels of tiles", result.tiles_file),
    ]
    if faults:
        yield from faults
        return
    yield from _first_fault(texts, where, "score the run again")
    for label in sorted(shown):
        if fault := word_fault(label) or _in_a_table(label):
            what = f"the name or label {label[:60]!r} of a tile cannot be used: {fault}"
            yield CheckFinding(
                "name", what, where=result.tiles_file, remedy="give the tiles of the data set other names"
            )
            return


def speed_word_faults(report: SpeedReport, where: Path) -> Iterator[CheckFinding]:
    """Find such words in what a report of speed says of its machine: a class of devices is the head of a column."""
    device = report.device
    texts = [("device.name", device.name), ("device.device_class", device.device_class)]
    for timing in report.timings:
        texts += [("timings.precision", timing.precision), *(("timings.reasons", reason) for reason in timing.reasons)]
    faults = tuple(_too_long((text for _, text in texts), "the names and reasons of the report", where))
    yield from faults or _first_fault(texts, where, TIME_AGAIN)


def _too_long(texts: Iterable[str], what: str, where: Path) -> Iterator[CheckFinding]:
    if (count := sum(map(len, texts))) > MOST_CHARACTERS:
        what = f"{what} have {count:,} characters together, more than the {MOST_CHARACTERS:,} of any run"
        yield CheckFinding("size", what, where=where, remedy="score the run again")


def _first_fault(texts: Iterable[tuple[str, str]], where: Path, remedy: str) -> Iterator[CheckFinding]:
    """Yield the first text that cannot be used, of (key, text)."""
    for key, text in dict.fromkeys(texts):
        if fault := word_fault(text):
            yield CheckFinding("name", f"{key} cannot be used: {fault}", where=where, remedy=remedy)
            return


def _in_a_table(text: str) -> str:
    """Return why a text does not belong in a table that people open as it is, in words; "" if it does."""
    if not text.isprintable():
        return "it holds a character that is not shown"
    return f"a spreadsheet takes what begins with {text[0]!r} for a formula" if text.startswith(_FORMULA) else ""


def _stated(record: Record) -> Iterator[tuple[str, str]]:
    """Yield the texts of a record by key: all of them, since pages show more of them from time to time."""
    for key in type(record).model_fields:
        if key not in _OF_TILES:
            yield from _texts(key, getattr(record, key))
    # As pages put them together.
    yield from ((f"nulls.{name[:40]}", f"{name[:40]}: {reason}") for name, reason in record.nulls.items())
    parameters = record.model.parameters.items()
    yield from ((f"model.parameters.{name[:40]}", f"{name[:40]}: {value}") for name, value in parameters)
    # What a model said of a tile that failed is its own; a remark on other tiles is the harness's.
    yield from (("messages", one.message) for one in record.messages if one.outcome == "ok")
    yield from (("messages", name) for one in record.messages for name in (one.outcome, *one.names))


def _texts(key: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield every text in a part of a record but digests, and the names in its mappings, with the key of each."""
    if isinstance(value, str):
        if not _DIGEST.fullmatch(value):
            yield key, value
    elif isinstance(value, Part):
        for name in type(value).model_fields:
            yield from _texts(f"{key}.{name}", getattr(value, name))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield key, str(name)
            yield from _texts(f"{key}.{str(name)[:40]}", inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _texts(key, inner)
