"""Pages and files of the whole site: method, data, badges, schemas, what was not used."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from importlib import resources
from typing import Final

from markupsafe import Markup
from pydantic import BaseModel

from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.measures import MEASURES, RANKED
from worldstrat_bench.protocol import Protocol, load_protocol, protocol_ids, stage_of
from worldstrat_bench.site import charts
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.divisions import Division, UnrankedEntry
from worldstrat_bench.site.entries import Entry, RejectedEntry
from worldstrat_bench.site.finding import MANIFEST
from worldstrat_bench.site.pages_board import SELF_REPORTED, VERIFIED, Context, heading_of
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.schema import BOARD_SCHEMA
from worldstrat_bench.site.text import distinct, slugify
from worldstrat_bench.stats.train_split import TRAIN_SPLITS


@dataclass(frozen=True)
class Section:
    """One section of a protocol file as the method page shows it."""

    title: str
    explanation: str
    rows: tuple[tuple[str, str, str], ...]


_STAGES: Final = {
    "released": "Released: this text never changes.",
    "not released": "Not released yet: the text may still change, and records made under another text are refused.",
    "changed": "This is not the text that was listed under this id.",
    "not listed": "Not listed among the protocols of the benchmark.",
}


def build_method(out: Output, common: Context) -> None:
    """Write the method page, from the protocol files of the package."""
    protocols = [load_protocol(name) for name in protocol_ids()]
    protocols.sort(key=lambda p: (not p.official, p.id))
    shown = [
        {
            "id": p.id,
            "title": p.title,
            "summary": p.summary.strip(),
            "sha256": p.sha256,
            "official": p.official,
            "stage": _STAGES[stage_of(p)],
            "sections": _sections(p),
            "text": _protocol_text(p.id),
        }
        for p in protocols
    ]
    context = {
        "d": None,
        "protocols": shown,
        "main": protocols[0],
        "measures": list(MEASURES.values()),
        "train_splits": TRAIN_SPLITS,
        "self_reported": SELF_REPORTED,
        "verified": VERIFIED,
    }
    out.page("method.html", "method.html.j2", {**common, **context})


def _protocol_text(name: str) -> str:
    """Return the protocol file itself: its digest is that of these bytes."""
    return resources.files("worldstrat_bench").joinpath("protocols", f"{name}.toml").read_text(encoding="utf-8")


UNITS: Final = {
    **dict.fromkeys(
        (
            "side",
            "hr_side",
            "hr_side_min",
            "hr_side_max",
            "border",
            "sigma",
            "cut",
            "radius",
            "chip_side",
            "step",
            "stride",
            "crop",
            "kernel_radius",
        ),
        "px",
    ),
    **dict.fromkeys(("tolerance", "absurd_below", "absurd_above", "no_data_above", "clear_below"), ""),
}
"""Field of a protocol to the unit of its number."""


def _sections(protocol: Protocol) -> list[Section]:
    """Return the sections of a protocol in words: keys as words, numbers without exponents and with their unit."""
    found = []
    for name, field in type(protocol).model_fields.items():
        value = getattr(protocol, name)
        if isinstance(value, BaseModel):
            rows = tuple(
                (
                    key.replace("_", " "),
                    _plain(getattr(value, key), UNITS.get(key, "")),
                    (info.description or "").removeprefix("px "),
                )
                for key, info in type(value).model_fields.items()
                if getattr(value, key) is not None
            )
            explanation = (type(value).__doc__ or field.description or "").strip().splitlines()[0]
            found.append(Section(name.replace("_", " "), explanation, rows))
    return found


def _plain(value: object, unit: str = "") -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{str(k).replace('_', ' ')} {_plain(v)}" for k, v in value.items()) or "none"
    if isinstance(value, tuple | list):
        return ", ".join(_plain(v) for v in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{format(Decimal(f'{value:g}'), 'f')} {unit}".rstrip()
    return str(value)


def build_runs(out: Output, divisions: Sequence[Division], loose: Sequence[UnrankedEntry]) -> None:
    """Write copies of what was read, so that the site can be built again from itself."""
    folders = [(f"{d.prefix}data/runs/{e.slug}", e) for d in divisions for e in d.paged]
    for place, apart, taken in (
        *((f"{d.prefix}data/runs", d.apart, [e.slug for e in d.paged]) for d in divisions),
        ("data/apart", loose, []),
    ):
        names = distinct([(item.entry.slug, item.entry.record.record_id) for item in apart], taken)
        folders += [(f"{place}/{name}", item.entry) for name, item in zip(names, apart, strict=True)]
    for folder, entry in folders:
        for name, data in sorted(entry.files.items()):
            out.put(f"{folder}/{name}", data)


def build_schemas(out: Output) -> None:
    """Write the JSON Schema of records and of board files."""
    out.put_json("data/schema/record.schema.json", Record.model_json_schema())
    out.put_json("data/schema/board.schema.json", BOARD_SCHEMA)


def build_badges(out: Output, divisions: Sequence[Division]) -> None:
    """Write a badge per entry: its rank intervals, or that it is not ranked; practice says so."""
    for division in divisions:
        official = division.kind == "official"
        left = f"WorldStrat {division.protocol.id}" if official else f"{division.kind} {division.release}"
        for entry in division.paged:
            out.put(f"{division.prefix}badge/{entry.slug}.svg", str(charts.badge(left, _badge_text(division, entry))))


def _badge_text(division: Division, entry: Entry) -> str:
    if entry.state.word != "active":
        return entry.state.word
    if not division.ranks(entry):
        return "not ranked: self-reported"
    texts = []
    for metric in RANKED:
        board = division.boards.get((division.list_name, metric))
        row = board.order.get(entry.slug) if board else None
        if board is not None and row is not None and division.shows_ranks(division.list_name):
            s = board.standings[row]
            rank = str(s.rank_low) if s.rank_low == s.rank_high else f"{s.rank_low}–{s.rank_high}"
            texts.append(f"{metric.upper()} {rank} of {board.counting + (not s.counts)}")
    return " · ".join(texts) or "not ranked"


def build_data(
    out: Output,
    common: Context,
    divisions: Sequence[Division],
    refused: Sequence[RejectedEntry],
    apart: Sequence[Mapping[str, str]],
    entries: Sequence[Entry],
    config: BoardConfig,
) -> None:
    """Write the page of downloads and the list of all files. Comes last: it hashes the others."""
    titles = {
        "boards": (
            "Boards",
            "Every board as CSV and JSON; strata.csv: every stratum; tiles.parquet: every tile; all.zip: the tables.",
        ),
        "runs": ("Records", "The records and tile tables, byte for byte, from which every page was made."),
        "snapshots": (
            "Snapshots",
            Markup("The boards as they were on a day, which <code>worldstrat-bench site snapshot</code> froze."),
        ),
        "schema": ("Schemas", "JSON Schema of a record and of a board file."),
    }
    boards = _headings(divisions)
    groups: dict[tuple[str, str], list[dict[str, object]]] = {(key, prefix): [] for key in titles for prefix in boards}
    for path in sorted(out.files):
        if "data/" in path and not path.endswith(".html"):
            prefix, name = path.split("data/", 1)
            first = name.split("/", 1)[0]
            key = {"runs": "runs", "apart": "runs", "snapshots": "snapshots", "schema": "schema"}.get(first, "boards")
            content = out.files[path]
            groups.setdefault((key, prefix), []).append(
                {"path": path, "name": name, "size": len(content), "sha256": _sha(content)[:16]}
            )
    context = {
        "d": None,
        "refused": refused,
        "apart": apart,
        "snippet": _snippet(divisions),
        "groups": [
            {
                "title": _of_board(titles[key][0], boards.get(prefix, ""), len(boards)),
                "explanation": titles[key][1],
                "items": items,
            }
            for (key, prefix), items in groups.items()
            if items
        ],
    }
    out.page("data.html", "data.html.j2", {**common, **context})
    out.put_json(
        MANIFEST,
        {
            "schema_version": 1,
            "config": config.model_dump(mode="json"),
            "records": sorted(entry.record.record_id for entry in entries),
            "refused": [asdict(r) for r in refused],
            "files": {path: _sha(content) for path, content in sorted(out.files.items())},
        },
    )


def _snippet(divisions: Sequence[Division]) -> str:
    """Return two lines that read the first board and its strata, to be run in the folder of the site."""
    if not divisions:
        return ""
    folder, name = f"{divisions[0].prefix}data", f"board-{slugify(divisions[0].list_name)}"
    return (
        "import pandas as pd\n"
        f'board, strata = (pd.read_csv(f"{folder}/{{name}}.csv", index_col="slug") for name in ("{name}", "strata"))\n'
    )


def _headings(divisions: Sequence[Division]) -> dict[str, str]:
    """Map the prefix of every board to its heading, with the folder where several boards have the same."""
    plain = {d.prefix: heading_of(d) for d in divisions}
    shared = Counter(plain.values())
    return {
        prefix: heading if shared[heading] == 1 else f"{heading} ({prefix.rstrip('/')})"
        for prefix, heading in plain.items()
    }


def _of_board(title: str, board: str, boards: int) -> str:
    """Return a heading, with its board where there are several."""
    return f"{title}. {board}" if board and boards > 1 and title != "Schemas" else title


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """``data/site.json`` of a built site."""

    files: Mapping[str, str]
    refused: tuple[tuple[str, str], ...]
    config: BoardConfig


def read_manifest(text: str) -> Manifest:
    """Read ``data/site.json``.

    Raises
    ------
    ValueError
        if the text is not a manifest.
    """
    try:
        document = json.loads(text)
        files = {str(path): str(digest) for path, digest in document["files"].items()}
        refused = tuple((str(r["source"]), str(r["reason"])) for r in document["refused"])
        return Manifest(files, refused, BoardConfig.model_validate(document["config"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no manifest of a site: {error!r}") from None
