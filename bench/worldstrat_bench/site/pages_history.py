"""Snapshots as pages that stay where they are, and the history of the boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from markupsafe import Markup, escape

from worldstrat_bench.measures import measure
from worldstrat_bench.site.banner import banner_of_frozen
from worldstrat_bench.site.board_charts import cut
from worldstrat_bench.site.render import Output
from worldstrat_bench.site.snapshots import FOLDER, FrozenBoard, Row, Snapshot, changes, rank_text, same_board
from worldstrat_bench.site.svg import Drawing, Scale, fmt
from worldstrat_bench.site.text import NO_VALUE, clean, number

Context = Mapping[str, object]
LINES = 12
"""Models in a chart of ranks: the best of the latest board."""


def build_snapshots(out: Output, common: Context, snapshots: Sequence[Snapshot], url: str) -> None:
    """Write a page a snapshot, the frozen files, and the page of the history; nothing without a snapshot."""
    for snapshot in snapshots:
        out.put(f"data/{FOLDER}/{snapshot.name}.json", snapshot.dump())
        context = {
            "snapshot": snapshot,
            "boards": [
                (board.title, banner_of_frozen(board), _table(board)) for board in snapshot.boards if board.rows
            ],
            "bibtex": _reference(snapshot, url),
            "description": f"Boards of worldstrat-bench as of {snapshot.date}, sha256 {snapshot.digest[:16]}.",
        }
        out.page(f"snapshot/{snapshot.name}.html", "snapshot.html.j2", {**common, "d": None, **context})
    if snapshots:
        context = {
            "snapshots": list(reversed(snapshots)),
            "steps": [
                (f"{old.name} to {new.name}", changes(old.boards, new.boards))
                for old, new in reversed(list(pairwise(snapshots)))
            ],
            "charts": _charts(snapshots),
        }
        out.page("history.html", "history.html.j2", {**common, "d": None, **context})


def _reference(snapshot: Snapshot, url: str) -> str:
    lines = [
        f"@misc{{worldstratbench-{snapshot.name},",
        f"  title = {{{{worldstrat-bench}}: boards of {snapshot.date}}},",
        "  author = {{The worldstrat-bench maintainers}},",
        f"  year = {{{snapshot.date[:4]}}},",
        f"  note = {{snapshot {snapshot.name}, sha256 {snapshot.digest}}},",
    ]
    lines += [f"  url = {{{url}snapshot/{snapshot.name}.html}},"] if url else []
    return "\n".join([*lines, "}"])


def _table(board: FrozenBoard) -> Markup:
    ranked = list(dict.fromkeys(metric for row in board.rows for metric in row.ranks))
    metrics = [
        m for m in dict.fromkeys([*ranked, "gain", "ssim"]) if any(row.means.get(m) is not None for row in board.rows)
    ]
    heads = ['<th scope="col">Model</th>']
    heads += [f'<th scope="col" class="n">{escape(measure(m).label)} rank</th>' for m in ranked]
    heads += [f'<th scope="col" class="n">{escape(measure(m).label)} {measure(m).arrow}</th>' for m in metrics]
    heads.append('<th scope="col">Status</th><th scope="col">Record</th>')
    rows = [_row(row, ranked, metrics) for row in board.rows]
    return Markup(
        f'<table class="plain"><caption>{escape(clean(board.title, 200))}, {board.tiles} tiles</caption><thead><tr>'
        f"{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _row(row: Row, ranked: Sequence[str], metrics: Sequence[str]) -> str:
    cells = [
        f'<td class="n">{escape(rank_text(row.ranks.get(m))) if row.ranks.get(m) else NO_VALUE}</td>' for m in ranked
    ]
    cells += [f'<td class="n">{number(row.means.get(m), measure(m).decimals)}</td>' for m in metrics]
    cells.append(f"<td>{row.status}</td><td><code>{row.record_id[:16]}</code></td>")
    return f'<tr><th scope="row"><bdi>{escape(clean(row.title, 120))}</bdi></th>{"".join(cells)}</tr>'


def _charts(snapshots: Sequence[Snapshot]) -> list[tuple[str, Markup]]:
    """Return the place of the best models over time, one chart for each board of the latest snapshot."""
    found = []
    *earlier, latest = snapshots
    for board in latest.boards:
        times = [(s.name, next((b for b in s.boards if same_board(b, board)), None)) for s in earlier]
        times.append((latest.name, board))
        known = [(name, b) for name, b in times if b is not None]
        if len(known) > 1 and board.rows:
            found.append((board.title, _chart(known, board)))
    return found


def _chart(times: Sequence[tuple[str, FrozenBoard]], latest: FrozenBoard) -> Markup:
    rows = latest.rows[:LINES]
    places = [{row.slug: i + 1 for i, row in enumerate(board.rows)} for _, board in times]
    deepest = max(place for own in places for place in own.values())
    left, right, top, bottom = 40.0, 420.0, 24.0, 24.0 + 18 * max(2, min(deepest, 2 * LINES))
    sx, sy = Scale(0, len(times) - 1, left, right), Scale(1, max(2, deepest), top, bottom)
    drawing = Drawing(640, bottom + 30, f"Places over time, {latest.title}", css="fig lines")
    for i, (name, _) in enumerate(times):
        drawing.line(sx(i), top, sx(i), bottom, "gr")
        drawing.text(sx(i), bottom + 18, name, "tk", "middle")
    for row in rows:
        spots = [(sx(i), sy(own[row.slug])) for i, own in enumerate(places) if row.slug in own]
        drawing.add("path", css="ln-c", d="M" + "L".join(f"{fmt(x)} {fmt(y)}" for x, y in spots))
        for x, y in spots:
            drawing.dot(x, y, 3, "pt")
        drawing.text(right + 10, spots[-1][1] + 4, cut(row.title), "")
    return drawing.render()
