"""The page of a tile: facts, every model on it, and pictures where the build had any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup, escape

from worldstrat_bench.measures import measure
from worldstrat_bench.printed import counted, share_text
from worldstrat_bench.site import charts
from worldstrat_bench.site.analysis import Analysis, shown_stratum
from worldstrat_bench.site.licences import caption
from worldstrat_bench.site.pages_board import Context
from worldstrat_bench.site.pictures import CELL, NO_PICTURES, NO_PICTURES_HERE, NO_PICTURES_OF_TILE, TilePictures
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.text import NO_VALUE, number
from worldstrat_bench.stats.strata import axis, strata_of


def build_tiles(out: Output, analysis: Analysis, common: Context, pictures: Mapping[str, TilePictures]) -> None:
    """Write one page a tile."""
    division, facts = analysis.division, analysis.division.facts
    labels = strata_of(facts)
    names = facts.tiles
    rows = _rows(analysis)
    members = {name: frozenset(tiles) for name, tiles in division.lists.items()}
    head = _head(_columns(analysis))
    licence = caption(division.release.split(", "))
    for i, tile in enumerate(names):
        values = analysis.matrix("psnr")[:, i]
        named = [(e.title, float(v)) for e, v in zip(division.entries, values, strict=True) if not np.isnan(v)]
        context = {
            "tile": analysis.tile_titles[tile],
            "kind": _kind(analysis, labels, i),
            "facts": [(axis(a).title, shown_stratum(a, labels[a][i])) for a in labels] + _numbers(analysis, i),
            "lists": ", ".join(name for name, tiles in members.items() if tile in tiles),
            "many_lists": sum(tile in tiles for tiles in members.values()) != 1,
            "strip": charts.strip(named, f"PSNR of {counted(len(named), 'model')} on this tile", "dB") if named else "",
            "ends": _ends(named),
            "scored": len(named),
            "table_head": head,
            "body": Markup("".join(rows[i])),
            "previous": _neighbour(analysis, i - 1),
            "following": _neighbour(analysis, i + 1),
            "licence": licence,
            "some_pictures": bool(pictures),
            "no_pictures": "" if tile in pictures else NO_PICTURES_OF_TILE if pictures else NO_PICTURES_HERE,
            **_viewer(pictures.get(tile, NO_PICTURES), analysis.tile_titles[tile]),
        }
        out.page(division.prefix + analysis.tile_pages[tile], "tile.html.j2", {**common, **context})


def _kind(analysis: Analysis, labels: Mapping[str, Sequence[str]], i: int) -> str:
    """Return the class and the cloud of a tile, for the line under its name."""
    cloud = float(analysis.division.facts.numbers["cloud"][i])
    classes = [f"{axis(name).title} {shown_stratum(name, labels[name][i])}" for name in ("ipcc", "smod")]
    return ", ".join((*classes, "cloud not known" if np.isnan(cloud) else f"cloud {share_text(cloud)}"))


def _ends(named: Sequence[tuple[str, float]]) -> tuple[str, str] | None:
    """Return the names of the best and of the worst model on a tile; None with fewer than two."""
    if len(named) < 2:
        return None
    best, worst = (choose(named, key=lambda item: item[1])[0] for choose in (max, min))
    return best, worst


def _viewer(pictures: TilePictures, title: str) -> dict[str, object]:
    """Return what the page shows of pictures without a script, and what the script needs."""
    if pictures.target is None or pictures.input is None:
        return {"pictures": NO_PICTURES}
    models = pictures.models
    best = list(zip("AB", models[:2], strict=False))
    pairs = {"at": "A | target", "bt": "B | target", "ab": "A | B", "it": "input | target", "ia": "input | A"}
    layers = (pictures.target, pictures.input, *models)
    return {
        "pictures": pictures,
        "panes": [("Input", pictures.input), *best, ("Target", pictures.target)],
        "pairs": [(key, label) for key, label in pairs.items() if models or key == "it"],
        "whole": len(pictures.cells) * CELL**2 >= pictures.side**2,
        "data": {
            "title": title,
            "folder": f"../{pictures.folder}/",
            "side": pictures.side,
            "pixel": pictures.pixel,
            "range": pictures.range,
            "shift": pictures.shift,
            "cells": pictures.cells,
            "cell": CELL,
            "detail": pictures.detail,
            "infrared": pictures.infrared,
            "layers": [(p.key, p.title, p.note, *p.own) for p in layers],
        },
    }


def _neighbour(analysis: Analysis, i: int) -> tuple[str, str] | None:
    tiles = analysis.division.facts.tiles
    if not 0 <= i < len(tiles):
        return None
    return analysis.tile_titles[tiles[i]], analysis.tile_pages[tiles[i]].removeprefix("t/")


def _numbers(analysis: Analysis, i: int) -> list[tuple[str, str]]:
    n = analysis.division.facts.numbers
    lon, lat = float(n["lon"][i]), float(n["lat"][i])
    place = NO_VALUE if np.isnan(lon + lat) else f"{number(lat, 4)}°, {number(lon, 4)}°"
    bicubic = analysis.median("psnr_bicubic")[i]
    return [
        ("Latitude, longitude", place),
        ("Cloud in the offered frames", NO_VALUE if np.isnan(n["cloud"][i]) else share_text(float(n["cloud"][i]))),
        ("First frame", f"{number(float(n['days'][i]), 0, signed=True)} days"),
        ("Reference bicubic", f"{number(float(bicubic), 2)} dB"),
    ]


def _columns(analysis: Analysis) -> list[str]:
    """Return the metrics of the tables of tiles: those of the board file that any model has on any tile."""
    return [name for name in analysis.config.tile_columns if analysis.division.measured(name)]


def _head(columns: Sequence[str]) -> Markup:
    cells = ['<th scope="col" data-key="model">Model</th>']
    for name in columns:
        m = measure(name)
        cells.append(
            f'<th scope="col" class="n" data-key="{name}" title="{escape(m.explanation)}">{escape(m.label)} {m.arrow}'
            f"{f' <small>{m.unit}</small>' if m.unit else ''}</th>"
        )
    cells.append('<th scope="col" class="n" data-key="shift" title="Moved by (x, y), target px">Shift x, y</th>')
    return Markup("".join(cells))


def _rows(analysis: Analysis) -> list[list[str]]:
    """Return the rows of every tile's table, best PSNR first, as markup.

    Written out by hand because a hundred models on 394 tiles are a quarter of a million cells; what comes from
    records is escaped here, once a model.
    """
    division = analysis.division
    psnr, columns = analysis.matrix("psnr"), _columns(analysis)
    formatted = {
        name: [[number(v, measure(name).decimals) for v in row] for row in analysis.matrix(name).tolist()]
        for name in columns
    }
    heads = [
        f'<tr><th scope="row"><a href="../m/{escape(e.slug)}.html"><bdi>{escape(e.title)}</bdi></a></th>'
        for e in division.entries
    ]
    shifts = [
        _shifts(e.table.numbers["shift_x"].tolist(), e.table.numbers["shift_y"].tolist()) for e in division.entries
    ]
    outcomes = [e.table.text("outcome") for e in division.entries]
    found = []
    for i in range(len(division.facts)):
        # Failed models come last, in the order of the board.
        column = np.where(np.isnan(psnr[:, i]), -np.inf, psnr[:, i])
        order = np.argsort(-column, kind="stable").tolist()
        rows = []
        for j in order:
            if outcomes[j][i] != "ok":
                text = outcomes[j][i].replace("_", " ")
                rows.append(f'{heads[j]}<td colspan="{len(columns) + 1}">failed: {text}</td></tr>')
                continue
            # Without quotes round the class: a site has a quarter of a million of these cells.
            cells = "".join(f"<td class=n>{formatted[name][j][i]}</td>" for name in columns)
            rows.append(f"{heads[j]}{cells}<td class=n>{shifts[j][i]}</td></tr>")
        found.append(rows)
    return found


def _shifts(x: list[float], y: list[float]) -> list[str]:
    return [NO_VALUE if a != a or b != b else f"{number(a, 2)}, {number(b, 2)}" for a, b in zip(x, y, strict=True)]
