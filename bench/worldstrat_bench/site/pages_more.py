"""Compare and gallery, of a division."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from worldstrat_bench.measures import measure
from worldstrat_bench.site.analysis import Analysis, positions
from worldstrat_bench.site.crossing import axis_choices, scaled_values, tile_data
from worldstrat_bench.site.pages_board import Context
from worldstrat_bench.site.pairs import nearest_pairs
from worldstrat_bench.site.pictures import NO_PICTURES, NO_PICTURES_HERE, TilePictures
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.text import number, probability
from worldstrat_bench.stats.paired import sign_of

SMALL = 30
"""Up to so many models the matrix of wins is open from the start."""


def build_compare(out: Output, analysis: Analysis, common: Context) -> None:
    """Write the page for two models. The numbers are in the page, because ``file://`` cannot fetch any."""
    division = analysis.division
    ranked = division.protocol.ranking.metrics
    order = [s.model for s in analysis.board(ranked[0]).standings]
    context = {
        "entries": [(slug, division.by_slug[slug].title) for slug in order],
        "metrics": [
            (m, f"{measure(m).label} {measure(m).arrow}") for m in ranked if m == ranked[0] or division.measured(m)
        ],
        "axes": axis_choices(analysis),
        "data": compare_data(analysis, order),
        "nearest": nearest_pairs(analysis) if len(order) > 1 else [],
        "matrices": [_matrix(analysis, metric) for metric in ranked if len(analysis.board(metric).standings) > 1],
    }
    out.page(division.prefix + "compare.html", "compare.html.j2", {**common, **context})


def compare_data(analysis: Analysis, order: Sequence[str]) -> dict[str, object]:
    """Return what the script needs: whole numbers (values times a scale), tiles, strata, verdicts."""
    division = analysis.division
    metrics: dict[str, object] = {}
    for metric in division.protocol.ranking.metrics:
        m, board = measure(metric), analysis.board(metric)
        index = [board.order.get(slug) for slug in order]
        beaten = [[0 if i is None or j is None else int(board.beats[i, j]) for j in index] for i in index]
        metrics[metric] = {
            "pairs": [_row_pairs(analysis, metric, order, k) for k in range(len(order))],
            "label": m.label,
            "unit": m.unit,
            **scaled_values(analysis, metric, order),
            "decimals": m.decimals,
            "sign": sign_of(metric),
            "level": f"{division.protocol.ranking.level:.2g}",
            "margin": division.protocol.ranking.margin.get(metric, 0.0),
            "beats": ["".join(map(str, row)) for row in beaten],
        }
    return {
        "slugs": list(order),
        "titles": [division.by_slug[s].title for s in order],
        "metrics": metrics,
        **tile_data(analysis),
        "tiles": [[analysis.tile_titles[t], analysis.tile_pages[t]] for t in division.tiles],
    }


def _row_pairs(analysis: Analysis, metric: str, order: Sequence[str], row: int) -> list[list[str | int] | None]:
    """Return what is said of a model and each of those after it; None where one of the two is not on the board.

    Tiles won, tied and lost, the difference, then the ends of its interval and p where pages show them. The page shows
    these as they are: a script that computed them again from rounded values would show others.
    """
    board, decimals = analysis.board(metric), measure(metric).decimals + 1
    i, counts = board.order.get(order[row]), analysis.pairs(metric, order[row])
    found: list[list[str | int] | None] = []
    for other in order[row + 1 :]:
        j = board.order.get(other)
        if i is None or j is None:
            found.append(None)
            continue
        ends = analysis.pair_interval(metric, i, j) or ()
        shown = [number(value, decimals, signed=True) for value in (float(board.pairs.value[i, j]), *ends)]
        tiles = counts[other]
        found.append(
            [tiles.wins, tiles.ties, tiles.losses, *shown, *([probability(float(board.p[i, j]))] if ends else [])]
        )
    return found


def _matrix(analysis: Analysis, metric: str) -> dict[str, object]:
    board, division = analysis.board(metric), analysis.division
    count = len(board.standings)
    numbers = "".join(f'<th scope="col">{i + 1}</th>' for i in range(count))
    rows = [f'<thead><tr><th scope="col">Model</th>{numbers}<th scope="col">W/T/L</th></tr></thead><tbody>']
    for i, standing in enumerate(board.standings):
        cells = []
        for j in range(count):
            css, sign = ("w", "+") if board.beats[i, j] else ("l", "−") if board.beats[j, i] else ("", "·")
            cells.append("<td></td>" if i == j else f'<td class="{css}">{sign}</td>' if css else f"<td>{sign}</td>")
        entry = division.by_slug[standing.model]
        head = f'<a href="m/{escape(entry.slug)}.html"><bdi>{escape(entry.title)}</bdi></a>'
        total = f"<td>{standing.beats}/{standing.ties}/{standing.beaten_by}</td>"
        rows.append(f'<tr><th scope="row">{i + 1} {head}</th>{"".join(cells)}{total}</tr>')
    rows.append("</tbody>")
    label = measure(metric).label
    return {"metric": metric, "label": label, "count": count, "small": count <= SMALL, "body": Markup("".join(rows))}


def build_gallery(out: Output, analysis: Analysis, common: Context, pictures: Mapping[str, TilePictures]) -> None:
    """Write the hardest, median and easiest tiles, and those where neighbours differ most."""
    order, shown = analysis.hardest(), analysis.config.gallery
    median = analysis.median("psnr")
    division = analysis.division

    def item(tile: str, note: str) -> dict[str, object]:
        picture = pictures.get(tile, NO_PICTURES).target
        return {"tile": analysis.tile_titles[tile], "href": analysis.tile_pages[tile], "note": note, "picture": picture}

    def by_median(tiles: Sequence[str]) -> list[dict[str, object]]:
        return [item(t, f"{number(float(median[analysis.row_of[t]]), 2)} dB") for t in tiles]

    title = {entry.slug: entry.title for entry in division.entries}
    differ = [
        item(tile, f"{title[better]} {number(gain, 2, signed=True)} dB over {title[worse]}")
        for tile, better, worse, gain in analysis.disagreements()[:shown]
    ]
    text = "median of PSNR over all models of the board"
    blocks = [
        {
            "id": "hardest",
            "title": "Hardest",
            "explanation": f"Lowest {text}: hard for most of them. One model may still gain much there.",
            "items": by_median(order[:shown]),
        },
        {
            "id": "median",
            "title": "Median",
            "explanation": f"Nearest to the middle by {text}.",
            "items": by_median([order[i] for i in positions(len(order), shown)]),
        },
        {
            "id": "easiest",
            "title": "Easiest",
            "explanation": f"Highest {text}.",
            "items": by_median(order[::-1][:shown]),
        },
        {
            "id": "disagree",
            "title": "Where neighbours differ most",
            "explanation": "Largest difference in PSNR between two models that follow each other on the board.",
            "items": differ,
        },
    ]
    context = {"blocks": blocks, "no_pictures": "" if pictures else NO_PICTURES_HERE}
    out.page(division.prefix + "gallery.html", "gallery.html.j2", {**common, **context})
