"""Plots of runs for a paper, drawn with matplotlib: PDF, PNG or SVG, as wide as one column or two."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.spectra import BIN_WIDTH
from worldstrat_bench.errors import UsageError
from worldstrat_bench.measures import Measure, measure
from worldstrat_bench.results import plot
from worldstrat_bench.results.files import unwritable
from worldstrat_bench.results.load import Paths
from worldstrat_bench.results.table import Table, make_table, notes_on
from worldstrat_bench.stats.paired import sign_of
from worldstrat_bench.stats.ranking import RankedBoard, list_display
from worldstrat_bench.stats.spectra import INPUT_NYQUIST_M
from worldstrat_bench.stats.strata import axis as axis_named
from worldstrat_bench.stats.strata import stratum_name
from worldstrat_bench.typed import typed

SUFFIXES: Final = (".pdf", ".png", ".svg")
WIDTHS: Final = {1: 3.5, 2: 7.16}
"""Width in inches of one and of two columns of a page."""
_STYLE: Final = {
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "pdf.fonttype": 42,  # letters stay letters: journals refuse Type 3
    "svg.hashsalt": "worldstrat-bench",  # the same runs give the same file
}
_COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's: told apart by readers of any colour vision, and by the markers in print."""
_MARKERS: Final = "os^DvPX*"
_GREY: Final = "#888888"


@dataclass(frozen=True)
class Drawn:
    """A figure of matplotlib and what it shows, in sentences."""

    figure: Any
    caption: str


@typed
def draw(
    paths: Paths,
    kind: str,
    out: Path | str,
    *,
    metric: str = "psnr",
    axis: str = "ipcc",
    list_name: str = "auto",
    columns: int = 1,
) -> str:
    """Plot runs of the same protocol, list and targets into a file, and return its caption.

    Parameters
    ----------
    paths : finished runs.
    kind : ``forest``: differences to the leader; ``strata``: means by stratum; ``pairs``: differences of all pairs;
        ``shift``: where predictions had to be moved; ``spectrum``: coherence and contrast, of runs with ``+spectral``.
    out : a file that ends in .pdf, .png or .svg.
    metric : of forest, strata and pairs.
    axis : of strata.
    list_name : "auto" is the list that ranks the runs.
    columns : how wide, 1 or 2 columns of a page.

    Raises
    ------
    UsageError
        for an unknown kind, suffix, metric, axis or list, runs that may not stand side by side, or no matplotlib.
    InvalidArtefactError
        if one is not a finished run, or has no valid curves.
    InfrastructureError
        if the file cannot be written.
    """
    out = Path(out)
    kind = one_of(kind, plot.KINDS, "unknown kind", "--kind")
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError("the file's name tells no format", where=out, remedy=f"one that ends in {', '.join(SUFFIXES)}")
    if columns not in WIDTHS:
        raise UsageError(f"{columns} columns are not known", where="--columns", remedy="1 or 2")
    try:
        import matplotlib as mpl
    except ImportError:
        remedy = 'pip install "worldstrat-bench[plot]"'
        raise UsageError("matplotlib is not installed", where="plot", remedy=remedy) from None
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a user's own settings would change the sizes
        settings: Any = mpl.rcParams
        settings.update(_STYLE)
        # The name of a model may have letters that the font lacks; they are drawn as boxes.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font", category=UserWarning)
        drawn = _draw(paths, kind, metric, axis, list_name, WIDTHS[columns])
        # Left out, so that the same runs give the same file.
        dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
        try:
            drawn.figure.savefig(out, dpi=300, metadata=dates.get(out.suffix.lower()))
        except OSError as error:
            raise unwritable(out, error) from None
    return drawn.caption


def _draw(paths: Paths, kind: str, metric: str, axis: str, list_name: str, width: float) -> Drawn:
    if kind == "strata":
        table = make_table(paths, [metric], axis, list_name)
        return _noted(_strata(table, width), table.notes)
    shown = plot.plotted_runs(paths, list_name)
    if kind in ("forest", "pairs"):
        board, notes = plot.board_of(shown, metric)
        make: Callable[..., Drawn] = _forest if kind == "forest" else _pairs
        drawn = make(shown, board, measure(board.metric), width)
        return _noted(drawn, (*notes_on(shown.runs, shown.list_name, [board.metric]), *notes))
    drawn = _shift(shown, width) if kind == "shift" else _spectrum(shown, width)
    return _noted(drawn, notes_on(shown.runs, shown.list_name, ()))


def _noted(drawn: Drawn, notes: tuple[str, ...]) -> Drawn:
    beside = f" Note: {'; '.join(notes)}." if notes else ""
    return Drawn(drawn.figure, f"{drawn.caption}.{beside}")


def _forest(shown: plot.Runs, board: RankedBoard, m: Measure, width: float) -> Drawn:
    rows, leader = plot.differences(board, shown.protocol), board.standings[0]
    figure, panel = _panel(width, 0.75 + 0.24 * len(rows))
    margin = shown.protocol.ranking.margin.get(m.name, 0.0)
    if margin:
        panel.axvspan(-margin, margin, color=_GREY, alpha=0.15, lw=0)
    panel.axvline(0, color=_GREY, lw=0.8)
    for place, row in enumerate(rows):
        if row.interval is not None and row.verdict is not None:
            panel.plot(row.verdict, [place, place], color=_COLOURS[0], lw=0.8)
            panel.plot(row.interval, [place, place], color=_COLOURS[0], lw=2.4, solid_capstyle="butt")
        # Filled or not and never by colour alone: figures are printed in grey.
        face = _COLOURS[0] if row.beaten else "white"
        panel.plot([row.value], [place], "o", ms=4, mec=_COLOURS[0], mfc=face, zorder=3)
        number = f"{row.value:+.{m.decimals}f}".replace("-", "−")
        panel.annotate(number, (1.01, place), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)
    panel.set_yticks(range(len(rows)), [_plain(row.run) for row in rows])
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.set_xlabel(_plain(f"{_titled(m)}, less that of {leader.model} ({leader.mean:.{m.decimals}f})"))
    level = shown.protocol.ranking.level
    marks = f"Thick lines are 95 % intervals, thin ones those of a verdict (p ≤ {level:.2g})"
    if all(row.interval is None for row in rows):
        marks = "There are no intervals: too few groups of tiles, or differences that never vary"
    marks += f"; a filled circle: {leader.model} beats the run"
    if list_display(board.effective_groups, shown.protocol.aggregation) != "ranks":
        marks = "There are too few groups of tiles for intervals and for ranks, and no circle is filled"
    band = f"; the band is the least difference that counts, {margin:g} {m.unit}".rstrip() if margin else ""
    what = f"{m.label} less that of {leader.model}, paired by tile, {_tiles(shown)}. {marks}{band}"
    return Drawn(figure, what)


def _pairs(shown: plot.Runs, board: RankedBoard, m: Measure, width: float) -> Drawn:
    names, count = [_plain(standing.model) for standing in board.standings], len(board.standings)
    figure, panel = _panel(width, width * 0.8)
    limit = float(np.abs(board.pairs.value).max()) or 1.0
    better = board.pairs.value * sign_of(m.name)
    # Well within the colours' ends, which are so dark that black numbers on them could not be read.
    panel.imshow(better, cmap="RdBu", vmin=-1.6 * limit, vmax=1.6 * limit)
    ranks = list_display(board.effective_groups, shown.protocol.aggregation) == "ranks"
    size = min(7.5, 60 * width / 3.5 / count)
    for i in range(count):
        for j in range(count):
            told = ranks and bool(board.beats[i, j] or board.beats[j, i])
            text = "" if i == j else f"{board.pairs.value[i, j]:+.{m.decimals}f}".replace("-", "−")
            weight = "bold" if told else "normal"
            panel.text(j, i, text, ha="center", va="center", fontsize=size, fontweight=weight)
    panel.set_xticks(range(count), names, rotation=35, ha="right", rotation_mode="anchor")
    panel.set_yticks(range(count), names)
    panel.tick_params(length=0)
    panel.set_title(_plain(f"{_titled(m)}: row less column"))
    bold = (
        "bold where one beats the other"
        if ranks
        else "there are too few groups of tiles for ranks, and nothing is bold"
    )
    what = f"{m.label} of the row less that of the column, paired by tile, {_tiles(shown)}; blue: the row is better"
    return Drawn(figure, f"{what}; {bold}")


def _strata(table: Table, width: float) -> Drawn:
    m, count = measure(table.columns[0].metric), len(table.runs)
    figure, panel = _panel(width, 0.9 + len(table.columns) * max(0.22, 0.11 * count) + 0.14 * count)
    for number, (run, cells) in enumerate(zip(table.runs, table.cells, strict=True)):
        colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
        # Runs stand beside each other within seven tenths of a row, or intervals of one stratum would cover each
        # other.
        places = np.arange(len(cells)) + 0.7 * ((number + 0.5) / count - 0.5)
        for place, cell in zip(places, cells, strict=True):
            if cell.interval is not None:
                panel.plot(cell.interval, [place, place], color=colour, lw=1)
        means = [np.nan if cell.mean is None else cell.mean for cell in cells]
        panel.plot(means, places, marker, color=colour, ms=3.5, label=_plain(run.name))
    named = table.columns[-1].axis
    labels = [stratum_name(named, column.stratum) if column.stratum else "All tiles" for column in table.columns]
    ticks = [f"{_plain(label)} ({column.tiles})" for label, column in zip(labels, table.columns, strict=True)]
    panel.set_yticks(range(len(ticks)), ticks)
    panel.set_ylim(len(ticks) - 0.5, -0.5)
    for edge in range(1, len(ticks)):
        panel.axhline(edge - 0.5, color=_GREY, lw=0.3)
    panel.set_xlabel(_plain(_titled(m)))
    figure.legend(loc="outside upper left", ncols=2 if width > WIDTHS[1] else 1, frameon=False)
    title = axis_named(named).title if named else "stratum"
    what = f"{m.label} by {title} with 95 % intervals where enough groups of tiles allow them; tiles in brackets"
    return Drawn(figure, what)


def _shift(shown: plot.Runs, width: float) -> Drawn:
    from matplotlib.figure import Figure

    found = plot.shifts(shown)
    across = min(len(found), 4 if width > WIDTHS[1] else 2)
    down = -(-len(found) // across)
    side = width / max(across, 2)
    figure = Figure(figsize=(width, side * down + 0.25), layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    furthest = max(float(np.abs(values).max(initial=0.0)) for both in found.values() for values in both)
    limit = max(1.0, float(np.ceil(furthest)) + 0.5)
    for panel, (name, (x, y)) in zip(panels, found.items(), strict=False):
        panel.axhline(0, color=_GREY, lw=0.5)
        panel.axvline(0, color=_GREY, lw=0.5)
        panel.plot(x, y, "o", ms=2.5, mew=0, alpha=0.5, color=_COLOURS[0])
        # Rows of an image are counted downwards.
        panel.set(xlim=(-limit, limit), ylim=(limit, -limit), aspect="equal")
        panel.set_title(_plain(name))
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    figure.supxlabel("shift to the right, px of the target", fontsize=_STYLE["font.size"])
    figure.supylabel("shift down, px", fontsize=_STYLE["font.size"])
    return Drawn(figure, f"Shift at which the target is found in the prediction, a point a tile, {_tiles(shown)}")


def _spectrum(shown: plot.Runs, width: float) -> Drawn:
    from matplotlib.figure import Figure

    curves, tiles = plot.spectra(shown)
    wide = width > WIDTHS[1]
    figure = Figure(figsize=(width, (2.6 if wide else 4.4) + 0.14 * len(curves)), layout="constrained")
    panels = figure.subplots(1, 2) if wide else figure.subplots(2, 1)
    metres = (20, 10, 5, 4, 3, 2.5)
    for panel, title in zip(panels, ("coherence", "contrast"), strict=True):
        for number, curve in enumerate(curves):
            # The last bin holds all that is finer, hence has no place on the axis.
            values = getattr(curve, title)[:-1]
            places = (np.arange(len(values)) + 0.5) * BIN_WIDTH
            colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
            label = _plain(curve.run) if panel is panels[0] else None
            panel.plot(places, values, color=colour, marker=marker, markevery=4, ms=3, lw=1.1, label=label)
        panel.axvline(1 / INPUT_NYQUIST_M, color=_GREY, lw=0.8, ls="--")
        panel.axhline(0.5 if title == "coherence" else 1.0, color=_GREY, lw=0.5)
        panel.set_xticks([1 / (2 * d) for d in metres], [f"{d:g}" for d in metres])
        panel.set(xlim=(0, 0.2), ylabel=f"{title} with the target" if title == "coherence" else title)
        panel.set_xlabel("half a wavelength, m")
    figure.legend(loc="outside upper left", ncols=3 if wide else 1, frameon=False)
    what = f"Coherence with the target, and contrast of true detail, {tiles} tiles of the list {shown.list_name}"
    return Drawn(figure, f"{what}; dashed: the input's Nyquist frequency; solid: coherence 1/2, contrast 1")


def _panel(width: float, height: float) -> tuple[Any, Any]:
    # Not pyplot: it would keep the figure among those of the user, and choose a backend with windows.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _titled(m: Measure) -> str:
    return f"{m.label} ({m.unit})" if m.unit else m.label


def _tiles(shown: plot.Runs) -> str:
    return f"{len(shown.tiles)} tiles of the list {shown.list_name}"


def _plain(text: str) -> str:
    r"""Return text as it is: a name must not be set as mathematics, and what is not printable is left out.

    >>> _plain("a$x$")
    'a\\$x\\$'
    """
    return "".join(c for c in text if c.isprintable()).replace("$", r"\$")
