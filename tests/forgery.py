"""Forged results: tables and records that a careful cheat changes so that everything in them still agrees."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from factories import lists_of
from worldstrat_bench.artefacts.record import Record, build_record, load_record
from worldstrat_bench.artefacts.tiles import OUTCOMES, parse_tiles
from worldstrat_bench.data.split import list_sha256
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.aggregate import aggregate

Rows = list[dict[str, str]]


def forge(folder: Path, edit: Callable[[Rows], object] = lambda rows: None, **dataset: Any) -> Record:
    """Change rows of ``tiles.csv`` and statements of the dataset; counts, scores, digests and the id follow.

    Parameters
    ----------
    edit : changes the rows in place; a removed row is a removed tile.
    dataset : fields of ``record.dataset`` to overwrite.
    """
    former = load_record(folder)
    reader = csv.DictReader(io.StringIO((folder / "tiles.csv").read_text(encoding="utf-8")))
    rows, header = list(reader), list(reader.fieldnames or ())
    edit(rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text = buffer.getvalue()
    (folder / "tiles.csv").write_text(text, encoding="utf-8", newline="")
    table = parse_tiles(text)
    content = former.model_dump(mode="json", exclude={"record_id", "created", "schema_version"})
    content["dataset"] |= {"tiles": len(table), **dataset}
    evaluated = {*table.tiles, *content["dataset"]["no_target"]}
    content["dataset"] |= {"list_sha256": list_sha256(evaluated)}
    outcomes = list(table.texts["outcome"])
    content["outcomes"] = {name: outcomes.count(name) for name in OUTCOMES if name in outcomes or name == "ok"}
    lists = lists_of(former.dataset.list, table.tiles)
    content["scores"] = aggregate(table, lists, load_protocol(former.protocol.id))
    content["files"] |= {"tiles.csv": hashlib.sha256(text.encode()).hexdigest()}
    record = build_record(created=former.created, **content)
    record.save(folder / "record.json")
    return record


def set_cells(column: str, value: str | Callable[[float], float], *, every: int = 1) -> Callable[[Rows], None]:
    """Return an edit: give a column of every n-th scored row a text, or another number."""

    def edit(rows: Rows) -> None:
        scored = [row for row in rows if row["outcome"] == "ok" and row[column]]
        for row in scored[::every]:
            row[column] = value if isinstance(value, str) else f"{value(float(row[column])):.7g}"

    return edit
